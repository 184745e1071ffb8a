package explain

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/touchstone-fido/touchstone/devices/transcript"
)

func TestReadTellsWhatCameBeforeReadingFailed(t *testing.T) {
	broken := errors.New("broken")
	whole := string(tape("hid", out(report("0000000190000104"))))
	story, err := Read(io.MultiReader(strings.NewReader(whole), iotest.ErrReader(broken)), "tape", Options{})
	if !errors.Is(err, broken) || len(story.Steps) != 1 {
		t.Errorf("%v, %+v", err, story)
	}
	story, err = Read(strings.NewReader(whole+strings.Repeat("x", 2<<20)), "tape", Options{})
	var format *transcript.FormatError
	if !errors.As(err, &format) || format.Line != 3 || len(story.Steps) != 2 {
		t.Errorf("an endless line: %v, %d steps", err, len(story.Steps))
	}
	if story, err := Read(strings.NewReader("notes"), "tape", Options{}); err == nil || story != nil {
		t.Errorf("no tape: %v, %v", story, err)
	}
	limit := &limitedReader{r: strings.NewReader(whole), left: 10}
	if n, err := io.ReadAll(limit); len(n) != 10 || !errors.Is(err, transcript.ErrTooLarge) {
		t.Errorf("the limit: %d bytes, %v", len(n), err)
	}
}
