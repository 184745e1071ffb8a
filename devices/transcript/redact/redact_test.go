package redact_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/devices/transcript/redact"
)

func sum(text string) []byte {
	h := sha256.Sum256([]byte(text))
	return h[:]
}

// All kinds of commands, over both transports and in both protocols, are redacted:
// nothing of the original is left, and the tape is as long as it was.
func TestSessionsAreRedacted(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			redacted, tape := public(t, w, redact.Options{})
			compare(t, w.name, tape, redacted)
			if redacted.Header.Seed != nil || redacted.Header.Device["serial"] == serial {
				t.Errorf("%+v", redacted.Header)
			}
			if len(redacted.Header.Device["serial"]) != len(serial) || redacted.Header.Device["product"] != "software key" {
				t.Errorf("%v", redacted.Header.Device)
			}
			for _, note := range []string{"the seed was removed", "cannot verify: 7", "no chain can be verified"} {
				if !strings.Contains(string(redacted.Header.Extra["redacted"]), note) {
					t.Errorf("the header does not say %q: %s", note, redacted.Header.Extra["redacted"])
				}
			}
		})
	}
}

// The hash of an RP ID is that of its pseudonym, which is a domain that belongs to
// nobody.
func TestHashesFollow(t *testing.T) {
	for _, w := range ways {
		redacted, tape := public(t, w, redact.Options{})
		var id []byte
		known := map[string]bool{}
		for _, v := range redact.Values(redacted) {
			known[string(v.Bytes)] = true
			if v.Kind == redact.RP && len(v.Bytes) == len(rpID) && bytes.HasSuffix(v.Bytes, []byte(".invalid")) {
				id = v.Bytes
			}
		}
		if id == nil || strings.Count(string(id[:len(id)-8]), ".") != 1 {
			t.Errorf("%s: the RP ID is now %q", w.name, id)
		}
		if !known[string(sum(string(id)))] {
			t.Errorf("%s: the hash of %q is nowhere", w.name, id)
		}
		if a, b := len(redact.Values(tape)), len(redact.Values(redacted)); a != b {
			t.Errorf("%s: %d values became %d", w.name, a, b)
		}
	}
}

// The same key makes the same pseudonyms on other tapes; without one they differ.
func TestPseudonymsAreConsistent(t *testing.T) {
	key := []byte("the key of these pseudonyms")
	names := func(w way, o redact.Options) (ids []string) {
		redacted, _ := public(t, w, o)
		for _, v := range redact.Values(redacted) {
			if v.Kind == redact.User || v.Kind == redact.RP {
				ids = append(ids, string(v.Bytes))
			}
		}
		slices.Sort(ids)
		return ids
	}
	keyed := redact.Options{Key: key}
	if a, b := names(ways[0], keyed), names(ways[2], keyed); !reflect.DeepEqual(a, b) {
		t.Errorf("%q and %q", a, b)
	}
	if a, b := names(ways[0], keyed), names(ways[0], redact.Options{}); reflect.DeepEqual(a, b) {
		t.Errorf("%q twice, of different keys", a)
	}
}

// What is kept stays to the byte; a signature over what has not changed stays too,
// and the header says so.
func TestKeep(t *testing.T) {
	everything := redact.Options{Keep: redact.Keepable}
	for _, w := range ways {
		redacted, tape := public(t, w, everything)
		for i := range tape.Records {
			if !bytes.Equal(tape.Records[i].Data, redacted.Records[i].Data) {
				t.Errorf("%s: line %d has changed", w.name, tape.Records[i].Line)
				break
			}
		}
		if !strings.Contains(string(redacted.Header.Extra["redacted"]), `"replaced":0,"kept":7`) {
			t.Errorf("%s: %s", w.name, redacted.Header.Extra["redacted"])
		}
	}
	redacted, original := public(t, ways[0], redact.Options{Keep: []redact.Kind{redact.RP}})
	found := redact.Leaks(redacted, redact.Search{Originals: []*transcript.Tape{original}})
	for _, l := range found.Leaks {
		if l.Kind != redact.RP {
			t.Errorf("%v", l)
		}
	}
	if len(found.Leaks) == 0 {
		t.Error("the RP ID that was kept is not found")
	}
}

// A redacted tape can be redacted again, and says all that was said before.
func TestRedactTwice(t *testing.T) {
	redacted, _ := public(t, ways[0], redact.Options{})
	again, err := redact.Run(redacted, redact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "again", redacted, again.Tape)
	if !slices.ContainsFunc(again.Notes, func(n string) bool { return strings.HasPrefix(n, "the seed was removed") }) {
		t.Errorf("%q", again.Notes)
	}
}

// The tape that is given stays as it is.
func TestOriginalStays(t *testing.T) {
	tape := session(t, ways[0])
	var before, after bytes.Buffer
	_, _ = tape.WriteTo(&before)
	if _, err := redact.Run(tape, redact.Options{Times: time.Second, Strings: []string{"alice"}}); err != nil {
		t.Fatal(err)
	}
	_, _ = tape.WriteTo(&after)
	if !bytes.Equal(before.Bytes(), after.Bytes()) {
		t.Error("the tape has changed")
	}
}

func TestTimesAreRounded(t *testing.T) {
	tape := session(t, ways[0])
	tape.Header.Recorded = time.Date(2026, 11, 20, 17, 4, 5, 0, time.UTC)
	result, err := redact.Run(tape, redact.Options{Times: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range result.Tape.Records {
		if rec.Time%(10*time.Millisecond) != 0 {
			t.Errorf("line %d at %v", rec.Line, rec.Time)
		}
	}
	if want := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC); !result.Tape.Header.Recorded.Equal(want) {
		t.Errorf("recorded %v", result.Tape.Header.Recorded)
	}
}

// hid is a tape of reports given in hex, "> " and "< " before them.
func hid(t testing.TB, lines ...string) *transcript.Tape {
	t.Helper()
	text := `{"touchstone":1,"transport":"hid","report_size":64}` + "\n"
	for _, line := range lines {
		dir := map[byte]string{'>': "out", '<': "in"}[line[0]]
		text += `{"dir":"` + dir + `","hex":"` + line[2:] + strings.Repeat("00", 64-len(line[2:])/2) + "\"}\n"
	}
	tape, err := transcript.Load(strings.NewReader(text), "made.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	return tape
}

// What cannot be read is refused with its place, and dropped only when asked to.
func TestUnreadable(t *testing.T) {
	good := []string{"> 0000000190000104", "< 0000000190000100"}
	for name, bad := range map[string][]string{
		"no CBOR":            {"> 00000001900003011f00"},
		"CBOR that is cut":   {"> 0000000190000401a20158"},
		"indefinite":         {"> 0000000190000301bfff"},
		"cut message":        {"> 0000000190006401"},
		"orphan":             {"> 0000000100aabb"},
		"no APDU":            {"> 000000018300020001"},
		"registration":       {"> 0000000183000700010000000000", "< 000000018300" + "0405009000"},
		"too long":           {"> 0000000190ffff01"},
		"another interrupts": {"> 0000000190006401", "> 0000000190000104"},
	} {
		tape := hid(t, slices.Concat(good, bad)...)
		_, err := redact.Run(tape, redact.Options{})
		var unreadable *redact.UnreadableError
		if !errors.As(err, &unreadable) || unreadable.Places[0].Line < 4 {
			t.Errorf("%s: %v", name, err)
			continue
		}
		result, err := redact.Run(tape, redact.Options{DropUnreadable: true})
		if err != nil || len(result.Dropped) == 0 {
			t.Errorf("%s: %v", name, err)
			continue
		}
		sum := written(t, result.Tape).Check()
		if sum.Lines.Gaps == 0 || sum.Messages.Cut+sum.Messages.Malformed > 0 || sum.Messages.Whole < 2 {
			t.Errorf("%s: %+v", name, sum)
		}
	}
}

func TestShortStrings(t *testing.T) {
	for _, s := range []string{"", "abc", "name", "aaaa"} {
		_, err := redact.Run(hid(t, "> 0000000190000104"), redact.Options{Strings: []string{s}})
		if !errors.Is(err, redact.ErrShortString) || s != "" && strings.Contains(err.Error(), s) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// A string that was named goes even where its kind is kept.
func TestStringsGoEverywhere(t *testing.T) {
	o := redact.Options{Keep: []redact.Kind{redact.User}, Strings: []string{"alice"}}
	redacted, _ := public(t, ways[1], o)
	names := 0
	for _, v := range redact.Values(redacted) {
		if bytes.Contains(v.Bytes, []byte("alice")) {
			t.Errorf("%q", v.Bytes)
		}
		if v.Kind == redact.User && bytes.HasSuffix(v.Bytes, []byte("@mail.example")) {
			names++
		}
	}
	if names != 2 {
		t.Errorf("%d names are otherwise as they were", names)
	}
}
