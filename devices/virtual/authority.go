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
	"time"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
)

// certified is an attestation key and its certificate.
type certified struct {
	key  []byte
	cert []byte // DER
}

func (c certified) wipe() { clear(c.key) }

// identity is what makes the key one of its model.
type identity struct {
	certified
	aaguid authdata.AAGUID
	root   *x509.Certificate
	chain  [][]byte // DER of the authorities between certificate and root
}

// parse checks the record: that its certificates are certificates, each
// certified by the next, and that the attestation key is the certified one.
func (r identityRecord) parse() (identity, error) {
	root, err := x509.ParseCertificate(r.RootCert)
	if err != nil {
		return identity{}, fmt.Errorf("attestation root: %w", err)
	}
	id := identity{certified: certified{r.Key, r.Cert}, root: root}
	issuer := root
	if len(r.IssuerCert) > 0 {
		if issuer, err = checkedCertificate(r.IssuerCert, root); err != nil {
			return identity{}, err
		}
		id.chain = [][]byte{r.IssuerCert}
	}
	leaf, err := checkedCertificate(r.Cert, issuer)
	if err != nil {
		return identity{}, err
	}
	if len(r.AAGUID) != len(id.aaguid) {
		return identity{}, errors.New("no AAGUID")
	}
	id.aaguid = authdata.AAGUID(r.AAGUID)
	return id, matches(r.Key, leaf)
}

func checkedCertificate(der []byte, issuer *x509.Certificate) (*x509.Certificate, error) {
	cert, err := x509.ParseCertificate(der)
	if err == nil {
		err = cert.CheckSignatureFrom(issuer)
	}
	if err != nil {
		return nil, fmt.Errorf("attestation certificate: %w", err)
	}
	return cert, nil
}

// matches checks that a private key is the certificate's.
func matches(key []byte, cert *x509.Certificate) error {
	signer, err := parseP256(key)
	if err != nil {
		return errors.New("no attestation key")
	}
	if public, ok := cert.PublicKey.(*ecdsa.PublicKey); !ok || !public.Equal(signer.Public()) {
		return errors.New("attestation key is not the certificate's")
	}
	return nil
}

func (r certifiedRecord) parse() (certified, error) {
	cert, err := x509.ParseCertificate(r.Cert)
	if err != nil {
		return certified{}, fmt.Errorf("attestation certificate: %w", err)
	}
	return certified{r.Key, r.Cert}, matches(r.Key, cert)
}

// issuer is the authority that certifies attestation keys.
func (r identityRecord) issuer() (authority, error) {
	private, der := r.RootKey, r.RootCert
	if len(r.IssuerCert) > 0 {
		clear(r.RootKey)
		private, der = r.IssuerKey, r.IssuerCert
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return authority{}, err
	}
	return authority{private, cert}, matches(private, cert)
}

// newIdentity makes an attestation authority and the certificate of the key. The
// issuer is the one to ask for more.
func newIdentity(rand io.Reader, aaguid authdata.AAGUID, intermediate bool) (identityRecord, authority, error) {
	record := identityRecord{Version: recordVersion, AAGUID: aaguid[:]}
	root, err := newRoot(rand, intermediate)
	if err != nil {
		return record, authority{}, err
	}
	record.RootKey, record.RootCert = root.private, root.cert.Raw
	issuer := root
	if intermediate {
		if issuer, err = root.delegate(rand); err != nil {
			return record, authority{}, err
		}
		record.IssuerKey, record.IssuerCert = issuer.private, issuer.cert.Raw
	}
	leaf, err := issuer.issue(rand, "Touchstone Virtual Key", modelExtension(aaguid))
	record.Key, record.Cert = leaf.key, leaf.cert
	return record, issuer, err
}

// certify has a change store the further attestation certificates that the model
// needs and the key has not.
func (a *Authenticator) certify(ch *change, issuer authority) error {
	aaguid := a.state.identity.aaguid
	for _, want := range []struct {
		needed     bool
		into       *certified
		record     string
		name       string
		extensions []pkix.Extension
	}{
		{a.profile.version(versionU2F), &a.state.u2f, u2fName, "Touchstone Virtual Key U2F", nil},
		{a.profile.has(optEnterprise), &a.state.enterprise, enterpriseName, "Touchstone Virtual Key Enterprise",
			append(modelExtension(aaguid), serialExtension(a.profile.Attestation.Enterprise.Serial)...)},
	} {
		if !want.needed || want.into.key != nil {
			continue
		}
		c, err := issuer.issue(a.cfg.Rand, want.name, want.extensions)
		if err != nil {
			return err
		}
		ch.put(want.record, certifiedRecord{Version: recordVersion, Key: c.key, Cert: c.cert})
		*want.into = c
	}
	return nil
}

// authority issues attestation certificates.
type authority struct {
	private []byte
	cert    *x509.Certificate
}

func (r authority) wipe() { clear(r.private) }

// Certificate extensions (WebAuthn L3 §8.2.1).
var (
	idFIDOGenCESerial = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 2}
	idFIDOGenCEAAGUID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}
)

// modelExtension holds the AAGUID.
func modelExtension(aaguid authdata.AAGUID) []pkix.Extension {
	return []pkix.Extension{octets(idFIDOGenCEAAGUID, aaguid[:])}
}

// serialExtension tells which key it is, as enterprise attestation may; no
// serial number is no extension.
func serialExtension(serial string) []pkix.Extension {
	if serial == "" {
		return nil
	}
	return []pkix.Extension{octets(idFIDOGenCESerial, []byte(serial))}
}

func octets(id asn1.ObjectIdentifier, value []byte) pkix.Extension {
	der, err := asn1.Marshal(value)
	if err != nil {
		panic(err) // of bytes
	}
	return pkix.Extension{Id: id, Value: der}
}

// Validity of the certificates. It is fixed, so that a key made from the same
// random bytes has the same certificates.
var (
	notBefore = time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC)
	notAfter  = time.Date(2074, time.December, 31, 23, 59, 59, 0, time.UTC)
)

const unitCA = "Authenticator Attestation CA"

func newRoot(rand io.Reader, delegates bool) (authority, error) {
	private, signer, err := schemeOf(cose.ES256).generate(rand)
	if err != nil {
		return authority{}, err
	}
	template := caTemplate("Touchstone Virtual Key Root")
	if delegates {
		template.MaxPathLen, template.MaxPathLenZero = 1, false
	}
	return newAuthority(private, template, template, signer, signer)
}

// delegate makes an authority below this one.
func (r authority) delegate(rand io.Reader) (authority, error) {
	private, signer, err := schemeOf(cose.ES256).generate(rand)
	if err != nil {
		return authority{}, err
	}
	issuer, err := parseP256(r.private)
	if err != nil {
		return authority{}, err
	}
	return newAuthority(private, caTemplate("Touchstone Virtual Key CA"), r.cert, signer, issuer)
}

func newAuthority(private []byte, template, parent *x509.Certificate, subject, issuer crypto.Signer) (authority, error) {
	der, err := certify(template, parent, subject, issuer)
	if err != nil {
		return authority{}, err
	}
	cert, err := x509.ParseCertificate(der)
	return authority{private: private, cert: cert}, err
}

func caTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		RawSubject:            subject(unitCA, name),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
}

// issue makes an attestation key and its certificate as WebAuthn L3 §8.2.1
// wants it.
func (r authority) issue(rand io.Reader, name string, extensions []pkix.Extension) (certified, error) {
	key, signer, err := schemeOf(cose.ES256).generate(rand)
	if err != nil {
		return certified{}, err
	}
	template := &x509.Certificate{
		RawSubject:            subject("Authenticator Attestation", name),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		ExtraExtensions:       extensions,
	}
	issuer, err := parseP256(r.private)
	if err != nil {
		return certified{}, err
	}
	cert, err := certify(template, r.cert, signer, issuer)
	return certified{key, cert}, err
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
