package redact_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/devices/transcript/redact"
)

// FuzzRun redacts whatever loads as a tape. What comes out is no longer or shorter,
// holds no value of the original, and can be redacted again.
func FuzzRun(f *testing.F) {
	for _, w := range ways { // in pieces, as whole sessions make a slow fuzzer
		var file bytes.Buffer
		if _, err := session(f, w).WriteTo(&file); err != nil {
			f.Fatal(err)
		}
		lines := bytes.SplitAfter(file.Bytes(), []byte("\n"))
		for piece := range slices.Chunk(lines[1:], 12) {
			f.Add(append(bytes.Clone(lines[0]), bytes.Join(piece, nil)...))
		}
	}
	f.Add([]byte(`{"transport":"hid","pin":"1234"}` + "\n" + `{"dir":"out","level":"msg","cmd":"90","hex":"01a1016161"}`))
	f.Add([]byte(`{"transport":"nfc"}` + "\n" + `{"dir":"out","hex":"801000000201a0"}` + "\n" + `{"dir":"in","hex":"006101"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		tape, err := transcript.Load(bytes.NewReader(text), "fuzzed")
		if err != nil || tape.Header.Transport == "" {
			return
		}
		for _, drop := range []bool{false, true} {
			result, err := redact.Run(tape, redact.Options{Key: []byte("key"), DropUnreadable: drop})
			var unreadable *redact.UnreadableError
			var leak *redact.LeakError
			switch {
			case errors.As(err, &leak), errors.As(err, &unreadable) && !drop:
				continue
			case err != nil:
				t.Fatal(err)
			}
			again := written(t, result.Tape)
			if !drop && len(again.Records) != len(tape.Records) {
				t.Errorf("%d records became %d", len(tape.Records), len(again.Records))
			}
			if found := redact.Leaks(again, redact.Search{}); len(found.Leaks) > 0 {
				t.Errorf("%v", found.Leaks)
			}
		}
	})
}

// TestCBORPrefixes: no prefix of a message is taken for a whole one, and none
// makes the reader fall over.
func TestCBORPrefixes(t *testing.T) {
	body := "02a3016b6578616d706c652e636f6d025820" + strings.Repeat("00", 32) + "05a1627570f5"
	for n := 4; n < len(body); n += 2 {
		line := `{"dir":"out","level":"msg","cmd":"90","hex":"` + body[:n] + `"}`
		tape, err := transcript.Load(strings.NewReader(`{"touchstone":1,"transport":"hid"}`+"\n"+line+"\n"), "prefix")
		if err != nil {
			t.Fatal(err)
		}
		var unreadable *redact.UnreadableError
		if _, err := redact.Run(tape, redact.Options{}); !errors.As(err, &unreadable) {
			t.Errorf("%d bytes: %v", n/2, err)
		}
	}
}
