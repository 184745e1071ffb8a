package largeblob

import (
	"crypto/cipher"
	"errors"
	"io"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// Array is a large-blob array being worked on. Elements of others stay as they
// came, members that this package does not know among them. The zero value is
// the empty array.
type Array struct {
	elements []wire.Raw
}

// ParseArray reads a serialised array, in the way of [Parse].
func ParseArray(serialized []byte) (*Array, error) {
	elements, err := Parse(serialized)
	if err != nil {
		return nil, err
	}
	return &Array{elements: elements}, nil
}

// Bytes is the serialised array.
func (a *Array) Bytes() []byte { return Serialize(a.elements) }

// Elements are the array's elements in order, for [Open].
func (a *Array) Elements() []wire.Raw { return slices.Clone(a.elements) }

// Find returns the data that a largeBlobKey of 32 bytes opens, the first where
// there is more than one, and whether there is any. The error is for an element
// that the key opens and that does not inflate.
func (a *Array) Find(key []byte) (data []byte, found bool, err error) {
	for _, raw := range a.elements {
		data, err := Open(key, raw)
		if errors.Is(err, ErrOtherKey) {
			continue
		}
		return data, true, err
	}
	return nil, false, nil
}

// Put stores data under a largeBlobKey of 32 bytes, with a nonce from rand: in
// the place of what the key opened before, or at the end.
func (a *Array) Put(rand io.Reader, key, data []byte) error {
	sealed, err := Seal(rand, key, data)
	if err != nil {
		return err
	}
	aead, err := newAEAD(key)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(a.elements, func(raw wire.Raw) bool { return opens(aead, raw) })
	if at < 0 {
		a.elements = append(a.elements, sealed)
		return nil
	}
	rest := without(a.elements[at+1:], aead)
	a.elements = slices.Concat(a.elements[:at], []wire.Raw{sealed}, rest)
	return nil
}

// Delete removes what a largeBlobKey of 32 bytes opens, and returns how many
// elements that were.
func (a *Array) Delete(key []byte) (int, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return 0, err
	}
	before := len(a.elements)
	a.elements = without(a.elements, aead)
	return before - len(a.elements), nil
}

// Collect removes the elements that none of the keys opens, blobs of
// credentials that are gone, and returns how many that were (CTAP 2.3 §6.10).
// The keys must be the largeBlobKeys of all credentials on the authenticator:
// what belongs to a key that is left out is lost. Elements that this package
// cannot read are not taken for blobs and stay.
func (a *Array) Collect(live [][]byte) (int, error) {
	var keys []cipher.AEAD
	for _, key := range live {
		aead, err := newAEAD(key)
		if err != nil {
			return 0, err
		}
		keys = append(keys, aead)
	}
	before := len(a.elements)
	a.elements = slices.DeleteFunc(slices.Clone(a.elements), func(raw wire.Raw) bool { return orphan(raw, keys) })
	return before - len(a.elements), nil
}

// orphan reports whether raw is a blob that none of the keys opens.
func orphan(raw wire.Raw, keys []cipher.AEAD) bool {
	if _, err := parseElement(raw); err != nil {
		return false
	}
	return !slices.ContainsFunc(keys, func(k cipher.AEAD) bool { return opens(k, raw) })
}

func without(elements []wire.Raw, key cipher.AEAD) []wire.Raw {
	return slices.DeleteFunc(slices.Clone(elements), func(raw wire.Raw) bool { return opens(key, raw) })
}

func opens(key cipher.AEAD, raw wire.Raw) bool {
	e, err := parseElement(raw)
	if err != nil {
		return false
	}
	_, err = e.open(key)
	return err == nil
}
