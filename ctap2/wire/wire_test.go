package wire_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/fixtures"
)

var unhex = fixtures.Unhex

func TestEncodeSortsLikeCTAP(t *testing.T) {
	for _, c := range []struct {
		v    any
		want string
	}{
		{map[int]int{3: 0, -1: 0, 1: 0, -3: 0, 2: 0}, "a5 0100 0200 0300 2000 2200"},
		{map[string]int{"type": 0, "alg": 0, "id": 0, "name": 0}, "a4 62696400 63616c6700 646e616d6500 647479706500"},
		{map[any]int{"a": 0, 24: 0, -1: 0}, "a3 181800 2000 616100"},
		{struct {
			B int `cbor:"2,keyasint"`
			A int `cbor:"1,keyasint"`
		}{2, 1}, "a2 0101 0202"},
	} {
		got, err := wire.Encode(c.v)
		if err != nil || !bytes.Equal(got, unhex(t, c.want)) {
			t.Errorf("%v: %x, %v; want %s", c.v, got, err, c.want)
		}
		if err := wire.Canonical(got); err != nil {
			t.Errorf("%v: not canonical: %v", c.v, err)
		}
	}
}

func TestInspectRemarks(t *testing.T) {
	for _, c := range []struct {
		name, data string
		want       string // the remarks' texts, joined with "; "
	}{
		{"canonical", "a2 01 60 02 82 f4 f6", ""},
		{"keys out of order", "a2 02 00 01 00", "map keys out of order: 0x01 after 0x02 (byte 3)"},
		{"longer text key first", "a1 04 a2 63757365 f5 62726b f5", `map keys out of order: "rk" after "use" in 0x04 (byte 8)`},
		{"text before negative", "a2 6161 00 20 00", `map keys out of order: -1 after "a" (byte 4)`},
		{"duplicate neighbours", "a2 01 00 01 00", "duplicate map key: 0x01 (byte 3)"},
		{"duplicate apart", "a3 01 00 02 00 01 00", "duplicate map key: 0x01 (byte 5)"},
		{"long integer", "18 17", "integer or length not in shortest form: 23 written in 1 bytes (byte 0)"},
		{"long length", "81 5801 00", "integer or length not in shortest form: 1 written in 1 bytes in [0] (byte 1)"},
		{"eight bytes", "1b 00000000 00000001", "integer or length not in shortest form: 1 written in 8 bytes (byte 0)"},
		{"indefinite map", "bf 01 00 ff", "indefinite length (byte 0)"},
		{"indefinite array in map", "a1 01 9f 00 ff", "indefinite length in 0x01 (byte 2)"},
		{"indefinite string", "5f 41 00 41 01 ff", "indefinite length (byte 0)"},
		{"tag", "c2 41 01", "tag: 2 (byte 0)"},
		{"half float", "f9 3c00", "floating-point number (byte 0)"},
		{"double", "fb 3ff0000000000000", "floating-point number (byte 0)"},
		{"undefined", "f7", "simple value other than false, true and null: 23 (byte 0)"},
		{"simple 255", "f8 ff", "simple value other than false, true and null: 255 (byte 0)"},
		{"text cut in a character", "62 c3 28", "text is not UTF-8 (byte 0)"},
		{"depth 4", "81 81 81 81 00", ""},
		{"depth 5", "81 81 81 81 81 00", "more than 4 levels of maps and arrays in [0][0][0][0] (byte 4)"},
		{"bytes as key", "a1 41 ff 18 01", "integer or length not in shortest form: 1 written in 1 bytes in h'41ff' (byte 3)"},
	} {
		remarks, err := wire.Inspect(unhex(t, c.data))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var texts []string
		for _, r := range remarks {
			texts = append(texts, r.String())
		}
		if got := strings.Join(texts, "; "); got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, c.want)
		}
	}
}

func TestInspectMalformed(t *testing.T) {
	for _, c := range []struct{ name, data, want string }{
		{"nothing", "", "data ends where an item should begin at byte 0"},
		{"head cut", "19 01", "data ends inside the head of an item at byte 0"},
		{"string cut", "43 01 02", "string of 3 bytes, 2 left at byte 0"},
		{"huge string", "5b ffffffffffffffff", "string of 18446744073709551615 bytes, 0 left at byte 0"},
		{"huge array", "9b ffffffffffffffff", "18446744073709551615 elements announced, 0 bytes left at byte 0"},
		{"map without value", "a1 01", "data ends where an item should begin at byte 2"},
		{"trailing", "00 00", "1 trailing bytes at byte 1"},
		{"reserved head", "1c", "reserved initial byte 0x1c at byte 0"},
		{"indefinite integer", "1f", "reserved initial byte 0x1f at byte 0"},
		{"break alone", "ff", "break code outside an indefinite item at byte 0"},
		{"break as a value", "a1 01 ff", "break code outside an indefinite item at byte 2"},
		{"indefinite never ends", "9f 00", "data ends where an item should begin at byte 2"},
		{"text chunk in bytes", "5f 61 61 ff", "wrong chunk inside an indefinite string at byte 1"},
		{"nested indefinite chunk", "5f 5f 40 ff ff", "wrong chunk inside an indefinite string at byte 1"},
		{"simple 24 in two bytes", "f8 18", "simple value 24 in two bytes at byte 0"},
		{"17 levels", strings.Repeat("81", 17) + "00", "nested more than 16 deep at byte 16"},
		{"tags without end", strings.Repeat("c0", 100) + "00", "nested more than 16 deep at byte 17"},
	} {
		_, err := wire.Inspect(unhex(t, c.data))
		var m *wire.MalformedError
		if !errors.As(err, &m) || !errors.Is(err, wire.ErrMalformed) || err.Error() != "malformed CBOR: "+c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
		if wire.Canonical(unhex(t, c.data)) == nil {
			t.Errorf("%s: canonical", c.name)
		}
	}
}

func TestRemarksAreBounded(t *testing.T) {
	data := append([]byte{0x99, 0x0f, 0xff}, bytes.Repeat([]byte{0xf7}, 0xfff)...)
	remarks, err := wire.Inspect(data)
	if err != nil || len(remarks) != 64 {
		t.Errorf("%d remarks, %v", len(remarks), err)
	}
}

func TestDecodeIsLenientWithinLimits(t *testing.T) {
	for _, c := range []struct {
		name, data string
		ok         bool
	}{
		{"unsorted", "a2 02 00 01 00", true},
		{"long heads", "a1 1801 1802", true},
		{"indefinite", "bf 01 00 ff", true},
		{"duplicate", "a2 01 00 01 00", false},
		{"duplicate in two forms", "a2 01 00 1801 00", false},
		{"trailing", "a0 00", false},
		{"cut", "a1 01", false},
	} {
		var m map[int]int
		if err := wire.Decode(unhex(t, c.data), &m); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	var name string
	if err := wire.Decode(unhex(t, "63 61 62 c3"), &name); err != nil || name != "ab\xc3" {
		t.Errorf("a name cut in mid-character: %q, %v", name, err)
	}
	if err := wire.Decode([]byte(strings.Repeat("\x81", 17)+"\x00"), new(any)); err == nil {
		t.Error("17 levels were read")
	}
	if err := wire.Decode(append([]byte{0x99, 0x10, 0x01}, make([]byte, 4097)...), new(any)); err == nil {
		t.Error("4097 elements were read")
	}
}

func TestDecodeFirst(t *testing.T) {
	var n int
	rest, err := wire.DecodeFirst([]byte{0x05, 0xaa, 0xbb}, &n)
	if err != nil || n != 5 || !bytes.Equal(rest, []byte{0xaa, 0xbb}) {
		t.Errorf("%d, %x, %v", n, rest, err)
	}
	if _, err := wire.DecodeFirst([]byte{0x19}, &n); err == nil {
		t.Error("a cut head was read")
	}
}

func TestArrayAndMapPassRawOn(t *testing.T) {
	odd := []wire.Raw{unhex(t, "c2 00"), unhex(t, "9f 00 ff"), unhex(t, "a2 02 00 01 00")}
	if got := wire.Array(odd...); !bytes.Equal(got, unhex(t, "83 c200 9f00ff a202000100")) {
		t.Errorf("%x", got)
	}
	if got := wire.Array(); !bytes.Equal(got, []byte{0x80}) {
		t.Errorf("%x", got)
	}
	if got := wire.Map(wire.Raw{1}, odd[0], wire.Raw{2}, odd[1]); !bytes.Equal(got, unhex(t, "a2 01 c200 02 9f00ff")) {
		t.Errorf("%x", got)
	}
	if got := wire.Array(make([]wire.Raw, 300)...); !bytes.Equal(got, unhex(t, "99 012c")) {
		t.Errorf("%x", got)
	}
}

func TestEncodeRefuses(t *testing.T) {
	if _, err := wire.Encode(make(chan int)); err == nil {
		t.Error("a channel was encoded")
	}
}

// FuzzInspect holds Inspect to the library: what Inspect calls canonical is
// what decoding and encoding again leaves as it was.
func FuzzInspect(f *testing.F) {
	for _, s := range []string{
		"a2016002820405", "a10163757365", "bf0100ff", "c24101", "f93c00", "5f4100ff", "62c328", "8181818100",
		"a201000100", "1b0000000000000001", "a3616100010220f5", "9f00", "f818",
		"a60181684649444f5f325f3002816b686d61632d7365637265740350cb69481e8ff7403993ec0a2729a154a804a462726bf5627570f564706c6174f469636c69656e7450696ef4051904b0068101",
	} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		remarks, err := wire.Inspect(data)
		if err != nil {
			if !errors.Is(err, wire.ErrMalformed) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		for _, r := range remarks {
			if r.Offset < 0 || r.Offset >= len(data) || r.String() == "" {
				t.Fatalf("remark %+v for %d bytes", r, len(data))
			}
		}
		var v any
		if wire.Decode(data, &v) != nil {
			return // over a limit, or a Go map cannot have such a key
		}
		again, err := wire.Encode(v)
		if err != nil {
			return
		}
		if len(remarks) == 0 && !bytes.Equal(again, data) {
			t.Fatalf("no remarks on %x, which encodes as %x", data, again)
		}
		if onlyEncoding(remarks) && bytes.Equal(again, data) {
			t.Fatalf("remarks %v on %x, which encodes as it was", remarks, data)
		}
	})
}

// onlyEncoding reports whether there are remarks and all are of rules that
// encoding again mends.
func onlyEncoding(remarks []wire.Remark) bool {
	for _, r := range remarks {
		switch r.Rule {
		case wire.RuleKeyOrder, wire.RuleShortestHead, wire.RuleDefinite:
		default:
			return false
		}
	}
	return len(remarks) > 0
}

func BenchmarkInspect(b *testing.B) {
	data := unhex(b, "a60181684649444f5f325f3002816b686d61632d7365637265740350cb69481e8ff7403993ec0a2729a154a804a462726bf5627570f564706c6174f469636c69656e7450696ef4051904b0068101")
	for b.Loop() {
		if _, err := wire.Inspect(data); err != nil {
			b.Fatal(err)
		}
	}
}
