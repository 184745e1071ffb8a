package redact

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// book has the pseudonyms of a tape.
type book struct {
	key    []byte
	names  map[string]string // by value
	taken  map[string]bool   // pseudonyms
	known  map[string]bool   // values that are there
	search index             // of what no pseudonym may hold
	shared int               // values that had to share a pseudonym
}

func newBook(key []byte) *book {
	return &book{key: key, names: map[string]string{}, taken: map[string]bool{}, known: map[string]bool{}, search: index{}}
}

// tries bounds the search for a pseudonym that nobody has. Of values of one byte
// there are not many.
const tries = 1000

// name finds a pseudonym for a value. It depends on the key, the value and its
// kind, unless it is one that is taken.
func (b *book) name(kind Kind, value []byte) {
	if _, ok := b.names[string(value)]; ok {
		return
	}
	var p []byte
	free := false
	for try := 0; try < tries && !free; try++ {
		p = b.draw(kind, value, try)
		free = b.free(value, p, try > tries/2)
	}
	if !free {
		b.shared++
	}
	b.set(value, p)
}

// free says whether a pseudonym can be a value's. In need it may be another value
// of the tape, as of short values all may be.
func (b *book) free(value, p []byte, need bool) bool {
	if bytes.Equal(value, p) || b.taken[string(p)] || b.known[string(p)] && !need {
		return false
	}
	_, holds := b.search.find(p)
	return !holds
}

func (b *book) set(value, pseudonym []byte) {
	b.names[string(value)] = string(pseudonym)
	b.taken[string(pseudonym)] = true
}

// stream256 is randomness that depends on the key, a label and a value.
type stream256 struct {
	mac   func(block uint32) []byte
	block uint32
	rest  []byte
}

func (b *book) stream(label string, value []byte, try int) *stream256 {
	return &stream256{mac: func(block uint32) []byte {
		m := hmac.New(sha256.New, b.key)
		m.Write([]byte(label))
		var n [12]byte
		binary.BigEndian.PutUint32(n[:], uint32(try))
		binary.BigEndian.PutUint32(n[4:], block)
		binary.BigEndian.PutUint32(n[8:], uint32(len(value)))
		m.Write(n[:])
		m.Write(value)
		return m.Sum(nil)
	}}
}

func (s *stream256) next() byte {
	if len(s.rest) == 0 {
		s.rest = s.mac(s.block)
		s.block++
	}
	c := s.rest[0]
	s.rest = s.rest[1:]
	return c
}

func (s *stream256) fill(b []byte) []byte {
	for i := range b {
		b[i] = s.next()
	}
	return b
}

// below is a number below n.
func (s *stream256) below(n int) int {
	return int(binary.BigEndian.Uint32(s.fill(make([]byte, 4))) % uint32(n))
}

// draw makes a pseudonym that looks like the value.
func (b *book) draw(kind Kind, value []byte, try int) []byte {
	switch {
	case kind == PIN:
		return b.stream("data", value, try).fill(make([]byte, len(value)))
	case kind == Signature:
		return drawSignature(b.stream("signature", value, try), value)
	case kind == certificateNumber:
		return drawNumber(b.stream("number", value, try), value)
	case kind == RP && isDomain(value):
		return drawDomain(b.stream("domain", value, try), value)
	case kind == fact, isText(value), isCutText(value):
		return drawText(b.stream("text", value, try), value)
	}
	return b.stream("data", value, try).fill(make([]byte, len(value)))
}

// drawNumber keeps the sign and the form of an INTEGER in DER.
func drawNumber(s *stream256, value []byte) []byte {
	p := s.fill(make([]byte, len(value)))
	if len(p) == 0 {
		return p
	}
	p[0] = p[0]&0x7f | 0x01
	if value[0] == 0 && len(value) > 1 {
		p[0], p[1] = 0, p[1]|0x80
	}
	return p
}

// drawSignature keeps the form of an ECDSA signature, of others the length.
func drawSignature(s *stream256, value []byte) []byte {
	parts, ok := elements(value)
	if !ok || len(parts) != 2 {
		return s.fill(make([]byte, len(value)))
	}
	p := bytes.Clone(value)
	parts, _ = elements(p)
	for _, number := range parts {
		copy(number.Bytes, drawNumber(s, number.Bytes))
	}
	return p
}

// point replaces a point of P-256 by another one, so that a key stays one. What is
// no such point is replaced as data.
func (b *book) point(x, y []byte) (px, py []byte) {
	value := append(bytes.Clone(x), y...)
	if _, err := ecdh.P256().NewPublicKey(append([]byte{4}, value...)); err == nil {
		for try := range tries {
			private, err := ecdh.P256().NewPrivateKey(b.stream("point", value, try).fill(make([]byte, hashSize)))
			if err != nil {
				continue // not below the order of the curve
			}
			public := private.PublicKey().Bytes()[1:]
			return public[:hashSize], public[hashSize:]
		}
	}
	p := b.stream("data", value, 0).fill(make([]byte, len(value)))
	return p[:len(x)], p[len(x):]
}
