package pinuv

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Limits of a PIN (CTAP 2.3 §6.5.1).
const (
	MinPINLength = 4  // code points, unless getInfo asks for more
	MaxPINBytes  = 63 // of UTF-8
	paddedSize   = 64
)

// Errors that say why a PIN cannot be used. They never contain the PIN.
var (
	ErrPINTooShort = errors.New("PIN is too short")
	ErrPINTooLong  = errors.New("PIN is too long")
	ErrPINInvalid  = errors.New("PIN is not valid text")
)

// NormalizePIN returns the PIN in Unicode Normalization Form C as a fresh slice
// (CTAP 2.3 §6.5.1). A PIN that is not UTF-8 or ends in a zero byte is
// [ErrPINInvalid]; one over 63 bytes is [ErrPINTooLong].
func NormalizePIN(pin []byte) ([]byte, error) {
	if !utf8.Valid(pin) {
		return nil, fmt.Errorf("%w: not UTF-8", ErrPINInvalid)
	}
	out := norm.NFC.Append(make([]byte, 0, max(paddedSize, len(pin))), pin...)
	switch {
	case len(out) > MaxPINBytes:
		clear(out)
		return nil, fmt.Errorf("%w: %d bytes, the most is %d", ErrPINTooLong, len(out), MaxPINBytes)
	case len(out) > 0 && out[len(out)-1] == 0:
		clear(out)
		return nil, fmt.Errorf("%w: it ends in a zero byte", ErrPINInvalid)
	}
	return out, nil
}

// CheckNewPIN tells whether a normalised PIN may be set on a key that wants
// from min to max code points; 0 stands for the standard's 4 and 63.
func CheckNewPIN(pin []byte, min, max uint) error {
	if min < MinPINLength {
		min = MinPINLength
	}
	if max == 0 {
		max = MaxPINBytes
	}
	switch n := uint(utf8.RuneCount(pin)); {
	case n < min:
		return fmt.Errorf("%w: %d characters, the key wants at least %d", ErrPINTooShort, n, min)
	case n > max || len(pin) > MaxPINBytes:
		return fmt.Errorf("%w: %d characters, the key takes at most %d", ErrPINTooLong, n, max)
	}
	return nil
}

// PadPIN returns the PIN padded with zero bytes to 64 bytes, the plaintext of
// newPinEnc.
func PadPIN(pin []byte) ([]byte, error) {
	if len(pin) > MaxPINBytes {
		return nil, fmt.Errorf("%w: %d bytes, the most is %d", ErrPINTooLong, len(pin), MaxPINBytes)
	}
	out := make([]byte, paddedSize)
	copy(out, pin)
	return out, nil
}

// UnpadPIN undoes [PadPIN]. The error is [ErrPINInvalid] when b is not 64 bytes
// or the padding leaves no zero byte at its end.
func UnpadPIN(b []byte) ([]byte, error) {
	if len(b) != paddedSize || b[paddedSize-1] != 0 {
		return nil, fmt.Errorf("%w: padding is wrong", ErrPINInvalid)
	}
	n := paddedSize
	for n > 0 && b[n-1] == 0 {
		n--
	}
	return b[:n:n], nil
}

// HashPIN returns LEFT(SHA-256(pin), 16), which is what a key stores and
// compares.
func HashPIN(pin []byte) []byte {
	h := sha256.Sum256(pin)
	return h[:16:16]
}
