package virtual

import (
	"bytes"
	"unicode/utf8"

	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

// unpad takes the padding off a new PIN.
func (a *Authenticator) unpad(padded []byte) ([]byte, error) {
	pin, err := pinuv.UnpadPIN(padded)
	if err != nil && (a.faulty(paddingUnchecked) || a.faulty(pinTooLong) && len(padded) == paddedPINSize) {
		return bytes.TrimRight(padded, "\x00"), nil
	}
	return pin, err
}

// missesPIN tells whether a faulty key takes a PIN that it should refuse.
func (a *Authenticator) missesPIN(pin []byte) bool {
	least := int(a.minPINLength())
	return a.faulty(pinTooLong) && len(pin) == paddedPINSize ||
		a.faulty(pinLengthBytes) && len(pin) >= least && len(pin) < paddedPINSize ||
		a.faulty(pinMinOffByOne) && utf8.RuneCount(pin) == least-1
}

// refusedPIN is when the PIN was right and the new one is not taken.
func (a *Authenticator) refusedPIN(because error) error {
	if !a.faulty(policyCosts) {
		return because
	}
	if err := a.payForPIN(); err != nil {
		return err
	}
	return because
}
