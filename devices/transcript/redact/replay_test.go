package redact_test

import (
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/devices/transcript/redact"
	"github.com/touchstone-fido/touchstone/devices/transcript/replay"
)

// Every question of a redacted tape can be asked again through today's client, with
// new keys, and is answered as the tape says: sessions of our own, and those of
// emulated keys in the corpus.
func TestRedactedTapesReplay(t *testing.T) {
	tapes := map[string]*transcript.Tape{}
	for _, w := range ways {
		tapes[w.name] = session(t, w)
	}
	for name, tape := range emulated(t) {
		tapes[name] = tape
	}
	for name, tape := range tapes {
		result, err := redact.Run(tape, redact.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		report, err := replay.Run(t.Context(), written(t, result.Tape), replay.Options{Match: transcript.MatchRekeyed})
		if err != nil || !report.OK() || report.Same == 0 {
			t.Errorf("%s: %v, %+v", name, err, report)
		}
	}
}

// emulated are the tapes of emulated keys in the corpus, none where that is not.
func emulated(t *testing.T) map[string]*transcript.Tape {
	tapes := map[string]*transcript.Tape{}
	t.Run("corpus", func(t *testing.T) {
		for name, tape := range corpusTapes(t) {
			if strings.HasPrefix(name, "emulated/") {
				tapes[name] = tape
			}
		}
	})
	return tapes
}
