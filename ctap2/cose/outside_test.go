package cose_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/cose"
)

// signatures are what another implementation made: a key, and its signature over
// the message, for each algorithm. Bytes are in hexadecimal.
type signatures struct {
	Message    string
	Signatures []struct{ Algorithm, Key, Signature string }
}

func loadSignatures(t *testing.T) (all signatures) {
	t.Helper()
	b, err := os.ReadFile("testdata/signatures.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &all); err != nil || len(all.Signatures) == 0 {
		t.Fatalf("%d signatures, %v", len(all.Signatures), err)
	}
	return all
}

func TestVerifyOutsideSignatures(t *testing.T) {
	all := loadSignatures(t)
	message := unhex(t, all.Message)
	seen := map[string]bool{}
	for _, v := range all.Signatures {
		t.Run(v.Algorithm, func(t *testing.T) {
			seen[v.Algorithm] = true
			key, err := cose.Parse(unhex(t, v.Key))
			if err != nil || key.Alg.String() != v.Algorithm {
				t.Fatalf("%v, %v", key.Alg, err)
			}
			again, err := key.MarshalCBOR()
			if err != nil || !bytes.Equal(again, unhex(t, v.Key)) {
				t.Errorf("encodes as %x, %v", again, err)
			}
			sig := unhex(t, v.Signature)
			if !key.Alg.Verifiable() {
				if err := key.Verify(message, sig); !errors.Is(err, cose.ErrUnsupported) || v.Algorithm != "RS1" {
					t.Errorf("%v", err)
				}
				return
			}
			if err := key.Verify(message, sig); err != nil {
				t.Error(err)
			}
			wrong := bytes.Clone(sig)
			wrong[len(wrong)/2] ^= 1
			for name, err := range map[string]error{
				"changed message":   key.Verify(append(message[:len(message):len(message)], 0), sig),
				"changed signature": key.Verify(message, wrong),
				"cut signature":     key.Verify(message, sig[:len(sig)-1]),
				"no signature":      key.Verify(message, nil),
			} {
				if !errors.Is(err, cose.ErrSignature) {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
	for _, name := range []string{"ES256", "ES384", "ES512", "EdDSA", "RS256", "PS256", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"} {
		if !seen[name] {
			t.Errorf("no signature of %s", name)
		}
	}
}

func TestMoreKeysFromPublic(t *testing.T) {
	for _, v := range loadSignatures(t).Signatures {
		key, err := cose.Parse(unhex(t, v.Key))
		if err != nil {
			t.Fatal(err)
		}
		pub, err := key.Public()
		if err != nil {
			t.Fatal(err)
		}
		again, err := cose.FromPublic(pub, key.Alg)
		if err != nil {
			t.Fatal(err)
		}
		b, err := again.MarshalCBOR()
		if err != nil || !bytes.Equal(b, unhex(t, v.Key)) {
			t.Errorf("%s comes back as %x, %v", v.Algorithm, b, err)
		}
	}
}
