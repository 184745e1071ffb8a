package cose_test

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/fixtures"
)

// TestCeremonyVectors verifies the assertions of WebAuthn L3 §16, and that
// nothing else verifies.
func TestCeremonyVectors(t *testing.T) {
	seen := map[cose.Algorithm]bool{}
	for _, v := range fixtures.WebAuthn().Ceremonies {
		key, err := cose.Parse(v.PublicKey)
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		seen[key.Alg] = true
		hash := sha256.Sum256(v.GetClientDataJSON)
		message := slices.Concat(v.AuthenticatorData, hash[:])
		if err := key.Verify(message, v.Signature); err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
		refuseChanged(t, v.Name, key, message, v.Signature)
	}
	for _, alg := range []cose.Algorithm{cose.ES256, cose.ES384, cose.ES512, cose.RS256, cose.EdDSA} {
		if !seen[alg] || !alg.Verifiable() {
			t.Errorf("%v: no vector, or not verifiable", alg)
		}
	}
}

// refuseChanged holds that neither another message nor a changed, shorter or
// longer signature verifies.
func refuseChanged(t *testing.T, name string, key cose.Key, message, signature []byte) {
	t.Helper()
	flipped := bytes.Clone(signature)
	flipped[len(flipped)/2] ^= 1
	for what, c := range map[string]struct{ message, signature []byte }{
		"another message":    {append(bytes.Clone(message), 0), signature},
		"a changed bit":      {message, flipped},
		"a byte less":        {message, signature[:len(signature)-1]},
		"a byte more":        {message, append(bytes.Clone(signature), 0)},
		"no signature":       {message, nil},
		"a signature of one": {message, []byte{1}},
	} {
		if err := key.Verify(c.message, c.signature); !errors.Is(err, cose.ErrSignature) {
			t.Errorf("%s, %s: %v", name, what, err)
		}
	}
}

func TestMLDSAVectors(t *testing.T) {
	for _, v := range fixtures.MLDSA() {
		alg := cose.Algorithm(v.Algorithm)
		b, err := wire.Encode(map[int]any{1: 7, 3: v.Algorithm, -1: []byte(v.PublicKey)})
		if err != nil {
			t.Fatal(err)
		}
		key, err := cose.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := key.Verify(v.Message, v.Signature); err != nil {
			t.Errorf("%v: %v", alg, err)
		}
		refuseChanged(t, alg.String(), key, v.Message, v.Signature)
		der, err := key.SPKI()
		if err != nil || !bytes.Equal(der, slices.Concat(v.SPKIPrefix, v.PublicKey)) {
			t.Errorf("%v: SPKI %x…, %v", alg, der[:min(len(der), 30)], err)
		}
		back, err := cose.FromSPKI(der, alg)
		if err != nil || !bytes.Equal(back.Pub, v.PublicKey) || back.Alg != alg {
			t.Errorf("%v: back from SPKI as %v, %v", alg, back.Alg, err)
		}
	}
}

// TestKeysMustFitTheirAlgorithm: an algorithm names one type and curve of key.
func TestKeysMustFitTheirAlgorithm(t *testing.T) {
	p256, err := cose.FromPublic(ecdsaKey(t, elliptic.P256()), cose.ES256)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := cose.FromPublic(ecdsaKey(t, elliptic.P384()), cose.ES384)
	if err != nil {
		t.Fatal(err)
	}
	under := func(k cose.Key, alg cose.Algorithm) cose.Key { k.Alg = alg; return k }
	ed448 := cose.Key{Type: cose.TypeOKP, Curve: cose.CurveEd448, X: make([]byte, 57)}
	for _, c := range []struct {
		name string
		key  cose.Key
		want error
	}{
		{"ES256 on P-384", under(p384, cose.ES256), cose.ErrInvalid},
		{"ESP384 on P-256", under(p256, cose.ESP384), cose.ErrInvalid},
		{"EdDSA with an EC2 key", under(p256, cose.EdDSA), cose.ErrInvalid},
		{"ML-DSA-44 with an EC2 key", under(p256, cose.MLDSA44), cose.ErrInvalid},
		{"no algorithm", under(p256, 0), cose.ErrUnsupported},
		{"key agreement label", under(p256, cose.ECDHES), cose.ErrUnsupported},
		{"ES256K", under(cose.Key{Type: cose.TypeEC2, Curve: cose.CurveP256K}, cose.ES256K), cose.ErrUnsupported},
		{"RS1", cose.Key{Type: cose.TypeRSA, Alg: cose.RS1}, cose.ErrUnsupported},
		{"Ed448", under(ed448, cose.Ed448), cose.ErrUnsupported},
		{"Ed448 under EdDSA", under(ed448, cose.EdDSA), cose.ErrUnsupported},
		{"off the curve", under(cose.Key{Type: cose.TypeEC2, Curve: cose.CurveP256, X: make([]byte, 32), Y: make([]byte, 32)}, cose.ES256), cose.ErrInvalid},
	} {
		if err := c.key.Verify(nil, nil); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// TestRSASchemes tells PKCS #1 v1.5 from PSS, and the hashes from each other.
func TestRSASchemes(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	message := []byte("message")
	d256, d512 := sha256.Sum256(message), sha512.Sum512(message)
	pkcs, err := rsa.SignPKCS1v15(nil, private, crypto.SHA512, d512[:])
	if err != nil {
		t.Fatal(err)
	}
	pss, err := rsa.SignPSS(rand.Reader, private, crypto.SHA256, d256[:], &rsa.PSSOptions{SaltLength: 32})
	if err != nil {
		t.Fatal(err)
	}
	fits := map[cose.Algorithm][]byte{cose.RS512: pkcs, cose.PS256: pss}
	for _, alg := range []cose.Algorithm{cose.RS256, cose.RS384, cose.RS512, cose.PS256, cose.PS384, cose.PS512} {
		key, err := cose.FromPublic(&private.PublicKey, alg)
		if err != nil {
			t.Fatal(err)
		}
		for of, signature := range fits {
			err := key.Verify(message, signature)
			if (err == nil) != (alg == of) || err != nil && !errors.Is(err, cose.ErrSignature) {
				t.Errorf("a signature by %v under %v: %v", of, alg, err)
			}
		}
	}
}

// spkiHeads are what OpenSSL writes before the key itself.
var spkiHeads = map[cose.Algorithm]string{
	cose.ES256: "3059301306072a8648ce3d020106082a8648ce3d030107034200",
	cose.ES384: "3076301006072a8648ce3d020106052b81040022036200",
	cose.ES512: "30819b301006072a8648ce3d020106052b8104002303818600",
	cose.EdDSA: "302a300506032b6570032100",
}

func TestSPKI(t *testing.T) {
	for _, v := range fixtures.WebAuthn().Ceremonies {
		key, err := cose.Parse(v.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		der, err := key.SPKI()
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		if head, ok := spkiHeads[key.Alg]; ok {
			want := unhex(t, head)
			if key.Type == cose.TypeEC2 {
				want = append(want, 4)
			}
			want = slices.Concat(want, key.X, key.Y)
			if !bytes.Equal(der, want) {
				t.Errorf("%s:\n%x, want\n%x", v.Name, der, want)
			}
		}
		back, err := cose.FromSPKI(der, key.Alg)
		if err != nil || !reflect.DeepEqual(back, key) {
			t.Errorf("%s: back as %v, %v", v.Name, back, err)
		}
	}
}

func TestSPKIRefuses(t *testing.T) {
	for _, key := range []cose.Key{{}, {Type: cose.TypeOKP, Curve: cose.CurveEd448}, {Type: cose.TypeEC2, Curve: cose.CurveP256K, Alg: cose.ES256K}} {
		if _, err := key.SPKI(); !errors.Is(err, cose.ErrUnsupported) {
			t.Errorf("%+v: %v", key, err)
		}
	}
	for _, der := range []string{"", "3000", strings.Repeat("30", 40)} {
		if _, err := cose.FromSPKI(unhex(t, der), cose.ES256); !errors.Is(err, cose.ErrInvalid) {
			t.Errorf("%q: %v", der, err)
		}
	}
}
