package transcript

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// A step is one thing that the player does or waits for. Messages that the
// tape has without their packets are steps of one report each.
type step struct {
	line  int
	at    time.Duration // on the tape's clock
	dir   Direction     // of a report or APDU; 0 for what follows
	data  []byte
	late  bool   // an answer that only polling finds
	event *Event // an error to give back, or the end of a connection
	cut   string // what is missing, if event is nil too
}

// shape is what decides whether a tape can be played at all. Its memory does
// not grow with the tape.
type shape struct {
	transport Transport
	out, in   int
	strange   int // line of a record of another transport
	orphan    int // line of an answer before any question, on a card's tape
}

func (s *shape) add(rec Record) {
	switch {
	case rec.Level == Gap, rec.Level == Mark, s.transport == NFC && rec.Level == Message:
		return
	case (rec.Level == APDU) != (s.transport == NFC):
		s.strange = first(s.strange, rec.Line)
	case rec.Dir == Out:
		s.out++
	default:
		s.in++
		if s.out == 0 && s.transport == NFC {
			s.orphan = first(s.orphan, rec.Line)
		}
	}
}

func first(have, line int) int {
	if have != 0 {
		return have
	}
	return line
}

// playable is nil, or an ErrUnplayable that says why not.
func (s *shape) playable() error {
	switch {
	case s.strange != 0:
		return fmt.Errorf("%w: line %d is not of transport %q", ErrUnplayable, s.strange, s.transport)
	case s.out+s.in == 0:
		return fmt.Errorf("%w: it holds nothing that was sent", ErrUnplayable)
	case s.out == 0:
		return fmt.Errorf("%w: it has no host side, only what the key said, so nothing can be asked", ErrUnplayable)
	case s.orphan != 0:
		return fmt.Errorf("%w: line %d is an answer whose command is not on the tape", ErrUnplayable, s.orphan)
	}
	return nil
}

// playable is nil, or an ErrUnplayable that says why not.
func (t *Tape) playable() error {
	s := shape{transport: t.Header.Transport}
	for _, rec := range t.Records {
		s.add(rec)
	}
	return s.playable()
}

// script turns the records of a tape into steps.
type script struct {
	tape    *Tape
	steps   []step
	channel ctaphid.ChannelID // that the last INIT on the tape gave
	command ctaphid.Command   // of the last request
}

func (t *Tape) steps() []step {
	s := script{tape: t}
	for i, rec := range t.Records {
		s.add(i, rec)
	}
	return s.steps
}

func (s *script) add(i int, rec Record) {
	switch {
	case rec.Level == Gap:
		s.command = 0
		s.cut(rec, rec.Cut)
	case rec.Level == Mark:
		if rec.Event != nil && (rec.Event.Name == eventError || rec.Event.Name == eventClose) {
			s.steps = append(s.steps, step{line: rec.Line, at: rec.Time, event: rec.Event})
		}
	case rec.Level == Message && s.tape.Header.Transport == NFC:
		// What a program logged above the APDUs, which follow.
	case rec.Partial:
		s.cut(rec, "only a part of "+rec.name())
	case rec.Level == Message:
		s.message(i, rec)
	default:
		s.note(rec)
		s.steps = append(s.steps, step{line: rec.Line, at: rec.Time, dir: rec.Dir, data: rec.Data, late: rec.Late})
	}
}

func (s *script) cut(rec Record, why string) {
	s.steps = append(s.steps, step{line: rec.Line, at: rec.Time, cut: why})
}

// note keeps what later messages need to know of a report.
func (s *script) note(rec Record) {
	p, err := ctaphid.ParsePacket(rec.Data)
	if rec.Level != Report || err != nil || !p.Init {
		return
	}
	if rec.Dir == Out && p.Command != ctaphid.CommandCancel {
		s.command = p.Command
	}
	if id, ok := givenChannel(p); ok && rec.Dir == In {
		s.channel = id
	}
}

const nonceSize = ctaphid.InitNonceSize

// givenChannel is the channel that an answer to INIT gives, which stands there
// behind the nonce (CTAP 2.3 §11.2.9.1.3).
func givenChannel(p ctaphid.Packet) (ctaphid.ChannelID, bool) {
	if !p.Init || p.Command != ctaphid.CommandInit || len(p.Data) < ctaphid.InitAnswerSize {
		return 0, false
	}
	return ctaphid.ChannelID(binary.BigEndian.Uint32(p.Data[nonceSize:])), true
}

// message appends the reports of a message that the tape has whole.
func (s *script) message(i int, rec Record) {
	command := ctaphid.Command(rec.Command)
	if command == 0 && rec.Dir == In {
		command = s.command
	}
	if command == 0 {
		s.cut(rec, "the tape does not say which command this message has")
		return
	}
	m := ctaphid.Message{CID: s.channelOf(i, command), Command: command, Payload: rec.Data}
	cutter, err := ctaphid.NewFragmenter(m, s.tape.reportSize())
	if err != nil {
		s.cut(rec, err.Error())
		return
	}
	report := make([]byte, s.tape.reportSize())
	for cutter.Next(report) {
		packet := Record{Line: rec.Line, Dir: rec.Dir, Level: Report, Data: report}
		s.note(packet)
		s.steps = append(s.steps, step{line: rec.Line, at: rec.Time, dir: rec.Dir, data: report})
		report = make([]byte, len(report))
	}
}

// channelOf is the channel of message i, which the tape does not tell: that
// which the last INIT gave, or else that of the next answer. Failing both any
// will do, since the player takes the host's for it.
func (s *script) channelOf(i int, command ctaphid.Command) ctaphid.ChannelID {
	if command == ctaphid.CommandInit {
		return ctaphid.BroadcastCID
	}
	if s.channel != 0 {
		return s.channel
	}
	for _, rec := range s.tape.Records[i:] {
		if rec.Level == Gap {
			break
		}
		if p, err := ctaphid.ParsePacket(rec.Data); err == nil && rec.Level == Report && p.CID != ctaphid.BroadcastCID {
			return p.CID
		}
	}
	return 1
}

// reportSize is the size of a report: that of the header, or else of the
// first whole report.
func (t *Tape) reportSize() int {
	if t.Header.ReportSize != 0 {
		return t.Header.ReportSize
	}
	for _, rec := range t.Records {
		if n := len(rec.Data); rec.Level == Report && !rec.Partial && n >= ctaphid.MinReportSize && n <= maxReportSize {
			return n
		}
	}
	return ctaphid.ReportSize
}
