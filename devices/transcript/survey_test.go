package transcript

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestSurveyGoesOnAfterLinesThatAreNoRecords(t *testing.T) {
	text := `{"transport":"hid"}` + "\n" + `{"dir":"out","hex":"01"}` + "\nnonsense\n" + `{"dir":"sideways","hex":"02"}` + "\n" + `{"dir":"in","hex":"03"}` + "\n"
	reader, err := NewReader(strings.NewReader(text), "tape")
	if err != nil {
		t.Fatal(err)
	}
	var good, bad []int
	for rec, err := range reader.Survey() {
		var format *FormatError
		if errors.As(err, &format) {
			bad = append(bad, format.Line)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		good = append(good, rec.Line)
	}
	if !slices.Equal(good, []int{2, 5}) || !slices.Equal(bad, []int{3, 4}) {
		t.Errorf("records at %v, no records at %v", good, bad)
	}
}

func TestSurveyEndsWhenReadingFails(t *testing.T) {
	broken := errors.New("broken")
	input := iotest.ErrReader(broken)
	reader, err := NewReader(iotest.OneByteReader(io.MultiReader(strings.NewReader(`{"transport":"hid"}`+"\n"), input)), "tape")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err := range reader.Survey() {
		if n++; !errors.Is(err, broken) {
			t.Error(err)
		}
	}
	if n != 1 {
		t.Errorf("%d results", n)
	}
}
