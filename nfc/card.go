package nfc

import "context"

// Card is the APDU seam: a connection to one card in a reader. Backends, the
// card side of this package, recorders and players implement it.
type Card interface {
	// Transmit sends one command APDU and returns the response APDU, of which
	// the last two bytes are the status word. An error wrapping [ErrGone] says
	// that the card or its reader has left. The card does not keep apdu, and
	// the response is the caller's.
	Transmit(ctx context.Context, apdu []byte) ([]byte, error)

	Close() error
}
