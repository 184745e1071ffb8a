// Package pcsc reaches cards through the PC/SC service of the machine: pcscd
// on Linux and FreeBSD, part of the system on macOS and Windows. It speaks
// PC/SC 2 as pcsc-lite and Windows have it, and knows nothing of CTAP.
//
//	readers, err := pcsc.List(ctx) // no readers: empty, no error
//	if errors.Is(err, pcsc.ErrNoService) { ... "is pcscd running?" ... }
//	for _, r := range readers {
//		if r.CardPresent && r.Err == nil {
//			card, err := pcsc.Open(ctx, r.Name)
//			key, err := nfc.Open(ctx, card, nfc.Config{})
//			defer key.Close()
//		}
//	}
//
// # Builds
//
// Windows builds always have this backend, macOS builds if cgo is on. On Linux
// and FreeBSD it takes cgo, the headers of libpcsclite and the build tag pcsc.
// Without it List and Open answer with [ErrNotBuilt].
//
// # Other programs
//
// A card is opened shared. From the first APDU until a card has been idle for
// one second, or is closed, it is held in a PC/SC transaction: other programs
// wait, so that none can select another applet between the parts of a message,
// between SELECT and the first message, or while the user is asked for a
// touch. One that came while the card was idle may have deselected the FIDO
// applet, which nfc.Applet finds out and mends with its next exchange. One
// second is well below the five after which Windows resets a card in an idle
// transaction.
//
// A program that holds the card in a transaction is waited for, as long as the
// caller's context allows; nfc.Applet tells the caller after a second, and the
// error at the end of the context is ErrInUse. One that has opened the card
// exclusively may be about to close it: Open tries again for a second and then
// fails with ErrInUse. Both are safe, because nothing has been sent yet. There
// is no other way to fall back on that is. SCARD_SHARE_DIRECT gives the reader
// without the card, and commands that are sent through it anyhow would go in
// between those of the other program; resetting or unpowering the card, or
// stopping the other program, would throw away what its user is at.
//
// Closing leaves the card powered and as it is (SCARD_LEAVE_CARD): a reset
// would throw other programs' sessions away. The next program starts with a
// SELECT, which ends ours. What only a power cycle clears, such as the block
// after three wrong PINs, stays, but pcscd cuts the power by itself about a
// second after the last program has left.
package pcsc

import (
	"context"
	"slices"

	"github.com/touchstone-fido/touchstone/nfc"
)

// Reader is one card reader, or one slot of it.
type Reader struct {
	// Name is what Open takes.
	Name string
	// ATR is the card's answer to reset, nil if there is none.
	ATR []byte
	// CardPresent says that a card is in the field or in the slot.
	CardPresent bool
	// Err says why a card that is there cannot be used: [ErrInUse] or
	// [ErrMute]. It is nil if there is no card.
	Err error
}

// List looks at all readers, without connecting to their cards. No readers is
// an empty list; an error says that one could not look: [ErrNotBuilt],
// [ErrNoService], [ErrDenied], or the cause with which ctx ended.
func List(ctx context.Context) ([]Reader, error) {
	readers, err := await(ctx, system.readers, nil)
	return readers, wrap("list readers", "", err)
}

// Wait returns when a card is in the reader, or with the cause with which ctx
// ended, or as Open does.
func Wait(ctx context.Context, reader string) error {
	for {
		present, err := await(ctx, func() (bool, error) { return system.present(reader) }, nil)
		if present || err != nil {
			return wrap("wait for card", reader, err)
		}
	}
}

// Open connects to the card in the reader of that name. Errors are of type
// *[Error], of kind [ErrNotBuilt], [ErrNoService], [ErrDenied], [ErrNoReader],
// [ErrNoCard], [ErrInUse] or [ErrMute].
//
// Some services let nobody connect while a program holds the card in a
// transaction. Open does not wait for the end of that for longer than a second:
// the card that it returns then is connected when it is first used.
//
// PC/SC calls cannot be interrupted. Transmit returns when its ctx ends, but
// the APDU runs on in the background; the next Transmit waits for it and says
// [ErrBusy] if its own ctx ends first. Close waits for it too.
func Open(ctx context.Context, reader string) (nfc.Card, error) {
	l, err := connect(ctx, reader)
	if err != nil {
		return nil, wrap("open", reader, err)
	}
	return newCard(reader, l), nil
}

// driver is the PC/SC service. Errors are bare kinds or wrap them.
type driver interface {
	readers() ([]Reader, error)
	// present waits a moment for a card to come.
	present(reader string) (bool, error)
	connect(reader string) (link, error)
	// shared says whether other programs have the card open, and none of them
	// exclusively.
	shared(reader string) bool
}

// link is a connection to a card.
type link interface {
	// begin starts a transaction, as soon as no other program holds one.
	begin() error
	end() error
	transmit(apdu []byte) ([]byte, error)
	// traits tells what is known of the connection, within a transaction.
	traits() nfc.Traits
	disconnect() error
}

// await calls f in the background and returns its result, or when ctx ends.
// What f yields later goes to undo, if that is set.
func await[T any](ctx context.Context, f func() (T, error), undo func(T)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var zero T
	if ctx.Err() != nil {
		return zero, context.Cause(ctx)
	}
	results := make(chan result, 1)
	go func() {
		v, err := f()
		results <- result{v, err}
	}()
	select {
	case r := <-results:
		return r.value, r.err
	case <-ctx.Done():
	}
	if undo != nil {
		go func() {
			if r := <-results; r.err == nil {
				undo(r.value)
			}
		}()
	}
	return zero, context.Cause(ctx)
}

func clone(b []byte) []byte { return slices.Clone(b) }
