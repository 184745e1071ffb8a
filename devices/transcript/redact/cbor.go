package redact

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// item is one item of CBOR where it lies: what it holds can be overwritten.
type item struct {
	major byte
	arg   uint64
	body  []byte // of a string
	raw   []byte // the whole item
	items []item // of an array; of a map, keys and values in turn
}

var errIndefinite = errors.New("CBOR of indefinite length")

// parseItem reads the first item of data and returns what follows it.
func parseItem(data []byte, depth int) (it item, rest []byte, err error) {
	if depth > wire.MaxDepth {
		return item{}, nil, errors.New("CBOR is nested too deeply")
	}
	it, rest, err = parseHead(data)
	if err != nil {
		return item{}, nil, err
	}
	count := uint64(0)
	switch it.major {
	case wire.MajorBytes, wire.MajorText:
		if it.arg > uint64(len(rest)) {
			return item{}, nil, errShort
		}
		it.body, rest = rest[:it.arg:it.arg], rest[it.arg:]
	case wire.MajorArray:
		count = it.arg
	case wire.MajorMap:
		if it.arg > uint64(len(rest)) {
			return item{}, nil, errShort
		}
		count = 2 * it.arg
	case wire.MajorTag:
		count = 1
	}
	if count > uint64(len(rest)) {
		return item{}, nil, errShort
	}
	for range count {
		var child item
		if child, rest, err = parseItem(rest, depth+1); err != nil {
			return item{}, nil, err
		}
		it.items = append(it.items, child)
	}
	it.raw = data[:len(data)-len(rest)]
	return it, rest, nil
}

var errShort = errors.New("CBOR ends early")

// parseHead reads the initial byte and its argument.
func parseHead(data []byte) (it item, rest []byte, err error) {
	if len(data) == 0 {
		return item{}, nil, errShort
	}
	it.major, it.arg = data[0]>>5, uint64(data[0]&0x1f)
	rest = data[1:]
	switch {
	case it.arg < 24:
		return it, rest, nil
	case it.arg == 31:
		return item{}, nil, errIndefinite
	case it.arg > 27:
		return item{}, nil, fmt.Errorf("no CBOR: initial byte %02x", data[0])
	}
	size := 1 << (it.arg - 24)
	if len(rest) < size {
		return item{}, nil, errShort
	}
	var wide [8]byte
	copy(wide[8-size:], rest[:size])
	it.arg = binary.BigEndian.Uint64(wide[:])
	return it, rest[size:], nil
}

// key is what a map has an item under: an int64, a string, or nil for anything
// else.
func (it item) key() any {
	switch {
	case it.major == wire.MajorText:
		return string(it.body)
	case it.major == wire.MajorUint && it.arg < 1<<63:
		return int64(it.arg)
	case it.major == wire.MajorNegative && it.arg < 1<<63:
		return -1 - int64(it.arg)
	}
	return nil
}

// member is what a map has under a key, the zero item if nothing.
func (it item) member(key any) item {
	if it.major == wire.MajorMap {
		for i := 0; i+1 < len(it.items); i += 2 {
			if it.items[i].key() == key {
				return it.items[i+1]
			}
		}
	}
	return item{}
}

func (it item) isString() bool { return it.major == wire.MajorBytes || it.major == wire.MajorText }
