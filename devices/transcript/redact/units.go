package redact

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/nfc"
)

// layer says what the data of a unit are.
type layer byte

const (
	layerOpaque layer = iota // no known meaning
	layerPlain               // nothing that identifies: nonces, channels, names of applets
	layerCTAP                // command or status byte and CBOR
	layerU2F                 // the data field of a U2F command or response
)

// unit is one message of a tape put together from its reports or APDUs.
type unit struct {
	line    int
	records []int // of the tape, in order
	parts   []part
	framed  []part // with what of an APDU is not data
	data    []byte // a copy, until it is stored
	dir     transcript.Direction
	layer   layer
	command ctaphid.Command // of a HID message
	header  nfc.Command     // of a command APDU or of what is an answer to, without its data
	status  nfc.StatusWord  // of a U2F response
	ask     *unit           // of an answer, nil if that is not on the tape
	broken  string          // why the message cannot be read
}

// part is where bytes of a unit lie on the tape.
type part struct{ record, at, size int }

// units puts all messages of a tape together, in the order in which they end.
func units(tape *transcript.Tape) []*unit {
	g := &gatherer{tape: tape, streams: map[streamID]*stream{}, asked: map[ctaphid.ChannelID]*unit{}}
	for i, rec := range tape.Records {
		g.add(i, rec)
	}
	g.end("the tape ends inside the message")
	for _, u := range g.all {
		u.load(tape)
	}
	slices.SortStableFunc(g.all, func(a, b *unit) int { return cmp.Compare(a.records[0], b.records[0]) })
	return g.all
}

// load copies the unit's data from the tape.
func (u *unit) load(tape *transcript.Tape) {
	for _, p := range u.parts {
		u.data = append(u.data, tape.Records[p.record].Data[p.at:p.at+p.size]...)
	}
}

// store puts the unit's data back on the tape.
func (u *unit) store(tape *transcript.Tape) {
	rest := u.data
	for _, p := range u.parts {
		copy(tape.Records[p.record].Data[p.at:p.at+p.size], rest)
		rest = rest[p.size:]
	}
}

type gatherer struct {
	tape    *transcript.Tape
	all     []*unit
	streams map[streamID]*stream
	asked   map[ctaphid.ChannelID]*unit
	cards   cards
}

func (g *gatherer) add(i int, rec transcript.Record) {
	switch rec.Level {
	case transcript.Gap:
		g.end("the tape has a gap inside the message")
	case transcript.Mark:
	case transcript.Report:
		g.report(i, rec)
	case transcript.Message:
		g.message(i, rec)
	default:
		g.apdu(i, rec)
	}
}

// end breaks what is under way.
func (g *gatherer) end(why string) {
	for _, s := range g.streams {
		g.broken(s.unit, why)
	}
	g.broken(g.cards.out, why)
	g.broken(g.cards.in, why)
	g.streams, g.cards = map[streamID]*stream{}, cards{}
}

func (g *gatherer) broken(u *unit, why string) {
	if u != nil {
		u.broken = why
		g.all = append(g.all, u)
	}
}

func (g *gatherer) begin(i int, rec transcript.Record) *unit {
	return &unit{line: rec.Line, records: []int{i}, dir: rec.Dir}
}

// message takes a message that the tape has without its packets.
func (g *gatherer) message(i int, rec transcript.Record) {
	u := g.begin(i, rec)
	u.parts = []part{{i, 0, len(rec.Data)}}
	u.command = ctaphid.Command(rec.Command)
	if g.tape.Header.Transport == transcript.NFC && u.command == 0 {
		u.command = ctaphid.CommandCBOR
	}
	if rec.Partial {
		g.broken(u, "only a part of the message")
		return
	}
	g.finish(u, noChannel)
}

// noChannel is that of messages without packets.
const noChannel = ctaphid.ChannelID(0)

// finish says what a whole HID message is.
func (g *gatherer) finish(u *unit, channel ctaphid.ChannelID) {
	if u.dir == transcript.Out && u.command != ctaphid.CommandCancel {
		g.asked[channel] = u
	}
	if u.dir == transcript.In {
		u.ask = g.asked[channel]
		if u.command == 0 && u.ask != nil {
			u.command = u.ask.command
		}
	}
	switch u.command {
	case ctaphid.CommandCBOR:
		u.layer = layerCTAP
	case ctaphid.CommandMsg:
		u.layer = layerU2F
		g.fields(u)
	case ctaphid.CommandInit, ctaphid.CommandKeepalive, ctaphid.CommandError, ctaphid.CommandCancel,
		ctaphid.CommandWink, ctaphid.CommandLock:
		u.layer = layerPlain
	}
	g.all = append(g.all, u)
}

// fields leaves of an APDU in a HID message its data field.
func (g *gatherer) fields(u *unit) {
	u.framed = u.parts
	whole := &unit{parts: u.parts}
	whole.load(g.tape)
	var at, size int
	if u.dir == transcript.Out {
		c, err := nfc.ParseCommand(whole.data)
		if err != nil {
			u.broken = err.Error()
			return
		}
		at, size = fieldAt(whole.data, c), len(c.Data)
		c.Data = nil
		u.header = c
	} else {
		r, err := nfc.ParseResponse(whole.data)
		if err != nil {
			u.broken = err.Error()
			return
		}
		size, u.status = len(r.Data), r.SW
		if u.ask != nil {
			u.header = u.ask.header
		}
	}
	u.parts = cut(u.parts, at, size)
}

// fieldAt is where the data field of a command APDU begins.
func fieldAt(apdu []byte, c nfc.Command) int {
	if c.Extended {
		return min(len(apdu), 7)
	}
	return min(len(apdu), 5)
}

// cut leaves of parts those of size bytes from at on.
func cut(parts []part, at, size int) (left []part) {
	for _, p := range parts {
		skip := min(at, p.size)
		at -= skip
		n := min(size, p.size-skip)
		size -= n
		if n > 0 {
			left = append(left, part{p.record, p.at + skip, n})
		}
	}
	return left
}

// Place is where on a tape something cannot be read.
type Place struct {
	Line int
	Why  string
}

// String gives line and reason.
func (p Place) String() string { return fmt.Sprintf("line %d: %s", p.Line, p.Why) }
