package transcript

import (
	"errors"
	"fmt"
	"slices"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// maxStreams bounds how many channels are followed at once. A key has a few.
const maxStreams = 1024

// streams puts the reports of a tape together, each channel and direction by
// itself.
type streams struct {
	check *checker
	size  int // of a report, 0 until it is known
	all   map[streamID]*stream
}

type streamID struct {
	channel ctaphid.ChannelID
	dir     Direction
}

type stream struct {
	assembler *ctaphid.Assembler
	line      int  // of the beginning of the message under way
	counted   bool // the message of the continuation packets that follow is counted
}

func (s *streams) add(rec Record) {
	p, err := ctaphid.ParsePacket(rec.Data)
	if err != nil {
		s.unusable(rec, err)
		return
	}
	if s.size == 0 {
		s.size = max(len(rec.Data), ctaphid.ReportSize)
	}
	st := s.of(p.CID, rec.Dir)
	begun := st.line
	if p.Init {
		st.line, st.counted = rec.Line, false
	}
	m, whole, err := st.assembler.Add(p)
	if err != nil {
		s.fault(rec, st, begun, err)
	}
	if !whole {
		return
	}
	s.check.sum.Messages.Whole++
	if !rec.Partial {
		s.check.sum.FromReports.Whole++
	}
	s.check.count(rec.Dir, byte(m.Command), m.Payload)
}

// fault counts what the assembler could not use: the message before, this
// one, or both.
func (s *streams) fault(rec Record, st *stream, begun int, err error) {
	if errors.Is(err, ctaphid.FaultInterrupted) {
		s.cut(begun, fmt.Sprintf("line %d interrupts the message", rec.Line))
	}
	switch {
	case errors.Is(err, ctaphid.FaultStray):
		if !st.counted {
			s.stray(rec)
		}
	case errors.Is(err, ctaphid.FaultSequence), errors.Is(err, ctaphid.FaultLength), errors.Is(err, ctaphid.FaultShort):
		s.unusable(rec, err)
		if begunWhole := st.line != rec.Line; rec.Partial && begunWhole {
			s.check.sum.FromReports.Cut++
		}
	default:
		return
	}
	st.counted = true
}

func (s *streams) stray(rec Record) {
	s.check.sum.Messages.Cut++
	if !rec.Partial {
		s.check.sum.FromReports.Cut++
	}
	s.check.problem(rec.Line, "a continuation packet of a message whose beginning is missing")
}

// unusable counts a message that is spoilt by a report, as cut if the tape
// says that it has only a part of that report.
func (s *streams) unusable(rec Record, err error) {
	if rec.Partial {
		s.check.sum.Messages.Cut++
		s.check.problem(rec.Line, fmt.Sprintf("only a part of a report: %v", err))
		return
	}
	s.check.sum.Messages.Malformed++
	s.check.sum.FromReports.Malformed++
	s.check.problem(rec.Line, err.Error())
}

// of is the stream of a channel in one direction.
func (s *streams) of(channel ctaphid.ChannelID, dir Direction) *stream {
	id := streamID{channel, dir}
	if st, ok := s.all[id]; ok {
		return st
	}
	if len(s.all) >= maxStreams {
		s.cutAll(s.check.lastLine, "too many channels at once")
	}
	if s.all == nil {
		s.all = map[streamID]*stream{}
	}
	st := &stream{assembler: ctaphid.NewAssembler(s.size)}
	s.all[id] = st
	return st
}

// cutAll ends all messages that are under way.
func (s *streams) cutAll(line int, why string) {
	var pending []*stream
	for _, st := range s.all {
		if st.assembler.Pending() != nil {
			pending = append(pending, st)
		}
	}
	slices.SortFunc(pending, func(a, b *stream) int { return a.line - b.line })
	for _, st := range pending {
		s.cut(st.line, fmt.Sprintf("%s (line %d): %v", why, line, st.assembler.Pending()))
	}
	s.all = nil
}

func (s *streams) cut(line int, text string) {
	s.check.sum.Messages.Cut++
	s.check.sum.FromReports.Cut++
	s.check.problem(line, text)
}
