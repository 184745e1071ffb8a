package virtual

import (
	"crypto/subtle"
	"unicode/utf8"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

// Limits on guesses (CTAP 2.3 §6.5.2.3) and the size of a padded PIN in bytes.
const (
	maxPINRetries    = 8
	maxPINMismatches = 3 // in a row, until the power goes
	paddedPINSize    = 64
)

// pinUsable tells whether a PIN may be tried at all.
func (a *Authenticator) pinUsable() error {
	switch {
	case !a.state.pin.set():
		return ctap2.StatusPINNotSet // the standard names no status here
	case a.state.pin.Retries == 0:
		return ctap2.StatusPINBlocked
	case a.volatile.mismatches >= maxPINMismatches:
		return ctap2.StatusPINAuthBlocked
	}
	return nil
}

// tryPIN compares the PIN that a platform sends with the one that is set. The
// attempt is paid for, durably, before the comparison, so that pulling the plug
// in between gains nothing (CTAP 2.3 §6.5.5.6, §6.5.5.7).
func (a *Authenticator) tryPIN(secret *pinuv.Secret, pinHashEnc []byte) error {
	paid := a.state.pin
	paid.Retries--
	if err := a.savePIN(paid); err != nil {
		return err
	}
	hash, err := secret.Decrypt(pinHashEnc)
	defer clear(hash)
	if err != nil || subtle.ConstantTimeCompare(hash, a.state.pin.Hash) != 1 {
		return a.pinMismatch(secret.Protocol())
	}
	a.volatile.mismatches = 0
	restored := a.state.pin
	restored.Retries = maxPINRetries
	return a.savePIN(restored)
}

// pinMismatch drops the key agreement key and says how bad it is.
func (a *Authenticator) pinMismatch(p pinuv.Protocol) error {
	a.regenerate(p)
	a.volatile.mismatches++
	switch {
	case a.state.pin.Retries == 0:
		return ctap2.StatusPINBlocked
	case a.volatile.mismatches >= maxPINMismatches:
		return ctap2.StatusPINAuthBlocked
	}
	return ctap2.StatusPINInvalid
}

// newPIN reads a PIN that a platform wants set and makes the record of it, with
// all retries (CTAP 2.3 §6.5.5.5).
func (a *Authenticator) newPIN(secret *pinuv.Secret, newPINEnc []byte) (pinRecord, error) {
	padded, err := secret.Decrypt(newPINEnc)
	defer clear(padded)
	switch {
	case err != nil:
		return pinRecord{}, ctap2.StatusPINAuthInvalid
	case len(padded) != paddedPINSize:
		return pinRecord{}, ctap2.StatusInvalidParameter
	}
	pin, err := pinuv.UnpadPIN(padded)
	if err != nil || !utf8.Valid(pin) || pinuv.CheckNewPIN(pin, minPINLength, 0) != nil {
		return pinRecord{}, ctap2.StatusPINPolicyViolation
	}
	return pinRecord{
		Version: recordVersion,
		Hash:    pinuv.HashPIN(pin),
		Length:  uint(utf8.RuneCount(pin)),
		Retries: maxPINRetries,
	}, nil
}

// savePIN makes the record the key's, in the store first.
func (a *Authenticator) savePIN(p pinRecord) error {
	var ch change
	ch.put(pinName, p)
	if err := a.apply(ch); err != nil {
		return err
	}
	a.state.pin = p
	return nil
}
