package largeblob_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"errors"
	"reflect"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/largeblob"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/fixtures"
)

var vector = fixtures.PINUV().LargeBlob

// zeros is a source of randomness that gives zero bytes.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestVector(t *testing.T) {
	elements, err := largeblob.Parse(vector.Array)
	if err != nil || len(elements) != 1 {
		t.Fatalf("%d elements, %v", len(elements), err)
	}
	data, err := largeblob.Open(vector.Key, elements[0])
	if err != nil || string(data) != vector.Data {
		t.Errorf("%q, %v", data, err)
	}
	if again := largeblob.Serialize(elements); !bytes.Equal(again, vector.Array) {
		t.Errorf("%x", again)
	}
	for _, none := range [][]wire.Raw{nil, {}} {
		if initial := largeblob.Serialize(none); !bytes.Equal(initial, vector.Initial) {
			t.Errorf("the initial array %x", initial)
		}
	}
}

func TestSealAndOpen(t *testing.T) {
	for _, data := range []string{"", "hello", string(make([]byte, 5000))} {
		sealed, err := largeblob.Seal(zeros{}, vector.Key, []byte(data))
		if err != nil {
			t.Fatal(err)
		}
		if err := wire.Canonical(sealed); err != nil {
			t.Error(err)
		}
		got, err := largeblob.Open(vector.Key, sealed)
		if err != nil || string(got) != data {
			t.Errorf("%d bytes come back as %d, %v", len(data), len(got), err)
		}
		other := bytes.Clone(vector.Key)
		other[0] ^= 1
		if _, err := largeblob.Open(other, sealed); !errors.Is(err, largeblob.ErrOtherKey) {
			t.Errorf("another key: %v", err)
		}
	}
}

func TestDamage(t *testing.T) {
	for i := range vector.Array {
		damaged := bytes.Clone(vector.Array)
		damaged[i] ^= 1
		if _, err := largeblob.Parse(damaged); !errors.Is(err, largeblob.ErrDamaged) {
			t.Errorf("byte %d: %v", i, err)
		}
		if _, err := largeblob.Parse(vector.Array[:i]); !errors.Is(err, largeblob.ErrDamaged) {
			t.Errorf("%d bytes: %v", i, err)
		}
	}
}

// element encodes an element that was encrypted rightly and says wrong things.
func element(t *testing.T, change func(map[int]any)) wire.Raw {
	t.Helper()
	sealed, err := largeblob.Seal(zeros{}, vector.Key, []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	var m map[int]any
	if err := wire.Decode(sealed, &m); err != nil {
		t.Fatal(err)
	}
	change(m)
	b, err := wire.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBadElements(t *testing.T) {
	for name, change := range map[string]func(map[int]any){
		"short nonce":     func(m map[int]any) { m[2] = make([]byte, 11) },
		"no nonce":        func(m map[int]any) { delete(m, 2) },
		"another size":    func(m map[int]any) { m[3] = 6 },
		"size is text":    func(m map[int]any) { m[3] = "5" },
		"empty":           func(m map[int]any) { m[1] = []byte{} },
		"unknown members": func(m map[int]any) { m[9] = "later" },
	} {
		data, err := largeblob.Open(vector.Key, element(t, change))
		if name == "unknown members" {
			if err != nil || string(data) != "hello" {
				t.Errorf("%s: %q, %v", name, data, err)
			}
			continue
		}
		if !errors.Is(err, largeblob.ErrOtherKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := largeblob.Open(vector.Key[:31], nil); err == nil {
		t.Error("a key of 31 bytes")
	}
	if _, err := largeblob.Seal(bytes.NewReader(nil), vector.Key, nil); err == nil {
		t.Error("no randomness")
	}
	if _, err := largeblob.Parse(hashed([]byte{0xa0})); err == nil || errors.Is(err, largeblob.ErrDamaged) {
		t.Errorf("a map as the array: %v", err)
	}
}

// hashed appends the right hash to anything.
func hashed(array []byte) []byte {
	h := sha256.Sum256(array)
	return append(bytes.Clone(array), h[:16]...)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(vector.Array[:len(vector.Array)-16]))
	f.Add([]byte(vector.Initial[:1]))
	f.Fuzz(func(t *testing.T, array []byte) {
		elements, err := largeblob.Parse(hashed(array))
		if err != nil {
			return
		}
		for _, e := range elements {
			_, _ = largeblob.Open(vector.Key, e)
		}
		again, err := largeblob.Parse(largeblob.Serialize(elements))
		if err != nil || !reflect.DeepEqual(again, elements) {
			t.Fatalf("%x comes back as %x, %v", elements, again, err)
		}
	})
}

// badlyPacked is an element that the vector's key opens and that does not
// inflate.
func badlyPacked(t *testing.T) wire.Raw {
	t.Helper()
	block, err := aes.NewCipher(vector.Key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	nonce := make([]byte, 12)
	sealed := aead.Seal(nil, nonce, []byte{0xff}, append([]byte("blob"), 1, 0, 0, 0, 0, 0, 0, 0))
	b, err := wire.Encode(map[int]any{1: sealed, 2: nonce, 3: 1})
	if err != nil {
		t.Fatal(err)
	}
	return b
}
