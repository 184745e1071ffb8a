//go:build windows || (cgo && darwin) || (cgo && pcsc && (linux || freebsd))

package pcsc

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ebfe/scard"

	"github.com/touchstone-fido/touchstone/nfc"
)

// Built says whether this program can reach PC/SC.
const Built = true

var system driver = service{}

// service is the PC/SC service of the machine. Every call and every card has a
// context of its own: those of pcsc-lite do one thing at a time.
type service struct{}

func (service) readers() ([]Reader, error) {
	ctx, err := scard.EstablishContext()
	if err != nil {
		return nil, kind(err)
	}
	defer ctx.Release()
	names, err := names(ctx)
	if err != nil {
		return nil, err
	}
	var readers []Reader
	for _, name := range names {
		state, err := look(ctx, name, scard.StateUnaware, 0)
		if errors.Is(err, ErrNoReader) {
			continue // unplugged meanwhile
		}
		if err != nil {
			return nil, err
		}
		readers = append(readers, describe(state))
	}
	return readers, nil
}

// names lists the readers. They may change between the binding's two calls,
// of which the first asks for the length of the list.
func names(ctx *scard.Context) (names []string, err error) {
	defer func() {
		if recover() != nil { // the binding takes the address of an empty list
			names, err = nil, nil
		}
	}()
	for range 5 {
		names, err = ctx.ListReaders()
		if !errors.Is(err, scard.ErrInsufficientBuffer) {
			break
		}
	}
	if errors.Is(err, scard.ErrNoReadersAvailable) {
		return nil, nil
	}
	return names, kind(err)
}

// looking keeps calls of GetStatusChange apart: the binding keeps the C string
// of one call for each name of a reader alive, and no more. (On Windows not
// even that, but there the name is read as the call begins.)
var looking sync.Mutex

// look waits until the state of a reader is another than known.
func look(ctx *scard.Context, name string, known scard.StateFlag, patience time.Duration) (scard.ReaderState, error) {
	looking.Lock()
	defer looking.Unlock()
	states := []scard.ReaderState{{Reader: name, CurrentState: known}}
	err := ctx.GetStatusChange(states, patience)
	switch {
	case errors.Is(err, scard.ErrTimeout):
		err = nil // no news
	case err == nil && states[0].EventState&scard.StateUnknown != 0:
		err = ErrNoReader
	}
	return states[0], kind(err)
}

func describe(s scard.ReaderState) Reader {
	r := Reader{Name: s.Reader, CardPresent: s.EventState&scard.StatePresent != 0}
	if !r.CardPresent {
		return r
	}
	r.ATR = slices.Clone(s.Atr)
	switch {
	case s.EventState&scard.StateMute != 0:
		r.Err = ErrMute
	case s.EventState&scard.StateExclusive != 0:
		r.Err = errExclusive
	}
	return r
}

func (service) present(reader string) (bool, error) {
	ctx, err := scard.EstablishContext()
	if err != nil {
		return false, kind(err)
	}
	defer ctx.Release()
	return becomes(ctx, reader, true, 200*time.Millisecond)
}

func (service) shared(reader string) bool {
	ctx, err := scard.EstablishContext()
	if err != nil {
		return false
	}
	defer ctx.Release()
	now, err := look(ctx, reader, scard.StateUnaware, 0)
	const flags = scard.StateInuse | scard.StateExclusive
	return err == nil && now.EventState&flags == scard.StateInuse
}

// becomes waits for a card to be there, or not to be, and says whether it was
// so in time.
func becomes(ctx *scard.Context, reader string, there bool, patience time.Duration) (bool, error) {
	is := func(s scard.ReaderState) bool { return s.EventState&scard.StatePresent != 0 == there }
	now, err := look(ctx, reader, scard.StateUnaware, 0)
	if err != nil || is(now) {
		return err == nil, err
	}
	next, err := look(ctx, reader, now.EventState&^scard.StateChanged, patience)
	return err == nil && is(next), err
}

func (service) connect(reader string) (link, error) {
	ctx, err := scard.EstablishContext()
	if err != nil {
		return nil, kind(err)
	}
	c, err := ctx.Connect(reader, scard.ShareShared, scard.ProtocolAny)
	if err == nil && c.ActiveProtocol()&scard.ProtocolAny == 0 {
		_ = c.Disconnect(scard.LeaveCard)
		err = ErrMute // the binding panics on sending without a protocol
	}
	if err != nil {
		_ = ctx.Release()
		return nil, kind(err)
	}
	return &handle{reader, ctx, c}, nil
}

// handle is an open card.
type handle struct {
	reader string
	ctx    *scard.Context
	card   *scard.Card
}

// noticing is how long a service may take to see that a card has left:
// pcsc-lite asks most readers every 400 ms.
const noticing = 600 * time.Millisecond

func (h *handle) begin() error {
	return h.mend(h.card.BeginTransaction())
}

func (h *handle) end() error { return lost(h.card.EndTransaction(scard.LeaveCard)) }

func (h *handle) transmit(apdu []byte) ([]byte, error) {
	if len(apdu) == 0 {
		return nil, fmt.Errorf("%w: empty", nfc.ErrMalformed) // the binding panics
	}
	answer, err := h.card.Transmit(apdu)
	if err == nil && len(answer) < 2 {
		err = scard.ErrNotTransacted // so does a card leave some drivers
	}
	return answer, h.mend(err)
}

// vague are errors of an open card that may have many reasons. libpcsclite
// denies access to a service that has stopped meanwhile.
var vague = []scard.Error{scard.ErrNotTransacted, scard.ErrCommError, scard.ErrInvalidHandle, scard.ErrSecurityViolation, scard.ErrNoAccess}

// explain finds out what is behind a vague error: that the card has left, or
// its reader, or that the service has stopped.
func (h *handle) explain(err error) error {
	if !slices.ContainsFunc(vague, func(v scard.Error) bool { return errors.Is(err, v) }) {
		return err
	}
	left, reason := becomes(h.ctx, h.reader, false, noticing)
	switch {
	case left:
		return scard.ErrRemovedCard
	case errors.Is(reason, ErrNoReader), errors.Is(reason, ErrNoService):
		return reason
	}
	return err
}

var protocols = map[scard.Protocol]nfc.Protocol{scard.ProtocolT0: nfc.ProtocolT0, scard.ProtocolT1: nfc.ProtocolT1}

// traits asks the reader for its properties too, which not every driver knows.
func (h *handle) traits() nfc.Traits {
	traits := nfc.Traits{Protocol: protocols[h.card.ActiveProtocol()]}
	if status, err := h.card.Status(); err == nil {
		traits.ATR = slices.Clone(status.Atr)
	}
	features, err := h.card.Control(scard.CtlCode(getFeatureRequest), nil)
	if err != nil {
		return traits
	}
	code, ok := feature(features, featureTLVProperties)
	if !ok {
		return traits
	}
	if properties, err := h.card.Control(code, nil); err == nil {
		traits.MaxAPDU = maxAPDU(properties)
	}
	return traits
}

// mend takes note of a reset by another program, before which the service lets
// nothing through.
func (h *handle) mend(err error) error {
	if !errors.Is(err, scard.ErrResetCard) {
		return lost(h.explain(err))
	}
	if err := h.card.Reconnect(scard.ShareShared, scard.ProtocolAny, scard.LeaveCard); err != nil {
		return lost(err)
	}
	return ErrReset
}

func (h *handle) disconnect() error {
	err := h.card.Disconnect(scard.LeaveCard)
	if release := h.ctx.Release(); err == nil {
		err = release
	}
	if err = lost(err); errors.Is(err, nfc.ErrGone) {
		return nil // that is what we wanted
	}
	return err
}

// kind puts the kind in front of the service's error.
func kind(err error) error {
	var code scard.Error
	if !errors.As(err, &code) {
		return err
	}
	if k, ok := kinds[code]; ok {
		return fmt.Errorf("%w (%w)", k, err)
	}
	return err
}

var kinds = map[scard.Error]error{
	scard.ErrNoService:          ErrNoService,
	scard.ErrServiceStopped:     ErrNoService,
	scard.ErrNoAccess:           ErrDenied,
	scard.ErrSecurityViolation:  ErrDenied,
	scard.ErrUnknownReader:      ErrNoReader,
	scard.ErrReaderUnavailable:  ErrNoReader,
	scard.ErrNoReadersAvailable: ErrNoReader,
	scard.ErrNoSmartcard:        ErrNoCard,
	scard.ErrRemovedCard:        ErrNoCard,
	scard.ErrSharingViolation:   errExclusive,
	scard.ErrUnresponsiveCard:   ErrMute,
	scard.ErrUnpoweredCard:      ErrMute,
	scard.ErrUnsupportedCard:    ErrMute,
	scard.ErrProtoMismatch:      ErrMute,
	scard.ErrNotTransacted:      ErrTransmission,
	scard.ErrCommError:          ErrTransmission,
}

// lost is kind for an open card: where there is no card, reader or service any
// more, ours is gone.
func lost(err error) error {
	err = gone(kind(err))
	var code scard.Error
	if !errors.As(err, &code) || errors.Is(err, nfc.ErrGone) {
		return err
	}
	switch code {
	case scard.ErrInvalidHandle, scard.ErrUnpoweredCard, scard.ErrShutdown:
		return fmt.Errorf("%w: %w", nfc.ErrGone, err)
	}
	return err
}
