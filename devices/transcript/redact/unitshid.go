package redact

import (
	"errors"
	"slices"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

type streamID struct {
	channel ctaphid.ChannelID
	dir     transcript.Direction
}

// stream is what one channel carries in one direction.
type stream struct {
	assembler *ctaphid.Assembler
	unit      *unit // under way
	want      int   // its bytes
	have      int
}

// Sizes of the headers of packets (CTAP 2.3 §11.2.4).
const (
	initHeader = 7
	contHeader = 5
)

// report adds a report to the message that it belongs to.
func (g *gatherer) report(i int, rec transcript.Record) {
	p, err := ctaphid.ParsePacket(rec.Data)
	if err != nil || rec.Offset > 0 {
		g.broken(g.begin(i, rec), "a report without its beginning")
		return
	}
	s := g.stream(streamID{p.CID, rec.Dir}, len(rec.Data))
	if p.Init {
		g.broken(s.unit, "another message interrupts it")
		s.unit = g.begin(i, rec)
		s.unit.command, s.want, s.have = p.Command, p.Length, 0
	} else if s.unit != nil {
		s.unit.records = append(s.unit.records, i)
	}
	m, whole, err := s.assembler.Add(p)
	if err != nil && (!errors.Is(err, ctaphid.FaultInterrupted) || faulty(err)) {
		s.fail(g, i, rec, err)
		return
	}
	s.take(i, p)
	if !whole {
		return
	}
	u := s.unit
	s.unit = nil
	if s.have != len(m.Payload) {
		g.broken(u, "reports of different sizes")
		return
	}
	g.finish(u, p.CID)
}

// faulty says whether an error is one of the packet itself.
func faulty(err error) bool {
	return errors.Is(err, ctaphid.FaultLength) || errors.Is(err, ctaphid.FaultShort)
}

func (s *stream) fail(g *gatherer, i int, rec transcript.Record, err error) {
	if s.unit == nil {
		s.unit = g.begin(i, rec)
	}
	g.broken(s.unit, err.Error())
	s.unit = nil
}

// take notes where a packet has bytes of the message.
func (s *stream) take(i int, p ctaphid.Packet) {
	at := contHeader
	if p.Init {
		at = initHeader
	}
	n := min(len(p.Data), s.want-s.have)
	s.have += n
	if n > 0 {
		s.unit.parts = append(s.unit.parts, part{i, at, n})
	}
}

// maxStreams bounds how many channels are followed at once.
const maxStreams = 1024

func (g *gatherer) stream(id streamID, size int) *stream {
	if s, ok := g.streams[id]; ok {
		return s
	}
	if len(g.streams) >= maxStreams {
		g.end("too many channels at once")
	}
	s := &stream{assembler: ctaphid.NewAssembler(max(g.tape.Header.ReportSize, size, ctaphid.MinReportSize))}
	if g.tape.Header.ReportSize == 0 {
		s.assembler = ctaphid.NewAssembler(max(size, ctaphid.ReportSize))
	}
	g.streams[id] = s
	return s
}

// padding clears what reports have behind their message, which some hosts and
// keys take from old buffers.
func padding(tape *transcript.Tape, all []*unit) {
	used := map[int]int{} // by record, where its padding begins
	for _, u := range all {
		for _, i := range u.records {
			used[i] = len(tape.Records[i].Data)
			if p, err := ctaphid.ParsePacket(tape.Records[i].Data); err == nil && tape.Records[i].Level == transcript.Report {
				used[i] = contHeader
				if p.Init {
					used[i] = initHeader + len(p.Data)
				}
			}
		}
	}
	for _, u := range all {
		for _, p := range slices.Concat(u.parts, u.framed) {
			used[p.record] = max(used[p.record], p.at+p.size)
		}
	}
	for i, end := range used {
		if tape.Records[i].Level == transcript.Report {
			clear(tape.Records[i].Data[min(end, len(tape.Records[i].Data)):])
		}
	}
}
