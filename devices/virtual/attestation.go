package virtual

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
)

// Attestation is how the key vouches for new credentials.
type Attestation uint8

// Kinds of attestation, both in the packed format (WebAuthn L3 §8.2).
const (
	// AttestationBasic signs with the key's attestation key and adds its
	// certificate.
	AttestationBasic Attestation = iota
	// AttestationSelf signs with the new credential's own key.
	AttestationSelf
)

// Attestation statement formats.
const (
	formatPacked = "packed"
	formatNone   = "none"
)

// packedStatement is an attestation statement in the packed format.
type packedStatement struct {
	Algorithm cose.Algorithm `cbor:"alg"`
	Signature []byte         `cbor:"sig"`
	Chain     [][]byte       `cbor:"x5c,omitempty"`
}

// packed makes a statement over the message for a credential that signs with
// the scheme.
func (a *Authenticator) packed(m *making, message []byte) (*packedStatement, error) {
	if a.cfg.Attestation == AttestationSelf {
		sig, err := m.scheme.sign(m.signer, message)
		return &packedStatement{Algorithm: m.scheme.algorithm, Signature: sig}, err
	}
	id := a.state.identity
	es256 := schemeOf(cose.ES256)
	signer, err := es256.signer(id.key)
	if err != nil {
		return nil, err
	}
	sig, err := es256.sign(signer, message)
	return &packedStatement{Algorithm: cose.ES256, Signature: sig, Chain: [][]byte{id.cert}}, err
}

// attestationFormat chooses a format by the platform's preference (CTAP 2.3
// §6.1.2 step 19). There is only one to choose, so that a list matters in one
// case: when it is none and nothing else.
func attestationFormat(preference []string) string {
	if slices.Equal(preference, []string{formatNone}) {
		return formatNone
	}
	return formatPacked
}

// identity is what makes the key one of its model.
type identity struct {
	aaguid authdata.AAGUID
	root   *x509.Certificate
	key    []byte
	cert   []byte // DER
}

func (id *identity) wipe() { clear(id.key) }

// parse checks the record: that its certificates are certificates and that the
// attestation key is the one that the root has certified.
func (r identityRecord) parse() (identity, error) {
	root, err := x509.ParseCertificate(r.RootCert)
	if err != nil {
		return identity{}, fmt.Errorf("attestation root: %w", err)
	}
	leaf, err := x509.ParseCertificate(r.Cert)
	if err != nil {
		return identity{}, fmt.Errorf("attestation certificate: %w", err)
	}
	if err := leaf.CheckSignatureFrom(root); err != nil {
		return identity{}, fmt.Errorf("attestation certificate: %w", err)
	}
	signer, err := parseP256(r.Key)
	if err != nil || len(r.AAGUID) != 16 {
		return identity{}, errors.New("no attestation key or no AAGUID")
	}
	if certified, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || !certified.Equal(signer.Public()) {
		return identity{}, errors.New("attestation key is not the certificate's")
	}
	return identity{aaguid: authdata.AAGUID(r.AAGUID), root: root, key: r.Key, cert: r.Cert}, nil
}

// newIdentity makes an attestation authority and the one certificate it issues.
func newIdentity(rand io.Reader, aaguid authdata.AAGUID) (identityRecord, error) {
	root, err := newAuthority(rand)
	if err != nil {
		return identityRecord{}, err
	}
	key, cert, err := root.issue(rand, aaguid)
	if err != nil {
		return identityRecord{}, err
	}
	return identityRecord{
		Version:  recordVersion,
		AAGUID:   aaguid[:],
		RootKey:  root.private,
		RootCert: root.cert.Raw,
		Key:      key,
		Cert:     cert,
	}, nil
}

// authority issues attestation certificates.
type authority struct {
	private []byte
	cert    *x509.Certificate
}

// idFIDOGenCEAAGUID marks the certificate extension that holds the AAGUID
// (WebAuthn L3 §8.2.1).
var idFIDOGenCEAAGUID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}

// Validity of the certificates. It is fixed, so that a key made from the same
// random bytes has the same certificates.
var (
	notBefore = time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC)
	notAfter  = time.Date(2074, time.December, 31, 23, 59, 59, 0, time.UTC)
)

func newAuthority(rand io.Reader) (authority, error) {
	private, signer, err := schemeOf(cose.ES256).generate(rand)
	if err != nil {
		return authority{}, err
	}
	template := &x509.Certificate{
		RawSubject:            subject("Authenticator Attestation CA", "Touchstone Virtual Key Root"),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := certify(template, template, signer, signer)
	if err != nil {
		return authority{}, err
	}
	cert, err := x509.ParseCertificate(der)
	return authority{private: private, cert: cert}, err
}

// issue makes an attestation key and its certificate as WebAuthn L3 §8.2.1
// wants it.
func (r authority) issue(rand io.Reader, aaguid authdata.AAGUID) (key, cert []byte, err error) {
	key, signer, err := schemeOf(cose.ES256).generate(rand)
	if err != nil {
		return nil, nil, err
	}
	extension, err := asn1.Marshal(aaguid[:])
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		RawSubject:            subject("Authenticator Attestation", "Touchstone Virtual Key"),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		ExtraExtensions:       []pkix.Extension{{Id: idFIDOGenCEAAGUID, Value: extension}},
	}
	issuer, err := parseP256(r.private)
	if err != nil {
		return nil, nil, err
	}
	cert, err = certify(template, r.cert, signer, issuer)
	return key, cert, err
}

// subject is an encoded name with the members and string types that WebAuthn L3
// §8.2.1 asks for; left to itself, the x509 package chooses other types. Country
// ZZ is one that ISO 3166 leaves to users.
func subject(unit, name string) []byte {
	var sequence pkix.RDNSequence
	for _, member := range []struct {
		attribute int // id-at of X.520
		tag       int
		value     string
	}{
		{6, asn1.TagPrintableString, "ZZ"},
		{10, asn1.TagUTF8String, "Touchstone"},
		{11, asn1.TagUTF8String, unit},
		{3, asn1.TagUTF8String, name},
	} {
		sequence = append(sequence, pkix.RelativeDistinguishedNameSET{{
			Type:  asn1.ObjectIdentifier{2, 5, 4, member.attribute},
			Value: asn1.RawValue{Tag: member.tag, Bytes: []byte(member.value)},
		}})
	}
	der, err := asn1.Marshal(sequence)
	if err != nil {
		panic(err) // of constants
	}
	return der
}

// certify signs a certificate for the subject's key. Its serial number follows
// from that key.
func certify(template, parent *x509.Certificate, subject, issuer crypto.Signer) ([]byte, error) {
	public, err := x509.MarshalPKIXPublicKey(subject.Public())
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(public)
	template.SerialNumber = new(big.Int).SetBytes(id[:16])
	template.SubjectKeyId = id[:20]
	template.NotBefore, template.NotAfter = notBefore, notAfter
	der, err := x509.CreateCertificate(nil, template, parent, subject.Public(), issuer)
	if err != nil {
		return nil, fmt.Errorf("attestation certificate: %w", err)
	}
	return der, nil
}
