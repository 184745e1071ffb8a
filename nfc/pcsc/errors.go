package pcsc

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/touchstone-fido/touchstone/nfc"
)

// The kinds of failure. Under an open card, a card that leaves (ErrNoCard), a
// reader that is unplugged (ErrNoReader) and a service that stops
// (ErrNoService) also wrap nfc.ErrGone.
var (
	// ErrNotBuilt says that this program was built without PC/SC.
	ErrNotBuilt = errors.New("built without PC/SC: " + howToBuild(runtime.GOOS))
	// ErrNoService says that the PC/SC service does not run.
	ErrNoService = errors.New("the PC/SC service does not answer: " + howToStart(runtime.GOOS))
	// ErrDenied says that this user may not talk to the PC/SC service.
	ErrDenied = errors.New("the PC/SC service refuses this user: " +
		"where polkit guards it, log in on the machine itself or allow org.debian.pcsc-lite.access_pcsc")
	// ErrNoReader says that there is no reader of that name.
	ErrNoReader = errors.New("no such reader")
	// ErrNoCard says that the reader is empty.
	ErrNoCard = errors.New("no card in the reader")
	// ErrInUse says that another program holds the card: that it has opened it
	// for itself alone, or that its transaction did not end in time.
	ErrInUse = errors.New("another program holds the card")
	// ErrMute says that what is in the reader does not answer as a card.
	ErrMute = errors.New("the card does not answer: take it off the reader and put it back")
	// ErrReset says that another program has reset the card. Its state is
	// lost; the connection lives, so that the applet can be selected again.
	ErrReset = errors.New("another program has reset the card")
	// ErrTransmission says that a command or its answer was lost on the way, and
	// wraps nfc.ErrTransmission. Some readers say so of every extended APDU.
	ErrTransmission = fmt.Errorf("%w: hold the card still", nfc.ErrTransmission)
	// ErrBusy says that an earlier command is still being worked on.
	ErrBusy = errors.New("the card is busy")
)

// Both wrap ErrInUse and say which it is.
var (
	errExclusive = fmt.Errorf("%w exclusively: close it (GnuPG: gpgconf --kill scdaemon)", ErrInUse)
	errHeld      = fmt.Errorf("%w and does not let go of it", ErrInUse)
)

// Error is a failed PC/SC operation.
type Error struct {
	// Op says what was being done: list readers, watch, wait for card, open,
	// claim, ask for traits, transmit or close.
	Op string
	// Reader is the name of the reader, empty for list readers and watch.
	Reader string
	// Err is the kind: one of this package's errors, nfc.ErrGone or
	// nfc.ErrClosed, the cause with which a context ended, or the service's
	// own error.
	Err error
}

// Error names the operation, the reader and what went wrong.
func (e *Error) Error() string {
	if e.Reader == "" {
		return fmt.Sprintf("pcsc: %s: %v", e.Op, e.Err)
	}
	return fmt.Sprintf("pcsc: %s %q: %v", e.Op, e.Reader, e.Err)
}

// Unwrap gives the kind.
func (e *Error) Unwrap() error { return e.Err }

func wrap(op, reader string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, Reader: reader, Err: err}
}

// gone is err, of a card that was there, as one of a card that is no more
// where it says so.
func gone(err error) error {
	if errors.Is(err, ErrNoCard) || errors.Is(err, ErrNoReader) || errors.Is(err, ErrNoService) {
		return fmt.Errorf("%w: %w", nfc.ErrGone, err)
	}
	return err
}
