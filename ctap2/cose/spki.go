package cose

import (
	"fmt"

	"filippo.io/mldsa/x509"
)

// SPKI is the key as a DER SubjectPublicKeyInfo, the form in which a client
// hands a new key to the relying party (WebAuthn L3 §5.2.1.1). Keys that
// [Key.Public] has no form for are [ErrUnsupported].
func (k Key) SPKI() ([]byte, error) {
	pub, err := k.Public()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("%w: SubjectPublicKeyInfo: %w", ErrInvalid, err)
	}
	return der, nil
}

// FromSPKI reads a DER SubjectPublicKeyInfo and labels the key with alg. Keys
// that [FromPublic] does not take are [ErrUnsupported].
func FromSPKI(der []byte, alg Algorithm) (Key, error) {
	pub, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return Key{}, fmt.Errorf("%w: SubjectPublicKeyInfo: %w", ErrInvalid, err)
	}
	return FromPublic(pub, alg)
}
