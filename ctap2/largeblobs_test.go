package ctap2_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/largeblob"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

func TestLargeBlobBytes(t *testing.T) {
	initial := vectors.LargeBlob.Initial
	set := "0c a5 02 51" + fmt.Sprintf("%x", initial) + "03 00 04 11 05" +
		vectorMAC(t, "largeBlobs set", ffs+"0c0000000000 0d9a02cc5893e4872c3a478aa7b84f2933e3c035733a1c13fa1bc8a14baedeb3") + "06 02"
	c := ctap2.New(play(t, step{"0c a2 01 19 03c0 03 00", "00 a1 01 51" + fmt.Sprintf("%x", initial)}, step{set, "00"}), ctap2.Config{})
	array, err := c.ReadLargeBlobArray(t.Context())
	if err != nil || !bytes.Equal(array, initial) {
		t.Fatalf("%x, %v", array, err)
	}
	if err := c.WriteLargeBlobArray(t.Context(), vectorToken(t, pinuv.Two), array); err != nil {
		t.Error(err)
	}
}

func TestLargeBlobWithoutToken(t *testing.T) {
	c := ctap2.New(play(t, step{"0c a3 02 51" + fmt.Sprintf("%x", vectors.LargeBlob.Initial) + "03 00 04 11", "00"}), ctap2.Config{})
	if err := c.WriteLargeBlobArray(t.Context(), nil, vectors.LargeBlob.Initial); err != nil {
		t.Error(err)
	}
}

// blobKey is a key's large-blob storage, as CTAP 2.3 §6.10.2 has it, written by
// itself: it knows the fixed token and takes over an array only when whole.
type blobKey struct {
	t        *testing.T
	maxMsg   int
	capacity int
	stored   []byte

	pending  []byte
	expected int
	failAt   int // the set with this number fails; 0 for none
	sets     int
	short    int // send fragments of at most so many bytes; 0 for what is asked
}

func (k *blobKey) Exchange(_ context.Context, msg []byte) ([]byte, error) {
	if msg[0] == 4 {
		info, err := wire.Encode(map[int]any{1: []string{"FIDO_2_1"}, 3: make([]byte, 16), 5: k.maxMsg})
		return append([]byte{0}, info...), err
	}
	if len(msg) > k.maxMsg {
		k.t.Errorf("a message of %d bytes, maxMsgSize is %d", len(msg), k.maxMsg)
	}
	var r map[int]any
	if err := wire.Decode(msg[1:], &r); err != nil {
		k.t.Fatal(err)
	}
	if n, ok := r[1]; ok {
		return k.get(int(n.(uint64)), int(r[3].(uint64))), nil
	}
	return []byte{k.set(r)}, nil
}

func (k *blobKey) get(n, offset int) []byte {
	if n > k.maxMsg-64 {
		return []byte{0x03}
	}
	if offset > len(k.stored) {
		return []byte{0x02}
	}
	if k.short > 0 {
		n = min(n, k.short)
	}
	b, err := wire.Encode(map[int]any{1: k.stored[offset:min(offset+n, len(k.stored))]})
	if err != nil {
		k.t.Fatal(err)
	}
	return append([]byte{0}, b...)
}

func (k *blobKey) set(r map[int]any) byte {
	data, offset := r[2].([]byte), int(r[3].(uint64))
	k.sets++
	length, has := r[4]
	switch {
	case k.sets == k.failAt:
		return 0x7f
	case len(data) > k.maxMsg-64:
		return 0x03
	case has != (offset == 0):
		return 0x02
	}
	if offset == 0 {
		k.expected, k.pending = int(length.(uint64)), nil
		if k.expected > k.capacity {
			return 0x18
		}
	}
	if offset != len(k.pending) {
		return 0x04
	}
	hash := sha256.Sum256(data)
	h := hmac.New(sha256.New, vectors.Token)
	h.Write(slices.Concat(bytes.Repeat([]byte{0xff}, 32), []byte{0x0c, 0}, binary.LittleEndian.AppendUint32(nil, uint32(offset)), hash[:]))
	if param, _ := r[5].([]byte); !hmac.Equal(param, h.Sum(nil)) || r[6] != uint64(2) {
		return 0x33
	}
	if k.pending = append(k.pending, data...); len(k.pending) == k.expected {
		k.stored = k.pending
	}
	return 0
}

func newBlobKey(t *testing.T, elements ...wire.Raw) *blobKey {
	return &blobKey{t: t, maxMsg: 164, capacity: 4096, stored: largeblob.Serialize(elements)} // fragments of 100 bytes
}

// client is a client that knows the key's maxMsgSize.
func (k *blobKey) client() *ctap2.Client {
	c := ctap2.New(k, ctap2.Config{})
	if _, err := c.GetInfo(k.t.Context()); err != nil {
		k.t.Fatal(err)
	}
	return c
}

// foreign is an array element that no key opens.
func foreign(n int) wire.Raw {
	b, err := wire.Encode(map[int]any{1: bytes.Repeat([]byte{7}, n), 2: make([]byte, 12), 3: 5, 9: "later"})
	if err != nil {
		panic(err)
	}
	return b
}

func TestLargeBlobFragments(t *testing.T) {
	for _, n := range []int{1, 20, 61, 62, 63, 64, 100, 161, 250, 1000} {
		for _, short := range []int{0, 1, 7} {
			k := newBlobKey(t, foreign(n))
			k.short = short
			got, err := k.client().ReadLargeBlobArray(t.Context())
			if err != nil || !bytes.Equal(got, k.stored) {
				t.Errorf("an array of %d bytes, %d at a time: %d bytes, %v", len(k.stored), short, len(got), err)
			}
		}
		k, array := newBlobKey(t), largeblob.Serialize([]wire.Raw{foreign(n)})
		if err := k.client().WriteLargeBlobArray(t.Context(), vectorToken(t, pinuv.Two), array); err != nil || !bytes.Equal(k.stored, array) {
			t.Errorf("%d bytes written: %v", len(array), err)
		}
	}
}

// A write that fails anywhere leaves the array that was there.
func TestFailedWriteLeavesTheOldArray(t *testing.T) {
	for at := 1; at <= 4; at++ {
		k := newBlobKey(t, foreign(30))
		k.failAt = at
		before := k.stored
		err := k.client().WriteLargeBlobArray(t.Context(), vectorToken(t, pinuv.Two), largeblob.Serialize([]wire.Raw{foreign(330)}))
		if !errors.Is(err, ctap2.StatusOther) || k.sets != at || !bytes.Equal(k.stored, before) {
			t.Errorf("fragment %d: %v after %d", at, err, k.sets)
		}
	}
	k := newBlobKey(t)
	k.capacity = 100
	if err := k.client().WriteLargeBlobArray(t.Context(), vectorToken(t, pinuv.Two), largeblob.Serialize([]wire.Raw{foreign(90)})); !errors.Is(err, ctap2.StatusLargeBlobStorageFull) {
		t.Errorf("no room: %v", err)
	}
	for _, damaged := range [][]byte{nil, {0x80}, append(bytes.Clone(vectors.LargeBlob.Initial), 0)} {
		if err := answering(t, "00").WriteLargeBlobArray(t.Context(), nil, damaged); !errors.Is(err, largeblob.ErrDamaged) {
			t.Errorf("%x: %v", damaged, err)
		}
	}
}

func TestChangeLargeBlobs(t *testing.T) {
	k := newBlobKey(t, foreign(30))
	c, two := k.client(), vectorToken(t, pinuv.Two)
	key := bytes.Repeat([]byte{1}, 32)
	for _, data := range []string{"first", strings.Repeat("second", 100)} {
		if err := c.PutLargeBlob(t.Context(), two, key, []byte(data)); err != nil {
			t.Fatal(err)
		}
		array, damaged, err := c.LargeBlobs(t.Context())
		if err != nil || damaged || len(array.Elements()) != 2 || !bytes.Equal(array.Elements()[0], foreign(30)) {
			t.Fatalf("%v, %v, %v", array, damaged, err)
		}
		if got, found, err := array.Find(key); string(got) != data || !found || err != nil {
			t.Errorf("%q, %v, %v", got, found, err)
		}
	}
	k.sets = 0
	stop := errors.New("no")
	if err := c.ChangeLargeBlobs(t.Context(), two, func(*largeblob.Array) error { return stop }); !errors.Is(err, stop) || k.sets != 0 {
		t.Errorf("%v after %d writes", err, k.sets)
	}
	if err := c.ChangeLargeBlobs(t.Context(), two, func(*largeblob.Array) error { return nil }); err != nil || k.sets != 0 {
		t.Errorf("nothing changed: %v after %d writes", err, k.sets)
	}
}

// A damaged array counts as empty; a change replaces it.
func TestDamagedArray(t *testing.T) {
	k := newBlobKey(t, foreign(30))
	k.stored[3] ^= 1
	c := k.client()
	if array, damaged, err := c.LargeBlobs(t.Context()); err != nil || !damaged || len(array.Elements()) != 0 {
		t.Errorf("%v, %v, %v", array, damaged, err)
	}
	err := c.ChangeLargeBlobs(t.Context(), vectorToken(t, pinuv.Two), func(a *largeblob.Array) error {
		return a.Put(zeros{}, make([]byte, 32), nil)
	})
	if array, damaged, readErr := c.LargeBlobs(t.Context()); err != nil || readErr != nil || damaged || len(array.Elements()) != 1 {
		t.Errorf("%v, %v, %v, %v", array, damaged, err, readErr)
	}
}

// TestLargeBlobsAreNotReplaced: a key that says yes and stores nothing is found
// out.
func TestLargeBlobsAreNotReplaced(t *testing.T) {
	initial := "00 a1 01 51" + fmt.Sprintf("%x", vectors.LargeBlob.Initial)
	err := answering(t, initial).ChangeLargeBlobs(t.Context(), nil, func(a *largeblob.Array) error {
		return a.Put(zeros{}, make([]byte, 32), nil)
	})
	if !errors.Is(err, ctap2.ErrNotReplaced) {
		t.Error(err)
	}
}

func TestHostileLargeBlobs(t *testing.T) {
	long := "00 a1 01 59 03c1" + strings.Repeat("00", 0x3c1)
	full := "00 a1 01 59 03c0" + strings.Repeat("00", 0x3c0)
	hashed := sha256.Sum256([]byte{0xf6})
	null := fmt.Sprintf("00 a1 01 51 f6 %x", hashed[:16])
	for name, answer := range map[string]string{"more than was asked for": long, "without end": full, "text": "00 a1 01 6161", "null for an array": null} {
		_, _, err := answering(t, answer).LargeBlobs(t.Context())
		var bad *ctap2.ResponseError
		if !errors.As(err, &bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := answering(t, "02").ReadLargeBlobArray(t.Context()); !errors.Is(err, ctap2.StatusInvalidParameter) {
		t.Errorf("refused at the beginning: %v", err)
	}
	if array, err := answering(t, "00").ReadLargeBlobArray(t.Context()); err != nil || len(array) != 0 {
		t.Errorf("no answer map, which is how some say empty: %x, %v", array, err)
	}
}

// A key that names a maxMsgSize without room for a fragment is read in default
// ones, and one that names more than any transport carries in the greatest.
func TestAbsurdMaxMsgSize(t *testing.T) {
	for told, want := range map[int]int{64: 1024 - 64, 1 << 30: 7609 - 64} {
		asked := 0
		k := newBlobKey(t, foreign(30))
		k.maxMsg = told
		c := ctap2.New(transportFunc(func(ctx context.Context, msg []byte) ([]byte, error) {
			var r map[int]any
			if err := wire.Decode(msg[1:], &r); err == nil {
				asked = int(r[1].(uint64))
			}
			k.maxMsg = told
			if len(msg) > 1 {
				k.maxMsg = 8000
			}
			return k.Exchange(ctx, msg)
		}), ctap2.Config{})
		if _, err := c.GetInfo(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err := c.ReadLargeBlobArray(t.Context()); err != nil || !bytes.Equal(got, k.stored) || asked != want {
			t.Errorf("%d bytes, asked for %d, want %d: %v", len(got), asked, want, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
