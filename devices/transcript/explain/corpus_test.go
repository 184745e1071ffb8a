package explain

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/fixtures"
)

// corpus are the tapes of the corpus, none where it is not.
func corpus(t testing.TB) map[string]string {
	t.Helper()
	dir, ok := fixtures.FindCorpus(t)
	if !ok {
		return nil
	}
	tapes := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".jsonl") {
			name, _ := filepath.Rel(dir, path)
			tapes[filepath.ToSlash(name)] = path
		}
		return err
	})
	if err != nil || len(tapes) == 0 {
		t.Fatalf("%d tapes, %v", len(tapes), err)
	}
	return tapes
}

// TestCorpusIsTold holds the stories of other people's captures to what the
// checker counts, and to having what was captured in them.
func TestCorpusIsTold(t *testing.T) {
	fixtures.Corpus(t)
	for name, path := range corpus(t) {
		tape, err := transcript.LoadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		story, sum := Tape(tape, Options{}), tape.Check()
		messages := 0
		for _, step := range story.Steps {
			switch step.Kind {
			case Message:
				messages++
			case Keepalive:
				messages += step.Count
			}
		}
		if tape.Header.Transport == transcript.HID && messages != sum.Messages.Whole {
			t.Errorf("%s: %d messages, the checker has %d", name, messages, sum.Messages.Whole)
		}
		if strings.HasPrefix(name, "emulated/") && story.Remarks() > 0 && !strings.Contains(name, "nfc-ext") {
			t.Errorf("%s: %q", name, lines(story))
		}
	}
}

func TestCorpusHoldsWhatItSays(t *testing.T) {
	fixtures.Corpus(t)
	for name, want := range map[string][]string{
		"emulated/canokey.hid.jsonl":                                                       {"the signature of the attestation holds", "the signature of the assertion holds", "244eb29e-e090-4e49-81fe-1f20f8d3b8f4"},
		"emulated/solo1.hid.jsonl":                                                         {"the signature of the attestation holds", "the signature of the assertion holds"},
		"emulated/fido2applet.nfc-short.jsonl":                                             {"the signature of the attestation holds", "the signature of the assertion holds"},
		"real/hwsecurity-sdk+hwsecurity/apdu/fido2-makeCredential.jsonl":                   {"the signature of the attestation holds", "6d44ba9b-f6ec-2e49-b930-0c8fe920cb73"},
		"real/hwsecurity-sdk+hwsecurity/apdu/u2f-registerAsync_withPresenceRequired.jsonl": {"the signature of the registration holds"},
	} {
		text, err := os.ReadFile(corpus(t)[name])
		if err != nil {
			t.Error(err)
			continue
		}
		var told strings.Builder
		for _, step := range read(t, text, Options{}).Steps {
			tellFields(&told, step.Fields)
		}
		for _, w := range want {
			if !strings.Contains(told.String(), w) {
				t.Errorf("%s: nothing of %q", name, w)
			}
		}
	}
}

func tellFields(told *strings.Builder, fields []Field) {
	for _, f := range fields {
		told.WriteString(f.Value + "\n")
		tellFields(told, f.Fields)
	}
}
