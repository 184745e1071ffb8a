package usbip

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// shop is a server with devices 1-1, a key, and 1-2, a keyboard and a key.
type shop struct {
	t      *testing.T
	addr   string
	server *Server
	keys   map[string]*ctaphid.Device
	events chan Event
	served chan error
	stop   context.CancelCauseFunc
}

var errClosing = errors.New("closing time")

func newShop(t *testing.T) *shop {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{
		t: t, addr: l.Addr().String(), keys: map[string]*ctaphid.Device{},
		events: make(chan Event, 100), served: make(chan error, 1),
	}
	server := &Server{OnEvent: func(e Event) { s.events <- e }}
	s.server = server
	for busID, cfg := range map[string]Config{"1-1": named, "1-2": withKeyboard(named)} {
		s.keys[busID] = ctaphid.NewDevice(&touchKey{waiting: make(chan struct{})}, ctaphid.DeviceConfig{})
		d, err := NewDevice(s.keys[busID], cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := server.Add(busID, d); err != nil {
			t.Fatal(err)
		}
	}
	var ctx context.Context
	ctx, s.stop = context.WithCancelCause(context.Background()) // close ends it, after the test's own
	go func() { s.served <- server.Serve(ctx, l) }()
	t.Cleanup(s.close)
	return s
}

func (s *shop) close() {
	s.stop(errClosing)
	if err := <-s.served; !errors.Is(err, errClosing) {
		s.t.Errorf("served until %v", err)
	}
	for _, key := range s.keys {
		key.Close()
	}
}

func (s *shop) dial() net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// event is the next event, its address left out.
func (s *shop) event() Event {
	s.t.Helper()
	select {
	case e := <-s.events:
		if e.Remote == nil {
			s.t.Errorf("%+v is of nobody", e)
		}
		e.Remote = nil
		return e
	case <-time.After(limit):
		s.t.Fatal("no event")
		return Event{}
	}
}

// ask sends a request and returns n bytes of the reply.
func ask(t *testing.T, conn net.Conn, request []byte, n int) []byte {
	t.Helper()
	if _, err := conn.Write(request); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(conn, b); err != nil {
		t.Fatal(err)
	}
	return b
}

func importRequest(busID string) []byte {
	head := []byte{0x01, 0x11, 0x80, 0x03, 0, 0, 0, 0}
	return append(head, append([]byte(busID), make([]byte, 32-len(busID))...)...)
}

// described is a device in a reply.
func described(busID string, number uint32, interfaces byte) []byte {
	b := append([]byte("/sys/devices/touchstone/"+busID), make([]byte, 256-24-len(busID))...)
	b = append(b, append([]byte(busID), make([]byte, 32-len(busID))...)...)
	b = append(b, 0, 0, 0, 1, 0, 0, 0, byte(number), 0, 0, 0, 2)
	b = append(b, 0x12, 0x09, 0xF1, 0xD0, 0x01, 0x02)
	return append(b, 0, 0, 0, 1, 1, interfaces)
}

func TestServerList(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var s Server
	for _, o := range []struct {
		busID string
		cfg   Config
	}{{"1-1", named}, {"key@2.4", withKeyboard(named)}} {
		d, err := NewDevice(brokenKey{}, o.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Add(o.busID, d); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	want := unhex(t, "0111 0005 00000000 00000002")
	want = append(append(want, described("1-1", 1, 1)...), 3, 0, 0, 0)
	want = append(append(want, described("key@2.4", 2, 2)...), 3, 1, 1, 0, 3, 0, 0, 0)
	for range 2 { // on one connection
		if got := ask(t, conn, unhex(t, "0111 8005 00000000"), len(want)); !bytes.Equal(got, want) {
			t.Errorf("list\n%x, want\n%x", got, want)
		}
	}
	stop()
	if err := <-served; !errors.Is(err, context.Canceled) {
		t.Errorf("served until %v", err)
	}
}

// TestServerAttach: a device is there for one host at a time, again and again.
func TestServerAttach(t *testing.T) {
	s := newShop(t)
	for range 2 {
		conn := s.dial()
		got := ask(t, conn, importRequest("1-2"), 8+312)
		if want := unhex(t, "0111 0003 00000000"); !bytes.Equal(got[:8], want) || string(got[8:][256:259]) != "1-2" {
			t.Fatalf("reply %x", got)
		}
		if got, want := s.event(), (Event{BusID: "1-2", Attached: true}); got != want {
			t.Errorf("event %+v, want %+v", got, want)
		}
		h := newHost(t, conn)
		if got := h.control("80060002 0000 ff00"); got != fidoAndKeyboard {
			t.Errorf("configuration %s, want %s", got, fidoAndKeyboard)
		}
		if got, want := ask(t, s.dial(), importRequest("1-2"), 8), unhex(t, "0111 0003 00000002"); !bytes.Equal(got, want) {
			t.Errorf("a second host is told %x, want %x", got, want)
		}
		if e := s.event(); e.BusID != "1-2" || e.Attached || !errors.Is(e.Err, ErrBusy) {
			t.Errorf("event %+v, want %v", e, ErrBusy)
		}
		conn.Close()
		if got, want := s.event(), (Event{BusID: "1-2"}); got != want {
			t.Errorf("event %+v, want %+v", got, want)
		}
	}
}

// TestServerRefuses: what is no handshake ends the connection, and only that.
func TestServerRefuses(t *testing.T) {
	s := newShop(t)
	for name, c := range map[string]struct {
		request []byte
		want    error
	}{
		"older version":  {unhex(t, "0106 8005 00000000"), &ProtocolError{FaultVersion, 0, 0x0106}},
		"unknown":        {unhex(t, "0111 8004 00000000"), &ProtocolError{FaultCommand, 0, 0x8004}},
		"a reply":        {unhex(t, "0111 0005 00000000"), &ProtocolError{FaultCommand, 0, 0x0005}},
		"HTTP":           {[]byte("GET / HTTP/1.1\r\n\r\n"), &ProtocolError{FaultVersion, 0, 0x4745}},
		"cut":            {unhex(t, "0111 80"), io.ErrUnexpectedEOF},
		"cut import":     {importRequest("1-1")[:8], io.ErrUnexpectedEOF},
		"unknown device": {importRequest("1-3"), ErrNoDevice},
		"no device":      {importRequest(""), ErrNoDevice},
		"endless bus ID": {importRequest(strings.Repeat("1", 32)), ErrNoDevice},
	} {
		t.Run(name, func(t *testing.T) {
			conn := s.dial().(*net.TCPConn)
			if _, err := conn.Write(c.request); err != nil {
				t.Fatal(err)
			}
			_ = conn.CloseWrite() // fails where the server was faster
			e := s.event()
			var got *ProtocolError
			if want, ok := c.want.(*ProtocolError); ok && (!errors.As(e.Err, &got) || *got != *want) || !ok && !errors.Is(e.Err, c.want) {
				t.Errorf("event %+v, want %v", e, c.want)
			}
		})
	}
	conn := s.dial()
	conn.Close() // says nothing, so there is nothing to tell
	ask(t, s.dial(), unhex(t, "0111 8005 00000000"), 12)
	select {
	case e := <-s.events:
		t.Errorf("event %+v", e)
	default:
	}
}

// TestServerStops pulls devices out and hangs up on hosts that said nothing.
// TestServerRemove takes a device out of its host, and offers it again.
func TestServerRemove(t *testing.T) {
	s := newShop(t)
	d := s.server.offers[0].device
	busID := s.server.offers[0].busID
	for range 2 {
		conn := s.dial()
		ask(t, conn, importRequest(busID), 8+312)
		s.event()
		if err := s.server.Remove(busID); err != nil {
			t.Fatal(err)
		}
		if e := s.event(); e.BusID != busID || !errors.Is(e.Err, ErrRemoved) {
			t.Errorf("event %+v", e)
		}
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("the host has it still")
		}
		if err := s.server.Remove(busID); !errors.Is(err, ErrNoDevice) {
			t.Errorf("removed again: %v", err)
		}
		if got, want := ask(t, s.dial(), importRequest(busID), 8), unhex(t, "0111 0003 00000004"); !bytes.Equal(got, want) {
			t.Errorf("a host is told %x, want %x", got, want)
		}
		s.event()
		if err := s.server.Add(busID, d); err != nil {
			t.Fatal(err)
		}
	}
}

func TestServerStops(t *testing.T) {
	s := newShop(t)
	silent, attached := s.dial(), s.dial()
	ask(t, attached, importRequest("1-1"), 8+312)
	s.event()
	s.stop(errClosing)
	var gone []string
	for range 2 {
		e := s.event()
		if e.Attached || !errors.Is(e.Err, errClosing) {
			t.Errorf("event %+v", e)
		}
		gone = append(gone, e.BusID)
	}
	if slices.Sort(gone); !slices.Equal(gone, []string{"", "1-1"}) {
		t.Errorf("events of %q", gone)
	}
	for _, conn := range []net.Conn{silent, attached} {
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("the server is still there")
		}
	}
}

func TestServerAdd(t *testing.T) {
	d, err := NewDevice(brokenKey{}, Config{})
	if err != nil {
		t.Fatal(err)
	}
	var s Server
	for _, c := range []struct {
		busID string
		ok    bool
	}{
		{"1-1", true}, {"1-1", false}, {"", false}, {"1 1", false}, {"1-\x00", false}, {"ä", false},
		{strings.Repeat("7", 31), true}, {strings.Repeat("7", 32), false},
	} {
		if err := s.Add(c.busID, d); (err == nil) != c.ok {
			t.Errorf("%q: %v", c.busID, err)
		}
	}
}

// brokenListener is a socket that fails.
type brokenListener struct{ net.Listener }

func (brokenListener) Accept() (net.Conn, error) { return nil, errBroken }
func (brokenListener) Close() error              { return nil }

func TestServerListenerFails(t *testing.T) {
	if err := new(Server).Serve(t.Context(), brokenListener{}); !errors.Is(err, errBroken) {
		t.Errorf("%v, want %v", err, errBroken)
	}
}

// TestUsbipList has Debian's usbip list the devices.
func TestUsbipList(t *testing.T) {
	program, err := exec.LookPath("usbip")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/usbip"); err != nil {
			t.Skip("NOT RUN: there is no usbip program (Debian: apt install usbip)")
		}
	}
	s := newShop(t)
	_, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, "--tcp-port", port, "list", "-r", "127.0.0.1").CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(program), err, out)
	}
	for _, want := range []string{"1-1: ", "1-2: ", "(1209:f1d0)", "/sys/devices/touchstone/1-2", "(03/01/01)", "(03/00/00)"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}
