package explain

import (
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// kind is the CBOR type that the standard gives a member.
type kind byte

const (
	anything kind = iota
	aNumber       // unsigned
	aBytes
	aText
	anArray
	aMap
	aBool
)

var kindTypes = map[kind]string{
	aNumber: "an unsigned number", aBytes: "a byte string", aText: "a text string",
	anArray: "an array", aMap: "a map", aBool: "a boolean",
}

// is says whether an item is of the kind.
func (k kind) is(raw wire.Raw) bool {
	switch k {
	case aNumber:
		return major(raw) == wire.MajorUint
	case aBytes:
		return major(raw) == wire.MajorBytes
	case aText:
		return major(raw) == wire.MajorText
	case anArray:
		return major(raw) == wire.MajorArray
	case aMap:
		return major(raw) == wire.MajorMap
	case aBool:
		return len(raw) == 1 && (raw[0] == 0xf4 || raw[0] == 0xf5)
	}
	return true
}

// member is a numbered member of a message, as the standard has it.
type member struct {
	name   string
	kind   kind
	must   bool
	size   int    // of a byte string, 0 for any
	clause string // where it is not that of the table
	like   Like
	secret bool // its value is not told
	read   func(r *reading, f *Field, raw wire.Raw)
}

// table is all members of one message.
type table struct {
	what    string // such as "an authenticatorGetInfo answer"
	clause  string
	members map[uint64]member
}

// members takes the map of a message apart by its table. What it cannot read it
// remarks on.
func (r *reading) members(t table, raw wire.Raw) ([]Field, map[uint64]wire.Raw) {
	all, err := pairs(raw)
	if err != nil {
		r.remark(t.clause, "%s cannot be read: %v", t.what, err)
		return nil, nil
	}
	var fields []Field
	found := map[uint64]wire.Raw{}
	for _, p := range all {
		n, numbered := number(p.key)
		m, known := t.members[n]
		if !numbered || !known {
			r.remark(t.clause, "%s has the member %s, which the standard does not", t.what, keyOf(p))
			f := Field{Name: "unknown member", Key: keyOf(p)}
			f.fill(p.value)
			fields = append(fields, f)
			continue
		}
		found[n] = p.value
		fields = append(fields, r.member(m, keyOf(p), p.value))
	}
	r.missing(t, found)
	return fields, found
}

func keyOf(p pair) string {
	if n, ok := number(p.key); ok {
		return fmt.Sprintf("0x%02x", n)
	}
	return p.name()
}

// member reads one member.
func (r *reading) member(m member, key string, raw wire.Raw) Field {
	f := Field{Name: m.name, Key: key, Clause: m.clause, Like: m.like}
	if !m.kind.is(raw) {
		r.remark(m.clause, "%s (%s) has to be %s", m.name, key, kindTypes[m.kind])
		f.fill(raw)
		return f
	}
	if n, ok := sizeOf(raw); ok && m.size > 0 && n != m.size {
		r.remark(m.clause, "%s (%s) has %s, and has to have %d", m.name, key, bytesOf(n), m.size)
	}
	switch {
	case m.secret:
		n, _ := sizeOf(raw)
		f.Value, f.Like = fmt.Sprintf("%s, not shown", bytesOf(n)), LikeValue
	case m.read != nil:
		m.read(r, &f, raw)
	default:
		f.fill(raw)
	}
	return f
}

// missing remarks on members that have to be there and are not.
func (r *reading) missing(t table, found map[uint64]wire.Raw) {
	for n := uint64(0); n <= maxMember; n++ {
		if m, ok := t.members[n]; ok && m.must && found[n] == nil {
			r.remark(t.clause, "%s lacks %s (0x%02x)", t.what, m.name, n)
		}
	}
}

// maxMember is the greatest number that a member has to be there by.
const maxMember = 0x1f

// body checks what a command or status is followed by: nothing, or one CBOR map
// in canonical form. It returns the map, nil if there is none.
func (r *reading) body(data []byte) wire.Raw {
	if len(data) == 0 {
		return nil
	}
	remarks, err := wire.Inspect(data)
	if err != nil {
		r.remark(clauseCBOR, "%v", err)
		r.step.Fields = append(r.step.Fields, hexField("not CBOR", data, LikeValue))
		return nil
	}
	for _, m := range remarks {
		r.remark(clauseCBOR, "not canonical: %v", m)
	}
	if major(data) != wire.MajorMap {
		r.remark(clauseCBOR, "the message is no map")
		f := Field{Name: "value"}
		f.fill(data)
		r.step.Fields = append(r.step.Fields, f)
		return nil
	}
	return data
}

const clauseCBOR = "CTAP 2.3 §8"
