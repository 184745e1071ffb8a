package redact

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// Options are how to redact. The zero Options redact everything, with a key of
// their own.
type Options struct {
	// Key makes the pseudonyms: the same for the same value, over all tapes. It is
	// as secret as what they stand for. Nil draws one that nobody will know.
	Key []byte
	// Keep are the kinds that stay as they are, of [Keepable].
	Keep []Kind
	// Strings are replaced wherever they are, in any of the encodings that [Leaks]
	// looks for. One of less than four bytes is an error.
	Strings []string
	// Times is what times are rounded down to, 0 to leave them. The hour of the
	// recording goes too.
	Times time.Duration
	// DropUnreadable leaves out messages that cannot be read, with a gap in their
	// place, instead of refusing.
	DropUnreadable bool
}

// Result is a redacted tape and what was done to it.
type Result struct {
	Tape *transcript.Tape
	// Values counts the different values that were replaced, by kind.
	Values map[Kind]int
	// Signatures over what has changed were replaced; Kept ones are over what has
	// not.
	Signatures, Kept int
	Notes            []string // what no longer holds, as in the tape's header
	Dropped          []Place  // what could not be read and was left out
}

// UnreadableError says which messages of a tape cannot be read, so that nobody
// knows what they tell.
type UnreadableError struct {
	File   string
	Places []Place
}

// Error names the first place.
func (e *UnreadableError) Error() string {
	text := fmt.Sprintf("%s %v", e.File, e.Places[0])
	if n := len(e.Places) - 1; n > 0 {
		text += fmt.Sprintf(" (and %d more)", n)
	}
	return text + ": what cannot be read could tell anything"
}

// LeakError is what a redacted tape still tells: that of a value which is in a
// place where it cannot be replaced.
type LeakError struct {
	File  string
	Leaks []Leak
}

// Error names the first place.
func (e *LeakError) Error() string {
	return fmt.Sprintf("%s: it would still tell: %v (%d in all)", e.File, e.Leaks[0], len(e.Leaks))
}

// ErrShortString says that a string is too short to be looked for.
var ErrShortString = errors.New("too short or too common a string to be looked for")

// keySize is that of a key that is drawn, in bytes.
const keySize = 32

// Run redacts a tape, which stays as it is. The errors are an [UnreadableError], a
// [LeakError], and one that wraps [ErrShortString].
func Run(tape *transcript.Tape, o Options) (*Result, error) {
	for _, s := range o.Strings {
		if !searchable([]byte(s)) {
			return nil, fmt.Errorf("%w: one of %d bytes", ErrShortString, len(s))
		}
	}
	if o.Key == nil {
		o.Key = make([]byte, keySize)
		_, _ = rand.Read(o.Key) // never fails
	}
	r := &run{options: o, tape: clone(tape), result: &Result{Values: map[Kind]int{}}}
	if err := r.readable(); err != nil {
		return nil, err
	}
	r.learn()
	if err := r.replace(); err != nil {
		return nil, err
	}
	r.header()
	r.times()
	r.result.Tape = r.tape
	found := Leaks(r.tape, Search{Originals: []*transcript.Tape{tape}, Strings: o.Strings, Keep: o.Keep})
	if len(found.Leaks) > 0 {
		return nil, &LeakError{File: tape.Name, Leaks: found.Leaks}
	}
	return r.result, nil
}

// clone copies a tape so deep that the copy can be changed.
func clone(tape *transcript.Tape) *transcript.Tape {
	c := *tape
	c.Header.Device, c.Header.Extra = maps.Clone(tape.Header.Device), maps.Clone(tape.Header.Extra)
	c.Records = slices.Clone(tape.Records)
	for i := range c.Records {
		c.Records[i].Data = bytes.Clone(c.Records[i].Data)
		if e := c.Records[i].Event; e != nil {
			copied := *e
			c.Records[i].Event = &copied
		}
	}
	return &c
}

type run struct {
	options Options
	tape    *transcript.Tape
	units   []*unit
	values  *values
	book    *book
	result  *Result
	swept   int
}

// readable leaves out what cannot be read, or refuses.
func (r *run) readable() error {
	r.units = units(r.tape)
	w := &walker{visitor: &values{}}
	bad := map[int]Place{} // by record
	for _, u := range r.units {
		if u.broken == "" {
			if err := w.unit(u); err != nil {
				u.broken = err.Error()
			}
		}
		if u.broken == "" {
			continue
		}
		r.result.Dropped = append(r.result.Dropped, Place{Line: u.line, Why: u.broken})
		for _, i := range u.records {
			bad[i] = Place{Line: u.line, Why: u.broken}
		}
	}
	if len(bad) == 0 {
		return nil
	}
	if !r.options.DropUnreadable {
		return &UnreadableError{File: r.tape.Name, Places: r.result.Dropped}
	}
	r.drop(bad)
	return r.readableNow()
}

// drop puts gaps in the place of records.
func (r *run) drop(bad map[int]Place) {
	var kept []transcript.Record
	last := 0
	for i, rec := range r.tape.Records {
		place, drop := bad[i]
		switch {
		case !drop:
			kept = append(kept, rec)
		case place.Line != last:
			last = place.Line
			kept = append(kept, transcript.Record{Line: rec.Line, Time: rec.Time, Level: transcript.Gap, Cut: droppedText})
		}
	}
	r.tape.Records = kept
}

const droppedText = "a message that could not be read was redacted"

// readableNow looks again: a message that goes on around a gap is broken by it.
func (r *run) readableNow() error {
	r.units = units(r.tape)
	bad := map[int]Place{}
	for _, u := range r.units {
		if u.broken != "" {
			for _, i := range u.records {
				bad[i] = Place{Line: u.line, Why: u.broken}
			}
			r.result.Dropped = append(r.result.Dropped, Place{Line: u.line, Why: u.broken})
		}
	}
	if len(bad) > 0 {
		r.drop(bad)
		return r.readableNow()
	}
	return nil
}

// learn collects the values of the tape and finds them pseudonyms.
func (r *run) learn() {
	r.values = collect(r.tape, r.units, r.options.Keep)
	for _, s := range r.options.Strings {
		r.values.value(Named, []byte(s))
	}
	r.book = newBook(r.options.Key)
	for _, v := range r.values.list {
		r.book.known[string(v.bytes)] = true
		r.book.search.add(v.kind, v.bytes, nil)
	}
	for _, v := range r.values.list { // whose hashes are pseudonyms too
		if v.kind == RP && isText(v.bytes) {
			r.book.name(RP, v.bytes)
			r.hashes(v.bytes)
		}
	}
	for _, p := range r.values.points {
		if r.book.names[string(p.x)] == "" {
			r.result.Values[p.kind]++
		}
		x, y := r.book.point(p.x, p.y)
		r.book.set(p.x, x)
		r.book.set(p.y, y)
	}
	for _, v := range r.values.list {
		r.book.name(v.kind, v.bytes)
		r.result.Values[shown(v.kind)]++
	}
}

// hashes gives the hashes of an RP ID those of its pseudonym.
func (r *run) hashes(id []byte) {
	pseudonym := r.book.names[string(id)]
	for _, scheme := range []string{"", "https://"} {
		from, to := sha256.Sum256([]byte(scheme+string(id))), sha256.Sum256([]byte(scheme+pseudonym))
		r.book.set(from[:], to[:])
	}
}

// shown is the kind that people know.
func shown(kind Kind) Kind {
	switch kind {
	case certificateNumber:
		return Certificate
	case fact:
		return Serial
	}
	return kind
}

// replace puts the pseudonyms on the tape.
func (r *run) replace() error {
	v := &replacer{run: r}
	w := &walker{visitor: v}
	search := r.index()
	for _, u := range r.units {
		if err := w.unit(u); err != nil {
			return fmt.Errorf("line %d: %w", u.line, err)
		}
		r.swept += search.sweep(u.data)
		u.store(r.tape)
	}
	if v.missing > 0 {
		return fmt.Errorf("%s: %d values have no pseudonym", r.tape.Name, v.missing)
	}
	padding(r.tape, r.units)
	r.texts(search)
	return nil
}

// index finds the values wherever else they are.
func (r *run) index() index {
	x := index{}
	for _, from := range slices.Sorted(maps.Keys(r.book.names)) {
		x.add(Unknown, []byte(from), []byte(r.book.names[from]))
	}
	return x
}

// texts redacts what records say in words.
func (r *run) texts(search index) {
	for i := range r.tape.Records {
		rec := &r.tape.Records[i]
		cut := []byte(rec.Cut)
		search.sweep(cut)
		rec.Cut, rec.Name = string(cut), ""
		if rec.Event != nil {
			name := []byte(rec.Event.Name)
			search.sweep(name)
			rec.Event.Name, rec.Event.Text = string(name), ""
		}
	}
}

// times rounds times.
func (r *run) times() {
	step := r.options.Times
	if step <= 0 {
		return
	}
	for i := range r.tape.Records {
		r.tape.Records[i].Time = r.tape.Records[i].Time.Truncate(step)
	}
	r.tape.Header.Recorded = r.tape.Header.Recorded.UTC().Truncate(24 * time.Hour)
}

// replacer puts pseudonyms in the place of values.
type replacer struct {
	*run
	missing int
}

func (r *replacer) value(kind Kind, b []byte) bool {
	if kind == keptSignature {
		r.result.Kept++
		return false
	}
	if slices.Contains(r.options.Keep, shown(kind)) {
		return false
	}
	if kind == Signature {
		r.result.Signatures++
		p := r.book.draw(kind, b, 0)
		copy(b, p)
		r.book.taken[string(p)] = true
		return true
	}
	if p, ok := r.book.names[string(b)]; ok {
		copy(b, p)
		return true
	}
	if !r.book.taken[string(b)] {
		r.missing++
		return false
	}
	return true
}

func (r *replacer) point(kind Kind, x, y []byte) bool {
	if slices.Contains(r.options.Keep, kind) {
		return false
	}
	px, py := r.book.point(x, y)
	copy(x, px)
	copy(y, py)
	return true
}
