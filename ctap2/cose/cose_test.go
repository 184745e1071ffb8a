package cose_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/fixtures"
)

var unhex = fixtures.Unhex

var vectors = fixtures.PINUV()

func ecdsaKey(t testing.TB, curve elliptic.Curve) *ecdsa.PublicKey {
	t.Helper()
	d := sha256.Sum256([]byte("a private key for tests"))
	key, err := ecdsa.ParseRawPrivateKey(curve, append(make([]byte, (curve.Params().BitSize+7)/8-32), d[:]...))
	if err != nil {
		t.Fatal(err)
	}
	return &key.PublicKey
}

func TestKeyAgreementBytes(t *testing.T) {
	d, err := ecdh.P256().NewPrivateKey(vectors.Platform.D)
	if err != nil {
		t.Fatal(err)
	}
	got, err := wire.Encode(cose.KeyAgreement(d.PublicKey()))
	if err != nil {
		t.Fatal(err)
	}
	want := "a5010203381820012158 20" + hex.EncodeToString(vectors.Platform.X) + "2258 20" + hex.EncodeToString(vectors.Platform.Y)
	if !bytes.Equal(got, unhex(t, want)) {
		t.Errorf("%x, want %s", got, want)
	}
	var key cose.Key
	if err := wire.Decode(got, &key); err != nil {
		t.Fatal(err)
	}
	pub, err := key.ECDH()
	if err != nil || !pub.Equal(d.PublicKey()) {
		t.Errorf("comes back as %v, %v", pub, err)
	}
}

func TestPublicKeysComeBack(t *testing.T) {
	for _, c := range []struct {
		alg cose.Algorithm
		pub interface{ Equal(any) bool }
	}{
		{cose.ES256, equalECDSA{ecdsaKey(t, elliptic.P256())}},
		{cose.ES384, equalECDSA{ecdsaKey(t, elliptic.P384())}},
		{cose.ES512, equalECDSA{ecdsaKey(t, elliptic.P521())}},
		{cose.EdDSA, equalEd25519{ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey)}},
	} {
		key, err := cose.FromPublic(c.pub.(interface{ key() any }).key(), c.alg)
		if err != nil {
			t.Fatal(err)
		}
		b, err := key.MarshalCBOR()
		if err != nil {
			t.Fatal(err)
		}
		if err := wire.Canonical(b); err != nil {
			t.Errorf("%v: %v", c.alg, err)
		}
		parsed, err := cose.Parse(b)
		if err != nil || parsed.Alg != c.alg {
			t.Fatalf("%v: %+v, %v", c.alg, parsed, err)
		}
		pub, err := parsed.Public()
		if err != nil || !c.pub.Equal(pub) {
			t.Errorf("%v comes back as %v, %v", c.alg, pub, err)
		}
	}
}

type equalECDSA struct{ k *ecdsa.PublicKey }

func (e equalECDSA) key() any { return e.k }
func (e equalECDSA) Equal(o any) bool {
	k, ok := o.(*ecdsa.PublicKey)
	return ok && e.k.Equal(k)
}

type equalEd25519 struct{ k ed25519.PublicKey }

func (e equalEd25519) key() any { return e.k }
func (e equalEd25519) Equal(o any) bool {
	k, ok := o.(ed25519.PublicKey)
	return ok && e.k.Equal(k)
}

func TestRSAKey(t *testing.T) {
	n := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 2047), big.NewInt(1)).Bytes()
	b, err := cose.Key{Type: cose.TypeRSA, Alg: cose.RS256, N: n, E: []byte{1, 0, 1}}.MarshalCBOR()
	if err != nil {
		t.Fatal(err)
	}
	key, err := cose.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := key.Public()
	if k, ok := pub.(*rsa.PublicKey); err != nil || !ok || k.E != 65537 || k.N.BitLen() != 2048 {
		t.Errorf("%v, %v", pub, err)
	}
}

func TestParseRefuses(t *testing.T) {
	x := strings.Repeat("11", 32)
	for _, c := range []struct{ name, data, says string }{
		{"nothing", "", "invalid COSE key"},
		{"no map", "01", "invalid COSE key"},
		{"no key type", "a1 0326", "member kty (1) is missing"},
		{"no y", "a4 0102 0326 2001 215820" + x, "member y (-3) is missing"},
		{"x is text", "a5 0102 0326 2001 216161 225820" + x, "member x (-2)"},
		{"algorithm is text", "a2 0102 036161", "member alg (3)"},
		{"duplicate", "a2 0102 0102", "duplicate"},
		{"text label", "a1 6161 00", "invalid COSE key"},
		{"trailing", "a2 0109 0326 00", "1 trailing bytes"},
	} {
		_, err := cose.Parse(unhex(t, c.data))
		if !errors.Is(err, cose.ErrInvalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
}

func TestUnknownTypeIsKept(t *testing.T) {
	key, err := cose.Parse(unhex(t, "a3 0109 0339ffff 20 f5"))
	if err != nil || key.Type != 9 || key.Alg != -65536 {
		t.Fatalf("%+v, %v", key, err)
	}
	if _, err := key.Public(); !errors.Is(err, cose.ErrUnsupported) {
		t.Errorf("Public: %v", err)
	}
	if _, err := key.MarshalCBOR(); !errors.Is(err, cose.ErrUnsupported) {
		t.Errorf("MarshalCBOR: %v", err)
	}
	if key.Alg.String() != "COSE algorithm -65536" {
		t.Error(key.Alg)
	}
}

func TestBadKeys(t *testing.T) {
	good := cose.Key{Type: cose.TypeEC2, Curve: cose.CurveP256, X: vectors.Platform.X, Y: vectors.Platform.Y}
	change := func(f func(*cose.Key)) cose.Key { k := good; f(&k); return k }
	offCurve := bytes.Repeat([]byte{1}, 32)
	for _, c := range []struct {
		name string
		key  cose.Key
		want error
	}{
		{"off the curve", change(func(k *cose.Key) { k.Y = offCurve }), cose.ErrInvalid},
		{"short x", change(func(k *cose.Key) { k.X = k.X[1:] }), cose.ErrInvalid},
		{"secp256k1", change(func(k *cose.Key) { k.Curve = cose.CurveP256K }), cose.ErrUnsupported},
		{"point at infinity", change(func(k *cose.Key) { k.X, k.Y = make([]byte, 32), make([]byte, 32) }), cose.ErrInvalid},
		{"short Ed25519", cose.Key{Type: cose.TypeOKP, Curve: cose.CurveEd25519, X: offCurve[1:]}, cose.ErrInvalid},
		{"Ed448", cose.Key{Type: cose.TypeOKP, Curve: cose.CurveEd448, X: offCurve}, cose.ErrUnsupported},
		{"RSA without modulus", cose.Key{Type: cose.TypeRSA, E: []byte{3}}, cose.ErrInvalid},
		{"RSA with a huge exponent", cose.Key{Type: cose.TypeRSA, N: bytes.Repeat([]byte{255}, 256), E: bytes.Repeat([]byte{255}, 9)}, cose.ErrInvalid},
		{"RSA with a huge modulus", cose.Key{Type: cose.TypeRSA, N: bytes.Repeat([]byte{255}, 1025), E: []byte{3}}, cose.ErrInvalid},
		{"ML-DSA of 32 bytes", cose.Key{Type: cose.TypeAKP, Alg: cose.MLDSA44, Pub: offCurve}, cose.ErrInvalid},
		{"algorithm key pair under ES256", cose.Key{Type: cose.TypeAKP, Alg: cose.ES256, Pub: offCurve}, cose.ErrUnsupported},
	} {
		if _, err := c.key.Public(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if _, err := c.key.ECDH(); err == nil {
			t.Errorf("%s: makes a key agreement key", c.name)
		}
	}
	if _, err := good.ECDH(); err != nil {
		t.Errorf("the good key: %v", err)
	}
}

func TestFromPublicRefuses(t *testing.T) {
	if _, err := cose.FromPublic("no key", cose.ES256); !errors.Is(err, cose.ErrUnsupported) {
		t.Error(err)
	}
	if _, err := cose.FromPublic(&ecdsa.PublicKey{Curve: elliptic.P224()}, cose.ES256); !errors.Is(err, cose.ErrUnsupported) {
		t.Error(err)
	}
}

func TestAlgorithmNames(t *testing.T) {
	for _, name := range []string{"ES256", "EdDSA", "RS256", "ML-DSA-65"} {
		a, ok := cose.AlgorithmByName(name)
		if !ok || a.String() != name {
			t.Errorf("%s: %v, %v", name, a, ok)
		}
	}
	if _, ok := cose.AlgorithmByName("ROT13"); ok {
		t.Error("ROT13 is an algorithm")
	}
}

func FuzzParse(f *testing.F) {
	x := strings.Repeat("11", 32)
	for _, s := range []string{"a0", "a5010203262001215820" + x + "225820" + x, "a4010103272006215820" + x, "a401030339010020430000012143010001", "a2010903 26", "a301634f4b50032720674564323535313921982007" + strings.Repeat("07", 31)} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		key, rest, err := cose.ParseFirst(data)
		if err != nil {
			return
		}
		if len(rest) > len(data) {
			t.Fatal("more rest than data")
		}
		_, _ = key.Public()
		_, _ = key.ECDH()
		b, err := key.MarshalCBOR()
		if err != nil {
			return
		}
		if _, err := cose.Parse(b); err != nil {
			t.Fatalf("own encoding %x: %v", b, err)
		}
	})
}
