package virtual

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"

	"filippo.io/mldsa"

	"github.com/touchstone-fido/touchstone/ctap2/cose"
)

// privateKeySize is the size of what a private key is kept as, in bytes, for
// every algorithm: the key itself where it is that long, else a seed that the
// key is made of each time.
const privateKeySize = 32

// scheme is a signature algorithm that credentials can have.
type scheme struct {
	algorithm cose.Algorithm
	code      byte        // in credential IDs
	hash      crypto.Hash // 0 when the algorithm hashes by itself
	signer    func(private []byte) (crypto.Signer, error)
	slow      bool // any 32 bytes are a key, and it is not made only to see that
}

// schemes are all algorithms that keys can have.
var schemes = []*scheme{
	{algorithm: cose.ES256, code: 1, hash: crypto.SHA256, signer: parseP256},
	{algorithm: cose.EdDSA, code: 2, signer: parseEd25519},
	{algorithm: cose.ES384, code: 3, hash: crypto.SHA384, signer: growECDSA(elliptic.P384())},
	{algorithm: cose.ES512, code: 4, hash: crypto.SHA512, signer: growECDSA(elliptic.P521())},
	{algorithm: cose.RS256, code: 5, hash: crypto.SHA256, signer: growRSA, slow: true},
	{algorithm: cose.ESP256, code: 6, hash: crypto.SHA256, signer: parseP256},
	{algorithm: cose.ESP384, code: 7, hash: crypto.SHA384, signer: growECDSA(elliptic.P384())},
	{algorithm: cose.ESP512, code: 8, hash: crypto.SHA512, signer: growECDSA(elliptic.P521())},
	{algorithm: cose.Ed25519, code: 9, signer: parseEd25519},
	{algorithm: cose.MLDSA44, code: 10, signer: growMLDSA(mldsa.MLDSA44())},
	{algorithm: cose.MLDSA65, code: 11, signer: growMLDSA(mldsa.MLDSA65())},
	{algorithm: cose.MLDSA87, code: 12, signer: growMLDSA(mldsa.MLDSA87())},
}

// parseP256 makes a signer whose signatures are those of RFC 6979, whatever the
// random source it is handed.
func parseP256(private []byte) (crypto.Signer, error) {
	return parseECDSA(elliptic.P256(), private)
}

func parseECDSA(curve elliptic.Curve, private []byte) (crypto.Signer, error) {
	key, err := ecdsa.ParseRawPrivateKey(curve, private)
	if err != nil {
		return nil, err
	}
	return repeatable{key}, nil
}

func parseEd25519(private []byte) (crypto.Signer, error) {
	return ed25519.NewKeyFromSeed(private), nil
}

// repeatable is an ECDSA key that signs without a random source.
type repeatable struct{ *ecdsa.PrivateKey }

// Sign ignores the random source.
func (r repeatable) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return r.PrivateKey.Sign(nil, digest, opts)
}

func schemeOf(algorithm cose.Algorithm) *scheme {
	return schemeWhere(func(s *scheme) bool { return s.algorithm == algorithm })
}

func schemeByCode(code byte) *scheme {
	return schemeWhere(func(s *scheme) bool { return s.code == code })
}

func schemeWhere(is func(*scheme) bool) *scheme {
	i := slices.IndexFunc(schemes, is)
	if i < 0 {
		return nil
	}
	return schemes[i]
}

// scheme is the algorithm, if the model has it.
func (p *Profile) scheme(algorithm cose.Algorithm) *scheme {
	if !slices.Contains(p.Algorithms, algorithm) {
		return nil
	}
	return schemeOf(algorithm)
}

// generate draws a private key. A draw that is no key of the curve, which has a
// probability of 2^-32, is drawn again.
func (s *scheme) generate(rand io.Reader) ([]byte, crypto.Signer, error) {
	for range 64 {
		private := make([]byte, privateKeySize)
		if _, err := io.ReadFull(rand, private); err != nil {
			return nil, nil, fmt.Errorf("private key: %w", err)
		}
		if signer, err := s.signer(private); err == nil {
			return private, signer, nil
		}
	}
	return nil, nil, errors.New("private key: the random source gives no valid key")
}

// valid tells whether this is a private key.
func (s *scheme) valid(private []byte) bool {
	if s.slow {
		return true
	}
	_, err := s.signer(private)
	return err == nil
}

// sign makes the signature over the message as WebAuthn L3 §6.5.5 encodes it.
func (s *scheme) sign(signer crypto.Signer, message []byte) ([]byte, error) {
	if s.hash == 0 {
		return signer.Sign(nil, message, crypto.Hash(0))
	}
	if s.hash == crypto.SHA256 { // the usual one, without a detour
		digest := sha256.Sum256(message)
		return signer.Sign(nil, digest[:], s.hash)
	}
	h := s.hash.New()
	h.Write(message)
	return signer.Sign(nil, h.Sum(nil), s.hash)
}
