package redact

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// Search is what [Leaks] looks for besides what the tape itself shows.
type Search struct {
	Originals []*transcript.Tape // whose values must not be there
	Strings   []string
	PINs      [][]byte // in digits and hashed
	Keep      []Kind   // what may be there, as in Options
}

// Leak is something that a tape should not tell.
type Leak struct {
	Line  int // 1 for the header
	Kind  Kind
	Where string // "message", "record", "text", or the header's member
	Form  string // how it is written: "as it is", "hex", "Base64", "UTF-16"
}

// String says what is where, but not what it says.
func (l Leak) String() string {
	return fmt.Sprintf("line %d: %s in %s (%s)", l.Line, l.Kind, l.Where, l.Form)
}

// maxLeaks bounds the list of a [Findings].
const maxLeaks = 1000

// Findings are what Leaks has found.
type Findings struct {
	Leaks []Leak // at most 1000, More beyond those
	More  int
	// Values is how many values were looked for, and Short how many could not be
	// because they are too short or too common to be told from anything else.
	Values, Short int
}

// Leaks looks on a tape for what tells who made it: values in the places that the
// standard has for them which are no pseudonyms of a redacted tape, a seed, a PIN,
// and the values of the search, written in any way, in whole messages as well as
// in single records and in the header.
func Leaks(tape *transcript.Tape, s Search) Findings {
	l := &leaks{search: index{}, keep: s.Keep, pseudonyms: readAbout(tape.Header.Extra).digests()}
	l.wanted(s)
	l.header(tape.Header)
	w := &walker{visitor: l}
	for _, u := range units(tape) {
		l.line = u.line
		l.look(u.line, "a message", u.data)
		if u.broken == "" && w.unit(u) == nil {
			continue
		}
		l.found(Leak{u.line, Unknown, "a message that cannot be read", "as it is"})
	}
	for _, rec := range tape.Records {
		l.look(rec.Line, "a record", rec.Data)
		l.texts(rec)
	}
	slices.SortStableFunc(l.Leaks, func(a, b Leak) int { return a.Line - b.Line })
	return l.Findings
}

type leaks struct {
	Findings
	search     index
	keep       []Kind
	pseudonyms map[string]bool
	line       int
	told       map[Leak]bool
}

var _ visitor = (*leaks)(nil)

// wanted prepares what is looked for.
func (l *leaks) wanted(s Search) {
	add := func(kind Kind, value []byte) {
		if len(value) == 0 || slices.Contains(l.keep, kind) {
			return
		}
		l.Values++
		if !l.search.add(kind, value, nil) {
			l.Short++
		}
	}
	for _, tape := range s.Originals {
		add(Seed, tape.Header.Seed)
		add(PIN, []byte(tape.Header.PIN))
		v := collect(tape, units(tape), l.keep)
		for _, k := range v.list {
			add(shown(k.kind), k.bytes)
		}
		for _, p := range v.points {
			add(p.kind, p.x)
		}
		for _, h := range v.derived() {
			add(RP, h)
		}
	}
	for _, text := range s.Strings {
		add(Named, []byte(text))
	}
	for _, pin := range s.PINs {
		add(PIN, pin)
		add(PIN, pinuv.HashPIN(pin)) // which the whole hash begins with
	}
}

func (l *leaks) found(leak Leak) {
	if l.told == nil {
		l.told = map[Leak]bool{}
	}
	if l.told[leak] {
		return
	}
	if len(l.Leaks) == maxLeaks {
		l.More++
		return
	}
	l.told[leak] = true
	l.Leaks = append(l.Leaks, leak)
}

// look looks for the values of the search.
func (l *leaks) look(line int, where string, data []byte) {
	for i := 0; i < len(data); i++ {
		if p, ok := l.search.at(data, i); ok {
			l.found(Leak{line, p.kind, where, p.form})
			i += len(p.from) - 1
		}
	}
}

// header looks at the header.
func (l *leaks) header(h transcript.Header) {
	if len(h.Seed) > 0 {
		l.found(Leak{1, Seed, "the header", "hex"})
	}
	if h.PIN != "" && !slices.Contains(l.keep, PIN) {
		l.found(Leak{1, PIN, "the header", "as it is"})
	}
	l.look(1, "tool", []byte(h.Tool))
	l.look(1, "client", []byte(h.Client))
	l.look(1, "atr", h.ATR)
	l.line = 1
	for _, name := range slices.Sorted(maps.Keys(h.Device)) {
		l.look(1, "device "+name, []byte(h.Device[name]))
		if !factsOfModel[name] && h.Device[name] != "" {
			l.value(Serial, []byte(h.Device[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(h.Extra)) {
		l.look(1, "member "+name, h.Extra[name])
		var v any
		if json.Unmarshal(h.Extra[name], &v) == nil {
			l.strings("member "+name, v)
		}
	}
}

// strings looks at the strings in JSON, whose escapes are undone.
func (l *leaks) strings(where string, v any) {
	switch v := v.(type) {
	case string:
		l.look(1, where, []byte(v))
	case []any:
		for _, one := range v {
			l.strings(where, one)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			l.look(1, where, []byte(key))
			l.strings(where, v[key])
		}
	}
}

// texts looks at what a record says in words.
func (l *leaks) texts(rec transcript.Record) {
	l.look(rec.Line, "text", []byte(rec.Cut))
	l.look(rec.Line, "text", []byte(rec.Name))
	if e := rec.Event; e != nil {
		for _, text := range []string{e.Name, e.Op, e.Kind, e.Text} {
			l.look(rec.Line, "text", []byte(text))
		}
		if e.Traits != nil {
			l.look(rec.Line, "text", e.Traits.ATR)
		}
	}
}

// value finds a value that is no pseudonym.
func (l *leaks) value(kind Kind, b []byte) bool {
	switch {
	case kind == keptSignature, slices.Contains(l.keep, shown(kind)):
		return false
	case l.pseudonyms[digest(b)]:
		return true
	}
	l.found(Leak{l.line, shown(kind), "its place", "as it is"})
	return false
}

func (l *leaks) point(kind Kind, x, y []byte) bool {
	if slices.Contains(l.keep, kind) {
		return false
	}
	if l.pseudonyms[digest(bytes.Join([][]byte{x, y}, nil))] || l.pseudonyms[digest(x)] {
		return true
	}
	l.found(Leak{l.line, kind, "its place", "as it is"})
	return false
}
