package explain

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// formats are the attestation statement formats and where they are defined.
var formats = map[string]string{
	"packed": "WebAuthn L3 §8.2", "tpm": "WebAuthn L3 §8.3", "android-key": "WebAuthn L3 §8.4",
	"android-safetynet": "WebAuthn L3 §8.5", "fido-u2f": "WebAuthn L3 §8.6", "none": "WebAuthn L3 §8.7", "apple": "WebAuthn L3 §8.8",
}

const clausePackedCertificate = "WebAuthn L3 §8.2.1"

func readFormat(r *reading, f *Field, raw wire.Raw) {
	f.fill(raw)
	clause, ok := formats[f.Value]
	if !ok {
		f.Note = "a format that the standard does not have"
		return
	}
	f.Clause = clause
}

// readStatement reads an attestation statement; the certificates of x5c are
// taken apart.
func readStatement(r *reading, f *Field, raw wire.Raw) {
	all, err := pairs(raw)
	if err != nil {
		f.fill(raw)
		return
	}
	if len(all) == 0 {
		f.Value = "{}"
	}
	for _, p := range all {
		child := Field{Name: p.name()}
		switch {
		case child.Name == "x5c" && major(p.value) == wire.MajorArray:
			child.Fields = r.chain(p.value)
		case child.Name == "alg":
			child.fill(p.value)
			child.Note = algorithm(p.value)
		default:
			child.fill(p.value)
			if child.Name == "sig" {
				child.Like = LikeOwn // DER is not always of the same length
			}
		}
		f.Fields = append(f.Fields, child)
	}
}

func algorithm(raw wire.Raw) string {
	var a cose.Algorithm
	if wire.Decode(raw, &a) != nil {
		return ""
	}
	return a.String()
}

func (r *reading) chain(raw wire.Raw) []Field {
	var fields []Field
	for i, item := range items(raw) {
		f := Field{Name: fmt.Sprintf("[%d]", i), Like: LikeOwn}
		der, ok := byteString(item)
		if !ok {
			f.fill(item)
			r.remark(clausePackedCertificate, "x5c[%d] is no byte string", i)
		} else {
			r.certificate(&f, der)
		}
		fields = append(fields, f)
	}
	return fields
}

// oidAAGUID and oidTransports are the extensions that FIDO has for attestation
// certificates.
var (
	oidAAGUID     = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}
	oidTransports = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 2, 1, 1}
)

// certificate tells an X.509 certificate.
func (r *reading) certificate(f *Field, der []byte) {
	f.Note = bytesOf(len(der))
	c, err := x509.ParseCertificate(der)
	if err != nil {
		f.Value = hex.EncodeToString(der)
		r.remark(clausePackedCertificate, "a certificate cannot be read: %v", err)
		return
	}
	f.Fields = []Field{
		{Name: "subject", Value: c.Subject.String(), Like: LikeOwn},
		{Name: "issuer", Value: c.Issuer.String()},
		{Name: "serial", Value: c.SerialNumber.Text(16), Like: LikeOwn},
		{Name: "valid", Value: c.NotBefore.UTC().Format("2006-01-02") + " to " + c.NotAfter.UTC().Format("2006-01-02"), Like: LikeOwn},
		{Name: "key", Value: c.PublicKeyAlgorithm.String()},
		{Name: "signed with", Value: c.SignatureAlgorithm.String()},
	}
	for _, e := range c.Extensions {
		switch {
		case e.Id.Equal(oidAAGUID):
			f.Fields = append(f.Fields, r.certificateAAGUID(e.Value, e.Critical))
		case e.Id.Equal(oidTransports):
			f.Fields = append(f.Fields, Field{Name: "transports", Key: e.Id.String(), Value: certificateTransports(e.Value)})
		}
	}
}

func (r *reading) certificateAAGUID(value []byte, critical bool) Field {
	f := Field{Name: "aaguid", Key: oidAAGUID.String(), Clause: clausePackedCertificate}
	var id []byte
	rest, err := asn1.Unmarshal(value, &id)
	if err != nil || len(rest) > 0 || len(id) != len(authdata.AAGUID{}) {
		f.Value = hex.EncodeToString(value)
		r.remark(clausePackedCertificate, "the certificate's AAGUID is no OCTET STRING of 16 bytes")
		return f
	}
	f.Value = authdata.AAGUID(id).String()
	if critical {
		r.remark(clausePackedCertificate, "the certificate's AAGUID extension is critical, and must not be")
	}
	return f
}

// certificateTransports names the bits of the U2F transports extension.
func certificateTransports(value []byte) string {
	var bits asn1.BitString
	if rest, err := asn1.Unmarshal(value, &bits); err != nil || len(rest) > 0 {
		return hex.EncodeToString(value)
	}
	var names []string
	for i, name := range []string{"bluetooth", "ble", "usb", "nfc", "usb-internal"} {
		if bits.At(i) == 1 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// attestation checks the signature of a new credential's attestation, where it
// is one of the forms packed and fido-u2f.
func (r *reading) attestation(found map[uint64]wire.Raw) {
	var statement struct {
		Alg cose.Algorithm `cbor:"alg"`
		Sig []byte         `cbor:"sig"`
		X5C [][]byte       `cbor:"x5c"`
	}
	format, _ := textString(found[0x01])
	raw, _ := byteString(found[0x02])
	data, err := authdata.Parse(raw)
	if err != nil || wire.Decode(found[0x03], &statement) != nil || r.req == nil {
		return
	}
	if data.Credential == nil {
		r.remark("CTAP 2.3 §6.1.2", "the authenticator data has no attested credential data")
		return
	}
	r.checkCertificateAAGUID(format, statement.X5C, data)
	hash, _ := byteString(r.req.members[0x01])
	message := signed(raw, hash)
	if format == "fido-u2f" {
		message = u2fMessage(data, hash)
	}
	if len(hash) == 0 || len(statement.Sig) == 0 || format != "packed" && format != "fido-u2f" {
		return
	}
	key, err := signer(statement.X5C, statement.Alg, data.Credential.Key)
	if err != nil {
		return
	}
	r.verified("attestation", formats[format], key.Verify(message, statement.Sig))
}

// signer is the key that signed an attestation: the certificate's, or the new
// credential's own. A certificate does not tell the algorithm in COSE's terms.
func signer(chain [][]byte, alg cose.Algorithm, own cose.Key) (cose.Key, error) {
	if len(chain) == 0 {
		return own, nil
	}
	c, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return cose.Key{}, err
	}
	if alg == 0 {
		alg = cose.ES256
	}
	return cose.FromPublic(c.PublicKey, alg)
}

// u2fMessage is what the signature of fido-u2f covers (WebAuthn L3 §8.6).
func u2fMessage(data authdata.Data, clientDataHash []byte) []byte {
	key := data.Credential.Key
	return slices.Concat([]byte{0}, data.RPIDHash[:], clientDataHash, data.Credential.ID, []byte{4}, key.X, key.Y)
}

// checkCertificateAAGUID compares the AAGUID of the certificate, if it has one,
// with that of the authenticator data.
func (r *reading) checkCertificateAAGUID(format string, chain [][]byte, data authdata.Data) {
	if len(chain) == 0 || format != "packed" {
		return
	}
	c, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return
	}
	for _, e := range c.Extensions {
		var id []byte
		if !e.Id.Equal(oidAAGUID) {
			continue
		}
		if _, err := asn1.Unmarshal(e.Value, &id); err == nil && !bytes.Equal(id, data.Credential.AAGUID[:]) {
			r.remark(clausePackedCertificate, "the certificate is for the AAGUID %x, and the credential is of %v", id, data.Credential.AAGUID)
		}
	}
	if c.Version != 3 {
		r.remark(clausePackedCertificate, "the certificate is of version %d, and has to be of version 3", c.Version)
	}
	if !slices.Contains(c.Subject.OrganizationalUnit, "Authenticator Attestation") {
		r.remark(clausePackedCertificate, `the certificate's subject has not the OU "Authenticator Attestation"`)
	}
}
