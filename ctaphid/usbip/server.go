package usbip

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Addr is where usbip programs look for a server, on this machine.
const Addr = "127.0.0.1:3240"

const (
	onlyBus = 1 // the number of the bus on which all devices are

	handshakeLimit = 10 * time.Second
	maxHandshakes  = 16 // connections that have not said yet what they want
)

// Event is what befell a [Server].
type Event struct {
	Remote   net.Addr
	BusID    string // the device, empty if it did not come to that
	Attached bool   // a host has the device from now on; else the connection is over
	Err      error  // why it is over, nil if the host hung up
}

// Server offers devices to hosts that speak the handshake of Linux's usbip
// program:
//
//	usbip list -r 127.0.0.1
//	usbip attach -r 127.0.0.1 -b 1-1
//
// A device can be attached, detached and attached again, by one host at a time.
// The zero Server offers nothing.
type Server struct {
	// OnEvent, if not nil, hears of hosts that come and go. It may be called by
	// several goroutines at the same time.
	OnEvent func(Event)

	mu     sync.Mutex
	offers []*offer
	added  uint32 // devices so far
}

// offer is a device with its address.
type offer struct {
	device *Device
	busID  string
	number uint32

	removed context.Context // ends with the offer
	remove  context.CancelFunc
	hosts   sync.WaitGroup // the one that has the device
}

// Add offers one more device, which hosts name by busID, such as "1-1": 1 to 31
// bytes of printable ASCII without spaces, other than those of the devices
// before it.
func (s *Server) Add(busID string, d *Device) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !validBusID(busID) {
		return fmt.Errorf("usbip: %q is no bus ID: want 1 to %d letters, digits and signs", busID, busIDSize-1)
	}
	for _, o := range s.offers {
		if o.busID == busID {
			return fmt.Errorf("usbip: there is a device %s already", busID)
		}
	}
	s.added++
	o := &offer{device: d, busID: busID, number: s.added}
	o.removed, o.remove = context.WithCancel(context.Background())
	s.offers = append(s.offers, o)
	return nil
}

// ErrRemoved is why a device left its host that is not offered any more.
var ErrRemoved = errors.New("device was removed")

// Remove takes a device back, out of the host that has it, and waits until it is
// out. The error is [ErrNoDevice] if none is offered by that busID. It can be
// added again.
func (s *Server) Remove(busID string) error {
	s.mu.Lock()
	i := slices.IndexFunc(s.offers, func(o *offer) bool { return o.busID == busID })
	if i < 0 {
		s.mu.Unlock()
		return fmt.Errorf("usbip: remove %q: %w", busID, ErrNoDevice)
	}
	o := s.offers[i]
	s.offers = slices.Delete(s.offers, i, i+1)
	s.mu.Unlock()
	o.remove()
	o.hosts.Wait()
	return nil
}

func validBusID(id string) bool {
	for _, c := range []byte(id) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return len(id) > 0 && len(id) < busIDSize
}

// Serve answers the hosts that connect to l, until ctx ends (its cause) or l
// fails. It closes l, pulls out all devices and waits for that.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var hosts sync.WaitGroup
	defer hosts.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	defer l.Close()
	room := make(chan struct{}, maxHandshakes)
	for {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		conn, err := l.Accept()
		switch {
		case err == nil:
			hosts.Go(func() { s.host(ctx, conn, func() { <-room }) })
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case passing(err):
			<-room
		default:
			return fmt.Errorf("usbip: %w", err)
		}
	}
}

// passing reports whether only this one connection failed, before it was
// accepted.
func passing(err error) bool { return errors.Is(err, syscall.ECONNABORTED) }

// host deals with one connection. It calls greeted when the handshake is over.
func (s *Server) host(ctx context.Context, conn net.Conn, greeted func()) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	busID, o, err := s.handshake(conn)
	stop()
	greeted()
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if o != nil {
		s.tell(Event{Remote: conn.RemoteAddr(), BusID: busID, Attached: true})
		err = o.serve(ctx, conn)
	}
	if err != nil || o != nil {
		s.tell(Event{Remote: conn.RemoteAddr(), BusID: busID, Err: err})
	}
}

// serve is the device, which was claimed, for a host.
func (o *offer) serve(ctx context.Context, conn net.Conn) error {
	defer o.hosts.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(o.removed, func() { cancel(ErrRemoved) })
	defer stop()
	return o.device.serve(ctx, conn)
}

func (s *Server) tell(e Event) {
	if s.OnEvent != nil {
		s.OnEvent(e)
	}
}

// handshake answers a host's requests until it has a device, which is claimed
// then, or hangs up, which gives no device and no error.
func (s *Server) handshake(conn net.Conn) (busID string, o *offer, err error) {
	if err := conn.SetDeadline(time.Now().Add(handshakeLimit)); err != nil {
		return "", nil, err
	}
	for {
		op, err := readOperation(conn)
		switch {
		case err == io.EOF:
			return "", nil, nil
		case err != nil:
			return "", nil, fmt.Errorf("usbip: handshake: %w", err)
		}
		if op.code == requestList {
			if _, err := conn.Write(s.list()); err != nil {
				return "", nil, err
			}
			continue
		}
		o, err = s.take(conn, op.busID)
		return op.busID, o, err
	}
}

// list is the reply to OP_REQ_DEVLIST.
func (s *Server) list() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := appendReply(nil, requestList, replyDone)
	b = append(b, 0, 0, byte(len(s.offers)>>8), byte(len(s.offers)))
	for _, o := range s.offers {
		b = o.device.appendInterfaces(o.appendDevice(b))
	}
	return b
}

// ErrNoDevice says that a host asked for a device that is not there.
var ErrNoDevice = errors.New("no such device")

// take answers OP_REQ_IMPORT. The device is the caller's if there is no error.
func (s *Server) take(conn net.Conn, busID string) (*offer, error) {
	o, status, err := s.claim(busID)
	reply := appendReply(nil, requestImport, status)
	if err == nil {
		reply = o.appendDevice(reply)
	}
	_, writeErr := conn.Write(reply)
	if err != nil {
		return nil, fmt.Errorf("usbip: attach %q: %w", busID, err)
	}
	if writeErr == nil {
		writeErr = conn.SetDeadline(time.Time{})
	}
	if writeErr != nil {
		o.device.attached.Store(false)
		o.hosts.Done()
		return nil, writeErr
	}
	return o, nil
}

// claim takes the device for a host; the caller says when that has ended.
func (s *Server) claim(busID string) (*offer, uint32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.offers {
		switch {
		case o.busID != busID:
		case o.device.claim():
			o.hosts.Add(1)
			return o, replyDone, nil
		default:
			return nil, replyBusy, ErrBusy
		}
	}
	return nil, replyNoDevice, ErrNoDevice
}
