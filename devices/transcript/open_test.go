package transcript_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// fakeTest is a test that keeps what it is told.
type fakeTest struct {
	said []string
	last []func()
}

var _ transcript.TB = (*testing.T)(nil)

func (t *fakeTest) Helper()          {}
func (t *fakeTest) Cleanup(f func()) { t.last = append(t.last, f) }
func (t *fakeTest) Failed() bool     { return len(t.said) > 0 }

func (t *fakeTest) Errorf(format string, args ...any) {
	t.said = append(t.said, fmt.Sprintf(format, args...))
}

func (t *fakeTest) Fatalf(format string, args ...any) { t.Errorf("fatal: "+format, args...) }

func (t *fakeTest) end() {
	for _, f := range t.last {
		f()
	}
}

func TestOpenFailsTheTest(t *testing.T) {
	for name, want := range map[string]string{
		"testdata/none.jsonl": "fatal: load tape: ",
		"testdata/deaf.jsonl": "fatal: tape testdata/deaf.jsonl cannot be replayed: it has no host side",
		"testdata/info.jsonl": "testdata/info.jsonl: ",
	} {
		fake := &fakeTest{}
		transcript.Open(fake, name)
		fake.end()
		if len(fake.said) != 1 || !strings.HasPrefix(fake.said[0], want) {
			t.Errorf("%s: the test was told %q, want %q", name, fake.said, want)
		}
	}
}

// A test that has failed is not told of what was not asked for after that.
func TestOpenIsQuietAfterAFailure(t *testing.T) {
	fake := &fakeTest{}
	transcript.Open(fake, "testdata/info.jsonl")
	fake.Errorf("something else")
	fake.end()
	if len(fake.said) != 1 {
		t.Errorf("the test was told %q", fake.said)
	}
}
