package redact_test

import (
	"testing"

	"github.com/touchstone-fido/touchstone/devices/transcript/redact"
)

// All kinds of commands, over both transports and in both protocols, are redacted:
// nothing of the original is left, and the tape is as long as it was.
func TestSessionsAreRedacted(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			tape := session(t, w)
			result, err := redact.Run(tape, redact.Options{})
			if err != nil {
				t.Fatal(err)
			}
			compare(t, w.name, tape, result.Tape)
			t.Log(result.Values, result.Signatures, result.Kept, result.Notes)
		})
	}
}
