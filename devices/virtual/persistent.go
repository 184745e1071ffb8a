package virtual

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

// What the persistent record holds, in bytes.
const (
	deviceIDSize   = 16
	storeStateSize = 16
)

// Labels of the keys that identifiers are encrypted with (CTAP 2.3 §6.4).
const (
	labelIdentifier = "encIdentifier"
	labelStoreState = "encCredStoreState"
)

// hasPersistent tells whether the model has anything to do with the persistent
// pinUvAuthToken.
func (p *Profile) hasPersistent() bool {
	return p.is(optPersistent) || p.EncIdentifier || p.EncStoreState
}

// freshPersistent makes the record of an unused key, and has a change store it.
// A model without one draws nothing.
func (a *Authenticator) freshPersistent(ch *change) (persistentRecord, error) {
	if !a.profile.hasPersistent() {
		return persistentRecord{}, nil
	}
	r := persistentRecord{
		Version: recordVersion, Token: make([]byte, tokenSize),
		DeviceID: make([]byte, deviceIDSize), StoreState: make([]byte, storeStateSize),
	}
	for _, b := range [][]byte{r.Token, r.DeviceID, r.StoreState} {
		if _, err := io.ReadFull(a.cfg.Rand, b); err != nil {
			return r, fmt.Errorf("persistent token: %w", err)
		}
	}
	ch.put(persistentName, r)
	return r, nil
}

// newPersistentToken has a change store another persistent token, which ends the
// one there is.
func (a *Authenticator) newPersistentToken(ch *change) error {
	if !a.profile.hasPersistent() || a.faulty(pinChangeKeepsPersistent) {
		return nil
	}
	old, next := a.state.persistent, a.state.persistent
	next.Token = make([]byte, tokenSize)
	if _, err := io.ReadFull(a.cfg.Rand, next.Token); err != nil {
		return fmt.Errorf("persistent token: %w", err)
	}
	ch.put(persistentName, next)
	ch.after(func() {
		clear(old.Token)
		a.state.persistent = next
	})
	return nil
}

// persistentToken hands the persistent pinUvAuthToken out: the same one to all
// who ask, until the PIN changes.
func (a *Authenticator) persistentToken(secret *pinuv.Secret) ([]byte, error) {
	return secret.Encrypt(a.cfg.Rand, a.state.persistent.Token)
}

// verifyPersistent tells whether a pinUvAuthParam is the persistent token's. Its
// only permission is to read credential management.
func (a *Authenticator) verifyPersistent(p pinAuth, message ...[]byte) bool {
	if !a.profile.is(optPersistent) {
		return false
	}
	raw := slices.Clone(a.state.persistent.Token)
	defer clear(raw)
	t, err := pinuv.NewToken(pinuv.Protocol(p.protocol), raw)
	return err == nil && t.Verify(p.param, message...)
}

// refreshStoreState has a change give the set of discoverable credentials
// another name, because the set changes (encCredStoreState).
func (a *Authenticator) refreshStoreState(ch *change) error {
	if !a.profile.EncStoreState || a.faulty(infoStoreStateStuck) {
		return nil
	}
	next := a.state.persistent
	next.StoreState = make([]byte, storeStateSize)
	if _, err := io.ReadFull(a.cfg.Rand, next.StoreState); err != nil {
		return fmt.Errorf("credential store state: %w", err)
	}
	ch.put(persistentName, next)
	ch.after(func() { a.state.persistent = next })
	return nil
}

// encrypted is encIdentifier or encCredStoreState for getInfo.
func (a *Authenticator) encrypted(has bool, label string, plain []byte) any {
	if !has {
		return nil
	}
	random := a.cfg.Rand
	if a.faulty(infoIdentifierConstant) {
		random = zeros{}
	}
	b, err := encryptIdentifier(random, a.state.persistent.Token, label, plain)
	if err != nil {
		return err
	}
	return b
}

// encryptIdentifier encrypts 16 bytes so that holders of the persistent token can
// read them, and nobody can tell two answers apart or together: an IV, and
// AES-128-CBC with a key made of the token for this one use (CTAP 2.3 §6.4).
func encryptIdentifier(rand io.Reader, token []byte, label string, plain []byte) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, token, make([]byte, 32), label, 16)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	out := make([]byte, aes.BlockSize+len(plain))
	iv := out[:aes.BlockSize]
	if _, err := io.ReadFull(rand, iv); err != nil {
		return nil, fmt.Errorf("%s: %w", label, err)
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out[aes.BlockSize:], plain)
	return out, nil
}
