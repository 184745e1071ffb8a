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
		return a.unless(noPINGeneric, or(a.profile.Choices.NoPIN, ctap2.StatusPINNotSet), ctap2.StatusPINInvalid)
	case a.state.pin.Retries == 0 && !a.faulty(pinBlockedIgnored):
		return ctap2.StatusPINBlocked
	case a.authBlocked() && !a.faulty(pinRightWhileBlocked):
		return ctap2.StatusPINAuthBlocked
	}
	return nil
}

// authBlocked tells whether there were too many wrong PINs in a row.
func (a *Authenticator) authBlocked() bool {
	return a.volatile.mismatches >= maxPINMismatches && !a.faulty(pinNoAuthBlock)
}

// tryPIN compares the PIN that a platform sends with the one that is set. The
// attempt is paid for, durably, before the comparison, so that pulling the plug
// in between gains nothing (CTAP 2.3 §6.5.5.6, §6.5.5.7).
func (a *Authenticator) tryPIN(secret *pinuv.Secret, pinHashEnc []byte) error {
	if err := a.payForPIN(); err != nil {
		return err
	}
	hash, err := secret.Decrypt(pinHashEnc)
	defer clear(hash)
	if err != nil || subtle.ConstantTimeCompare(a.compared(hash), a.compared(a.state.pin.Hash)) != 1 {
		return a.pinMismatch(secret.Protocol())
	}
	a.volatile.mismatches = 0
	return a.pinAccepted()
}

// payForPIN takes a try away.
func (a *Authenticator) payForPIN() error {
	paid := a.state.pin
	switch {
	case a.faulty(pinWrongFree), paid.Retries == 0:
		return nil
	case a.faulty(pinRetriesVolatile):
		a.state.pin.Retries--
		return nil
	}
	paid.Retries--
	return a.savePIN(paid)
}

// compared is how much of a PIN's hash is compared.
func (a *Authenticator) compared(hash []byte) []byte {
	const part = 8
	if a.faulty(pinHashPrefix) && len(hash) > part {
		return hash[:part]
	}
	return hash
}

// pinAccepted gives back all tries, those of built-in user verification too.
func (a *Authenticator) pinAccepted() error {
	restored, uv := a.state.pin, a.freshUV()
	if !a.faulty(pinNotRestored) {
		restored.Retries = a.profile.PIN.Retries
	}
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
	case a.authBlocked():
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
	case len(padded) != paddedPINSize && !a.faulty(paddingUnchecked):
		return pinRecord{}, a.profile.paddingWrong()
	}
	pin, err := a.unpad(padded)
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
	case a.hasFaults() && a.missesPIN(pin):
		return true
	case !utf8.Valid(pin), pinuv.CheckNewPIN(pin, a.minPINLength(), a.profile.PIN.MaxLength) != nil:
		return false
	case a.complexityRequired() && !a.faulty(complexityIgnored):
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
	if !a.faulty(pinNotStored) {
		ch.put(pinName, p)
	}
	if err := a.apply(ch); err != nil {
		return err
	}
	a.state.pin = p
	return nil
}
