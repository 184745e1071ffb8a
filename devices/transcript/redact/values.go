package redact

import (
	"bytes"
	"crypto/sha256"
	"maps"
	"slices"

	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// values are what a tape tells, each once, in the order in which it comes.
type values struct {
	keep   []Kind
	list   []known
	points []point
	seen   map[string]bool
}

type known struct {
	kind  Kind
	bytes []byte
}

type point struct {
	kind Kind
	x, y []byte
}

var _ visitor = (*values)(nil)

func (v *values) value(kind Kind, b []byte) bool {
	if kind == keptSignature || kind == Signature || len(b) == 0 ||
		slices.Contains(v.keep, shown(kind)) || v.seen[string(b)] {
		return false
	}
	if v.seen == nil {
		v.seen = map[string]bool{}
	}
	v.seen[string(b)] = true
	v.list = append(v.list, known{kind, bytes.Clone(b)})
	return false
}

func (v *values) point(kind Kind, x, y []byte) bool {
	if !slices.Contains(v.keep, kind) {
		v.points = append(v.points, point{kind, bytes.Clone(x), bytes.Clone(y)})
	}
	return false
}

// fact is one about the key in the header, whose pseudonym has to be a text.
const fact Kind = "fact"

// collect finds the values of a tape's readable messages and of its header.
func collect(tape *transcript.Tape, all []*unit, keep []Kind) *values {
	v := &values{keep: keep}
	for _, name := range slices.Sorted(maps.Keys(tape.Header.Device)) {
		if !factsOfModel[name] {
			v.value(fact, []byte(tape.Header.Device[name]))
		}
	}
	w := &walker{visitor: v}
	for _, u := range all {
		if u.broken == "" {
			_ = w.unit(u) // what was read up to an error counts
		}
	}
	return v
}

// factsOfModel are those facts about a key that are the same for all of its model.
var factsOfModel = map[string]bool{
	"product": true, "manufacturer": true, "vendor_id": true, "product_id": true, "backend": true, "version": true,
	"firmware": true, "transport": true, "release": true, "aaguid": true,
}

// derived are the hashes of RP IDs.
func (v *values) derived() (hashes [][]byte) {
	for _, k := range v.list {
		if k.kind == RP && isText(k.bytes) {
			for _, scheme := range []string{"", "https://"} {
				h := sha256.Sum256([]byte(scheme + string(k.bytes)))
				hashes = append(hashes, h[:])
			}
		}
	}
	return hashes
}

// Value is something that identifies.
type Value struct {
	Kind  Kind
	Bytes []byte
}

// Values are what the readable messages and the header of a tape tell, each once.
func Values(tape *transcript.Tape) (list []Value) {
	for _, k := range collect(tape, units(tape), nil).list {
		list = append(list, Value{shown(k.kind), k.bytes})
	}
	return list
}
