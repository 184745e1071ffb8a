package virtual

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// A credential that is not discoverable lives in its ID: a version byte, a
// nonce, and the algorithm, the credProtect level, a zero byte and the private
// key, encrypted with AES-256-GCM. The RP ID hash is authenticated with it, so
// that the ID means nothing to other relying parties and other keys.
const (
	wrapVersion = 0x01
	nonceSize   = 12
	payloadSize = 3 + privateKeySize
	wrappedSize = 1 + nonceSize + payloadSize + 16

	discoverableIDSize = 32
	secretSize         = 32
)

// secrets are the keys that a reset replaces.
type secrets struct {
	record secretsRecord
	wrap   cipher.AEAD
}

func newSecrets(record secretsRecord) (secrets, error) {
	block, err := aes.NewCipher(record.Wrap)
	if err != nil {
		return secrets{}, err
	}
	wrap, err := cipher.NewGCM(block)
	return secrets{record: record, wrap: wrap}, err
}

func (s *secrets) wipe() {
	clear(s.record.Wrap)
	clear(s.record.Derive)
	s.wrap = nil
}

func wrapContext(rpIDHash [32]byte) []byte { return append([]byte{wrapVersion}, rpIDHash[:]...) }

// wrappedID makes the ID that the credential lives in.
func (s *secrets) wrappedID(rand io.Reader, c *credential) ([]byte, error) {
	id := make([]byte, 1+nonceSize, wrappedSize)
	id[0] = wrapVersion
	if _, err := io.ReadFull(rand, id[1:]); err != nil {
		return nil, fmt.Errorf("credential ID: %w", err)
	}
	payload := append([]byte{c.scheme.code, c.protect, 0}, c.private...)
	defer clear(payload)
	return s.wrap.Seal(id, id[1:], payload, wrapContext(c.rpIDHash)), nil
}

// unwrap undoes wrappedID. Anything that this key did not make for the relying
// party since the last reset is nil.
func (s *secrets) unwrap(id []byte, rpIDHash [32]byte) *credential {
	if len(id) != wrappedSize || id[0] != wrapVersion {
		return nil
	}
	nonce, sealed := id[1:1+nonceSize], id[1+nonceSize:]
	payload, err := s.wrap.Open(nil, nonce, sealed, wrapContext(rpIDHash))
	if err != nil {
		return nil
	}
	return &credential{
		id:       id,
		rpIDHash: rpIDHash,
		scheme:   schemeByCode(payload[0]),
		protect:  payload[1],
		private:  payload[3:],
	}
}

// derive makes the 32-byte secret of a credential for one use, the same each
// time.
func (s *secrets) derive(use string, credentialID []byte) []byte {
	h := hmac.New(sha256.New, s.record.Derive)
	fmt.Fprintf(h, "%s\x00", use)
	h.Write(credentialID)
	return h.Sum(nil)
}

// discoverableID draws an ID that no stored credential has. It can only meet
// one when a random source repeats itself, such as a seeded one on a key that
// is loaded again.
func (a *Authenticator) discoverableID() ([]byte, error) {
	for range 64 {
		id := make([]byte, discoverableIDSize)
		if _, err := io.ReadFull(a.cfg.Rand, id); err != nil {
			return nil, fmt.Errorf("credential ID: %w", err)
		}
		if a.state.credentials.byID[string(id)] == nil {
			return id, nil
		}
	}
	return nil, errors.New("credential ID: the random source repeats itself")
}
