package transcript

import (
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/nfc"
)

// Kind is what an [Exchange] is about.
type Kind byte

// Kinds of exchanges.
const (
	Opening Kind = iota + 1 // CTAPHID_INIT, or a SELECT
	CTAP2                   // a message: command byte and CBOR, status byte and CBOR
	U2F                     // a CTAP1 command APDU and its response
	Framing                 // what else the framing has: PING, WINK, LOCK, other APDUs
)

// Exchange is one question of a tape and its answer, put together from their
// reports or APDUs.
type Exchange struct {
	Line, AnswerLine int           // of the question's beginning and of the answer's end; 0 for no answer
	Asked, Answered  time.Duration // when each was whole, on the tape's clock

	Kind    Kind
	Command ctaphid.Command   // on a HID tape
	Channel ctaphid.ChannelID // on a HID tape

	// Request and Answer are what the framing carried: a CTAP2 message, an APDU,
	// or the payload of a CTAPHID message. Answer is nil where there is none.
	Request, Answer []byte

	// Refusal is how the framing refused: a [ctaphid.ErrorCode], or for a message
	// on a card's tape a [nfc.StatusWord]. Missing says in words why the tape has
	// neither an answer nor a refusal.
	Refusal error
	Missing string

	Waits     []Wait // signs of life before the answer
	Cancelled bool   // the host gave up waiting, and the answer came after that
}

// Wait is a sign of life: a KEEPALIVE, or a 9100 of a card.
type Wait struct {
	Time   time.Duration
	Status ctaphid.KeepaliveStatus
}

// Exchanges are the questions of the tape in order, up to the end or to the
// first place where the tape lacks something.
func (t *Tape) Exchanges() []Exchange {
	if t.Header.Transport == NFC {
		return t.cardExchanges()
	}
	return t.hidExchanges()
}

// hidExchanges puts reports together by channel and direction.
func (t *Tape) hidExchanges() []Exchange {
	c := &collector{size: t.reportSize(), open: map[ctaphid.ChannelID]int{}, parts: map[streamID]*part{}}
	for _, s := range t.steps() {
		switch {
		case s.dir != 0:
			c.report(s)
		case s.event == nil:
			c.missing(s.cut)
			return c.all
		default:
			c.missing(s.event.String())
		}
	}
	c.missing("the tape ends here")
	return c.all
}

// part is a message that is being put together.
type part struct {
	assembler *ctaphid.Assembler
	line      int
}

type collector struct {
	size  int
	all   []Exchange
	open  map[ctaphid.ChannelID]int // the question without an answer on a channel
	parts map[streamID]*part
}

// missing closes the questions that are open.
func (c *collector) missing(why string) {
	for _, i := range c.open {
		c.all[i].Missing = why
	}
	c.open, c.parts = map[ctaphid.ChannelID]int{}, map[streamID]*part{}
}

func (c *collector) report(s step) {
	p, err := ctaphid.ParsePacket(s.data)
	if err != nil {
		return
	}
	id := streamID{p.CID, s.dir}
	if c.parts[id] == nil {
		if len(c.parts) >= maxStreams {
			c.missing("too many channels at once")
		}
		c.parts[id] = &part{assembler: ctaphid.NewAssembler(max(c.size, len(s.data)))}
	}
	if p.Init {
		c.parts[id].line = s.line
	}
	m, whole, _ := c.parts[id].assembler.Add(p)
	if !whole {
		return
	}
	m.Payload = append([]byte{}, m.Payload...) // an empty answer is one
	if s.dir == Out {
		c.question(s, m, c.parts[id].line)
		return
	}
	c.answer(s, m)
}

var hidKinds = map[ctaphid.Command]Kind{
	ctaphid.CommandInit: Opening, ctaphid.CommandCBOR: CTAP2, ctaphid.CommandMsg: U2F,
}

func (c *collector) question(s step, m ctaphid.Message, line int) {
	i, open := c.open[m.CID]
	if m.Command == ctaphid.CommandCancel {
		if open {
			c.all[i].Cancelled = true
		}
		return
	}
	if open {
		c.all[i].Missing = "another question came first"
	}
	kind, ok := hidKinds[m.Command]
	if !ok {
		kind = Framing
	}
	c.open[m.CID] = len(c.all)
	c.all = append(c.all, Exchange{
		Line: line, Asked: s.at, Kind: kind, Command: m.Command, Channel: m.CID, Request: m.Payload,
	})
}

func (c *collector) answer(s step, m ctaphid.Message) {
	i, open := c.open[m.CID]
	if !open || s.late {
		return
	}
	e := &c.all[i]
	switch {
	case m.Command == ctaphid.CommandKeepalive:
		if len(m.Payload) > 0 {
			e.Waits = append(e.Waits, Wait{s.at, ctaphid.KeepaliveStatus(m.Payload[0])})
		}
		return
	case m.Command == ctaphid.CommandError && len(m.Payload) > 0:
		e.Refusal = ctaphid.ErrorCode(m.Payload[0])
	case m.Command != e.Command:
		return
	case e.Kind == Opening && !answersNonce(e.Request, m.Payload):
		return // of another program's INIT
	default:
		e.Answer = m.Payload
	}
	e.AnswerLine, e.Answered = s.line, s.at
	delete(c.open, m.CID)
}

// answersNonce says whether the answer to an INIT is one to this request.
func answersNonce(request, answer []byte) bool {
	return len(answer) >= len(request) && string(answer[:len(request)]) == string(request)
}

// cardExchanges puts chains together, and what was fetched with GET RESPONSE or
// by polling.
func (t *Tape) cardExchanges() []Exchange {
	var c cardCollector
	for _, s := range t.steps() {
		switch {
		case s.dir == Out:
			c.command(s)
		case s.dir == In:
			c.response(s)
		case s.event == nil:
			c.missing(s.cut)
			return c.all
		default:
			c.missing(s.event.String())
		}
	}
	c.missing("the tape ends here")
	return c.all
}

type cardCollector struct {
	all   []Exchange
	open  bool   // the last question has no answer yet
	chain []byte // of a message, so far
	begun step   // of the chain
	data  []byte // of the answer, so far
	quiet bool   // the next response is to a part of a chain
}

func (c *cardCollector) missing(why string) {
	if c.open {
		c.all[len(c.all)-1].Missing = why
	}
	c.open, c.chain, c.data = false, nil, nil
}

func (c *cardCollector) command(s step) {
	apdu, err := nfc.ParseCommand(s.data)
	if err != nil {
		c.missing("what follows is no command")
		return
	}
	which := instruction(s.data)
	fetches := which == apduGetResponse || which == apduGetResponseCTAP || which == apduPoll
	switch {
	case c.open && fetches:
		e := &c.all[len(c.all)-1]
		e.Cancelled = e.Cancelled || isCancelAPDU(s.data)
		return
	case apdu.CLA&nfc.ClassChain != 0:
		if c.chain == nil {
			c.begun = s
		}
		c.chain, c.quiet = append(c.chain, apdu.Data...), true
		return
	}
	c.question(s, which, apdu)
}

func (c *cardCollector) question(s step, which int, apdu nfc.Command) {
	e := Exchange{Line: s.line, Asked: s.at, Kind: Framing, Request: clone(s.data)}
	if len(c.chain) > 0 {
		e.Line = c.begun.line
		apdu.Data = append(c.chain, apdu.Data...)
		e.Request = joined(apdu, e.Request)
	}
	switch which {
	case apduMessage:
		e.Kind, e.Request = CTAP2, clone(apdu.Data)
	case apduSelect:
		e.Kind = Opening
	case apduU2FRegister, apduU2FAuthenticate, apduU2FVersion:
		e.Kind = U2F
	}
	c.missing("another question came first")
	c.repeated(e)
	c.all, c.open, c.quiet = append(c.all, e), true, false
}

// joined is a command that came in parts, in one; as it is if it has none.
func joined(cmd nfc.Command, otherwise []byte) []byte {
	if len(cmd.Data) > nfc.MaxChunkSize {
		cmd.Extended = true
	}
	whole, err := cmd.Bytes()
	if err != nil {
		return otherwise
	}
	return whole
}

// repeated takes back the last question if e is the same, asked for with the
// length of the answer that the card named, or in a form that it takes.
func (c *cardCollector) repeated(e Exchange) {
	n := len(c.all)
	if n == 0 || e.Kind != CTAP2 || string(c.all[n-1].Request) != string(e.Request) {
		return
	}
	sw, refused := c.all[n-1].Refusal.(nfc.StatusWord)
	if !refused {
		return
	}
	if _, length := sw.RightLength(); length || sw == nfc.SWWrongLength {
		c.all = c.all[:n-1]
	}
}

func (c *cardCollector) response(s step) {
	r, err := nfc.ParseResponse(s.data)
	if err != nil || c.quiet || !c.open {
		c.quiet = false
		return
	}
	e := &c.all[len(c.all)-1]
	if r.SW == nfc.SWPending && e.Kind == CTAP2 {
		status := ctaphid.KeepaliveProcessing
		if len(r.Data) > 0 {
			status = ctaphid.KeepaliveStatus(r.Data[0])
		}
		e.Waits = append(e.Waits, Wait{s.at, status})
		return
	}
	c.data = append(c.data, r.Data...)
	if _, more := r.SW.Remaining(); more {
		return
	}
	e.AnswerLine, e.Answered = s.line, s.at
	switch {
	case e.Kind != CTAP2:
		e.Answer = nfc.Response{Data: c.data, SW: r.SW}.Bytes()
	case r.SW == nfc.SWOK && len(c.data) > 0:
		e.Answer = c.data
	default:
		e.Refusal = r.SW
	}
	c.open, c.data = false, nil
}
