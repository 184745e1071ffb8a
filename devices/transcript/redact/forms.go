package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// form is one way in which a value can be written.
type form struct {
	name string
	text []byte
}

// shortestBase64 is how many characters of Base64 are looked for at least.
const shortestBase64 = 6

// forms are the ways in which a value can be written that are looked for. Those of
// two values of the same length and alphabet have the same lengths, one by one.
func forms(value []byte) []form {
	digits := hex.EncodeToString(value)
	list := []form{{"as it is", value}, {"hex", []byte(digits)}}
	list = append(list, form{"hex", []byte(strings.ToUpper(digits))})
	for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		list = append(list, form{"Base64", []byte(alphabet.EncodeToString(value))})
		for before := range 3 {
			list = append(list, form{"Base64", within(alphabet, value, before)})
		}
	}
	if isText(value) {
		list = append(list, form{"UTF-16", wide(value, false)}, form{"UTF-16", wide(value, true)})
	}
	return slices.DeleteFunc(list, func(f form) bool { return f.name == "Base64" && len(f.text) < shortestBase64 })
}

// within is the Base64 of a value with so many bytes before it in the same text:
// those characters that depend on it alone.
func within(alphabet *base64.Encoding, value []byte, before int) []byte {
	text := alphabet.EncodeToString(append(make([]byte, before), value...))
	return []byte(text[(8*before+5)/6 : 8*(before+len(value))/6])
}

// wide is a text in UTF-16.
func wide(text []byte, bigEndian bool) (b []byte) {
	for _, u := range utf16.Encode([]rune(string(text))) {
		if bigEndian {
			b = append(b, byte(u>>8), byte(u))
		} else {
			b = append(b, byte(u), byte(u>>8))
		}
	}
	return b
}

// isText says whether a value is one that people can read.
func isText(value []byte) bool {
	if len(value) == 0 || !utf8.Valid(value) {
		return false
	}
	return !bytes.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// index finds many values in one pass.
type index map[[seedSize]byte][]pattern

const seedSize = 4

type pattern struct {
	form string
	kind Kind
	from []byte
	to   []byte // nil if it is only looked for
}

// add makes a value one that is found, if it is long enough, and reports whether
// it is. Its pseudonym may be nil.
func (x index) add(kind Kind, value, pseudonym []byte) bool {
	if !searchable(value) {
		return false
	}
	var to []form
	if pseudonym != nil {
		to = forms(pseudonym)
	}
	for i, f := range forms(value) {
		p := pattern{form: f.name, kind: kind, from: f.text}
		if i < len(to) && len(to[i].text) == len(f.text) {
			p.to = to[i].text
		}
		x.insert(p)
	}
	return true
}

func (x index) insert(p pattern) {
	if len(p.from) < seedSize {
		return
	}
	seed := [seedSize]byte(p.from)
	for _, have := range x[seed] {
		if bytes.Equal(have.from, p.from) {
			return
		}
	}
	x[seed] = append(x[seed], p)
	slices.SortStableFunc(x[seed], func(a, b pattern) int { return len(b.from) - len(a.from) })
}

// at is the longest pattern that data has at i.
func (x index) at(data []byte, i int) (pattern, bool) {
	if i+seedSize > len(data) {
		return pattern{}, false
	}
	for _, p := range x[[seedSize]byte(data[i:])] {
		if bytes.HasPrefix(data[i:], p.from) {
			return p, true
		}
	}
	return pattern{}, false
}

// find is the first pattern in data.
func (x index) find(data []byte) (pattern, bool) {
	for i := range data {
		if p, ok := x.at(data, i); ok {
			return p, true
		}
	}
	return pattern{}, false
}

// sweep replaces what it finds in data, and says how often.
func (x index) sweep(data []byte) (count int) {
	for i := 0; i < len(data); i++ {
		p, ok := x.at(data, i)
		if !ok || p.to == nil {
			continue
		}
		copy(data[i:], p.to)
		count++
		i += len(p.from) - 1
	}
	return count
}
