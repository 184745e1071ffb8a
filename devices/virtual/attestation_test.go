package virtual_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// statement is the attestation statement of a new credential.
func (c made) statement() map[any]any {
	st, _ := c.body[uint64(3)].(map[any]any)
	return st
}

func (c made) signed() []byte { return append(bytes.Clone(c.raw), hash[:]...) }

// leaf is the attestation certificate, checked against the key's root.
func (r *rig) leaf(c made) *x509.Certificate {
	r.t.Helper()
	chain := c.statement()["x5c"].([]any)
	expect(r.t, "certificates", len(chain), 1)
	leaf, err := x509.ParseCertificate(chain[0].([]byte))
	if err != nil {
		r.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(r.key.AttestationRoot())
	options := x509.VerifyOptions{
		Roots: roots, CurrentTime: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	if _, err := leaf.Verify(options); err != nil {
		r.t.Fatal(err)
	}
	return leaf
}

func TestBasicAttestation(t *testing.T) {
	aaguid := [16]byte{0: 1, 15: 2}
	r := newRig(t, model(func(p *virtual.Profile) { p.AAGUID = aaguid }))
	for _, alg := range []any{es256, eddsa} {
		c := r.make(creation().with(m{4: []any{alg}}))
		expect(t, "alg", c.statement()["alg"], any(int64(-7)))
		expect(t, "members", len(c.statement()), 3)
		digest := sha256.Sum256(c.signed())
		leaf := r.leaf(c)
		if !ecdsa.VerifyASN1(leaf.PublicKey.(*ecdsa.PublicKey), digest[:], c.statement()["sig"].([]byte)) {
			t.Fatal("signature is wrong")
		}
		wantAttestationCertificate(t, leaf, aaguid)
	}
	root := r.key.AttestationRoot()
	expect(t, "root is an authority", root.IsCA, true)
	if err := root.CheckSignatureFrom(root); err != nil {
		t.Fatal(err)
	}
}

// wantAttestationCertificate checks what WebAuthn L3 §8.2.1 demands.
func wantAttestationCertificate(t *testing.T, leaf *x509.Certificate, aaguid [16]byte) {
	t.Helper()
	expect(t, "version", leaf.Version, 3)
	expect(t, "subject", leaf.Subject.String(), "CN=Touchstone Virtual Key,OU=Authenticator Attestation,O=Touchstone,C=ZZ")
	wantStringTypes(t, leaf.RawSubject)
	expect(t, "basic constraints", leaf.BasicConstraintsValid, true)
	expect(t, "CA", leaf.IsCA, false)
	found := false
	for _, extension := range leaf.Extensions {
		if extension.Id.String() != "1.3.6.1.4.1.45724.1.1.4" {
			continue
		}
		var value []byte
		rest, err := asn1.Unmarshal(extension.Value, &value)
		found = err == nil && len(rest) == 0 && !extension.Critical && bytes.Equal(value, aaguid[:])
	}
	expect(t, "AAGUID extension is right", found, true)
}

// wantStringTypes checks that the country is a PrintableString and the rest are
// UTF8Strings.
func wantStringTypes(t *testing.T, subject []byte) {
	t.Helper()
	var members []asn1.RawValue
	if _, err := asn1.Unmarshal(subject, &members); err != nil {
		t.Fatal(err)
	}
	var tags []int
	for _, member := range members {
		var attribute struct {
			Type  asn1.ObjectIdentifier
			Value asn1.RawValue
		}
		if _, err := asn1.Unmarshal(member.Bytes, &attribute); err != nil {
			t.Fatal(err)
		}
		tags = append(tags, attribute.Value.Tag)
	}
	if want := []int{asn1.TagPrintableString, asn1.TagUTF8String, asn1.TagUTF8String, asn1.TagUTF8String}; !slices.Equal(tags, want) {
		t.Errorf("string types are %v, want %v", tags, want)
	}
}

func TestSelfAttestation(t *testing.T) {
	r := newRig(t, model(func(p *virtual.Profile) { p.Attestation.Kind = virtual.AttestationSelf }))
	for _, alg := range []s{es256, eddsa} {
		c := r.make(creation().with(m{4: []any{alg}}))
		expect(t, "fmt", c.body[uint64(1)], any("packed"))
		expect(t, "members", len(c.statement()), 2)
		expect(t, "alg", c.statement()["alg"], any(int64(alg["alg"].(int))))
		c.verify(t, c.signed(), c.statement()["sig"].([]byte))
	}
}

func TestAttestationFormatsPreference(t *testing.T) {
	r := newRig(t)
	for _, test := range []struct {
		preference []any
		want       string
	}{
		{[]any{}, "packed"},
		{[]any{"packed"}, "packed"},
		{[]any{"tpm"}, "packed"},
		{[]any{"tpm", "none"}, "packed"},
		{[]any{"none", "packed"}, "packed"},
		{[]any{"none", "none"}, "packed"},
		{[]any{"none"}, "none"},
	} {
		c := r.make(creation().with(m{11: test.preference}))
		expect(t, "fmt", c.body[uint64(1)], any(test.want))
		expect(t, "statement is there", c.statement() != nil, test.want == "packed")
	}
}

func TestOneCertificateForAllCredentials(t *testing.T) {
	r := newRig(t)
	first := r.leaf(r.make(creation()))
	r.ok(cmdReset, nil)
	r.load()
	if second := r.leaf(r.make(discoverable("one"))); !bytes.Equal(first.Raw, second.Raw) {
		t.Fatal("another certificate")
	}
}
