package explain

import (
	"errors"
	"fmt"

	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/nfc"
)

const (
	clauseNFC     = "CTAP 2.3 §11.3"
	clauseISO     = "ISO 7816-4"
	clauseU2F     = "U2F Raw Message Formats 1.2"
	clauseGetMore = "ISO 7816-4 §5.3.4"
)

// maxMessage bounds what is put together from the APDUs of one message.
const maxMessage = 64 << 10

// card puts APDUs together: the parts of a chain to the message that they
// carry, the pieces of an answer (61xx) to the answer.
type card struct {
	teller  *teller
	out     []Part // a chain under way
	outData []byte
	chain   int    // its instruction
	part    bool   // an answer to a part of a chain is due
	in      []Part // an answer under way
	inData  []byte
	due     bool // an answer is due
}

// instruction is the class, without its chaining bit, and INS.
func instruction(c nfc.Command) int { return int(c.CLA&^nfc.ClassChain)<<8 | int(c.INS) }

const (
	insMessage         = nfc.ClassCTAP<<8 | nfc.INSMessage
	insPoll            = nfc.ClassCTAP<<8 | nfc.INSPoll
	insControl         = nfc.ClassCTAP<<8 | nfc.INSControl
	insGetResponseCTAP = nfc.ClassCTAP<<8 | nfc.INSGetResponse
	insSelect          = nfc.ClassISO<<8 | nfc.INSSelect
	insGetResponse     = nfc.ClassISO<<8 | nfc.INSGetResponse
	insRegister        = nfc.ClassISO<<8 | nfc.INSU2FRegister
	insAuthenticate    = nfc.ClassISO<<8 | nfc.INSU2FAuthenticate
	insVersion         = nfc.ClassISO<<8 | nfc.INSU2FVersion
)

var instructions = map[int]struct{ name, clause string }{
	insMessage:      {"NFCCTAP_MSG", "CTAP 2.3 §11.3.5"},
	insPoll:         {"NFCCTAP_GETRESPONSE", "CTAP 2.3 §11.3.7.2"},
	insControl:      {"NFCCTAP_CONTROL", "CTAP 2.3 §11.3.4"},
	insSelect:       {"SELECT", "CTAP 2.3 §11.3.3"},
	insRegister:     {"U2F_REGISTER", clauseU2F + " §4"},
	insAuthenticate: {"U2F_AUTHENTICATE", clauseU2F + " §5"},
	insVersion:      {"U2F_VERSION", clauseU2F + " §6"},
}

func apduFrame(c nfc.Command) frame {
	f := frame{kind: frameAPDU, code: uint16(instruction(c)), clause: clauseISO}
	known, ok := instructions[instruction(c)]
	if !ok {
		f.name = fmt.Sprintf("command %02x %02x", c.CLA, c.INS)
		return f
	}
	f.name, f.clause = known.name, known.clause
	return f
}

func (c *card) add(rec transcript.Record) {
	part := partOf(rec)
	if rec.Partial {
		c.end(rec.Line, "what follows lacks a part")
		c.teller.broken(rec.Dir, "", []Part{part}, "", "the tape has only a part of this APDU")
		return
	}
	if rec.Dir == transcript.Out {
		c.command(part)
	} else {
		c.response(part)
	}
}

func (c *card) command(part Part) {
	apdu, err := nfc.ParseCommand(part.Data)
	if err != nil {
		c.end(part.Line, "what follows is no command")
		c.teller.broken(transcript.Out, "", []Part{part}, clauseISO, err.Error())
		return
	}
	which := instruction(apdu)
	more := which == insGetResponse || which == insGetResponseCTAP || which == insPoll && apdu.P1 != nfc.P1Cancel
	if more && c.due {
		c.in = append(c.in, part)
		return
	}
	c.unanswered()
	if len(c.out) > 0 && which != c.chain {
		c.breakChain("another command interrupts the chain")
	}
	c.send(apdu, part)
}

// send takes the next command of a message, the only one of most.
func (c *card) send(apdu nfc.Command, part Part) {
	c.out = append(c.out, part)
	c.outData = append(c.outData, apdu.Data...)
	c.chain = instruction(apdu)
	if len(c.outData) > maxMessage {
		c.breakChain("the chain is longer than any message")
		return
	}
	if apdu.CLA&nfc.ClassChain != 0 {
		c.part = true
		return
	}
	m := message{dir: transcript.Out, frame: apduFrame(apdu), data: c.outData, parts: c.out}
	if instruction(apdu) != insMessage {
		m.data = part.Data
	}
	c.out, c.outData, c.part, c.due = nil, nil, false, true
	c.teller.tell(m)
}

func (c *card) response(part Part) {
	r, err := nfc.ParseResponse(part.Data)
	switch {
	case err != nil:
		c.end(part.Line, "what follows is no response")
		c.teller.broken(transcript.In, "", []Part{part}, clauseISO, err.Error())
		return
	case c.part:
		c.acknowledge(r, part)
		return
	}
	c.in = append(c.in, part)
	c.inData = append(c.inData, r.Data...)
	if _, more := r.SW.Remaining(); more && len(c.inData) <= maxMessage {
		c.due = true
		return
	}
	if len(c.inData) > maxMessage {
		c.unanswered()
		return
	}
	m := message{dir: transcript.In, data: c.inData, parts: c.in, frame: swFrame(r.SW)}
	c.in, c.inData = nil, nil
	c.due = r.SW == nfc.SWPending
	c.teller.tell(m)
}

func swFrame(sw nfc.StatusWord) frame {
	f := frame{kind: frameAPDU, code: uint16(sw), name: "SW " + sw.Error(), clause: clauseISO}
	if sw == nfc.SWPending {
		f.clause = "CTAP 2.3 §11.3.7"
	}
	return f
}

// acknowledge takes the answer to a part of a chain, which is 9000 and empty.
func (c *card) acknowledge(r nfc.Response, part Part) {
	c.out = append(c.out, part)
	c.part = false
	if r.SW != nfc.SWOK {
		c.breakChain("the card refuses a part of the chain: SW " + r.SW.Error())
	}
}

func (c *card) breakChain(why string) {
	parts := c.out
	c.out, c.outData, c.part = nil, nil, false
	c.teller.broken(transcript.Out, "", parts, clauseISO+" §5.3.3", why)
}

// unanswered puts down an answer that did not come to its end.
func (c *card) unanswered() {
	parts := c.in
	c.in, c.inData, c.due = nil, nil, false
	c.teller.broken(transcript.In, "", parts, clauseGetMore, "the rest of the answer was not fetched")
}

// end puts down what is under way.
func (c *card) end(line int, why string) {
	if line > 0 {
		why = fmt.Sprintf("%s (line %d)", why, line)
	}
	c.breakChain(why)
	parts := c.in
	c.in, c.inData, c.due = nil, nil, false
	c.teller.broken(transcript.In, "", parts, "", why)
}

// swOf is the status word at the end of a response, split off.
func swOf(data []byte) ([]byte, nfc.StatusWord, error) {
	r, err := nfc.ParseResponse(data)
	if err != nil {
		return nil, 0, errors.New("a response without a status word")
	}
	return r.Data, r.SW, nil
}
