package virtual

import (
	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// Simple values of CBOR (RFC 8949 §3.3).
const (
	cborFalse = 0xf4
	cborTrue  = 0xf5
)

func major(raw wire.Raw) byte { return raw[0] >> 5 }

// members is a CBOR map taken apart, each value still encoded. Keys are uint64
// for the numbered members of a command and string for named ones. Members
// that nobody asks for are ignored, as CTAP 2.3 §8 wants it.
type members map[any]wire.Raw

// parseBody takes the parameters of a command apart. They are one canonical map
// (CTAP 2.3 §8), or nothing, which is the same as an empty map.
func (a *Authenticator) parseBody(body []byte) (members, error) {
	if len(body) == 0 {
		return members{}, nil
	}
	if body = a.forgiven(body); wire.Canonical(body) != nil && !a.tolerates(body) {
		return nil, ctap2.StatusInvalidCBOR
	}
	m, err := parseMap(body)
	if err == nil && a.faulty(unknownMemberRefused) && m.hasUnknown() {
		return nil, ctap2.StatusInvalidCBOR
	}
	return m, err
}

// parseMap takes apart a map of a body that is known to be canonical.
func parseMap(raw wire.Raw) (members, error) {
	if major(raw) != wire.MajorMap {
		return nil, ctap2.StatusCBORUnexpectedType
	}
	var m members
	if wire.Decode(raw, &m) != nil { // a map or an array as a key
		return nil, ctap2.StatusInvalidCBOR
	}
	return m, nil
}

// fields reads typed members of a map and remembers the first thing that is
// wrong: CTAP2_ERR_CBOR_UNEXPECTED_TYPE for a member of a wrong type, and for a
// required member that is absent what missing says.
type fields struct {
	m       members
	missing ctap2.Status
	err     error
}

func newFields(m members) *fields {
	return &fields{m: m, missing: ctap2.StatusMissingParameter}
}

func (f *fields) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

func (f *fields) has(key any) bool {
	_, ok := f.m[key]
	return ok
}

// require fails when one of the members is absent.
func (f *fields) require(keys ...any) *fields {
	for _, key := range keys {
		if !f.has(key) {
			f.fail(f.missing)
		}
	}
	return f
}

// read decodes an optional member that must be of the major type.
func (f *fields) read(key any, want byte, into any) {
	raw, ok := f.m[key]
	switch {
	case !ok:
	case major(raw) != want:
		f.fail(ctap2.StatusCBORUnexpectedType)
	case wire.Decode(raw, into) != nil:
		f.fail(ctap2.StatusInvalidCBOR)
	}
}

func (f *fields) bytes(key any) (b []byte) {
	f.read(key, wire.MajorBytes, &b)
	return b
}

func (f *fields) text(key any) (s string) {
	f.read(key, wire.MajorText, &s)
	return s
}

func (f *fields) uint(key any) (n uint64) {
	f.read(key, wire.MajorUint, &n)
	return n
}

// optionalUint reads an unsigned number; nil stands for an absent member.
func (f *fields) optionalUint(key any) *uint64 {
	if !f.has(key) {
		return nil
	}
	n := f.uint(key)
	return &n
}

// integer reads a signed number. One that does not fit is 0, which stands for
// nothing wherever CTAP has signed numbers.
func (f *fields) integer(key any) (n int64) {
	raw, ok := f.m[key]
	if ok && major(raw) != wire.MajorUint && major(raw) != wire.MajorNegative {
		f.fail(ctap2.StatusCBORUnexpectedType)
	}
	if !ok || f.err != nil || wire.Decode(raw, &n) != nil {
		return 0
	}
	return n
}

// boolean reads true or false; nil stands for an absent member.
func (f *fields) boolean(key any) *bool {
	raw, ok := f.m[key]
	if !ok {
		return nil
	}
	if raw[0] != cborFalse && raw[0] != cborTrue {
		f.fail(ctap2.StatusCBORUnexpectedType)
	}
	v := raw[0] == cborTrue
	return &v
}

func (f *fields) array(key any) (items []wire.Raw) {
	f.read(key, wire.MajorArray, &items)
	return items
}

// texts reads an array of text strings.
func (f *fields) texts(key any) []string {
	var list []string
	for _, raw := range f.array(key) {
		item := &fields{m: members{key: raw}}
		list = append(list, item.text(key))
		f.inherit(item)
	}
	return list
}

// raw reads a map without taking it apart.
func (f *fields) raw(key any) wire.Raw {
	raw, ok := f.m[key]
	if ok && major(raw) != wire.MajorMap {
		f.fail(ctap2.StatusCBORUnexpectedType)
	}
	return raw
}

// sub reads a map that is a member; an absent one is like an empty one.
func (f *fields) sub(key any) *fields {
	raw, ok := f.m[key]
	if !ok {
		return newFields(nil)
	}
	m, err := parseMap(raw)
	if err != nil {
		f.fail(err)
	}
	return newFields(m)
}

// inherit takes over the error of fields below this one.
func (f *fields) inherit(sub *fields) {
	if sub.err != nil {
		f.fail(sub.err)
	}
}

// elements reads the maps of an array one by one. What an element lacks makes
// it malformed rather than a parameter missing (CTAP 2.3 §6.1.2 step 3).
func (f *fields) elements(items []wire.Raw, each func(*fields)) {
	for _, raw := range items {
		m, err := parseMap(raw)
		if err != nil {
			f.fail(err)
			return
		}
		item := &fields{m: m, missing: ctap2.StatusInvalidCBOR}
		each(item)
		f.inherit(item)
	}
}
