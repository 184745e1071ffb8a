package u2f_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/u2f"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/fixtures"
)

// vector is the fido-u2f ceremony of WebAuthn L3 §16.16 in U2F's own form.
type vector struct {
	challenge, application, registration []byte
	getChallenge, authentication         []byte
	handle, certificate                  []byte
	key                                  cose.Key
}

func standardVector(t testing.TB) vector {
	t.Helper()
	ceremonies := fixtures.WebAuthn().Ceremonies
	v := ceremonies[slices.IndexFunc(ceremonies, func(c fixtures.Ceremony) bool { return c.Clause == "16.16" })]
	_, statement, raw, err := webauthn.ParseAttestationObject(v.AttestationObject)
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		Sig []byte   `cbor:"sig"`
		X5C [][]byte `cbor:"x5c"`
	}
	if err := wire.Decode(statement, &s); err != nil {
		t.Fatal(err)
	}
	data, err := authdata.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	k := data.Credential.Key
	point := slices.Concat([]byte{4}, k.X, k.Y)
	id := data.Credential.ID
	create, get := sha256.Sum256(v.ClientDataJSON), sha256.Sum256(v.GetClientDataJSON)
	return vector{
		challenge: create[:], application: data.RPIDHash[:], handle: id, certificate: s.X5C[0], key: k,
		registration: slices.Concat([]byte{5}, point, []byte{byte(len(id))}, id, s.X5C[0], s.Sig),
		getChallenge: get[:], authentication: slices.Concat(v.AuthenticatorData[32:], v.Signature),
	}
}

func TestStandardVector(t *testing.T) {
	v := standardVector(t)
	r, err := u2f.ParseRegistration(v.registration)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(r.KeyHandle, v.handle) || !bytes.Equal(r.Certificate, v.certificate) {
		t.Errorf("%+v", r)
	}
	if err := r.Verify(v.challenge, v.application); err != nil {
		t.Error(err)
	}
	if err := r.Verify(v.application, v.challenge); !errors.Is(err, cose.ErrSignature) {
		t.Errorf("parameters the wrong way round: %v", err)
	}
	a, err := u2f.ParseAuthentication(v.authentication)
	if err != nil || a.Flags != u2f.FlagUserPresent || a.Counter != 0 {
		t.Fatalf("%+v, %v", a, err)
	}
	if err := a.Verify(v.key, v.getChallenge, v.application); err != nil {
		t.Error(err)
	}
	a.Counter++
	if err := a.Verify(v.key, v.getChallenge, v.application); !errors.Is(err, cose.ErrSignature) {
		t.Errorf("another counter: %v", err)
	}
}

// Every strict prefix is refused, and so is one byte more.
func TestPrefixesAreRefused(t *testing.T) {
	v := standardVector(t)
	for n := range v.registration {
		if _, err := u2f.ParseRegistration(v.registration[:n]); !errors.Is(err, u2f.ErrMalformed) {
			t.Errorf("%d bytes of a registration: %v", n, err)
		}
	}
	for n := range v.authentication {
		if _, err := u2f.ParseAuthentication(v.authentication[:n]); !errors.Is(err, u2f.ErrMalformed) {
			t.Errorf("%d bytes of an authentication: %v", n, err)
		}
	}
	if _, err := u2f.ParseRegistration(append(v.registration, 0)); !errors.Is(err, u2f.ErrMalformed) {
		t.Errorf("a registration and a byte: %v", err)
	}
	if _, err := u2f.ParseAuthentication(append(v.authentication, 0)); !errors.Is(err, u2f.ErrMalformed) {
		t.Errorf("an authentication and a byte: %v", err)
	}
}

func TestBadRegistrations(t *testing.T) {
	v := standardVector(t)
	good := v.registration
	at := func(i int, b byte) []byte { r := bytes.Clone(good); r[i] = b; return r }
	handle := good[:67+32]
	signature := unhex(t, "3006020101020101")
	certificate := v.certificate
	for name, b := range map[string][]byte{
		"another first byte":         at(0, 4),
		"a compressed point":         at(1, 2),
		"off the curve":              at(40, good[40]^1),
		"no key handle":              slices.Concat(good[:66], []byte{0}, certificate, signature),
		"a key handle of 255":        at(66, 255),
		"certificate is a SET":       slices.Concat(handle, []byte{0x31}, certificate[1:], signature),
		"certificate is primitive":   slices.Concat(handle, []byte{0x10}, certificate[1:], signature),
		"indefinite length":          slices.Concat(handle, unhex(t, "3080 0000"), signature),
		"length not in its shortest": slices.Concat(handle, unhex(t, "308103 020101"), signature),
		"length of four bytes":       slices.Concat(handle, unhex(t, "3084ffffffff"), signature),
		"no signature":               slices.Concat(handle, certificate),
		"signature is an INTEGER":    slices.Concat(handle, certificate, unhex(t, "020101")),
		"three numbers":              slices.Concat(handle, certificate, unhex(t, "3009020101020101020101")),
		"one number":                 slices.Concat(handle, certificate, unhex(t, "3003020101")),
		"r is zero":                  slices.Concat(handle, certificate, unhex(t, "3006020100020101")),
		"s is negative":              slices.Concat(handle, certificate, unhex(t, "30060201010201ff")),
		"r is not minimal":           slices.Concat(handle, certificate, unhex(t, "300702020001020101")),
	} {
		if _, err := u2f.ParseRegistration(b); !errors.Is(err, u2f.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A certificate need only be delimited; reading it is another matter.
	r, err := u2f.ParseRegistration(slices.Concat(handle, unhex(t, "3003020101"), signature))
	if err != nil || hex.EncodeToString(r.Certificate) != "3003020101" {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := r.X509(); err == nil {
		t.Error("an INTEGER was read as a certificate")
	}
	if err := r.Verify(v.challenge, v.application); err == nil {
		t.Error("verified without a certificate")
	}
}

func TestStatusText(t *testing.T) {
	for s, want := range map[u2f.Status]string{
		u2f.StatusWrongData: "SW_WRONG_DATA (0x6a80)", 0x6f00: "unknown status word (0x6f00)",
	} {
		if s.Error() != want || s.String() != want {
			t.Errorf("%v, want %s", s, want)
		}
	}
}

// TestCertificatesThatAreFine are not touched, whatever their bytes are.
func TestCertificatesThatAreFine(t *testing.T) {
	for _, der := range [][]byte{nil, []byte(strings.Repeat("x", 256)), []byte(strings.Repeat("x", 600)), standardVector(t).certificate} {
		r := &u2f.Registration{Certificate: der}
		if !bytes.Equal(r.MendedCertificate(), der) {
			t.Errorf("%x was mended", der)
		}
	}
}
