package largeblob_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/largeblob"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

func keyOf(b byte) []byte { return bytes.Repeat([]byte{b}, largeblob.KeySize) }

// others are elements that no key of these tests opens: a blob with a member
// that is not known, and things that are no blobs.
func others(t *testing.T) []wire.Raw {
	return []wire.Raw{
		element(t, func(m map[int]any) { m[9] = "later" }), // under the vector's key
		{0xa0}, {0x01}, {0xf6}, {0xa1, 0x02, 0x41, 0x00},
	}
}

func arrayOf(t *testing.T, elements ...wire.Raw) *largeblob.Array {
	t.Helper()
	a, err := largeblob.ParseArray(largeblob.Serialize(elements))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func put(t *testing.T, a *largeblob.Array, key byte, data string) {
	t.Helper()
	if err := a.Put(zeros{}, keyOf(key), []byte(data)); err != nil {
		t.Fatal(err)
	}
}

func find(t *testing.T, a *largeblob.Array, key byte) string {
	t.Helper()
	data, found, err := a.Find(keyOf(key))
	if err != nil {
		t.Fatal(err)
	}
	if !found {
		return "nothing"
	}
	return string(data)
}

func TestPutReplacesInPlace(t *testing.T) {
	a := arrayOf(t, others(t)...)
	put(t, a, 1, "one")
	put(t, a, 2, "two")
	put(t, a, 1, "one again")
	if n := len(a.Elements()); n != len(others(t))+2 {
		t.Errorf("%d elements", n)
	}
	if got := a.Elements()[:len(others(t))]; !reflect.DeepEqual(got, others(t)) {
		t.Errorf("others have become %x", got)
	}
	for key, want := range map[byte]string{1: "one again", 2: "two", 3: "nothing"} {
		if got := find(t, a, key); got != want {
			t.Errorf("key %d opens %q, want %q", key, got, want)
		}
	}
	again, err := largeblob.ParseArray(a.Bytes())
	if err != nil || !reflect.DeepEqual(again, a) {
		t.Errorf("%v, %v", again, err)
	}
}

// Another program may have left two blobs of one key: they become one.
func TestPutLeavesOneOfAKey(t *testing.T) {
	sealed, err := largeblob.Seal(zeros{}, keyOf(1), []byte("old"))
	if err != nil {
		t.Fatal(err)
	}
	a := arrayOf(t, sealed, wire.Raw{0xa0}, sealed)
	put(t, a, 1, "new")
	if len(a.Elements()) != 2 || find(t, a, 1) != "new" {
		t.Errorf("%x", a.Elements())
	}
}

func TestDelete(t *testing.T) {
	a := arrayOf(t, others(t)...)
	put(t, a, 1, "one")
	put(t, a, 2, "two")
	for _, want := range []int{1, 0} {
		if n, err := a.Delete(keyOf(1)); n != want || err != nil {
			t.Errorf("%d deleted, %v, want %d", n, err, want)
		}
	}
	if find(t, a, 1) != "nothing" || find(t, a, 2) != "two" || len(a.Elements()) != len(others(t))+1 {
		t.Errorf("%x", a.Elements())
	}
}

func TestCollect(t *testing.T) {
	a := arrayOf(t, others(t)...)
	put(t, a, 1, "one")
	put(t, a, 2, "two")
	n, err := a.Collect([][]byte{keyOf(2), keyOf(3)})
	if err != nil || n != 2 { // key 1's and the one of the vector's key
		t.Errorf("%d collected, %v", n, err)
	}
	if want := others(t)[1:]; !reflect.DeepEqual(a.Elements()[:len(want)], want) || find(t, a, 2) != "two" || len(a.Elements()) != len(want)+1 {
		t.Errorf("%x", a.Elements())
	}
	if n, err := a.Collect(nil); err != nil || n != 1 {
		t.Errorf("no key is alive: %d collected, %v", n, err)
	}
}

// What a key opens and cannot be inflated is an error, not somebody else's.
func TestFindTellsDamage(t *testing.T) {
	a := arrayOf(t, badlyPacked(t))
	if _, found, err := a.Find(vector.Key); !found || err == nil {
		t.Errorf("%v, %v", found, err)
	}
	if n, err := a.Delete(vector.Key); n != 1 || err != nil {
		t.Errorf("it cannot be deleted: %d, %v", n, err)
	}
}

func TestKeysOfOtherSizes(t *testing.T) {
	a, short := arrayOf(t, others(t)...), make([]byte, 16)
	before := a.Bytes()
	_, _, find := a.Find(short)
	_, del := a.Delete(short)
	_, collect := a.Collect([][]byte{short})
	for _, err := range []error{find, del, collect, a.Put(zeros{}, short, nil), a.Put(bytes.NewReader(nil), keyOf(1), nil)} {
		if err == nil {
			t.Error("no error")
		}
	}
	if !bytes.Equal(a.Bytes(), before) {
		t.Errorf("changed to %x", a.Bytes())
	}
}

func TestInflate(t *testing.T) {
	packed, err := largeblob.Deflate([]byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := largeblob.Inflate(packed, 5); string(got) != "hello" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for name, c := range map[string]struct {
		packed []byte
		size   uint64
	}{
		"shorter": {packed, 4}, "longer": {packed, 6}, "nothing": {nil, 0}, "cut": {packed[:3], 5},
		"no DEFLATE": {[]byte{0xff, 0xff}, 5}, "too much": {packed, largeblob.MaxInflated + 1},
	} {
		if got, err := largeblob.Inflate(c.packed, c.size); err == nil {
			t.Errorf("%s: %q", name, got)
		}
	}
}
