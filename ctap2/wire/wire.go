// Package wire is the CBOR of CTAP2: it encodes in the canonical form of
// CTAP 2.3 §8, decodes what security keys really send within fixed limits, and
// says where an encoding leaves the canonical form.
//
// Requests are always encoded canonically. Answers are read leniently, because
// shipped keys answer with unsorted maps and truncated names; [Inspect] lists
// what was wrong with the bytes so that a caller can remark on it.
//
//	body, err := wire.Encode(request)
//	...
//	remarks, err := wire.Inspect(answer) // err: not CBOR at all
//	err = wire.Decode(answer, &response)
package wire

import (
	"errors"
	"fmt"
	"slices"

	"github.com/fxamacker/cbor/v2"
)

// Major types of CBOR: the upper three bits of an item's first byte (RFC 8949
// §3.1).
const (
	MajorUint = iota
	MajorNegative
	MajorBytes
	MajorText
	MajorArray
	MajorMap
	MajorTag
	MajorSimple
)

// Raw is one encoded CBOR item, kept as the bytes it came in.
type Raw = cbor.RawMessage

// Limits on what [Decode] reads. They are wide of anything that fits a CTAP
// message of 7609 bytes and keep a hostile answer from costing memory.
const (
	MaxDepth    = 16   // levels of maps and arrays
	MaxElements = 4096 // elements of one array, pairs of one map
)

// CanonicalDepth is the number of map and array levels a CTAP2 message may
// have (CTAP 2.3 §8).
const CanonicalDepth = 4

var encoder = mustEncMode(cbor.CTAP2EncOptions())

var decoder = mustDecMode(cbor.DecOptions{
	DupMapKey:           cbor.DupMapKeyEnforcedAPF,
	MaxNestedLevels:     MaxDepth,
	MaxArrayElements:    MaxElements,
	MaxMapPairs:         MaxElements,
	IndefLength:         cbor.IndefLengthAllowed,
	TagsMd:              cbor.TagsAllowed,
	UTF8:                cbor.UTF8DecodeInvalid,
	IntDec:              cbor.IntDecConvertNone,
	FieldNameByteString: cbor.FieldNameByteStringForbidden,
	FieldNameMatching:   cbor.FieldNameMatchingCaseSensitive,
})

func mustEncMode(o cbor.EncOptions) cbor.EncMode {
	m, err := o.EncMode()
	if err != nil {
		panic(err)
	}
	return m
}

func mustDecMode(o cbor.DecOptions) cbor.DecMode {
	m, err := o.DecMode()
	if err != nil {
		panic(err)
	}
	return m
}

// Encode returns v in the canonical CBOR form of CTAP 2.3 §8. Structs use the
// field tags of fxamacker/cbor, such as `cbor:"1,keyasint,omitempty"`.
func Encode(v any) ([]byte, error) {
	b, err := encoder.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode CBOR: %w", err)
	}
	return b, nil
}

// Array is an array of encoded items, each passed on as it is. [Encode] does
// the same for a slice of Raw, but refuses items that are not canonical, and
// what came from an authenticator may be that.
func Array(items ...Raw) Raw { return assemble(MajorArray, len(items), items) }

// Map is a map of encoded items, keys and values in turn, each passed on as it
// is. The caller gives the keys in canonical order.
func Map(items ...Raw) Raw { return assemble(MajorMap, len(items)/2, items) }

func assemble(major byte, n int, items []Raw) Raw {
	head, err := Encode(uint64(n))
	if err != nil {
		panic(err) // a number always encodes
	}
	head[0] |= major << 5
	return append(head, slices.Concat(items...)...)
}

// Decode reads exactly one CBOR item from data into v. Unsorted maps, long
// heads, indefinite lengths, tags and broken UTF-8 are read; duplicate map
// keys, trailing bytes and anything over the limits are errors.
func Decode(data []byte, v any) error {
	if err := decoder.Unmarshal(data, v); err != nil {
		return fmt.Errorf("decode CBOR: %w", err)
	}
	return nil
}

// DecodeFirst reads the first CBOR item of data into v and returns the bytes
// that follow it, under the rules of [Decode].
func DecodeFirst(data []byte, v any) (rest []byte, err error) {
	rest, err = decoder.UnmarshalFirst(data, v)
	if err != nil {
		return nil, fmt.Errorf("decode CBOR: %w", err)
	}
	return rest, nil
}

// Canonical reports nil when data is exactly one CBOR item in canonical form.
// Otherwise the error is a [*MalformedError] or the first [Remark].
func Canonical(data []byte) error {
	remarks, err := Inspect(data)
	if err != nil {
		return err
	}
	if len(remarks) > 0 {
		return remarks[0]
	}
	return nil
}

// ErrMalformed is the kind of every [*MalformedError]: the bytes are not one
// well-formed CBOR item.
var ErrMalformed = errors.New("malformed CBOR")
