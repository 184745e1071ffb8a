package explain

import (
	"errors"
	"fmt"
	"slices"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

const clausePackets = "CTAP 2.3 §11.2.4"

// maxStreams bounds how many channels are followed at once. A key has a few.
const maxStreams = 1024

// reports puts HID reports together to messages, each channel and direction by
// itself.
type reports struct {
	teller *teller
	size   int // of a report, 0 until it is known
	all    map[streamID]*stream
	asked  ctaphid.Command // the last request, which a message without a command answers
}

type streamID struct {
	channel ctaphid.ChannelID
	dir     transcript.Direction
}

type stream struct {
	assembler *ctaphid.Assembler
	parts     []Part
}

func (r *reports) add(rec transcript.Record) {
	p, err := ctaphid.ParsePacket(rec.Data)
	part := partOf(rec)
	if err != nil {
		r.teller.broken(rec.Dir, p.CID.String(), []Part{part}, clausePackets, partial(rec, err))
		return
	}
	if r.size == 0 {
		r.size = max(len(rec.Data), ctaphid.ReportSize)
	}
	s := r.of(p.CID, rec.Dir)
	before := s.parts
	if p.Init {
		s.parts = nil
	}
	s.parts = append(s.parts, part)
	m, whole, err := s.assembler.Add(p)
	if err != nil {
		r.fault(rec, s, before, err)
	}
	if !whole {
		return
	}
	parts := s.parts
	s.parts = nil
	r.message(rec.Dir, m, parts, rec.Late)
}

func (r *reports) message(dir transcript.Direction, m ctaphid.Message, parts []Part, late bool) {
	if dir == transcript.Out && m.Command != ctaphid.CommandCancel {
		r.asked = m.Command
	}
	out := message{
		dir: dir, channel: m.CID.String(), frame: hidFrame(m.Command), data: slices.Clone(m.Payload), parts: parts,
	}
	if late {
		out.broken = append(out.broken, Remark{Line: parts[0].Line, Text: "the host found this waiting before its next request, and dropped it"})
	}
	r.teller.tell(out)
}

// fault puts down what the assembler could not use: the message before, this
// one, or both. The parts of a message that goes on stay with it.
func (r *reports) fault(rec transcript.Record, s *stream, before []Part, err error) {
	id := s.parts[len(s.parts)-1]
	channel := ctaphid.ChannelID(0).String()
	if p, bad := ctaphid.ParsePacket(rec.Data); bad == nil {
		channel = p.CID.String()
	}
	if errors.Is(err, ctaphid.FaultInterrupted) {
		r.teller.broken(rec.Dir, channel, before, clausePackets, "an init packet interrupts the message: "+errorText(err))
		if errors.Is(err, ctaphid.FaultLength) || errors.Is(err, ctaphid.FaultShort) {
			r.teller.broken(rec.Dir, channel, []Part{id}, clausePackets, partial(rec, err))
			s.parts = nil
		}
		return
	}
	r.teller.broken(rec.Dir, channel, s.parts, clausePackets, partial(rec, err))
	s.parts = nil
}

// errorText is the text of an error on one line; joined errors have several.
func errorText(err error) string {
	text := []rune(err.Error())
	for i, c := range text {
		if c == '\n' {
			text[i] = ';'
		}
	}
	return string(text)
}

// partial says whether it is the tape or the sender that lacks something.
func partial(rec transcript.Record, err error) string {
	if rec.Partial {
		return "the tape has only a part of this: " + errorText(err)
	}
	return errorText(err)
}

func (r *reports) of(channel ctaphid.ChannelID, dir transcript.Direction) *stream {
	id := streamID{channel, dir}
	if s, ok := r.all[id]; ok {
		return s
	}
	if len(r.all) >= maxStreams {
		r.end(0, "there are too many channels at once to follow")
	}
	if r.all == nil {
		r.all = map[streamID]*stream{}
	}
	s := &stream{assembler: ctaphid.NewAssembler(r.size)}
	r.all[id] = s
	return s
}

// end puts down all messages that are under way, in the order in which they
// began.
func (r *reports) end(line int, why string) {
	var open []streamID
	for id, s := range r.all {
		if len(s.parts) > 0 {
			open = append(open, id)
		}
	}
	slices.SortFunc(open, func(a, b streamID) int { return r.all[a].parts[0].Line - r.all[b].parts[0].Line })
	for _, id := range open {
		text := why
		if pending := r.all[id].assembler.Pending(); pending != nil {
			text = fmt.Sprintf("%s: %v", why, pending)
		}
		r.teller.broken(id.dir, id.channel.String(), r.all[id].parts, "", text)
	}
	r.all = nil
}

// partOf is a record as it carries a message.
func partOf(rec transcript.Record) Part {
	text := transcript.Describe(rec)
	return Part{Line: rec.Line, At: rec.Time, Dir: rec.Dir, Text: text[min(len(text), 4):], Data: rec.Data}
}

func bytesOf(n int) string {
	if n == 1 {
		return "1 byte"
	}
	return fmt.Sprintf("%d bytes", n)
}

// whole takes a message that the tape has without its packets.
func (t *teller) whole(rec transcript.Record) {
	if t.story.Header.Transport == transcript.NFC && !t.logged {
		return // a program's log above the APDUs, which are told
	}
	command := ctaphid.Command(rec.Command)
	if command == 0 && rec.Dir == transcript.In {
		command = t.reports.asked
	}
	part := partOf(rec)
	switch {
	case rec.Partial:
		t.broken(rec.Dir, "", []Part{part}, "", fmt.Sprintf("the tape has only a part of this message: %s from byte %d on", bytesOf(len(rec.Data)), rec.Offset))
		return
	case command == 0:
		t.nameless(rec, part)
		return
	}
	if rec.Dir == transcript.Out && command != ctaphid.CommandCancel {
		t.reports.asked = command
	}
	t.tell(message{dir: rec.Dir, frame: hidFrame(command), data: rec.Data, parts: []Part{part}})
}

// nameless puts down a whole message of which nobody knows the command.
func (t *teller) nameless(rec transcript.Record, part Part) {
	s := Step{Kind: Message, Dir: rec.Dir, Name: "a message of a command that the tape does not name", Data: rec.Data}
	s.carry([]Part{part})
	s.Fields = []Field{hexField("payload", rec.Data, LikeValue)}
	t.put(s)
}
