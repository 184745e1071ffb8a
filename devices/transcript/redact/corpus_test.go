package redact_test

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/devices/transcript/redact"
	"github.com/touchstone-fido/touchstone/fixtures"
)

// corpusTapes are the tapes of the corpus by their path inside it.
func corpusTapes(t testing.TB) map[string]*transcript.Tape {
	t.Helper()
	dir := fixtures.Corpus(t)
	tapes := map[string]*transcript.Tape{}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".jsonl") {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		tapes[filepath.ToSlash(name)], err = transcript.LoadFile(path)
		return err
	})
	if err != nil || len(tapes) == 0 {
		t.Fatalf("%d tapes, %v", len(tapes), err)
	}
	return tapes
}

// Others' tapes, of real and of emulated keys, are redacted without a leak. Those
// that are cut are refused, and redacted when asked to.
func TestCorpusIsRedacted(t *testing.T) {
	refused := 0
	for name, tape := range corpusTapes(t) {
		result, err := redact.Run(tape, redact.Options{})
		if err == nil {
			compare(t, name, tape, result.Tape)
			continue
		}
		var unreadable *redact.UnreadableError
		if !errors.As(err, &unreadable) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		refused++
		result, err = redact.Run(tape, redact.Options{DropUnreadable: true})
		if err != nil || len(result.Dropped) == 0 {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if sum := written(t, result.Tape).Check(); sum.Messages.Cut+sum.Messages.Malformed > 0 {
			t.Errorf("%s: %v is left", name, sum.Messages)
		}
	}
	if refused == 0 {
		t.Error("no tape of the corpus was refused, but some are cut")
	}
}

// written is a tape as a file of it loads.
func written(t testing.TB, tape *transcript.Tape) *transcript.Tape {
	t.Helper()
	var file bytes.Buffer
	if _, err := tape.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	again, err := transcript.Load(&file, "redacted.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// compare holds a redacted tape to its original: the same messages, commands and
// statuses, no byte more or less, and none of its values.
func compare(t testing.TB, name string, tape, redacted *transcript.Tape) {
	t.Helper()
	again := written(t, redacted)
	want, got := tape.Check(), again.Check()
	if want.Messages != got.Messages || want.FromReports != got.FromReports || want.Lines != got.Lines ||
		!maps.Equal(want.Commands, got.Commands) || !maps.Equal(want.Statuses, got.Statuses) {
		t.Errorf("%s: a summary of\n%+v\nbecame\n%+v", name, want, got)
	}
	if (want.Unplayable == nil) != (got.Unplayable == nil) {
		t.Errorf("%s: %v became %v", name, want.Unplayable, got.Unplayable)
	}
	if !reflect.DeepEqual(sizes(tape), sizes(again)) {
		t.Errorf("%s: sizes differ", name)
	}
	search := redact.Search{Originals: []*transcript.Tape{tape}}
	if found := redact.Leaks(again, search); len(found.Leaks) > 0 {
		t.Errorf("%s: %v", name, found.Leaks)
	}
	if found := redact.Leaks(tape, search); len(found.Leaks) == 0 && found.Values > found.Short {
		t.Errorf("%s: the values of the original are not found in it", name)
	}
}

func sizes(tape *transcript.Tape) (list []int) {
	for _, rec := range tape.Records {
		list = append(list, len(rec.Data))
	}
	return list
}
