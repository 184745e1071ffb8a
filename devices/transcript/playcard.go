package transcript

import (
	"context"

	"github.com/touchstone-fido/touchstone/nfc"
)

type playedCard struct{ session }

var _ nfc.Card = (*playedCard)(nil)

// Transmit gives the answer that the tape has next, if apdu is its question.
func (c *playedCard) Transmit(ctx context.Context, apdu []byte) ([]byte, error) {
	p := c.player
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := c.usable(ctx, nfc.ErrClosed); err != nil {
		return nil, err
	}
	if err := p.ask(apdu, clone); err != nil {
		return nil, err
	}
	if err := p.failure(opTransmit); err != nil {
		return nil, err
	}
	answer, err := p.answer(ctx)
	if next, _ := p.next(); p.isCancel(next) {
		p.cancelled()
	}
	return clone(answer), err
}

// Traits are those that the tape's host was told at this place, so that this
// one decides as it did. A tape of which the host never asked tells nothing.
func (c *playedCard) Traits(ctx context.Context) (nfc.Traits, error) {
	p := c.player
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := c.usable(ctx, nfc.ErrClosed); err != nil {
		return nfc.Traits{}, err
	}
	next, _ := p.next()
	traits, _ := p.tape.traits(next.line)
	traits.ATR = clone(traits.ATR)
	return traits, nil
}

// isCancelAPDU knows the cancel of CTAP 2.3 §11.3.7.2.
func isCancelAPDU(apdu []byte) bool {
	c, err := nfc.ParseCommand(apdu)
	return err == nil && instruction(apdu) == apduPoll && c.P1 == nfc.P1Cancel
}

func clone(data []byte) []byte { return append([]byte(nil), data...) }
