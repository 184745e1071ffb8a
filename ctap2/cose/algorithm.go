// Package cose is the small part of COSE (RFC 9052, RFC 9053) that CTAP2 uses:
// public keys as maps with integer labels, and algorithm identifiers.
//
//	key, err := cose.Parse(b)
//	err = key.Verify(message, signature)
//	der, err := key.SPKI() // for the relying party
package cose

import "fmt"

// Algorithm is a COSE algorithm identifier as registered with IANA.
type Algorithm int64

// Algorithms that security keys offer, and the label of key agreement keys.
const (
	ES256    Algorithm = -7
	EdDSA    Algorithm = -8
	ESP256   Algorithm = -9
	Ed25519  Algorithm = -19
	ECDHES   Algorithm = -25 // ECDH-ES+HKDF-256, a label only (CTAP 2.3 §6.5.6)
	ES384    Algorithm = -35
	ES512    Algorithm = -36
	PS256    Algorithm = -37
	PS384    Algorithm = -38
	PS512    Algorithm = -39
	ES256K   Algorithm = -47
	MLDSA44  Algorithm = -48
	MLDSA65  Algorithm = -49
	MLDSA87  Algorithm = -50
	ESP384   Algorithm = -51
	ESP512   Algorithm = -52
	Ed448    Algorithm = -53
	RS256    Algorithm = -257
	RS384    Algorithm = -258
	RS512    Algorithm = -259
	RS1      Algorithm = -65535
	noneSeen Algorithm = 0
)

var algorithmNames = map[Algorithm]string{
	ES256: "ES256", EdDSA: "EdDSA", ESP256: "ESP256", Ed25519: "Ed25519",
	ECDHES: "ECDH-ES+HKDF-256", ES384: "ES384", ES512: "ES512",
	PS256: "PS256", PS384: "PS384", PS512: "PS512", ES256K: "ES256K",
	MLDSA44: "ML-DSA-44", MLDSA65: "ML-DSA-65", MLDSA87: "ML-DSA-87",
	ESP384: "ESP384", ESP512: "ESP512", Ed448: "Ed448",
	RS256: "RS256", RS384: "RS384", RS512: "RS512", RS1: "RS1",
}

// String is the registered name, or the number of an algorithm without one here.
func (a Algorithm) String() string {
	if s, ok := algorithmNames[a]; ok {
		return s
	}
	return fmt.Sprintf("COSE algorithm %d", int64(a))
}

// AlgorithmByName finds an algorithm by its registered name, such as "ES256".
func AlgorithmByName(name string) (Algorithm, bool) {
	for a, s := range algorithmNames {
		if s == name {
			return a, true
		}
	}
	return noneSeen, false
}
