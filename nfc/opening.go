package nfc

import (
	"bytes"
	"errors"
	"fmt"
)

// prospect is what the survey lets hope for of extended APDUs.
type prospect struct {
	try   bool
	sure  bool   // both reader and card are known to take them
	probe bool   // the reader is not known to carry them
	final bool   // they will not do, whatever happens later
	why   string // to try, or not
}

// prospects weighs what is known of the reader and of the card. Both have to
// be good for extended APDUs; where one of them is known to be, the other is
// worth a try.
func prospects(traits Traits, card capabilities) prospect {
	reader := traits.MaxAPDU
	const takes = "the reader takes %d bytes and the card "
	switch {
	case traits.Protocol == ProtocolT0:
		return prospect{final: true, why: "T=0 carries no extended ones"}
	case reader > 0 && reader <= maxShortAPDU:
		return prospect{final: true, why: fmt.Sprintf("the reader takes %d bytes at most", reader)}
	case card.told && !card.extended:
		return prospect{final: true, why: "the card says in its ATR that it takes no extended ones"}
	case reader > 0 && card.extended:
		return prospect{try: true, sure: true, why: fmt.Sprintf(takes+"said so in its ATR", reader)}
	case reader > 0:
		return prospect{try: true, why: fmt.Sprintf(takes+"took an extended SELECT", reader)}
	case card.extended:
		return prospect{try: true, probe: true, why: fmt.Sprintf("the reader carried %d bytes and the card said so in its ATR", probeSize)}
	}
	return prospect{why: "every card takes them"}
}

// survey decides as far as can be without asking the card.
func (t *transaction) survey() error {
	traits, err := t.traits()
	if err != nil {
		return err
	}
	if p := traits.Protocol; p != ProtocolUnknown {
		t.choose(AboutProtocol, func(m *Manner) { m.Protocol = because(p, "the reader says so") })
	}
	if traits.MaxAPDU > 0 {
		t.limit(traits.MaxAPDU)
	}
	if traits.Protocol == ProtocolT0 && !t.cfg.OmitLe {
		t.choose(AboutLe, func(m *Manner) { m.Le = because(LeNotWithData, "T=0 has no room for one there") })
	}
	t.hope = prospects(traits, readCapabilities(traits.ATR))
	if t.hope.final {
		t.barred = t.hope.why
	}
	t.surveyed = true
	return nil
}

// limit fits short APDUs to a reader that carries n bytes in one.
func (t *transaction) limit(n int) {
	t.choose(AboutMaxAPDU, func(m *Manner) { m.MaxAPDU = because(n, "the reader says so") })
	const why = "the reader carries no more in one APDU"
	if room := t.shortRoom(); room < t.Manner().ChunkSize.Value {
		t.choose(AboutChunkSize, func(m *Manner) { m.ChunkSize = because(room, why) })
	}
	if room := n - 2; room < maxShortNe {
		t.choose(AboutAnswerSize, func(m *Manner) { m.AnswerSize = because(room, why) })
	}
}

// shortRoom is the most data that a short APDU carries on this reader.
func (t *transaction) shortRoom() int {
	return Traits{MaxAPDU: t.manner.Load().MaxAPDU.Value}.Room()
}

// extendedRoom is the most data that an extended APDU carries on this reader.
func (t *transaction) extendedRoom() int {
	if n := t.manner.Load().MaxAPDU.Value; n > 0 {
		return min(maxExtendedNc, n-(4+3+2))
	}
	return maxExtendedNc
}

// runOpening sends the opening and returns its last response.
func (t *transaction) runOpening() (Response, error) {
	if t.cfg.auto() && !t.surveyed {
		if err := t.survey(); err != nil {
			return Response{}, err
		}
	}
	if t.cfg.auto() && t.cfg.Opening == nil {
		return t.selectApplet()
	}
	t.settle()
	var last Response
	for _, cmd := range t.opening {
		var err error
		if last, err = t.send(cmd, maxShortNc); err != nil {
			return Response{}, err
		}
	}
	return last, nil
}

// settle decides on the encoding for a client that has an opening of its own:
// nothing is tried then.
func (t *transaction) settle() {
	if !t.cfg.auto() || t.settled {
		return
	}
	t.settled = true
	switch {
	case t.hope.sure:
		t.encode(EncodingExtended, t.hope.why)
	case t.hope.try:
		t.encode(EncodingShort, "the caller's own opening leaves nothing to try others with")
	default:
		t.encode(EncodingShort, t.hope.why)
	}
}

func (t *transaction) encode(e Encoding, why string) {
	t.choose(AboutEncoding, func(m *Manner) { m.Encoding = because(e, "%s", why) })
}

// selectApplet is the SELECT of the FIDO applet. The first one also finds out
// which forms of a command reader and card take: a SELECT does no harm, in
// whichever form.
func (t *transaction) selectApplet() (Response, error) {
	cmd := t.cfg.command(selectCommand())
	if t.settled {
		return t.send(cmd, maxShortNc)
	}
	resp, err := t.selectExtended(cmd)
	if err == nil && !taken(resp) {
		t.encode(EncodingShort, t.hope.why)
		resp, err = t.selectShort(cmd)
	}
	t.settled = err == nil && resp.SW == SWOK
	return resp, err
}

// taken says whether a SELECT has brought a version, or the offer of one.
func taken(resp Response) bool {
	_, more := resp.SW.Remaining()
	return more || resp.SW == SWOK && len(resp.Data) > 0
}

// selectExtended tries a SELECT with extended lengths, if there is hope. The
// response is empty if that will not do.
func (t *transaction) selectExtended(cmd Command) (Response, error) {
	if !t.hope.try {
		return Response{}, nil
	}
	cmd.Extended = true
	cmd = t.cfg.command(cmd)
	if t.hope.probe {
		sw, err := t.probe(probeSize)
		if err != nil || refusesForm(sw) {
			return Response{}, t.despair(sw, err, fmt.Sprintf("a SELECT of %d bytes", probeSize))
		}
	}
	resp, err := t.single(cmd)
	if err != nil || !taken(resp) {
		return Response{}, t.despair(resp.SW, err, "an extended SELECT")
	}
	t.encode(EncodingExtended, t.hope.why)
	return t.complete(cmd, resp)
}

// despair gives extended APDUs up after a try that was lost on the way or that
// the card has refused. Other errors are returned.
func (t *transaction) despair(sw StatusWord, err error, try string) error {
	switch {
	case errors.Is(err, ErrTransmission):
		t.barred = "the reader lost " + try
	case err != nil:
		return err
	default:
		t.barred = fmt.Sprintf("the card refused %s (%v)", try, sw)
	}
	t.hope = prospect{final: true, why: t.barred}
	return nil
}

// selectShort tries a short SELECT with Le and one without, and the other one
// first over T=0. Real cards refuse either.
func (t *transaction) selectShort(cmd Command) (Response, error) {
	m := t.Manner()
	if m.Le.Value == LeOmitted {
		return t.send(cmd, maxShortNc)
	}
	first, second, other := cmd, cmd, LeNotWithData
	first.Ne, second.Ne = m.AnswerSize.Value, 0
	if m.Le.Value == LeNotWithData {
		first, second, other = second, first, LeSent
	}
	resp, err := t.raw(first)
	if err != nil {
		return resp, err
	}
	if objects(resp) {
		again, err := t.raw(second)
		if err != nil {
			return again, err
		}
		if taken(again) {
			t.choose(AboutLe, func(m *Manner) { m.Le = because(other, "the card answered %v to a SELECT of the other form", resp.SW) })
			return t.complete(second, again)
		}
	}
	return t.complete(first, resp)
}

// objects says whether a card may have stumbled over the form of a SELECT, and
// not over the name.
func objects(resp Response) bool {
	_, wrong := resp.SW.RightLength()
	return wrong || resp.SW == SWWrongLength || resp.SW == SWWrongLc || resp.SW == SWOK && len(resp.Data) == 0
}

// probeSize is the length of the name by which a reader is tried, in bytes: as
// long as the longest message that every CTAP2 card takes (CTAP 2.3 §6.4,
// maxMsgSize).
const probeSize = 1024

// probe has an extended APDU of n bytes of data carried to the card: a SELECT
// of a name that no applet has, as none is longer than 16 bytes. What the card
// makes of it does not matter as much as that it answers.
func (t *transaction) probe(n int) (StatusWord, error) {
	cmd := selectCommand()
	cmd.Data, cmd.Extended = bytes.Repeat([]byte{0xF0}, n), true
	resp, err := t.raw(t.cfg.command(cmd))
	return resp.SW, err
}
