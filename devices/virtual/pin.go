package virtual

import (
	"crypto/subtle"
	"unicode/utf8"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

// Limits on guesses (CTAP 2.3 §6.5.2.3) and the size of a padded PIN in bytes.
const (
	maxPINRetries    = 8 // at the most, before the PIN is blocked
	maxPINMismatches = 3 // in a row, until the power goes
	paddedPINSize    = 64
)

// pinUsable tells whether a PIN may be tried at all.
func (a *Authenticator) pinUsable() error {
	switch {
	case !a.pinSet():
		return or(a.profile.Choices.NoPIN, ctap2.StatusPINNotSet)
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
	return a.pinAccepted()
}

// pinAccepted gives back all tries, those of built-in user verification too.
func (a *Authenticator) pinAccepted() error {
	restored, uv := a.state.pin, a.freshUV()
	restored.Retries = a.profile.PIN.Retries
	var ch change
	ch.put(pinName, restored)
	if uv != a.state.uv {
		ch.put(uvName, uv)
	}
	if err := a.apply(ch); err != nil {
		return err
	}
	a.state.pin, a.state.uv = restored, uv
	return nil
}

// pinMismatch drops the key agreement key and says how bad it is.
func (a *Authenticator) pinMismatch(p pinuv.Protocol) error {
	a.regenerate(p)
	a.volatile.mismatches++
	switch {
	case a.state.pin.Retries == 0:
		return a.pinBlocked()
	case a.volatile.mismatches >= maxPINMismatches:
		return ctap2.StatusPINAuthBlocked
	}
	return ctap2.StatusPINInvalid
}

// pinBlocked is when the last try is spent. Built-in user verification ends with
// it (CTAP 2.3 §6.5.2.3, as one implementation reads it).
func (a *Authenticator) pinBlocked() error {
	if a.profile.has(optUV) && !a.profile.Choices.UVOutlivesPIN {
		blocked := a.state.uv
		blocked.Retries = 0
		if err := a.saveUV(blocked); err != nil {
			return err
		}
	}
	return ctap2.StatusPINBlocked
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
		return pinRecord{}, a.profile.paddingWrong()
	}
	pin, err := pinuv.UnpadPIN(padded)
	if err != nil || !a.allowsPIN(pin) {
		return pinRecord{}, ctap2.StatusPINPolicyViolation
	}
	return pinRecord{
		Version: recordVersion,
		Hash:    pinuv.HashPIN(pin),
		Length:  uint(utf8.RuneCount(pin)),
		Retries: a.profile.PIN.Retries,
		Complex: complexPIN(pin),
	}, nil
}

// allowsPIN tells whether the PIN keeps to the rules that are in force (CTAP 2.3
// §6.5.1, §7.5).
func (a *Authenticator) allowsPIN(pin []byte) bool {
	switch {
	case !utf8.Valid(pin), pinuv.CheckNewPIN(pin, a.minPINLength(), a.profile.PIN.MaxLength) != nil:
		return false
	case a.complexityRequired():
		return complexPIN(pin)
	}
	return true
}

// complexPIN is Touchstone's PIN complexity policy: at least three different
// characters, and not each one more, or each one less, than the one before.
func complexPIN(pin []byte) bool {
	runes := []rune(string(pin))
	different := map[rune]bool{}
	up, down := true, true
	for i, r := range runes {
		different[r] = true
		up = up && (i == 0 || r == runes[i-1]+1)
		down = down && (i == 0 || r == runes[i-1]-1)
	}
	return len(different) >= 3 && !up && !down
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
