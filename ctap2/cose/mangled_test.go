package cose_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/fixtures"
)

// mangle writes an Ed25519 key as Firefox 117 did.
func mangle(t testing.TB, x []byte) []byte {
	t.Helper()
	b := unhex(t, "a3 01 63 4f4b50 03 27 20 67 45643235353139 21 98")
	b = append(b, byte(len(x)))
	for _, v := range x {
		if v < 24 {
			b = append(b, v)
			continue
		}
		b = append(b, 0x18, v)
	}
	return b
}

func TestMangledKey(t *testing.T) {
	for _, v := range fixtures.WebAuthn().Ceremonies {
		want, err := cose.Parse(v.PublicKey)
		if err != nil || want.Alg != cose.EdDSA {
			continue
		}
		mangled := mangle(t, want.X)
		got, rest, err := cose.ParseFirst(append(mangled, 0xa0))
		if err != nil || !bytes.Equal(rest, []byte{0xa0}) || !bytes.Equal(got.X, want.X) || got.Alg != cose.EdDSA {
			t.Errorf("%+v, %x, %v", got, rest, err)
		}
		again, err := got.MarshalCBOR()
		if err != nil || !bytes.Equal(again, v.PublicKey) {
			t.Errorf("written as %x, %v", again, err)
		}
	}
}

func TestMangledKeyRefuses(t *testing.T) {
	x := bytes.Repeat([]byte{7}, 32)
	good := mangle(t, x)
	head := good[:17]
	for name, b := range map[string][]byte{
		"31 numbers":     mangle(t, x[:31]),
		"33 numbers":     mangle(t, append(x, 7)),
		"another label":  slices.Concat(head, []byte{0x22}, good[18:]),
		"a large number": slices.Concat(head, unhex(t, "21 98 20 19 0100"), good[22:]),
		"text":           slices.Concat(head, unhex(t, "21 61 61")),
		"three pairs":    head,
	} {
		if _, err := cose.Parse(b); !errors.Is(err, cose.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for n := range good {
		if _, err := cose.Parse(good[:n]); err == nil {
			t.Errorf("%d of %d bytes were read", n, len(good))
		}
	}
}
