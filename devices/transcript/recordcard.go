package transcript

import (
	"context"
	"sync"

	"github.com/touchstone-fido/touchstone/nfc"
)

// Card records what crosses card, which it returns wrapped. On a tape of
// another transport nothing is recorded, which Err and Close then say.
func (r *Recorder) Card(card nfc.Card) nfc.Card {
	r.belongs(NFC)
	return &recordedCard{card: card, tape: r}
}

type recordedCard struct {
	card nfc.Card
	tape *Recorder
	turn sync.Mutex // keeps each answer beside its command
	once sync.Once
}

var _ nfc.Card = (*recordedCard)(nil)

// Transmit is on the tape as command and answer.
func (c *recordedCard) Transmit(ctx context.Context, apdu []byte) ([]byte, error) {
	c.turn.Lock()
	defer c.turn.Unlock()
	c.tape.crossing(APDU, Out, apdu)
	answer, err := c.card.Transmit(ctx, apdu)
	if err != nil {
		c.tape.failed(ctx, opTransmit, err)
		return answer, err
	}
	c.tape.crossing(APDU, In, answer)
	return answer, nil
}

// Traits are those of the card. That the host has asked is on the tape with
// them, even if nothing is known: a host that knows the same when it replays
// the tape decides the same.
func (c *recordedCard) Traits(ctx context.Context) (nfc.Traits, error) {
	var traits nfc.Traits
	if card, ok := c.card.(interface {
		Traits(context.Context) (nfc.Traits, error)
	}); ok {
		var err error
		if traits, err = card.Traits(ctx); err != nil {
			return traits, err
		}
	}
	c.tape.write(Record{Level: Mark, Event: &Event{Name: eventTraits, Traits: &traits}})
	return traits, nil
}

// Claim is the card's own business, and not on the tape.
func (c *recordedCard) Claim(ctx context.Context, waiting func()) error {
	if card, ok := c.card.(interface {
		Claim(context.Context, func()) error
	}); ok {
		return card.Claim(ctx, waiting)
	}
	return nil
}

// Close also tells whether the tape is complete.
func (c *recordedCard) Close() error {
	return c.tape.closed(&c.once, c.card.Close())
}
