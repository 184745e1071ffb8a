package diff

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/transcript/explain"
	"github.com/touchstone-fido/touchstone/fixtures"
)

// FuzzCompare wants any two tapes to be compared without a panic, a tape never to
// differ from itself, and two that are the same to be so from either side.
func FuzzCompare(f *testing.F) {
	header := `{"transport":"hid"}` + "\n"
	one := header + strings.Join(info(f, nil), "\n") + "\n"
	other := header + strings.Join(append(info(f, map[int]any{7: 8}), assertion(f, data(0x81, 1, 0xa1, 0x61, 'x', 0xf5), nil)...), "\n") + "\n"
	f.Add([]byte(one), []byte(other))
	f.Add([]byte(other), []byte(`{"transport":"nfc"}`+"\n"+`{"dir":"in","hex":"9000"}`+"\n"))
	if dir, ok := fixtures.FindCorpus(f); ok {
		for _, name := range []string{"canokey.hid.jsonl", "solo1.hid.jsonl", "canokey.nfc-short.jsonl"} {
			text, err := os.ReadFile(dir + "/emulated/" + name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text, []byte(one))
		}
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		x, _ := explain.Read(bytes.NewReader(a), "a", explain.Options{})
		y, _ := explain.Read(bytes.NewReader(b), "b", explain.Options{})
		if x == nil || y == nil {
			return
		}
		if c := Compare(x, x, Config{TimingFactor: 1}); c.Verdict == Differs {
			t.Errorf("a tape differs from itself: %q", texts(c))
		}
		there, back := Compare(x, y, Config{}), Compare(y, x, Config{})
		if (there.Verdict == Same) != (back.Verdict == Same) {
			t.Errorf("%v one way, %v the other", there.Verdict, back.Verdict)
		}
	})
}
