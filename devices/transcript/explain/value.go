package explain

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

func major(raw wire.Raw) int {
	if len(raw) == 0 {
		return -1
	}
	return int(raw[0] >> 5)
}

// pair is one member of a map.
type pair struct {
	key   wire.Raw // encoded
	value wire.Raw
}

// name is a text key as it is, any other as CBOR diagnostics have it.
func (p pair) name() string {
	var text string
	if major(p.key) == wire.MajorText && wire.Decode(p.key, &text) == nil {
		return text
	}
	return scalar(p.key)
}

// pairs takes a map apart, in canonical order. What the order was on the wire
// is a matter of [wire.Inspect].
func pairs(raw wire.Raw) ([]pair, error) {
	var m map[any]wire.Raw
	if err := wire.Decode(raw, &m); err != nil {
		return nil, err
	}
	out := make([]pair, 0, len(m))
	for key, value := range m {
		encoded, err := wire.Encode(key)
		if err != nil {
			return nil, err
		}
		out = append(out, pair{encoded, value})
	}
	slices.SortFunc(out, func(a, b pair) int { return wire.Compare(a.key, b.key) })
	return out, nil
}

// fill gives a field the value of any CBOR item.
func (f *Field) fill(raw wire.Raw) {
	switch major(raw) {
	case wire.MajorMap:
		f.fillMap(raw)
	case wire.MajorArray:
		f.fillArray(raw)
	default:
		f.Value = scalar(raw)
		if n, ok := sizeOf(raw); ok && f.Note == "" {
			f.Note = bytesOf(n)
		}
	}
}

func (f *Field) fillMap(raw wire.Raw) {
	members, err := pairs(raw)
	if err != nil {
		f.Value, f.Note = hex.EncodeToString(raw), err.Error()
		return
	}
	if len(members) == 0 {
		f.Value = "{}"
		return
	}
	for _, p := range members {
		child := Field{Name: p.name()}
		child.fill(p.value)
		f.Fields = append(f.Fields, child)
	}
}

// fillArray puts single values side by side, and others below each other.
func (f *Field) fillArray(raw wire.Raw) {
	var items []wire.Raw
	if err := wire.Decode(raw, &items); err != nil {
		f.Value, f.Note = hex.EncodeToString(raw), err.Error()
		return
	}
	if !slices.ContainsFunc(items, isGroup) {
		f.Value = "[" + strings.Join(scalars(items), ", ") + "]"
		return
	}
	for i, item := range items {
		child := Field{Name: fmt.Sprintf("[%d]", i)}
		child.fill(item)
		f.Fields = append(f.Fields, child)
	}
}

func isGroup(raw wire.Raw) bool { return major(raw) == wire.MajorArray || major(raw) == wire.MajorMap }

func scalars(items []wire.Raw) []string {
	out := make([]string, len(items))
	for i, item := range items {
		out[i] = scalar(item)
	}
	return out
}

// scalar is a value that is no map and no array, as text: bytes in hex, text as
// it is.
func scalar(raw wire.Raw) string {
	switch major(raw) {
	case wire.MajorBytes:
		var b []byte
		if wire.Decode(raw, &b) == nil {
			return hex.EncodeToString(b)
		}
	case wire.MajorText:
		var text string
		if wire.Decode(raw, &text) == nil {
			return text
		}
	}
	var v any
	if err := wire.Decode(raw, &v); err != nil {
		return hex.EncodeToString(raw)
	}
	if v == nil {
		return "null"
	}
	return fmt.Sprint(v)
}

// sizeOf is the size of a byte string.
func sizeOf(raw wire.Raw) (int, bool) {
	b, ok := byteString(raw)
	return len(b), ok
}

func byteString(raw wire.Raw) ([]byte, bool) {
	var b []byte
	if major(raw) != wire.MajorBytes || wire.Decode(raw, &b) != nil {
		return nil, false
	}
	return b, true
}

func number(raw wire.Raw) (uint64, bool) {
	var n uint64
	if major(raw) != wire.MajorUint || wire.Decode(raw, &n) != nil {
		return 0, false
	}
	return n, true
}

func textString(raw wire.Raw) (string, bool) {
	var s string
	if major(raw) != wire.MajorText || wire.Decode(raw, &s) != nil {
		return "", false
	}
	return s, true
}

// hexField is a field with bytes as its value.
func hexField(name string, b []byte, like Like) Field {
	return Field{Name: name, Value: hex.EncodeToString(b), Note: bytesOf(len(b)), Like: like}
}
