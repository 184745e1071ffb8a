package simulator

import (
	"net"
	"os"
	"sync"
	"time"
)

// ether is a network of datagrams in memory, where time can be the test's.
type ether struct {
	mu   sync.Mutex
	ends map[name]*socket
	lost func() bool // whether the next datagram is; nil for never
}

type name string

func (name) Network() string  { return "ether" }
func (n name) String() string { return string(n) }

func newEther() *ether { return &ether{ends: make(map[name]*socket)} }

// socket is one end in the ether: a [net.PacketConn], and with a peer a
// [net.Conn].
type socket struct {
	ether  *ether
	name   name
	peer   name
	in     chan datagram
	closed chan struct{}
	close  sync.Once

	mu       sync.Mutex
	deadline time.Time
	changed  chan struct{} // the deadline
}

type datagram struct {
	from name
	data []byte
}

func (e *ether) listen(at name) *socket {
	s := &socket{ether: e, name: at, in: make(chan datagram, 512), closed: make(chan struct{}), changed: make(chan struct{})}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ends[at] = s
	return s
}

func (e *ether) lose(lost func() bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lost = lost
}

func (e *ether) dial(at, to name) *socket {
	s := e.listen(at)
	s.peer = to
	return s
}

func (s *socket) WriteTo(b []byte, to net.Addr) (int, error) {
	e := s.ether
	e.mu.Lock()
	defer e.mu.Unlock()
	target := e.ends[name(to.String())]
	if target == nil || e.lost != nil && e.lost() {
		return len(b), nil
	}
	select {
	case target.in <- datagram{s.name, append([]byte(nil), b...)}:
	default: // no room, as with a real socket
	}
	return len(b), nil
}

func (s *socket) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		s.mu.Lock()
		deadline, changed := s.deadline, s.changed
		s.mu.Unlock()
		var passed <-chan time.Time
		if !deadline.IsZero() {
			left := time.Until(deadline)
			if left <= 0 {
				return 0, nil, os.ErrDeadlineExceeded
			}
			passed = time.After(left)
		}
		select {
		case d := <-s.in:
			return copy(b, d.data), d.from, nil
		case <-s.closed:
			return 0, nil, net.ErrClosed
		case <-passed:
		case <-changed:
		}
	}
}

func (s *socket) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = t
	close(s.changed)
	s.changed = make(chan struct{})
	return nil
}

func (s *socket) Close() error {
	s.close.Do(func() { close(s.closed) })
	return nil
}

func (s *socket) Read(b []byte) (int, error) {
	n, _, err := s.ReadFrom(b)
	return n, err
}

func (s *socket) Write(b []byte) (int, error)      { return s.WriteTo(b, s.peer) }
func (s *socket) LocalAddr() net.Addr              { return s.name }
func (s *socket) RemoteAddr() net.Addr             { return s.peer }
func (s *socket) SetWriteDeadline(time.Time) error { return nil }
func (s *socket) SetDeadline(t time.Time) error    { return s.SetReadDeadline(t) }

var (
	_ net.PacketConn = (*socket)(nil)
	_ net.Conn       = (*socket)(nil)
)
