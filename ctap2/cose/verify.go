package cose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes that the algorithms name
	_ "crypto/sha512"
	"errors"
	"fmt"

	"filippo.io/mldsa"
)

// ErrSignature: the signature is not one of the key over the message.
var ErrSignature = errors.New("signature does not verify")

// scheme says how an algorithm signs: over which hash, and with keys of which
// type and curve. A curve of 0 goes with key types that have none.
type scheme struct {
	keyType int64
	curve   int64
	hash    crypto.Hash // 0 where the algorithm takes the message itself
	pss     bool
}

// schemes are the algorithms whose signatures this package verifies. WebAuthn
// ties each ECDSA algorithm to one curve (WebAuthn L3 §5.8.5), which COSE alone
// does not. RS1 is missing on purpose: it is SHA-1, and only TPM attestations
// have it. ES256K and Ed448 are missing for want of a kept implementation.
var schemes = map[Algorithm]scheme{
	ES256:   {keyType: TypeEC2, curve: CurveP256, hash: crypto.SHA256},
	ESP256:  {keyType: TypeEC2, curve: CurveP256, hash: crypto.SHA256},
	ES384:   {keyType: TypeEC2, curve: CurveP384, hash: crypto.SHA384},
	ESP384:  {keyType: TypeEC2, curve: CurveP384, hash: crypto.SHA384},
	ES512:   {keyType: TypeEC2, curve: CurveP521, hash: crypto.SHA512},
	ESP512:  {keyType: TypeEC2, curve: CurveP521, hash: crypto.SHA512},
	EdDSA:   {keyType: TypeOKP, curve: CurveEd25519},
	Ed25519: {keyType: TypeOKP, curve: CurveEd25519},
	RS256:   {keyType: TypeRSA, hash: crypto.SHA256},
	RS384:   {keyType: TypeRSA, hash: crypto.SHA384},
	RS512:   {keyType: TypeRSA, hash: crypto.SHA512},
	PS256:   {keyType: TypeRSA, hash: crypto.SHA256, pss: true},
	PS384:   {keyType: TypeRSA, hash: crypto.SHA384, pss: true},
	PS512:   {keyType: TypeRSA, hash: crypto.SHA512, pss: true},
	MLDSA44: {keyType: TypeAKP},
	MLDSA65: {keyType: TypeAKP},
	MLDSA87: {keyType: TypeAKP},
}

// Verifiable reports whether [Key.Verify] knows the algorithm.
func (a Algorithm) Verifiable() bool {
	_, ok := schemes[a]
	return ok
}

// Verify checks a signature over the message by the key's own algorithm, in the
// form that authenticators give it: ASN.1 DER for ECDSA, the raw bytes for all
// others (WebAuthn L3 §6.5.5). The error is [ErrSignature] when it does not
// verify, [ErrUnsupported] for an algorithm or curve that this package does not
// verify, and [ErrInvalid] for a key that does not fit its algorithm.
func (k Key) Verify(message, signature []byte) error {
	s, ok := schemes[k.Alg]
	if !ok {
		return fmt.Errorf("%w: no verification for %v", ErrUnsupported, k.Alg)
	}
	if s.keyType != k.Type {
		return fmt.Errorf("%w: key type %d under %v", ErrInvalid, k.Type, k.Alg)
	}
	pub, err := k.Public()
	if err != nil {
		return err
	}
	if s.curve != k.Curve {
		return fmt.Errorf("%w: curve %d under %v", ErrInvalid, k.Curve, k.Alg)
	}
	if !s.verify(pub, message, signature) {
		return fmt.Errorf("%v: %w", k.Alg, ErrSignature)
	}
	return nil
}

func (s scheme) verify(pub crypto.PublicKey, message, signature []byte) bool {
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(pub, s.digest(message), signature)
	case ed25519.PublicKey:
		return ed25519.Verify(pub, message, signature)
	case *rsa.PublicKey:
		if s.pss {
			return rsa.VerifyPSS(pub, s.hash, s.digest(message), signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(pub, s.hash, s.digest(message), signature) == nil
	case *mldsa.PublicKey:
		return mldsa.Verify(pub, message, signature, nil) == nil
	}
	return false
}

func (s scheme) digest(message []byte) []byte {
	h := s.hash.New()
	h.Write(message)
	return h.Sum(nil)
}
