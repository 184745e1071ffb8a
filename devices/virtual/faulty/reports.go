package faulty

import (
	"context"
	"slices"
	"sync"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// hidFault is a fault at the report seam.
type hidFault struct {
	virtual.Fault
	// out sees what the host sends, and tells whether the key gets it. nil lets
	// everything go by.
	out func(s *reports, p packet) bool
	// in makes what the host gets out of what the key sends. nil leaves it.
	in func(s *reports, p packet) []packet
}

// packet is one report and what is in it.
type packet struct {
	ctaphid.Packet
	report []byte
	last   bool // the last one of its message
	broken bool // no packet at all
}

// reports is a connection to a key whose framing is faulty.
type reports struct {
	inner  ctaphid.ReportConn
	faults func() []hidFault

	mu      sync.Mutex
	queue   []packet           // what the host gets next
	stop    context.CancelFunc // ends a read of the inner connection; nil when there is none
	out, in *ctaphid.Assembler

	// What faults remember.
	held    []packet          // that is told late
	ping    []byte            // the last PING
	first   ctaphid.ChannelID // that was handed out
	count   int               // of INITs, or of requests
	cancels int
}

// Reports is the connection with those of the faults that are CTAPHID's; with
// none of them it is conn itself.
func Reports(conn ctaphid.ReportConn, ids []virtual.FaultID) ctaphid.ReportConn {
	faults := hidFaultsOf(ids)
	if len(faults) == 0 {
		return conn
	}
	return newReports(conn, ids, func() []hidFault { return faults })
}

// hidFaultsOf are those of the faults that are CTAPHID's.
func hidFaultsOf(ids []virtual.FaultID) (list []hidFault) {
	for _, f := range hidFaults {
		if slices.Contains(ids, f.ID) {
			list = append(list, f)
		}
	}
	return list
}

// newReports is a connection that has the faults of the moment; ids are those
// with which it begins.
func newReports(conn ctaphid.ReportConn, ids []virtual.FaultID, faults func() []hidFault) *reports {
	s := &reports{inner: conn, faults: faults, out: ctaphid.NewAssembler(0), in: ctaphid.NewAssembler(0)}
	if slices.Contains(ids, chatter) {
		s.queue = append(s.queue, message(ctaphid.BroadcastCID, ctaphid.CommandKeepalive, 1))
	}
	return s
}

// parse takes a report apart; with the assembler of its direction it is known
// which one ends a message.
func parse(report []byte, a *ctaphid.Assembler) packet {
	p := packet{report: append([]byte(nil), report...)}
	var err error
	p.Packet, err = ctaphid.ParsePacket(p.report)
	p.broken = err != nil
	if !p.broken && !passing(p) {
		_, p.last, _ = a.Add(p.Packet)
	}
	return p
}

// passing tells what stands outside of messages.
func passing(p packet) bool {
	return p.Init && (p.Command == ctaphid.CommandKeepalive || p.Command == ctaphid.CommandCancel)
}

// message is a short message in one report.
func message(cid ctaphid.ChannelID, cmd ctaphid.Command, payload ...byte) packet {
	report := make([]byte, ctaphid.ReportSize)
	cut, err := ctaphid.NewFragmenter(ctaphid.Message{CID: cid, Command: cmd, Payload: payload}, ctaphid.ReportSize)
	if err != nil {
		panic(err) // of a few bytes
	}
	cut.Next(report)
	return parse(report, ctaphid.NewAssembler(0))
}

// push has the host get packets, also one that waits.
func (s *reports) push(packets ...packet) {
	s.queue = append(s.queue, packets...)
	if s.stop != nil && len(s.queue) > 0 {
		s.stop()
	}
}

// pop takes the next packet out of the queue.
func (s *reports) pop(p []byte) (int, bool) {
	if len(s.queue) == 0 {
		return 0, false
	}
	n := copy(p, s.queue[0].report)
	s.queue = s.queue[1:]
	return n, true
}

// ReadReport reads what the faults have made of what the key has sent.
func (s *reports) ReadReport(ctx context.Context, p []byte) (int, error) {
	for {
		inner, stop := context.WithCancel(ctx)
		if n, ok := s.begin(p, stop); ok {
			stop()
			return n, nil
		}
		n, err := s.inner.ReadReport(inner, p)
		pushed := inner.Err() != nil && ctx.Err() == nil
		s.end()
		stop()
		switch {
		case err == nil:
			s.arrived(p[:n])
		case !pushed:
			return n, err
		}
	}
}

// begin gives what is queued, or lets a push end the read that begins.
func (s *reports) begin(p []byte, stop context.CancelFunc) (int, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.pop(p)
	if !ok {
		s.stop = stop
	}
	return n, ok
}

func (s *reports) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop = nil
}

// arrived puts a report of the key through the faults.
func (s *reports) arrived(report []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	packets := []packet{parse(report, s.in)}
	if packets[0].broken {
		s.push(packets...)
		return
	}
	for _, f := range s.faults() {
		if f.in == nil {
			continue
		}
		var next []packet
		for _, p := range packets {
			next = append(next, f.in(s, p)...)
		}
		packets = next
	}
	s.push(packets...)
}

// PollReport is ReadReport for what has come, if the key's connection can tell.
func (s *reports) PollReport(p []byte) (int, error) {
	s.mu.Lock()
	n, ok := s.pop(p)
	s.mu.Unlock()
	poller, can := s.inner.(ctaphid.ReportPoller)
	if ok || !can {
		return n, nil
	}
	n, err := poller.PollReport(p)
	if n == 0 || err != nil {
		return n, err
	}
	s.arrived(p[:n])
	s.mu.Lock()
	defer s.mu.Unlock()
	n, _ = s.pop(p)
	return n, nil
}

// WriteReport sends a report as far as the faults let it through.
func (s *reports) WriteReport(ctx context.Context, p []byte) error {
	if !s.passes(p) {
		return nil
	}
	return s.inner.WriteReport(ctx, p)
}

func (s *reports) passes(report []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := parse(report, s.out)
	for _, f := range s.faults() {
		if f.out != nil && !p.broken && !f.out(s, p) {
			return false
		}
	}
	return true
}

// Close closes the key's connection.
func (s *reports) Close() error { return s.inner.Close() }
