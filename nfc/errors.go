package nfc

import (
	"context"
	"errors"
	"fmt"
)

// The kinds of failure of this layer. They are found with [errors.Is]; a card
// that refuses a command gives a [StatusWord] instead, found with [errors.As].
var (
	// ErrGone says that the card has left the field, or its reader the machine.
	ErrGone = errors.New("the card is gone")
	// ErrTransmission says that a command or its answer was lost on the way
	// between reader and card. Whether the card has run it is not known.
	ErrTransmission = errors.New("a command or its answer was lost on the way")
	// ErrClosed says that the applet, the card or the emulator was closed.
	ErrClosed = errors.New("closed")
	// ErrTimeout says that the card worked for longer than [Config.Timeout].
	ErrTimeout = errors.New("the card took too long")
	// ErrProtocol says that the card broke ISO 7816-4 or CTAP 2.3 §11.3.
	ErrProtocol = errors.New("the card broke the protocol")
	// ErrMalformed says that bytes are not a command APDU, or that a command
	// cannot be written as one.
	ErrMalformed = errors.New("malformed command APDU")
)

// Error is a failed operation on a card.
type Error struct {
	// Op says what was being done: select, message, chain, poll, get response,
	// cancel, end or transmit.
	Op string
	// SW is the status word with which the card refused, 0 if it did not.
	SW StatusWord
	// Err is the kind: one of this package's errors, a StatusWord, the cause
	// with which a context ended, or an error of the card's backend.
	Err error
}

// Error names the operation and what went wrong.
func (e *Error) Error() string { return fmt.Sprintf("nfc: %s: %v", e.Op, e.Err) }

// Unwrap gives the kind.
func (e *Error) Unwrap() error { return e.Err }

// fail puts the operation on err, unless an inner operation has done so.
func fail(op string, err error) error {
	var inner *Error
	if err == nil || errors.As(err, &inner) {
		return err
	}
	e := &Error{Op: op, Err: err}
	errors.As(err, &e.SW)
	return e
}

// refusal is the error of a status word that is not the success expected.
func refusal(op string, sw StatusWord) error {
	if sw == SWOK {
		return nil
	}
	return &Error{Op: op, SW: sw, Err: sw}
}

// ended says why ctx is over, nil while it is not.
func ended(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}
