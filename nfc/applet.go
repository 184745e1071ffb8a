package nfc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// Applet is the host's end: the FIDO applet of a card, selected and ready for
// messages. It is safe for use by several goroutines; exchanges take turns.
type Applet struct {
	card    Card
	cfg     Config
	opening []Command
	version atomic.Pointer[string]
	manner  atomic.Pointer[Manner] // written under turn

	turn chan struct{}   // holds a token while a transaction runs
	life context.Context // ends when Close is called
	kill context.CancelCauseFunc
	once sync.Once

	// Guarded by turn.
	stale    bool     // the state of the card is unknown: open it again first
	fresh    bool     // selected, and no message has gone well since
	surveyed bool     // the card's side was asked for its traits
	hope     prospect // of extended APDUs, from the survey
	settled  bool     // how to write a SELECT is known
	barred   string   // why extended APDUs will not do; empty while they may
	proven   struct { // what the card has taken before
		extended, chain bool
	}
}

// Open selects the FIDO applet on card (CTAP 2.3 §11.3.3). From then on card
// belongs to the applet. If Open fails, the card is left open for the caller:
// a [StatusWord] such as [SWNotFound] says that it is not a FIDO card, and
// [ErrProtocol] that what answered gave no version.
func Open(ctx context.Context, card Card, cfg Config) (*Applet, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fail("select", err)
	}
	opening, err := cfg.opening()
	if err != nil {
		return nil, fail("select", err)
	}
	a := &Applet{card: card, cfg: cfg, opening: opening, turn: make(chan struct{}, 1)}
	m := cfg.manner()
	a.manner.Store(&m)
	a.life, a.kill = context.WithCancelCause(context.Background())
	t, err := a.begin(ctx)
	if err != nil {
		return nil, fail("select", err)
	}
	defer t.end()
	if err := t.open(); err != nil {
		return nil, fail("select", err)
	}
	return a, nil
}

// Version is what the card last answered to SELECT: "U2F_V2" if it speaks
// CTAP1, perhaps CTAP2 too, "FIDO_2_0" if it speaks CTAP2 only (CTAP 2.3
// §11.3.3). Other strings are passed on as they came.
func (a *Applet) Version() string { return *a.version.Load() }

// Exchange sends one CTAP2 message, a command byte and its CBOR, and returns
// the answer, a status byte and its CBOR, at least one byte. While the card
// puts it off with 9100 it polls and reports to [Config.OnKeepalive].
//
// The card gets to run a message once. It is sent again only after an answer
// that shows that it was not run: a chain of which the first part was refused,
// or a refusal of extended lengths; a refusal by an applet that is not selected
// any more, or still at another request, upon which ours is selected first; and
// after 6Cxx, which ISO 7816-4 §5.6 has answered so. After an error on the way
// nothing is sent again.
//
// When ctx ends, the card is told to give up (CTAP 2.3 §11.3.7.2), and for
// [Config.Drain] its last word is waited for. Whatever comes in that time is
// the result, with a nil error. If nothing comes, the applet is selected again
// to free the card, and the error wraps ctx's cause. A chain that is not yet
// complete is simply broken off.
//
// Errors are of type *[Error]. After one that leaves the state of the card in
// doubt, the next Exchange opens the applet again before anything else, which
// ends what the card kept for this session, such as an unfinished series of
// assertions.
func (a *Applet) Exchange(ctx context.Context, msg []byte) ([]byte, error) {
	t, err := a.begin(ctx)
	if err != nil {
		return nil, fail("message", err)
	}
	defer t.end()
	if a.stale {
		if err := t.open(); err != nil {
			return nil, fail("select", err)
		}
	}
	answer, err := t.message(msg)
	if !a.fresh && astray(err) {
		if again := t.open(); again == nil {
			answer, err = t.message(msg)
		}
	}
	a.fresh = a.fresh && err != nil
	a.stale = a.stale || unsettles(err)
	return answer, fail("message", err)
}

// astray says whether err is how another applet refuses a message, one that
// another program selected in between, or ours when it is still at a request.
func astray(err error) bool {
	var e *Error
	if !errors.As(err, &e) || e.Op != "message" {
		return false
	}
	switch e.SW {
	case SWInsNotSupported, SWClaNotSupported, SWNotAllowed, SWConditionsNotSatisfied:
		return true
	}
	return false
}

// Transmit sends any command and returns the whole response with its last
// status word, whatever that is. Data beyond 255 bytes is chained unless the
// command is extended, 61xx is followed with GET RESPONSE, and 6Cxx by the
// same command with the Le asked for. 9100 is returned, not polled. An error
// means that there is no whole response.
//
// The applet does not look at what goes by: whoever selects something else or
// leaves a request pending has to put it right.
func (a *Applet) Transmit(ctx context.Context, cmd Command) (Response, error) {
	t, err := a.begin(ctx)
	if err != nil {
		return Response{}, fail("transmit", err)
	}
	defer t.end()
	resp, err := t.send(cmd, t.shortRoom())
	a.stale = a.stale || unsettles(err)
	return resp, fail("transmit", err)
}

// End tells the card that this client is done with CTAP (NFCCTAP_CONTROL, CTAP
// 2.3 §11.3.4): it cancels what runs, forgets the user's presence and deselects
// the applet. The next Exchange selects it again.
func (a *Applet) End(ctx context.Context) error {
	t, err := a.begin(ctx)
	if err != nil {
		return fail("end", err)
	}
	defer t.end()
	a.stale = true
	resp, err := t.send(Command{CLA: ClassCTAP, INS: INSControl, P1: P1End}, maxShortNc)
	if err != nil {
		return fail("end", err)
	}
	return refusal("end", resp.SW)
}

// Close cancels an exchange that is under way, as the end of its context
// would, and closes the card. It does not deselect the applet. Further calls
// do nothing.
func (a *Applet) Close() (err error) {
	a.once.Do(func() {
		a.kill(ErrClosed)
		a.turn <- struct{}{}
		err = a.card.Close()
		<-a.turn
	})
	return err
}

// unsettles says whether after err the state of the card is in doubt: after
// every error but that of a command that could not even be written. A refusal
// is no exception, as a request may be pending behind it.
func unsettles(err error) bool {
	return err != nil && !errors.Is(err, ErrMalformed)
}

// open opens the applet and keeps the version.
func (t *transaction) open() error {
	last, err := t.runOpening()
	if err != nil {
		return fail("select", err)
	}
	if last.SW != SWOK {
		return refusal("select", last.SW)
	}
	if len(last.Data) == 0 {
		return fail("select", fmt.Errorf("%w: no version", ErrProtocol))
	}
	version := string(last.Data)
	t.version.Store(&version)
	t.stale, t.fresh = false, true
	return nil
}
