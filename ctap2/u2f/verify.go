package u2f

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2/cose"
)

// Key is the new credential's public key, checked to be on the curve.
func (r *Registration) Key() (cose.Key, error) {
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), r.PublicKey)
	if err != nil {
		return cose.Key{}, fmt.Errorf("%w: %w", cose.ErrInvalid, err)
	}
	return cose.FromPublic(pub, cose.ES256)
}

// X509 parses the attestation certificate, mended as by
// [Registration.MendedCertificate].
func (r *Registration) X509() (*x509.Certificate, error) {
	c, err := x509.ParseCertificate(r.MendedCertificate())
	if err != nil {
		return nil, fmt.Errorf("attestation certificate: %w", err)
	}
	return c, nil
}

// Verify checks the attestation signature over the registration, made by the
// certificate's key (U2F Raw Message Formats 1.2 §4.3). Both parameters have 32
// bytes. The error is [cose.ErrSignature] when it does not verify. Whose
// certificate it is, is for the relying party to find out.
func (r *Registration) Verify(challenge, application []byte) error {
	key, err := r.attestationKey()
	if err != nil {
		return fmt.Errorf("attestation certificate: %w", err)
	}
	return key.Verify(slices.Concat([]byte{0}, application, challenge, r.KeyHandle, r.PublicKey), r.Signature)
}

// attestationKey is the public key of the attestation certificate. Only this
// member is read: prototypes have certificates with names that crypto/x509 does
// not take, such as Google's first ones.
func (r *Registration) attestationKey() (cose.Key, error) {
	var c struct {
		TBS struct {
			Version                                   int `asn1:"optional,explicit,tag:0"`
			Serial                                    *big.Int
			Algorithm, Issuer, Validity, Subject, Key asn1.RawValue
		}
	}
	if _, err := asn1.Unmarshal(r.Certificate, &c); err != nil {
		return cose.Key{}, err
	}
	return cose.FromSPKI(c.TBS.Key.FullBytes, cose.ES256)
}

// Verify checks the signature of an authentication with the credential's key
// (U2F Raw Message Formats 1.2 §5.4). Both parameters have 32 bytes. The error
// is [cose.ErrSignature] when it does not verify.
func (a *Authentication) Verify(key cose.Key, challenge, application []byte) error {
	counter := binary.BigEndian.AppendUint32([]byte{a.Flags}, a.Counter)
	return key.Verify(slices.Concat(application, counter, challenge), a.Signature)
}

// badUnusedBits are the SHA-256 hashes of certificates from the first U2F keys
// of Yubico. The BIT STRING of their signature says that it has unused bits,
// which it has not: strict parsers refuse them, and to others the issuer's
// signature does not verify. Yubico published the list; U2F relying party
// libraries in all languages have it.
var badUnusedBits = []string{
	"349bca1031f8c82c4ceca38b9cebf1a69df9fb3b94eed99eb3fb9aa3822d26e8",
	"dd574527df608e47ae45fbba75a2afdd5c20fd94a02419381813cd55a2a3398f",
	"1d8764f0f7cd1352df6150045c8f638e517270e8b5dda1c63ade9c2280240cae",
	"d0edc9a91a1677435a953390865d208c55b3183c6759c9b5a7ff494c322558eb",
	"6073c436dcd064a48127ddbf6032ac1a66fd59a0c24434f070d4e564c124c897",
	"ca993121846c464d666096d35f13bf44c1b05af205f9b4a1e00cf6cc10c5e511",
}

// unusedBitsFromEnd is where the byte with the number of unused bits is in those
// certificates: before their RSA signature of 256 bytes.
const unusedBitsFromEnd = 257

// MendedCertificate is the attestation certificate in DER, with the wrong number
// of unused bits put right in the few known certificates that have one.
func (r *Registration) MendedCertificate() []byte {
	return mend(r.Certificate, badUnusedBits)
}

func mend(der []byte, known []string) []byte {
	hash := sha256.Sum256(der)
	if len(der) < unusedBitsFromEnd || !slices.Contains(known, hex.EncodeToString(hash[:])) {
		return der
	}
	der = bytes.Clone(der)
	der[len(der)-unusedBitsFromEnd] = 0
	return der
}
