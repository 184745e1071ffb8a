package webauthn_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"slices"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/fixtures"
)

// certified is the public key of a certificate.
func certified(t *testing.T, der []byte, alg cose.Algorithm) cose.Key {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	key, err := cose.FromPublic(c.PublicKey, alg)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestCeremonyVectors holds parsing and writing to WebAuthn L3 §16: client data
// byte for byte, attestation objects in and out, and attestation signatures.
func TestCeremonyVectors(t *testing.T) {
	for _, v := range fixtures.WebAuthn().Ceremonies {
		t.Run(v.Name, func(t *testing.T) {
			compareClientData(t, webauthn.TypeCreate, v.Challenge, v.ClientDataJSON)
			compareClientData(t, webauthn.TypeGet, v.GetChallenge, v.GetClientDataJSON)
			format, statement, raw, err := webauthn.ParseAttestationObject(v.AttestationObject)
			if err != nil {
				t.Fatal(err)
			}
			d, err := authdata.Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(d.Credential.ID, v.CredentialID) || !bytes.Equal(d.Credential.PublicKey, v.PublicKey) {
				t.Errorf("%+v", d.Credential)
			}
			object, err := webauthn.AttestationObject(webauthn.ConveyanceDirect, format, statement, raw)
			if err != nil || !bytes.Equal(object, v.AttestationObject) {
				t.Errorf("written as %x, %v", object, err)
			}
			if slices.Contains([]string{"packed", "fido-u2f", "none"}, format) {
				verifyStatement(t, format, statement, raw, d, v.ClientDataJSON)
			}
		})
	}
}

// compareClientData builds client data from the members of a vector's. Vectors
// with members of a later level begin with what is built.
func compareClientData(t *testing.T, kind string, challenge, want []byte) {
	t.Helper()
	var c struct {
		Challenge         webauthn.Bytes
		Origin, TopOrigin string
		CrossOrigin       bool
	}
	if err := json.Unmarshal(want, &c); err != nil || !bytes.Equal(c.Challenge, challenge) {
		t.Fatalf("%s, %v", want, err)
	}
	data := webauthn.ClientData{Type: kind, Challenge: challenge, Origin: c.Origin, CrossOrigin: c.CrossOrigin, TopOrigin: c.TopOrigin}
	got := data.JSON()
	extended := bytes.HasPrefix(want, append(bytes.Clone(got[:len(got)-1]), ','))
	if !bytes.Equal(got, want) && !extended {
		t.Errorf("%s, want %s", got, want)
	}
	if sum := sha256.Sum256(want); !extended && !bytes.Equal(data.Hash(), sum[:]) {
		t.Errorf("hash %x", data.Hash())
	}
}
