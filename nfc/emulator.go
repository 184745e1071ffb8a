package nfc

import (
	"context"
	"sync"
	"time"
)

// Handler is the authenticator behind an [Emulator]: what a card does with a
// whole CTAP2 message.
//
// A handler that also has the method
//
//	U2F(ctx context.Context, apdu []byte) []byte
//
// speaks CTAP1: it gets every command of class 00 while the applet is selected
// and answers with a response APDU. One that has
//
//	Deselect()
//
// learns that a client's session has ended, by NFCCTAP_CONTROL or by another
// SELECT, and should forget what it keeps for one, such as the assertions for
// authenticatorGetNextAssertion. One that has
//
//	PowerCycle()
//
// learns that the field was switched off and on. No two methods of a handler
// run at once.
type Handler interface {
	// Message answers msg, a command byte and its CBOR, with a status byte and
	// CBOR. It may call keepalive with 1 (processing) or 2 (user presence
	// needed), and must return soon after ctx ends, with the answer of a
	// cancelled request.
	Message(ctx context.Context, msg []byte, keepalive func(status byte)) []byte
}

type u2fHandler interface {
	U2F(ctx context.Context, apdu []byte) []byte
}

type deselector interface{ Deselect() }

type powerCycler interface{ PowerCycle() }

// EmulatorConfig shapes an [Emulator]. The zero value is a good CTAP 2.3 card.
type EmulatorConfig struct {
	// MaxMessage is the longest message taken, in bytes. 0 is 1200. A longer
	// one is answered with CTAP2_ERR_REQUEST_TOO_LARGE. More than 65535 is not
	// possible.
	MaxMessage int
	// Patience is how long the card holds back the answer to a message for a
	// client that can poll, before it puts the client off. 0 is 100 ms.
	Patience time.Duration
	// ShortOnly refuses extended lengths with 6700, as Solo 1 did.
	ShortOnly bool
	// NoCancel refuses a cancel with 6A86, as CTAP 2.2 let cards do.
	NoCancel bool

	// Traits is what the card answers when an applet asks for them.
	Traits Traits
	// Quirks are the ways of readers and of cards that are less good.
	Quirks Quirks
}

// Emulator is the card's end: the FIDO applet of CTAP 2.3 §11.3 in front of a
// [Handler]. It is a [Card], and safe for use by several goroutines, which
// take turns. It starts in the field, with nothing selected.
type Emulator struct {
	handler Handler
	cfg     EmulatorConfig

	turn chan struct{} // holds a token while a command is at work
	root context.Context
	shut context.CancelCauseFunc

	mu    sync.Mutex
	field context.Context // ends when the field goes off; written under turn too
	off   context.CancelCauseFunc

	// Guarded by turn.
	selected bool
	chain    *Command  // the parts so far, nil if there is no chain
	rest     *Response // what GET RESPONSE has still to fetch, nil if nothing
	held     *held     // what the same command with the right Le fetches, nil if nothing
	job      *job      // the request under way, nil if none
}

var _ Card = (*Emulator)(nil)

// NewEmulator puts h behind APDUs.
func NewEmulator(h Handler, cfg EmulatorConfig) *Emulator {
	set(&cfg.MaxMessage, 1200)
	set(&cfg.Patience, 100*time.Millisecond)
	cfg.MaxMessage = min(cfg.MaxMessage, maxExtendedNc)
	e := &Emulator{handler: h, cfg: cfg, turn: make(chan struct{}, 1)}
	e.root, e.shut = context.WithCancelCause(context.Background())
	e.field, e.off = context.WithCancelCause(e.root)
	return e
}

// Transmit answers one command APDU. Whatever its bytes are, the answer is a
// response APDU; an error says that there is none: [ErrGone] that the field
// went off, [ErrClosed] that Close was called, or the cause with which ctx
// ended, upon which the request under way is given up.
func (e *Emulator) Transmit(ctx context.Context, apdu []byte) ([]byte, error) {
	field := e.power()
	select {
	case e.turn <- struct{}{}:
	case <-field.Done():
		return nil, fail("transmit", e.outage(field))
	case <-ctx.Done():
		return nil, fail("transmit", context.Cause(ctx))
	}
	defer func() { <-e.turn }()
	if err := e.outage(field); err != nil {
		return nil, fail("transmit", err)
	}
	ctx, stop := within(ctx, field)
	defer stop()
	resp, err := e.answer(ctx, apdu)
	if cause := e.outage(field); cause != nil {
		err = cause
	}
	if err != nil {
		return nil, fail("transmit", err)
	}
	return resp.Bytes(), nil
}

// Traits is [EmulatorConfig.Traits].
func (e *Emulator) Traits(context.Context) (Traits, error) { return e.cfg.Traits, nil }

func (e *Emulator) power() context.Context {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.field
}

// outage says why there is no power from field, nil while there is.
func (e *Emulator) outage(field context.Context) error {
	if err := ended(e.root); err != nil {
		return err
	}
	return ended(field)
}

// within returns a context that ends with ctx or field.
func within(ctx, field context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(field, func() { cancel(context.Cause(field)) })
	return ctx, func() { unhook(); cancel(nil) }
}

// PowerOff takes the card out of the field: the request under way is
// cancelled, all state is dropped, and commands fail with [ErrGone] until
// Reset. It returns when the handler is at rest.
func (e *Emulator) PowerOff() {
	e.darken(ErrGone)
	e.turn <- struct{}{}
	defer func() { <-e.turn }()
	e.forget()
}

// Reset switches the field off and on again: as PowerOff, upon which the
// handler's PowerCycle is called, if it has one, and the card is as new.
func (e *Emulator) Reset() {
	e.darken(ErrGone)
	e.turn <- struct{}{}
	defer func() { <-e.turn }()
	e.forget()
	if e.root.Err() != nil {
		return
	}
	if h, ok := e.handler.(powerCycler); ok {
		h.PowerCycle()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.field, e.off = context.WithCancelCause(e.root)
}

// Close cancels the request under way and returns when the handler is at
// rest; no goroutine stays behind.
func (e *Emulator) Close() error {
	e.shut(ErrClosed)
	e.turn <- struct{}{}
	defer func() { <-e.turn }()
	e.forget()
	return nil
}

func (e *Emulator) darken(cause error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.off(cause)
}

// forget drops all state. The field is off, so the job is cancelled already.
func (e *Emulator) forget() {
	_ = e.drop(context.Background())
	e.selected, e.chain, e.rest, e.held = false, nil, nil, nil
}
