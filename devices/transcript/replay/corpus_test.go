package replay_test

import (
	"path/filepath"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/devices/transcript/replay"
	"github.com/touchstone-fido/touchstone/fixtures"
)

// TestEmulatedTapes has the sessions of other clients with other software keys
// run again, wholly, by today's client, whose own methods ask all that they can.
func TestEmulatedTapes(t *testing.T) {
	for _, name := range []string{"canokey.hid.jsonl", "solo1.hid.jsonl", "canokey.nfc-short.jsonl", "fido2applet.nfc-short.jsonl"} {
		t.Run(name, func(t *testing.T) {
			tape, err := transcript.LoadFile(filepath.Join(fixtures.Corpus(t), "emulated", name))
			if err != nil {
				t.Fatal(err)
			}
			report, err := replay.Run(t.Context(), tape, replay.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range report.Steps {
				if s.Verdict != replay.Same {
					t.Errorf("line %d %s: %s %s %v", s.Line, s.Question, s.Verdict, s.Reason, s.Differences)
				}
				if s.Raw {
					t.Errorf("line %d %s was sent as it is: %s", s.Line, s.Question, s.Reason)
				}
			}
			if !report.OK() || report.Same == 0 {
				t.Errorf("%d same, %d differ, %d not asked", report.Same, report.Differs, report.NotAsked)
			}
		})
	}
}
