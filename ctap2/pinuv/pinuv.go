// Package pinuv is PIN/UV auth protocols one and two (CTAP 2.3 §6.5.6 and
// §6.5.7): key agreement, encryption and authentication between platform and
// authenticator, and the rules for PINs (§6.5.1).
//
//	key, err := pinuv.GenerateKey(rand)
//	secret, err := pinuv.Two.Agree(key, peer)
//	defer secret.Wipe()
//	pinHashEnc, err := secret.Encrypt(rand, pinuv.HashPIN(pin))
//
// The protocol is symmetric, so both sides of it use this package. Outside
// test vectors hold it, not one side against the other.
package pinuv

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// Protocol is a PIN/UV auth protocol version, as numbered in pinUvAuthProtocol.
type Protocol uint

// The protocols: One since CTAP 2.0, Two since CTAP 2.1.
const (
	One Protocol = 1
	Two Protocol = 2
)

// Valid reports whether this package implements the protocol.
func (p Protocol) Valid() bool { return p == One || p == Two }

// String names the protocol by its number.
func (p Protocol) String() string { return fmt.Sprintf("PIN/UV auth protocol %d", uint(p)) }

// MACSize is the size of a pinUvAuthParam in bytes: 16 for One, 32 for Two.
func (p Protocol) MACSize() int {
	if p == One {
		return 16
	}
	return 32
}

// Errors of this package.
var (
	// ErrProtocol: a protocol other than [One] and [Two].
	ErrProtocol = errors.New("unknown PIN/UV auth protocol")
	// ErrCiphertext: bytes that cannot have come from the protocol's encrypt.
	ErrCiphertext = errors.New("ciphertext has a wrong length")
)

// GenerateKey makes a P-256 key agreement key from 32-byte draws of rand. The
// same bytes give the same key, which [ecdh.Curve.GenerateKey] does not promise.
func GenerateKey(rand io.Reader) (*ecdh.PrivateKey, error) {
	var b [32]byte
	defer clear(b[:])
	for range 64 { // a draw is refused with probability 2^-32
		if _, err := io.ReadFull(rand, b[:]); err != nil {
			return nil, fmt.Errorf("key agreement key: %w", err)
		}
		if key, err := ecdh.P256().NewPrivateKey(b[:]); err == nil {
			return key, nil
		}
	}
	return nil, errors.New("key agreement key: the random source gives no valid key")
}

// Secret is the shared secret of one key agreement. It is not safe for use by
// several goroutines at once.
type Secret struct {
	protocol Protocol
	hmacKey  []byte
	aesKey   []byte
}

// Agree computes the shared secret between an own key and the other side's
// public key: SHA-256 of the x-coordinate for [One], two keys by
// HKDF-SHA-256 for [Two].
func (p Protocol) Agree(own *ecdh.PrivateKey, peer *ecdh.PublicKey) (*Secret, error) {
	z, err := own.ECDH(peer)
	if err != nil {
		return nil, fmt.Errorf("key agreement: %w", err)
	}
	defer clear(z)
	switch p {
	case One:
		k := sha256.Sum256(z)
		return &Secret{protocol: One, hmacKey: k[:], aesKey: k[:]}, nil
	case Two:
		return agreeTwo(z)
	}
	return nil, fmt.Errorf("%w: %d", ErrProtocol, uint(p))
}

func agreeTwo(z []byte) (*Secret, error) {
	salt := make([]byte, 32)
	hmacKey, err := hkdf.Key(sha256.New, z, salt, "CTAP2 HMAC key", 32)
	if err != nil {
		return nil, fmt.Errorf("key agreement: %w", err)
	}
	aesKey, err := hkdf.Key(sha256.New, z, salt, "CTAP2 AES key", 32)
	if err != nil {
		return nil, fmt.Errorf("key agreement: %w", err)
	}
	return &Secret{protocol: Two, hmacKey: hmacKey, aesKey: aesKey}, nil
}

// Protocol is the protocol that the secret belongs to.
func (s *Secret) Protocol() Protocol { return s.protocol }

// Wipe overwrites the secret. It must not be used afterwards.
func (s *Secret) Wipe() {
	if s != nil {
		clear(s.hmacKey)
		clear(s.aesKey)
	}
}

// String hides the secret from logs.
func (s *Secret) String() string { return "pinuv.Secret(hidden)" }

// GoString hides the secret from logs.
func (s *Secret) GoString() string { return s.String() }

// Encrypt encrypts plaintext, whose length must be a multiple of 16 bytes, with
// AES-256-CBC. [One] uses a zero IV; [Two] draws one from rand and puts it
// before the ciphertext, which is thus 16 bytes longer.
func (s *Secret) Encrypt(rand io.Reader, plaintext []byte) ([]byte, error) {
	if len(plaintext)%aes.BlockSize != 0 {
		return nil, fmt.Errorf("encrypt: %d bytes are not whole blocks of 16", len(plaintext))
	}
	block, err := aes.NewCipher(s.aesKey)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	out := make([]byte, aes.BlockSize+len(plaintext))
	iv := out[:aes.BlockSize]
	if s.protocol == Two {
		if _, err := io.ReadFull(rand, iv); err != nil {
			return nil, fmt.Errorf("encrypt: IV: %w", err)
		}
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out[aes.BlockSize:], plaintext)
	if s.protocol == One {
		out = out[aes.BlockSize:]
	}
	return out, nil
}

// Decrypt undoes [Secret.Encrypt]. The error is [ErrCiphertext] when the length
// is not a multiple of 16 bytes or, for [Two], when there is no IV.
func (s *Secret) Decrypt(ciphertext []byte) ([]byte, error) {
	iv := make([]byte, aes.BlockSize)
	if s.protocol == Two {
		if len(ciphertext) < aes.BlockSize {
			return nil, fmt.Errorf("%w: %d bytes, no room for an IV", ErrCiphertext, len(ciphertext))
		}
		iv, ciphertext = ciphertext[:aes.BlockSize], ciphertext[aes.BlockSize:]
	}
	if len(ciphertext)%aes.BlockSize != 0 {
		return nil, fmt.Errorf("%w: %d bytes are not whole blocks of 16", ErrCiphertext, len(ciphertext))
	}
	block, err := aes.NewCipher(s.aesKey)
	if err != nil {
		return nil, fmt.Errorf("decrypt: %w", err)
	}
	out := make([]byte, len(ciphertext))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, ciphertext)
	return out, nil
}

// Authenticate is the protocol's authenticate under the shared secret: HMAC-
// SHA-256, cut to 16 bytes for [One].
func (s *Secret) Authenticate(message ...[]byte) []byte {
	return authenticate(s.protocol, s.hmacKey, message)
}

// Verify reports, in constant time, whether mac authenticates the message.
func (s *Secret) Verify(mac []byte, message ...[]byte) bool {
	return hmac.Equal(mac, s.Authenticate(message...))
}

func authenticate(p Protocol, key []byte, message [][]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, m := range message {
		h.Write(m)
	}
	return h.Sum(nil)[:p.MACSize()]
}
