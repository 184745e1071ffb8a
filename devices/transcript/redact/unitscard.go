package redact

import (
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/nfc"
)

// cards is what the meaning of an APDU depends on.
type cards struct {
	out  *unit // a chain under way
	in   *unit // an answer under way
	last *unit // the last whole question
}

// swWait is what a card says that is not done yet (CTAP 2.3 §11.3.7.2).
const swWait = nfc.StatusWord(0x9100)

func (g *gatherer) apdu(i int, rec transcript.Record) {
	switch {
	case rec.Partial:
		g.broken(g.begin(i, rec), "only a part of the APDU")
	case rec.Dir == transcript.Out:
		g.asks(i, rec)
	default:
		g.answers(i, rec)
	}
}

// asks takes a command APDU.
func (g *gatherer) asks(i int, rec transcript.Record) {
	c, err := nfc.ParseCommand(rec.Data)
	if err != nil {
		g.broken(g.begin(i, rec), err.Error())
		return
	}
	state := &g.cards
	if c.INS == nfc.INSGetResponse || c.CLA&^nfc.ClassChain == nfc.ClassCTAP && c.INS == nfc.INSPoll {
		if len(c.Data) > 0 {
			g.broken(g.begin(i, rec), "data where there should be none")
		}
		return
	}
	g.broken(state.in, "the rest of the answer was not fetched")
	state.in = nil
	u := state.out
	if u != nil && (u.header.INS != c.INS || u.header.CLA != c.CLA&^nfc.ClassChain) {
		g.broken(u, "another command interrupts the chain")
		u = nil
	}
	if u == nil {
		u = g.begin(i, rec)
	} else {
		u.records = append(u.records, i)
	}
	if n := len(c.Data); n > 0 {
		u.parts = append(u.parts, part{i, fieldAt(rec.Data, c), n})
	}
	chained := c.CLA&nfc.ClassChain != 0
	c.Data, c.CLA = nil, c.CLA&^nfc.ClassChain
	u.header, state.out = c, u
	if !chained {
		u.layer = layerOf(c)
		state.out, state.last = nil, u
		g.all = append(g.all, u)
	}
}

// layerOf says what the data of a command are.
func layerOf(c nfc.Command) layer {
	switch {
	case c.CLA == nfc.ClassCTAP && c.INS == nfc.INSMessage:
		return layerCTAP
	case c.CLA == nfc.ClassCTAP && c.INS == nfc.INSControl, c.CLA == nfc.ClassISO && c.INS == nfc.INSSelect:
		return layerPlain
	case c.CLA == nfc.ClassISO && c.INS <= nfc.INSU2FVersion:
		return layerU2F
	}
	return layerOpaque
}

// answers takes a response APDU.
func (g *gatherer) answers(i int, rec transcript.Record) {
	r, err := nfc.ParseResponse(rec.Data)
	if err != nil {
		g.broken(g.begin(i, rec), err.Error())
		return
	}
	state := &g.cards
	u := state.in
	if u == nil {
		u = g.begin(i, rec)
		u.ask = state.last
	} else {
		u.records = append(u.records, i)
	}
	if len(r.Data) > 0 {
		u.parts = append(u.parts, part{i, 0, len(r.Data)})
	}
	if _, more := r.SW.Remaining(); more {
		state.in = u
		return
	}
	state.in = nil
	u.status = r.SW
	switch {
	case r.SW == swWait:
		u.layer = layerPlain
	case u.ask == nil, state.out != nil:
		u.layer = layerOpaque
	default:
		u.header, u.layer = u.ask.header, u.ask.layer
		if u.ask.header.INS == nfc.INSSelect && u.layer == layerPlain {
			u.layer = layerOpaque
		}
	}
	g.all = append(g.all, u)
}
