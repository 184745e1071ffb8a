package capture

import (
	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/nfc"
)

const (
	maxPendingRequests = 256 // that are remembered while they wait for an answer
	maxAssembling      = 64  // messages whose reports are put together at once
)

// dialogue notices what no framing shows: requests without an answer, answers
// without a request, messages whose CBOR does not end with them. A tape that
// has one side only has no dialogue.
type dialogue struct {
	waiting map[question]Place
	asked   bool   // some request was seen
	early   *Place // of an answer before any request
	plain   bool   // the tape has messages without their channel
	parts   map[assembling]*ctaphid.Assembler
	card    cardTalk
}

// question is what tells requests apart that wait at the same time.
type question struct {
	channel ctaphid.ChannelID
	nonce   [ctaphid.InitNonceSize]byte // of an INIT on the broadcast channel
}

type assembling struct {
	channel ctaphid.ChannelID
	dir     transcript.Direction
}

// add takes the next record of a tape.
func (d *dialogue) add(c *collector, on transcript.Transport, rec transcript.Record) {
	switch {
	case rec.Level == transcript.Message && on == transcript.NFC: // its APDUs follow
	case rec.Level == transcript.Gap:
		d.waiting, d.parts, d.card, d.asked = nil, nil, cardTalk{}, false
	case rec.Level == transcript.Mark, rec.Level == transcript.APDU && len(rec.Data) == 0:
	case rec.Level == transcript.APDU:
		if rec.Offset == 0 {
			d.crossing(c, rec.Dir, question{}, false)
		}
		d.card.add(c, rec)
	case rec.Level == transcript.Message:
		d.plain = true
		if rec.Offset == 0 {
			d.hid(c, rec.Dir, ctaphid.Packet{Command: ctaphid.Command(rec.Command), Data: rec.Data})
		}
		if !rec.Partial {
			content(c, rec.Dir, ctaphid.Command(rec.Command), rec.Data)
		}
	default:
		d.report(c, rec)
	}
}

// report takes a report: the first of a message is the question or answer, the
// last has its end.
func (d *dialogue) report(c *collector, rec transcript.Record) {
	p, err := ctaphid.ParsePacket(rec.Data)
	if err != nil || rec.Offset > 0 {
		return
	}
	if p.Init {
		d.hid(c, rec.Dir, p)
	}
	of := assembling{p.CID, rec.Dir}
	a, ok := d.parts[of]
	switch {
	case rec.Partial:
		delete(d.parts, of)
		return
	case !ok && !p.Init:
		return
	case !ok:
		if d.parts == nil || len(d.parts) >= maxAssembling {
			d.parts = map[assembling]*ctaphid.Assembler{}
		}
		a = ctaphid.NewAssembler(len(rec.Data))
		d.parts[of] = a
	}
	if m, whole, err := a.Add(p); whole && err == nil {
		content(c, rec.Dir, m.Command, m.Payload)
	}
}

// hid takes the first packet of a message.
func (d *dialogue) hid(c *collector, dir transcript.Direction, p ctaphid.Packet) {
	if p.Command == ctaphid.CommandCancel || p.Command == ctaphid.CommandKeepalive {
		return
	}
	q := question{channel: p.CID}
	if d.plain {
		q = question{}
	} else if p.CID == ctaphid.BroadcastCID && len(p.Data) >= ctaphid.InitNonceSize {
		q.nonce = [ctaphid.InitNonceSize]byte(p.Data)
	}
	d.crossing(c, dir, q, p.Command == ctaphid.CommandInit && p.CID != ctaphid.BroadcastCID)
}

// crossing takes a request or an answer. One that begins anew takes back what
// was asked before.
func (d *dialogue) crossing(c *collector, dir transcript.Direction, q question, anew bool) {
	before, waits := d.waiting[q]
	switch {
	case dir == in && !waits && d.asked:
		c.remark("an answer without its request")
	case dir == in && !waits && d.early == nil:
		at := c.place
		d.early = &at
	case dir == in:
		delete(d.waiting, q)
	default:
		if waits && !anew {
			c.remarkAt(before, "a request without its answer")
		}
		if d.waiting == nil || len(d.waiting) >= maxPendingRequests {
			d.waiting = map[question]Place{}
		}
		d.asked = true
		d.waiting[q] = c.place
	}
}

// finish tells of the requests that still wait at the end, and of an answer at
// the beginning, where there are both sides.
func (d *dialogue) finish(c *collector) {
	if d.asked && d.early != nil {
		c.remarkAt(*d.early, "an answer without its request")
	}
	for _, at := range d.waiting {
		c.remarkAt(at, "a request without its answer")
	}
	if d.card.more {
		c.remark("the last answer goes on, and the log does not have its rest")
	}
}

// content looks whether a whole message has what it should have. Without
// lengths in a log, nothing else shows that a part of it is missing.
func content(c *collector, dir transcript.Direction, command ctaphid.Command, payload []byte) {
	switch {
	case command != ctaphid.CommandCBOR:
	case len(payload) == 0:
		c.remark("the message has not even a first byte")
	case len(payload) == 1:
	case dir == in && ctap2.Status(payload[0]) != ctap2.StatusOK:
		c.remark("the answer has status 0x%02x and more behind it", payload[0])
	default:
		var body map[int64]wire.Raw // all commands have one
		if err := wire.Decode(payload[1:], &body); err != nil {
			c.remark("bytes of the message are missing or wrong: %v", err)
		}
	}
}

// cardTalk puts together what a card is asked and answers, for its content.
type cardTalk struct {
	request, answer []byte
	due             bool // an answer is under way
	more            bool // and the key has said that it goes on
}

func (t *cardTalk) add(c *collector, rec transcript.Record) {
	switch {
	case rec.Partial:
		*t = cardTalk{}
	case rec.Dir == out:
		t.command(c, rec.Data)
	case t.due:
		t.response(c, rec.Data)
	}
}

func (t *cardTalk) command(c *collector, apdu []byte) {
	command, err := nfc.ParseCommand(apdu)
	switch {
	case err != nil:
		*t = cardTalk{}
	case command.CLA&^nfc.ClassChain == nfc.ClassCTAP && command.INS == nfc.INSMessage:
		t.request, t.answer = append(t.request, command.Data...), nil
		if t.due = command.CLA&nfc.ClassChain == 0; t.due {
			content(c, out, ctaphid.CommandCBOR, t.request)
		}
		if t.due || len(t.request) > maxBytes {
			t.request = nil
		}
	case command.INS != nfc.INSPoll && command.INS != nfc.INSGetResponse:
		*t = cardTalk{}
	}
}

func (t *cardTalk) response(c *collector, apdu []byte) {
	r, err := nfc.ParseResponse(apdu)
	if err != nil {
		*t = cardTalk{}
		return
	}
	_, more := r.SW.Remaining()
	t.more = more
	if !more && r.SW != nfc.SWOK {
		if len(r.Data) > 0 && r.SW != nfc.SWPending {
			c.remark("the answer has status word %04x and bytes before it", uint16(r.SW))
		}
		t.answer, t.due = nil, r.SW == nfc.SWPending
		return
	}
	t.answer = append(t.answer, r.Data...)
	if more && len(t.answer) < maxBytes {
		return
	}
	content(c, in, ctaphid.CommandCBOR, t.answer)
	t.answer, t.due = nil, false
}
