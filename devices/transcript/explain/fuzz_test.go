package explain

import (
	"bytes"
	"os"
	"testing"
	"unicode"

	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// FuzzRead wants any file to be told without a panic, within bounds, and each
// name and gist to be on one line.
func FuzzRead(f *testing.F) {
	f.Add(record(f, transcript.HID, true, everything(f, pinuv.Two)))
	f.Add(record(f, transcript.NFC, true, everything(f, pinuv.One)))
	f.Add(tape("hid", `{"dir":"out","level":"msg","cmd":"10","hex":"04"}`, `{"cut":"x"}`, in("0000000190ffff")))
	f.Add(tape("nfc", out("0001000040"+string(bytes.Repeat([]byte("00"), 64))), in("05"), in("6985")))
	for _, path := range corpus(f) {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		story, err := Read(bytes.NewReader(text), "tape", Options{PIN: []byte(pin)})
		if story == nil {
			if err == nil {
				t.Fatal("neither a story nor an error")
			}
			return
		}
		for i, step := range story.Steps {
			if step.Name == "" || len(step.Remarks) > maxRemarks {
				t.Errorf("step %d has the name %q and %d remarks", i, step.Name, len(step.Remarks))
			}
			for _, part := range step.Parts {
				if bytes.ContainsFunc([]byte(part.Text), unicode.IsControl) {
					t.Errorf("step %d has the part %q", i, part.Text)
				}
			}
		}
		for _, e := range story.Exchanges {
			if e.Ask >= len(story.Steps) || e.Answer >= len(story.Steps) || e.Ask < 0 && e.Answer < 0 {
				t.Errorf("exchange %+v of %d steps", e, len(story.Steps))
			}
		}
	})
}
