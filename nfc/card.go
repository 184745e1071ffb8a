package nfc

import "context"

// Card is the APDU seam: a connection to one card in a reader. Backends, the
// card side of this package, recorders and players implement it.
//
// A card that also has the method
//
//	Traits(ctx context.Context) (Traits, error)
//
// is asked for them when an applet with [EncodingAuto] is opened on it, before
// the first APDU. One that has
//
//	Claim(ctx context.Context, waiting func()) error
//
// is told before each exchange, so that it can keep other programs away from
// the card until the exchange is over; it calls waiting, at most once, when
// another program keeps it waiting for long. Nothing has been sent when Claim
// fails. The errors of both are those of Transmit.
type Card interface {
	// Transmit sends one command APDU and returns the response APDU, of which
	// the last two bytes are the status word. An error wrapping [ErrGone] says
	// that the card or its reader has left, one wrapping [ErrTransmission] that
	// the command or its answer was lost between the two. The card does not
	// keep apdu, and the response is the caller's.
	Transmit(ctx context.Context, apdu []byte) ([]byte, error)

	Close() error
}
