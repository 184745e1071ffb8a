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

	"github.com/touchstone-fido/touchstone/ctap2/cose"
)

// privateKeySize is the size of a private key in bytes, for every algorithm.
const privateKeySize = 32

// scheme is a signature algorithm that credentials can have.
type scheme struct {
	algorithm cose.Algorithm
	code      byte        // in credential IDs
	hash      crypto.Hash // 0 when the algorithm hashes by itself
	signer    func(private []byte) (crypto.Signer, error)
}

// schemes are the algorithms of the key, the preferred one first.
var schemes = []*scheme{
	{algorithm: cose.ES256, code: 1, hash: crypto.SHA256, signer: parseP256},
	{algorithm: cose.EdDSA, code: 2, signer: parseEd25519},
}

// parseP256 makes a signer whose signatures are those of RFC 6979, whatever the
// random source it is handed.
func parseP256(private []byte) (crypto.Signer, error) {
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), private)
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
	i := slices.IndexFunc(schemes, func(s *scheme) bool { return s.algorithm == algorithm })
	if i < 0 {
		return nil
	}
	return schemes[i]
}

func schemeByCode(code byte) *scheme {
	i := slices.IndexFunc(schemes, func(s *scheme) bool { return s.code == code })
	if i < 0 {
		return nil
	}
	return schemes[i]
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

// sign makes the signature over the message as WebAuthn L3 §6.5.5 encodes it.
func (s *scheme) sign(signer crypto.Signer, message []byte) ([]byte, error) {
	if s.hash == 0 {
		return signer.Sign(nil, message, crypto.Hash(0))
	}
	digest := sha256.Sum256(message)
	return signer.Sign(nil, digest[:], s.hash)
}

// credential is a public key credential source. A discoverable one is in the
// store; of any other all there is comes out of its ID.
type credential struct {
	id       []byte
	rpIDHash [32]byte
	scheme   *scheme
	private  []byte
	protect  uint8 // credProtect level, 1 to 3

	discoverable bool
	rp           rpEntity
	user         userEntity
	sequence     uint64 // order of creation
}

// rpEntity is what is kept of a PublicKeyCredentialRpEntity.
type rpEntity struct {
	ID   string
	Name string
}

// userEntity is a PublicKeyCredentialUserEntity.
type userEntity struct {
	ID          []byte `cbor:"id"`
	Name        string `cbor:"name,omitempty"`
	DisplayName string `cbor:"displayName,omitempty"`
}

// forget wipes the private key of a credential that came out of its ID.
func (c *credential) forget() {
	if !c.discoverable {
		clear(c.private)
	}
}

// sign makes an assertion signature of the credential.
func (c *credential) sign(message []byte) ([]byte, error) {
	signer, err := c.scheme.signer(c.private)
	if err != nil {
		return nil, err
	}
	return c.scheme.sign(signer, message)
}

// visible tells whether the credProtect level lets the credential be used (CTAP
// 2.3 §12.1): level 2 wants its ID or user verification, level 3 user
// verification.
func (c *credential) visible(uv, byID bool) bool {
	switch c.protect {
	case protectRequired:
		return uv
	case protectWithList:
		return uv || byID
	}
	return true
}
