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
// nonce, and the algorithm, the credProtect level, a byte of flags and the
// private key, encrypted with AES-256-GCM. Zero bytes follow the key in the IDs
// of models with longer ones. The RP ID hash is authenticated with it, so that
// the ID means nothing to other relying parties and other keys.
const (
	wrapVersion = 0x01
	nonceSize   = 12
	payloadSize = 3 + privateKeySize
	wrapExtra   = 1 + nonceSize + 16
	wrappedSize = wrapExtra + payloadSize

	discoverableIDSize    = 32
	minDiscoverableIDSize = 16
	secretSize            = 32
	maxKeyHandle          = 255 // bytes of an ID that CTAP1 can name
)

// Flags in a credential ID.
const (
	wrapU2F     = 1 << 0
	wrapPayment = 1 << 1
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
func (a *Authenticator) wrappedID(c *credential) ([]byte, error) {
	size := or(a.profile.CredentialIDLength, wrappedSize)
	id := make([]byte, 1+nonceSize, size)
	id[0] = wrapVersion
	if _, err := io.ReadFull(a.cfg.Rand, id[1:]); err != nil {
		return nil, fmt.Errorf("credential ID: %w", err)
	}
	payload := make([]byte, size-wrapExtra)
	defer clear(payload)
	copy(payload, []byte{c.scheme.code, c.protect, c.wrapFlags()})
	copy(payload[3:], c.private)
	return a.state.secrets.wrap.Seal(id, id[1:], payload, wrapContext(c.rpIDHash)), nil
}

func (c *credential) wrapFlags() (flags byte) {
	if c.u2f {
		flags |= wrapU2F
	}
	if c.payment {
		flags |= wrapPayment
	}
	return flags
}

// unwrap undoes wrappedID. Anything that this key did not make for the relying
// party since the last reset is nil.
func (s *secrets) unwrap(id []byte, rpIDHash [32]byte) *credential {
	if len(id) < wrappedSize || id[0] != wrapVersion {
		return nil
	}
	nonce, sealed := id[1:1+nonceSize], id[1+nonceSize:]
	payload, err := s.wrap.Open(nil, nonce, sealed, wrapContext(rpIDHash))
	if err != nil {
		return nil
	}
	known := schemeByCode(payload[0])
	if known == nil {
		return nil // of a later version
	}
	return &credential{
		id:       id,
		rpIDHash: rpIDHash,
		scheme:   known,
		protect:  payload[1],
		u2f:      payload[2]&wrapU2F != 0,
		payment:  payload[2]&wrapPayment != 0,
		private:  payload[3:payloadSize],
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
		id := make([]byte, or(a.profile.CredentialIDLength, discoverableIDSize))
		if _, err := io.ReadFull(a.cfg.Rand, id); err != nil {
			return nil, fmt.Errorf("credential ID: %w", err)
		}
		if a.state.credentials.byID[string(id)] == nil {
			return id, nil
		}
	}
	return nil, errRepeats
}

var errRepeats = errors.New("the random source repeats itself")
