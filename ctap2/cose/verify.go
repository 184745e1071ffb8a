package cose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha1" // of RS1
	_ "crypto/sha256"
	_ "crypto/sha512"
	"errors"
	"fmt"

	"filippo.io/mldsa"
)

// ErrSignature: the signature is not one of the key over the message.
var ErrSignature = errors.New("signature is wrong")

// signing is how an algorithm signs: over which digest, 0 where it hashes by
// itself, and with which key. A curve of 0 is any: ES384, for one, does not say
// which (RFC 9053 §2.1), the algorithms that do are those of RFC 9864.
type signing struct {
	hash  crypto.Hash
	kty   int64
	curve int64
	pss   bool
}

var signings = map[Algorithm]signing{
	ES256:   {hash: crypto.SHA256, kty: TypeEC2},
	ES384:   {hash: crypto.SHA384, kty: TypeEC2},
	ES512:   {hash: crypto.SHA512, kty: TypeEC2},
	ESP256:  {hash: crypto.SHA256, kty: TypeEC2, curve: CurveP256},
	ESP384:  {hash: crypto.SHA384, kty: TypeEC2, curve: CurveP384},
	ESP512:  {hash: crypto.SHA512, kty: TypeEC2, curve: CurveP521},
	EdDSA:   {kty: TypeOKP},
	Ed25519: {kty: TypeOKP, curve: CurveEd25519},
	RS1:     {hash: crypto.SHA1, kty: TypeRSA},
	RS256:   {hash: crypto.SHA256, kty: TypeRSA},
	RS384:   {hash: crypto.SHA384, kty: TypeRSA},
	RS512:   {hash: crypto.SHA512, kty: TypeRSA},
	PS256:   {hash: crypto.SHA256, kty: TypeRSA, pss: true},
	PS384:   {hash: crypto.SHA384, kty: TypeRSA, pss: true},
	PS512:   {hash: crypto.SHA512, kty: TypeRSA, pss: true},
	MLDSA44: {kty: TypeAKP},
	MLDSA65: {kty: TypeAKP},
	MLDSA87: {kty: TypeAKP},
}

// Verify checks a signature over the message, in the encoding that WebAuthn L3
// §6.5.5 gives it: ASN.1 DER for ECDSA, else as it is. The error wraps
// [ErrSignature] when it does not fit, [ErrUnsupported] for an algorithm that is
// not here or belongs to another type of key, and [ErrInvalid] for a bad key.
func (k Key) Verify(message, signature []byte) error {
	s, ok := signings[k.Alg]
	if !ok || k.Type != s.kty || s.curve != 0 && k.Curve != s.curve {
		return fmt.Errorf("%w: %v with a key of type %d, curve %d", ErrUnsupported, k.Alg, k.Type, k.Curve)
	}
	pub, err := k.Public()
	if err != nil {
		return err
	}
	if !s.verify(pub, message, signature) {
		return fmt.Errorf("%w: %v", ErrSignature, k.Alg)
	}
	return nil
}

func (s signing) verify(pub crypto.PublicKey, message, signature []byte) bool {
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(pub, s.digest(message), signature)
	case ed25519.PublicKey:
		return ed25519.Verify(pub, message, signature)
	case *mldsa.PublicKey:
		return mldsa.Verify(pub, message, signature, nil) == nil
	case *rsa.PublicKey:
		if s.pss {
			return rsa.VerifyPSS(pub, s.hash, s.digest(message), signature, nil) == nil
		}
		return rsa.VerifyPKCS1v15(pub, s.hash, s.digest(message), signature) == nil
	}
	return false
}

func (s signing) digest(message []byte) []byte {
	h := s.hash.New()
	h.Write(message)
	return h.Sum(nil)
}
