package wire

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Rule names a rule of the canonical form (CTAP 2.3 §8) that bytes broke.
type Rule string

// The rules that [Inspect] checks.
const (
	RuleKeyOrder     Rule = "map keys out of order"
	RuleDuplicateKey Rule = "duplicate map key"
	RuleShortestHead Rule = "integer or length not in shortest form"
	RuleDefinite     Rule = "indefinite length"
	RuleNoTag        Rule = "tag"
	RuleNoFloat      Rule = "floating-point number"
	RuleSimple       Rule = "simple value other than false, true and null"
	RuleUTF8         Rule = "text is not UTF-8"
	RuleDepth        Rule = "more than 4 levels of maps and arrays"
)

// Remark is one place where well-formed CBOR leaves the canonical form.
type Remark struct {
	Offset int    // of the offending byte in the inspected data
	Path   string // of map keys and array indices, such as 0x04.clientPin; "" at the top
	Rule   Rule
	Detail string // what was found there, "" when the rule says it all
}

// Error makes a Remark usable as an error.
func (r Remark) Error() string { return r.String() }

// String gives the rule, what was found, and where.
func (r Remark) String() string {
	s := string(r.Rule)
	if r.Detail != "" {
		s += ": " + r.Detail
	}
	if r.Path != "" {
		s += " in " + r.Path
	}
	return fmt.Sprintf("%s (byte %d)", s, r.Offset)
}

// MalformedError says where bytes stop being CBOR. It matches [ErrMalformed].
type MalformedError struct {
	Offset int
	Reason string
}

// Error gives the reason and the byte.
func (e *MalformedError) Error() string {
	return fmt.Sprintf("%v: %s at byte %d", ErrMalformed, e.Reason, e.Offset)
}

// Is reports whether target is [ErrMalformed].
func (e *MalformedError) Is(target error) bool { return target == ErrMalformed }

// maxRemarks bounds what one hostile answer can make Inspect collect.
const maxRemarks = 64

// Inspect walks data, which must be exactly one CBOR item, and returns every
// place where it leaves the canonical form of CTAP 2.3 §8, in order of offset
// and at most 64 of them. The error is a [*MalformedError] when data is not one
// well-formed item nested at most [MaxDepth] deep.
func Inspect(data []byte) ([]Remark, error) {
	w := &walker{data: data}
	if err := w.item(0); err != nil {
		return nil, err
	}
	if w.pos != len(data) {
		return nil, w.malformed(w.pos, fmt.Sprintf("%d trailing bytes", len(data)-w.pos))
	}
	return w.remarks, nil
}

const breakByte = 0xff

type walker struct {
	data    []byte
	pos     int
	path    []step
	remarks []Remark
}

// step is one level of the path to the item being read: a map key, or an index
// into an array when key is nil.
type step struct {
	key   []byte
	index uint64
}

// head is the decoded first bytes of an item.
type head struct {
	start      int
	major      byte
	info       byte
	arg        uint64
	indefinite bool
}

func (w *walker) malformed(at int, reason string) error {
	return &MalformedError{Offset: at, Reason: reason}
}

func (w *walker) remark(at int, rule Rule, detail string) {
	if len(w.remarks) < maxRemarks {
		w.remarks = append(w.remarks, Remark{Offset: at, Path: w.pathString(), Rule: rule, Detail: detail})
	}
}

func (w *walker) pathString() string {
	var b strings.Builder
	for _, s := range w.path {
		switch {
		case s.key == nil:
			fmt.Fprintf(&b, "[%d]", s.index)
		case b.Len() == 0:
			b.WriteString(keyName(s.key))
		default:
			b.WriteString("." + keyName(s.key))
		}
	}
	return b.String()
}

// inside reads one item below the current one.
func (w *walker) inside(s step, depth int) error {
	w.path = append(w.path, s)
	err := w.item(depth)
	w.path = w.path[:len(w.path)-1]
	return err
}

// head reads the initial byte and the argument that follows it.
func (w *walker) head() (head, error) {
	if w.pos >= len(w.data) {
		return head{}, w.malformed(w.pos, "data ends where an item should begin")
	}
	b := w.data[w.pos]
	h := head{start: w.pos, major: b >> 5, info: b & 0x1f}
	w.pos++
	switch {
	case h.info < 24:
		h.arg = uint64(h.info)
		return h, nil
	case h.info <= 27:
		return w.longHead(h)
	case h.info == 31 && h.major != MajorUint && h.major != MajorNegative && h.major != MajorTag:
		h.indefinite = true
		return h, nil
	}
	return head{}, w.malformed(h.start, fmt.Sprintf("reserved initial byte 0x%02x", b))
}

// longHead reads an argument of 1, 2, 4 or 8 bytes and remarks on it when a
// shorter one would have done.
func (w *walker) longHead(h head) (head, error) {
	n := 1 << (h.info - 24)
	if len(w.data)-w.pos < n {
		return head{}, w.malformed(h.start, "data ends inside the head of an item")
	}
	for _, b := range w.data[w.pos : w.pos+n] {
		h.arg = h.arg<<8 | uint64(b)
	}
	w.pos += n
	if h.major != MajorSimple && headSize(h.arg) < n {
		w.remark(h.start, RuleShortestHead, fmt.Sprintf("%d written in %d bytes", h.arg, n))
	}
	return h, nil
}

// headSize is the number of argument bytes that the shortest head for v needs.
func headSize(v uint64) int {
	switch {
	case v < 24:
		return 0
	case v <= 0xff:
		return 1
	case v <= 0xffff:
		return 2
	case v <= 0xffffffff:
		return 4
	}
	return 8
}

func (w *walker) item(depth int) error {
	h, err := w.head()
	if err != nil {
		return err
	}
	if h.indefinite && h.major != MajorSimple {
		w.remark(h.start, RuleDefinite, "")
	}
	switch h.major {
	case MajorUint, MajorNegative:
		return nil
	case MajorBytes, MajorText:
		return w.str(h)
	case MajorArray, MajorMap:
		return w.container(h, depth+1)
	case MajorTag:
		w.remark(h.start, RuleNoTag, fmt.Sprint(h.arg))
		return w.tagged(depth)
	}
	return w.simple(h)
}

// tagged counts a tag as a level, so that a run of tags cannot recurse without end.
func (w *walker) tagged(depth int) error {
	if depth >= MaxDepth {
		return w.malformed(w.pos, fmt.Sprintf("nested more than %d deep", MaxDepth))
	}
	return w.item(depth + 1)
}

func (w *walker) simple(h head) error {
	switch {
	case h.indefinite:
		return w.malformed(h.start, "break code outside an indefinite item")
	case h.info >= 25:
		w.remark(h.start, RuleNoFloat, "")
	case h.info == 24 && h.arg < 32:
		return w.malformed(h.start, fmt.Sprintf("simple value %d in two bytes", h.arg))
	case h.arg < 20 || h.arg > 22:
		w.remark(h.start, RuleSimple, fmt.Sprint(h.arg))
	}
	return nil
}

func (w *walker) str(h head) error {
	if h.indefinite {
		return w.chunks(h)
	}
	if h.arg > uint64(len(w.data)-w.pos) {
		return w.malformed(h.start, fmt.Sprintf("string of %d bytes, %d left", h.arg, len(w.data)-w.pos))
	}
	s := w.data[w.pos : w.pos+int(h.arg)]
	w.pos += len(s)
	if h.major == MajorText && !utf8.Valid(s) {
		w.remark(h.start, RuleUTF8, "")
	}
	return nil
}

// chunks reads the pieces of an indefinite string up to its break code.
func (w *walker) chunks(h head) error {
	for {
		if w.atBreak() {
			return nil
		}
		c, err := w.head()
		if err != nil {
			return err
		}
		if c.major != h.major || c.indefinite {
			return w.malformed(c.start, "wrong chunk inside an indefinite string")
		}
		if err := w.str(c); err != nil {
			return err
		}
	}
}

func (w *walker) atBreak() bool {
	if w.pos < len(w.data) && w.data[w.pos] == breakByte {
		w.pos++
		return true
	}
	return false
}

func (w *walker) container(h head, depth int) error {
	if depth > MaxDepth {
		return w.malformed(h.start, fmt.Sprintf("nested more than %d deep", MaxDepth))
	}
	if depth == CanonicalDepth+1 {
		w.remark(h.start, RuleDepth, "")
	}
	if !h.indefinite && h.arg > uint64(len(w.data)-w.pos) {
		return w.malformed(h.start, fmt.Sprintf("%d elements announced, %d bytes left", h.arg, len(w.data)-w.pos))
	}
	if h.major == MajorArray {
		return w.array(h, depth)
	}
	return w.pairs(h, depth)
}

func (w *walker) array(h head, depth int) error {
	for i := uint64(0); h.indefinite || i < h.arg; i++ {
		if h.indefinite && w.atBreak() {
			return nil
		}
		if err := w.inside(step{index: i}, depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) pairs(h head, depth int) error {
	var keys keyOrder
	for i := uint64(0); h.indefinite || i < h.arg; i++ {
		if h.indefinite && w.atBreak() {
			return nil
		}
		start := w.pos
		if err := w.item(depth); err != nil {
			return err
		}
		key := w.data[start:w.pos]
		w.checkKey(&keys, start, key)
		if err := w.inside(step{key: key}, depth); err != nil {
			return err
		}
	}
	return nil
}

// keyOrder remembers the keys of the map being walked; seen is filled from the
// first key on that is out of order, since sorted duplicates are neighbours.
type keyOrder struct {
	all  [][]byte
	seen map[string]bool
}

func (k *keyOrder) last() []byte {
	if len(k.all) == 0 {
		return nil
	}
	return k.all[len(k.all)-1]
}

func (k *keyOrder) has(key []byte) bool {
	if k.seen == nil {
		k.seen = make(map[string]bool)
		for _, old := range k.all {
			k.seen[string(old)] = true
		}
	}
	return k.seen[string(key)]
}

func (k *keyOrder) add(key []byte) {
	k.all = append(k.all, key)
	if k.seen != nil {
		k.seen[string(key)] = true
	}
}

func (w *walker) checkKey(k *keyOrder, at int, key []byte) {
	if last := k.last(); last != nil {
		switch order := Compare(last, key); {
		case order == 0 || order > 0 && k.has(key):
			w.remark(at, RuleDuplicateKey, keyName(key))
		case order > 0:
			w.remark(at, RuleKeyOrder, fmt.Sprintf("%s after %s", keyName(key), keyName(last)))
		}
	}
	k.add(key)
}

// Compare orders two encoded map keys as CTAP 2.3 §8 does: by major type, then
// by length of the encoding, then bytewise. Neither may be empty.
func Compare(a, b []byte) int {
	if d := int(a[0]>>5) - int(b[0]>>5); d != 0 {
		return d
	}
	if d := len(a) - len(b); d != 0 {
		return d
	}
	return bytes.Compare(a, b)
}

// keyName renders an encoded map key for people: small integers as the
// standard writes member numbers, text as it is, the rest in hex.
func keyName(key []byte) string {
	var n int64
	if Decode(key, &n) == nil {
		if n < 0 {
			return fmt.Sprint(n)
		}
		return fmt.Sprintf("0x%02x", n)
	}
	var s string
	if Decode(key, &s) == nil && len(s) <= 64 && utf8.ValidString(s) {
		return fmt.Sprintf("%q", s)
	}
	return "h'" + hex.EncodeToString(key[:min(len(key), 16)]) + "'"
}
