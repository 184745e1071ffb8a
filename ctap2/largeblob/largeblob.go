// Package largeblob is the large-blob array of CTAP 2.1 and later (CTAP 2.3
// §6.10): the serialised array with its hash, and the encryption of its
// elements, which is the platform's business and opaque to the authenticator.
//
//	array, err := largeblob.ParseArray(stored)
//	data, found, err := array.Find(key)
//	err = array.Put(rand.Reader, key, []byte("new data"))
//	stored = array.Bytes()
//
// The largeBlob extension of CTAP 2.3 has no array: there the platform only
// compresses, with [Deflate] and [Inflate].
package largeblob

import (
	"bytes"
	"compress/flate"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// Sizes in bytes.
const (
	KeySize   = 32 // of a largeBlobKey
	nonceSize = 12
	hashSize  = 16

	// MaxInflated bounds what one element may inflate to. Authenticators store
	// some kilobytes in all; without a bound a small element could fill memory.
	MaxInflated = 1 << 20
)

// Errors of this package.
var (
	// ErrDamaged: the hash at the end of the serialised array does not fit.
	// Readers treat such an array as empty (CTAP 2.3 §6.10.3).
	ErrDamaged = errors.New("large-blob array is damaged")
	// ErrOtherKey: an element that the key does not open; most likely it
	// belongs to another credential.
	ErrOtherKey = errors.New("large blob of another key")
)

// element is one entry of the array. Others may put members in that we do not
// know, so arrays keep entries as they came.
type element struct {
	Ciphertext []byte `cbor:"1,keyasint"` // with the 16-byte tag at its end
	Nonce      []byte `cbor:"2,keyasint"`
	Size       uint64 `cbor:"3,keyasint"` // of the data, in bytes
}

// Parse splits a serialised array into its elements, each as it was stored. The
// error wraps [ErrDamaged] when the hash does not fit.
func Parse(serialized []byte) ([]wire.Raw, error) {
	if !Whole(serialized) {
		return nil, fmt.Errorf("%w: %d bytes", ErrDamaged, len(serialized))
	}
	var elements []wire.Raw
	if err := wire.Decode(serialized[:len(serialized)-hashSize], &elements); err != nil {
		return nil, fmt.Errorf("large-blob array: %w", err)
	}
	if elements == nil {
		return nil, errors.New("large-blob array: null instead of an array")
	}
	return elements, nil
}

// Whole reports whether a serialised array ends in its right hash.
func Whole(serialized []byte) bool {
	n := len(serialized) - hashSize
	return n >= 1 && bytes.Equal(checksum(serialized[:n]), serialized[n:])
}

// Serialize joins elements, each as it is, into an array with its hash. No
// elements give the initial array of 17 bytes.
func Serialize(elements []wire.Raw) []byte {
	array := wire.Array(elements...)
	return append(array, checksum(array)...)
}

func checksum(array []byte) []byte {
	h := sha256.Sum256(array)
	return h[:hashSize]
}

// Seal compresses data and encrypts it under a credential's largeBlobKey of 32
// bytes, with a nonce from rand.
func Seal(rand io.Reader, key, data []byte) (wire.Raw, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, nonceSize)
	if _, err := io.ReadFull(rand, nonce); err != nil {
		return nil, fmt.Errorf("large blob: nonce: %w", err)
	}
	packed, err := Deflate(data)
	if err != nil {
		return nil, err
	}
	size := uint64(len(data))
	return wire.Encode(element{Ciphertext: aead.Seal(nil, nonce, packed, associated(size)), Nonce: nonce, Size: size})
}

// Open decrypts and inflates an element. The error wraps [ErrOtherKey] when the
// key does not fit or the element is none.
func Open(key []byte, raw wire.Raw) ([]byte, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	e, err := parseElement(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOtherKey, err)
	}
	packed, err := e.open(aead)
	if err != nil {
		return nil, err
	}
	return Inflate(packed, e.Size)
}

func parseElement(raw wire.Raw) (element, error) {
	var e element
	if err := wire.Decode(raw, &e); err != nil {
		return element{}, err
	}
	if len(e.Nonce) != nonceSize {
		return element{}, fmt.Errorf("nonce of %d bytes", len(e.Nonce))
	}
	return e, nil
}

// open returns the compressed data, or [ErrOtherKey].
func (e element) open(aead cipher.AEAD) ([]byte, error) {
	packed, err := aead.Open(nil, e.Nonce, e.Ciphertext, associated(e.Size))
	if err != nil {
		return nil, ErrOtherKey
	}
	return packed, nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("large blob: key of %d bytes, want %d", len(key), KeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("large blob: %w", err)
	}
	return cipher.NewGCM(block)
}

// associated is the additional data: "blob" and the size, little endian.
func associated(size uint64) []byte {
	return binary.LittleEndian.AppendUint64([]byte("blob"), size)
}

// Deflate compresses data as large blobs are: raw DEFLATE (RFC 1951).
func Deflate(data []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		return nil, fmt.Errorf("large blob: %w", err)
	}
	_, err = w.Write(data)
	if err := errors.Join(err, w.Close()); err != nil {
		return nil, fmt.Errorf("large blob: %w", err)
	}
	return b.Bytes(), nil
}

// Inflate undoes [Deflate]. The error says that packed is not compressed, or
// that it inflates to another size in bytes than was announced, or that this is
// more than [MaxInflated].
func Inflate(packed []byte, size uint64) ([]byte, error) {
	if size > MaxInflated {
		return nil, fmt.Errorf("large blob: %d bytes announced, the most is %d", size, MaxInflated)
	}
	r := flate.NewReader(bytes.NewReader(packed))
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, int64(size)+1))
	if err != nil {
		return nil, fmt.Errorf("large blob: inflate: %w", err)
	}
	if uint64(len(data)) != size {
		return nil, fmt.Errorf("large blob: inflates to another size than the %d bytes announced", size)
	}
	return data, nil
}
