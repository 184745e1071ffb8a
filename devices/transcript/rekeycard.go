package transcript

import (
	"bytes"
	"context"
	"fmt"

	"github.com/touchstone-fido/touchstone/nfc"
)

// rekeyedCard is a card that plays messages: it takes them in any form.
type rekeyedCard struct {
	session
	chain []byte // of a message, so far
	rest  []byte // of an answer, which GET RESPONSE fetches
	held  *Exchange
}

var _ nfc.Card = (*rekeyedCard)(nil)

// Transmit answers one command APDU.
func (c *rekeyedCard) Transmit(ctx context.Context, apdu []byte) ([]byte, error) {
	e, answer, err := c.command(ctx, apdu)
	if err != nil || e == nil {
		return answer, err
	}
	if err := c.player.cfg.Rest(ctx, e.Answered-e.Asked); err != nil {
		return nil, err
	}
	return answer, nil
}

// command gives the response, and the exchange if it is the end of one.
func (c *rekeyedCard) command(ctx context.Context, apdu []byte) (*Exchange, []byte, error) {
	c.player.mu.Lock()
	defer c.player.mu.Unlock()
	if err := c.usable(ctx, nfc.ErrClosed); err != nil {
		return nil, nil, err
	}
	cmd, err := nfc.ParseCommand(apdu)
	if err != nil {
		return nil, word(nfc.SWWrongLength), nil
	}
	switch which := instruction(apdu); {
	case which == apduGetResponse || which == apduGetResponseCTAP:
		return nil, c.fetch(cmd), nil
	case which == apduPoll:
		return c.poll(cmd)
	case which == apduSelect:
		return nil, c.selected(cmd), nil
	case cmd.CLA&nfc.ClassChain != 0:
		c.chain = append(c.chain, cmd.Data...)
		return nil, word(nfc.SWOK), nil
	}
	if len(c.chain) > 0 {
		cmd.Data = append(c.chain, cmd.Data...)
		apdu, c.chain = joined(cmd, apdu), nil
	}
	return c.whole(cmd, apdu)
}

// whole answers a command of which all parts are there.
func (c *rekeyedCard) whole(cmd nfc.Command, apdu []byte) (*Exchange, []byte, error) {
	switch which := instruction(apdu); {
	case which == apduMessage:
		return c.ask(cmd, Exchange{Kind: CTAP2, Request: clone(cmd.Data)})
	case which == apduU2FRegister || which == apduU2FAuthenticate || which == apduU2FVersion:
		return c.ask(cmd, Exchange{Kind: U2F, Request: clone(apdu)})
	}
	return c.ask(cmd, Exchange{Kind: Framing, Request: clone(apdu)})
}

func word(sw nfc.StatusWord) []byte { return nfc.Response{SW: sw}.Bytes() }

// selected answers a SELECT of the FIDO applet as that of the tape was, and
// any other as one of what is not there.
func (c *rekeyedCard) selected(cmd nfc.Command) []byte {
	c.chain, c.rest, c.held = nil, nil, nil
	if !bytes.HasPrefix(cmd.Data, nfc.AID) {
		return word(nfc.SWNotFound)
	}
	if recorded := c.player.messages.opening(); recorded != nil {
		return clone(recorded)
	}
	return nfc.Response{Data: []byte("FIDO_2_0"), SW: nfc.SWOK}.Bytes()
}

func (c *rekeyedCard) ask(cmd nfc.Command, asked Exchange) (*Exchange, []byte, error) {
	c.rest, c.held = nil, nil
	e, err := c.player.messages.ask(asked)
	if err != nil {
		return nil, nil, err
	}
	if e.Cancelled && cmd.P1&nfc.P1Poll != 0 {
		c.held = &e
		return nil, nfc.Response{Data: []byte{2}, SW: nfc.SWPending}.Bytes(), nil
	}
	answer, err := c.finish(cmd, e)
	return &e, answer, err
}

// finish gives the answer of an exchange, its first part if it is too long for
// the command.
func (c *rekeyedCard) finish(cmd nfc.Command, e Exchange) ([]byte, error) {
	sw, refused := e.Refusal.(nfc.StatusWord)
	switch {
	case refused:
		return word(sw), nil
	case e.Answer == nil:
		return nil, fmt.Errorf("%s line %d: %w: %s", c.player.tape.Name, e.Line, ErrCut, oneLine(e.Missing))
	case e.Kind != CTAP2:
		return clone(e.Answer), nil
	}
	c.rest = e.Answer
	return c.fetch(cmd), nil
}

// fetch gives as much of the answer as cmd has room for.
func (c *rekeyedCard) fetch(cmd nfc.Command) []byte {
	if c.rest == nil {
		return word(nfc.SWConditionsNotSatisfied)
	}
	room := cmd.Ne
	if room == 0 {
		room = 256
	}
	n := min(room, len(c.rest))
	r := nfc.Response{Data: c.rest[:n], SW: nfc.SWOK}
	if c.rest = c.rest[n:]; len(c.rest) > 0 {
		r.SW = nfc.StatusWord(0x6100 | min(len(c.rest), 255))
	} else {
		c.rest = nil
	}
	return r.Bytes()
}

// poll puts a host off that has not given up yet, where that of the tape did.
func (c *rekeyedCard) poll(cmd nfc.Command) (*Exchange, []byte, error) {
	if c.held == nil {
		return nil, word(nfc.SWConditionsNotSatisfied), nil
	}
	if cmd.P1 != nfc.P1Cancel {
		c.player.cancelled()
		return nil, nfc.Response{Data: []byte{2}, SW: nfc.SWPending}.Bytes(), nil
	}
	e := c.held
	c.held = nil
	answer, err := c.finish(cmd, *e)
	return nil, answer, err
}
