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

// chain is the certificates of a statement, checked up to the key's root.
func (r *rig) chain(statement map[any]any) []*x509.Certificate {
	r.t.Helper()
	var all []*x509.Certificate
	for _, der := range statement["x5c"].([]any) {
		cert, err := x509.ParseCertificate(der.([]byte))
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, cert)
	}
	intermediates := x509.NewCertPool()
	for _, cert := range all[1:] {
		intermediates.AddCert(cert)
	}
	roots := x509.NewCertPool()
	roots.AddCert(r.key.AttestationRoot())
	options := x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, CurrentTime: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	if _, err := all[0].Verify(options); err != nil {
		r.t.Fatal(err)
	}
	return all
}

// wantSigned checks the statement's signature with the first certificate.
func wantSigned(t *testing.T, c made, leaf *x509.Certificate) {
	t.Helper()
	digest := sha256.Sum256(c.signed())
	if !ecdsa.VerifyASN1(leaf.PublicKey.(*ecdsa.PublicKey), digest[:], c.statement()["sig"].([]byte)) {
		t.Fatal("signature is wrong")
	}
}

func TestAttestationWithAnIntermediateAuthority(t *testing.T) {
	r := newRig(t, model(func(p *virtual.Profile) { p.Attestation.Intermediate = true }))
	for range 2 {
		c := r.make(creation())
		chain := r.chain(c.statement())
		expect(t, "certificates", len(chain), 2)
		expect(t, "second is an authority", chain[1].IsCA, true)
		expect(t, "root is not in the chain", chain[1].Equal(r.key.AttestationRoot()), false)
		wantSigned(t, c, chain[0])
		reg := r.register()
		u2f, err := x509.ParseCertificate(reg.cert)
		if err != nil {
			t.Fatal(err)
		}
		if err := u2f.CheckSignatureFrom(chain[1]); err != nil {
			t.Fatal(err)
		}
		r.load()
	}
}

func TestNoAttestation(t *testing.T) {
	r := newRig(t, model(func(p *virtual.Profile) { p.Attestation.Kind = virtual.AttestationNone }))
	c := r.make(creation())
	expect(t, "fmt", c.body[uint64(1)], any("none"))
	expect(t, "members of the statement", len(c.body[uint64(3)].(map[any]any)), 0)
	c = r.make(creation().with(m{11: []any{"none"}}))
	_, there := c.body[uint64(3)]
	expect(t, "statement is there", there, false)
}

// A model that does not tell attestationFormats does not know the preference.
func TestPreferenceOfAnEarlierVersion(t *testing.T) {
	r := newRig(t, model(func(p *virtual.Profile) { p.Attestation.Formats = nil }))
	for _, preference := range []any{[]any{"none"}, "x", 1} {
		expect(t, "fmt", r.make(creation().with(m{11: preference})).body[uint64(1)], any("packed"))
	}
}

func TestFIDOU2FAttestation(t *testing.T) {
	formats := func(list ...string) func(*virtual.Config) {
		return model(func(p *virtual.Profile) { p.Attestation.Formats = list })
	}
	for _, test := range []struct {
		formats    []string
		preference []any
		alg        s
		want       string
	}{
		{[]string{"packed", "fido-u2f"}, nil, es256, "packed"},
		{[]string{"packed", "fido-u2f"}, []any{"fido-u2f"}, es256, "fido-u2f"},
		{[]string{"packed", "fido-u2f"}, []any{"fido-u2f", "packed"}, es256, "fido-u2f"},
		{[]string{"packed", "fido-u2f"}, []any{"tpm", "packed", "fido-u2f"}, es256, "packed"},
		{[]string{"fido-u2f", "packed"}, nil, es256, "fido-u2f"},
		{[]string{"fido-u2f", "packed"}, nil, eddsa, "packed"},
		{[]string{"fido-u2f"}, nil, eddsa, "packed"}, // nothing else can be said of it
	} {
		r := newRig(t, formats(test.formats...))
		request := creation().with(m{4: []any{test.alg}})
		if test.preference != nil {
			request[11] = test.preference
		}
		c := r.make(request)
		expect(t, "fmt", c.body[uint64(1)], any(test.want))
		if test.want != "fido-u2f" {
			continue
		}
		expect(t, "members of the statement", len(c.statement()), 2)
		expect(t, "AAGUID is zero", bytes.Equal(c.aaguid, make([]byte, 16)), true)
		point := append([]byte{4}, c.key[int64(-2)].([]byte)...)
		point = append(point, c.key[int64(-3)].([]byte)...)
		leaf := r.leaf(c)
		public, err := leaf.PublicKey.(*ecdsa.PublicKey).Bytes()
		if err != nil {
			t.Fatal(err)
		}
		message := bytes.Join([][]byte{{0}, rpHash(rpID), hash[:], c.id, point}, nil)
		signedBy(t, public, message, c.statement()["sig"].([]byte))
	}
}

func TestEnterpriseAttestation(t *testing.T) {
	on := func(p *virtual.Profile) {
		p.Options["ep"] = true
		p.Attestation.Enterprise = virtual.EnterpriseProfile{RPIDs: []string{rpID}, PlatformManaged: true, Serial: "S-1"}
	}
	elsewhere := m{2: s{"id": "other.example"}}
	for _, test := range []struct {
		name    string
		change  func(*virtual.Profile)
		request m
		status  byte
		granted bool
	}{
		{"vendor, listed", on, m{10: 1}, 0, true},
		{"vendor, not listed", on, m{10: 1}.with(elsewhere), 0, false},
		{"platform", on, m{10: 2}.with(elsewhere), 0, true},
		{"not asked", on, m{}, 0, false},
		{"3", on, m{10: 3}, 0x2c, false},
		{"0", on, m{10: 0}, 0x2c, false},
		{"text", on, m{10: "x"}, 0x11, false},
		{"vendor only, platform asked, listed", func(p *virtual.Profile) { on(p); p.Attestation.Enterprise.PlatformManaged = false }, m{10: 2}, 0, true},
		{"vendor only, platform asked, not listed", func(p *virtual.Profile) { on(p); p.Attestation.Enterprise.PlatformManaged = false }, m{10: 2}.with(elsewhere), 0, false},
		{"platform only, vendor asked", func(p *virtual.Profile) { on(p); p.Attestation.Enterprise.RPIDs = nil }, m{10: 1}, 0, false},
		{"off", func(p *virtual.Profile) { on(p); p.Options["ep"] = false }, m{10: 1}, 0x02, false},
		{"off, and no value", func(p *virtual.Profile) { on(p); p.Options["ep"] = false }, m{10: 3}, 0x02, false},
		{"not capable", func(p *virtual.Profile) { on(p); delete(p.Options, "ep") }, m{10: 1}, 0x02, false},
		{"over self attestation", func(p *virtual.Profile) { on(p); p.Attestation.Kind = virtual.AttestationSelf }, m{10: 1}, 0, true},
		{"over a preference for none", on, m{10: 1, 11: []any{"none"}}, 0, true},
		{"with an authority in between", func(p *virtual.Profile) { on(p); p.Attestation.Intermediate = true }, m{10: 1}, 0, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, model(test.change))
			ordinary := r.make(creation())
			status, body := r.raw(message(t, cmdMakeCredential, creation().with(test.request)))
			expect(t, "status", status, test.status)
			if status != 0 {
				return
			}
			answer := decode(t, body)
			got := answer[uint64(4)]
			if test.granted {
				r.wantEnterprise(answer, ordinary)
			}
			expect(t, "epAtt", got, map[bool]any{true: true, false: nil}[test.granted])
		})
	}
}

// wantEnterprise checks that a statement is another one than ordinary ones are,
// and names the key.
func (r *rig) wantEnterprise(answer map[any]any, ordinary made) {
	r.t.Helper()
	expect(r.t, "fmt", answer[uint64(1)], any("packed"))
	leaf := r.chain(answer[uint64(3)].(map[any]any))[0]
	if x5c, ok := ordinary.statement()["x5c"].([]any); ok && bytes.Equal(x5c[0].([]byte), leaf.Raw) {
		r.t.Fatal("the ordinary certificate")
	}
	var serial []byte
	for _, e := range leaf.Extensions {
		if e.Id.String() == "1.3.6.1.4.1.45724.1.1.2" {
			if _, err := asn1.Unmarshal(e.Value, &serial); err != nil {
				r.t.Fatal(err)
			}
		}
	}
	expect(r.t, "serial number", string(serial), "S-1")
}
