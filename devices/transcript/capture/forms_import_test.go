package capture

import (
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// sessionFor is the session that a form is tested with, and what should come of
// it.
func (f textForm) sessionFor(t testing.TB) (tape *transcript.Tape, want []string) {
	if f.card {
		tape = cardSession(t)
	} else {
		tape = hidSession(t)
	}
	if f.want != nil {
		return tape, f.want(t, tape)
	}
	return tape, crossings(tape)
}

// What is written as another program logs it comes back as it was.
func TestTextFormsComeBack(t *testing.T) {
	for _, f := range textForms() {
		t.Run(f.name, func(t *testing.T) {
			tape, want := f.sessionFor(t)
			lines := f.write(t, tape)
			result, got := importBytes(t, []byte(strings.Join(lines, "\n")+"\n"))
			if result.Form != f.form {
				t.Errorf("taken for a %s", result.Form)
			}
			sameLines(t, f.name, crossings(got...), want)
			if len(result.Remarks) > len(f.remarks) {
				t.Errorf("remarks:\n%s", remarks(result))
			}
			for _, tape := range result.Tapes {
				if m := tape.Summary.Messages; m.Cut+m.Malformed > 0 {
					t.Errorf("%+v: %v", m, tape.Summary.Problems)
				}
			}
			if len(got) != 1 {
				t.Errorf("%d tapes", len(got))
			}
		})
	}
}
