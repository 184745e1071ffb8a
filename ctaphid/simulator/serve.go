package simulator

import (
	"context"
	"io"
	"net"
	"sync"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// Serve is the key on a datagram socket: what comes from one address goes to one
// connection that connect makes for it, and what that brings goes back to the
// address. As a connection to a [ctaphid.Device] brings every report of the key,
// every host gets them all, as on USB.
//
// A datagram of another size than a report's is ignored. An address that is
// silent for [Config.Idle] is forgotten, and so is the one that was silent
// longest when there are more than [Config.Hosts]; it is a new host when it
// sends again. Serve runs until ctx ends, whose cause it returns, or until the
// socket fails. It closes the socket.
func Serve(ctx context.Context, conn net.PacketConn, connect func() ctaphid.ReportConn, cfg Config) error {
	ctx, end := closeWith(ctx, conn)
	cfg, err := cfg.complete()
	if err != nil {
		end()
		return serveError(conn.LocalAddr(), err)
	}
	widen(conn)
	s := &server{conn: conn, connect: connect, cfg: cfg, hosts: make(map[string]*host)}
	defer s.answers.Wait()
	defer end()
	return s.receive(ctx)
}

// closeWith closes a socket when ctx ends, which ends what waits at it. The
// function that it returns ends the context that it returns, and waits until
// the socket is closed.
func closeWith(ctx context.Context, socket io.Closer) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	closed := make(chan struct{})
	context.AfterFunc(ctx, func() {
		_ = socket.Close()
		close(closed)
	})
	return ctx, func() {
		cancel()
		<-closed
	}
}

func serveError(at net.Addr, err error) error {
	return &Error{Op: "serve", Network: at.Network(), Address: at.String(), Err: bare(err)}
}

type server struct {
	conn    net.PacketConn
	connect func() ctaphid.ReportConn
	cfg     Config
	answers sync.WaitGroup

	mu    sync.Mutex
	hosts map[string]*host
}

// host is an address that datagrams came from.
type host struct {
	addr net.Addr
	key  ctaphid.ReportConn
	idle *time.Timer // forgets it
	last time.Time   // when it sent something
}

func (s *server) receive(ctx context.Context) error {
	buf := make([]byte, maxDatagram)
	for {
		n, from, err := s.conn.ReadFrom(buf)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case isAny(err, refused): // Windows tells of a host that left
		case err != nil:
			return serveError(s.conn.LocalAddr(), err)
		case n == s.cfg.ReportSize:
			h := s.host(ctx, from)
			if err := h.key.WriteReport(ctx, buf[:n]); err != nil {
				s.forget(h)
			}
		}
	}
}

// host is the host at an address, a new one if need be.
func (s *server) host(ctx context.Context, from net.Addr) *host {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := from.String()
	if h := s.hosts[name]; h != nil && h.idle.Reset(s.cfg.Idle) {
		h.last = time.Now()
		return h
	}
	if len(s.hosts) >= s.cfg.Hosts {
		s.drop(s.stalest())
	}
	h := &host{addr: from, key: s.connect(), last: time.Now()}
	h.idle = time.AfterFunc(s.cfg.Idle, func() { s.forget(h) })
	s.hosts[name] = h
	s.answers.Go(func() { s.answer(ctx, h) })
	return h
}

func (s *server) stalest() *host {
	var oldest *host
	for _, h := range s.hosts {
		if oldest == nil || h.last.Before(oldest.last) {
			oldest = h
		}
	}
	return oldest
}

func (s *server) forget(h *host) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(h)
}

// drop hangs up for a host, which ends its answers. It may have been dropped
// before, and a new host be at its address.
func (s *server) drop(h *host) {
	if name := h.addr.String(); s.hosts[name] == h {
		delete(s.hosts, name)
	}
	h.idle.Stop()
	_ = h.key.Close()
}

// answer sends a host what the key says.
func (s *server) answer(ctx context.Context, h *host) {
	defer s.forget(h)
	report := make([]byte, s.cfg.ReportSize)
	for {
		n, err := h.key.ReadReport(ctx, report)
		if err != nil {
			return
		}
		clear(report[n:])
		_ = s.conn.SetWriteDeadline(time.Now().Add(s.cfg.Limit))
		if _, err := s.conn.WriteTo(report, h.addr); err != nil {
			return
		}
	}
}
