package simulator

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/internal/leftover"
)

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

func TestMain(m *testing.M) { leftover.Main(m) }

// numbered is a report that begins with zeros, as some channel IDs do.
func numbered(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i / 2)
	}
	return b
}

// touchWait is the command byte on which handler waits for a touch.
const touchWait = 0x0b

// handler echoes messages, but for touchWait.
type handler struct{}

func (handler) Message(ctx context.Context, msg []byte, keepalive func(byte)) []byte {
	if msg[0] == touchWait {
		keepalive(2)
		<-ctx.Done()
		return []byte{0x2d}
	}
	return msg
}

// service is a key being served on a loopback address.
type service struct {
	address string
	device  *ctaphid.Device
	done    chan error // what serving ended with
	stop    context.CancelCauseFunc
}

var errStopped = errors.New("told to stop")

// serve puts a key on a socket until the test ends.
func serve(t testing.TB, network string, cfg Config) *service {
	t.Helper()
	ctx, stop := context.WithCancelCause(context.Background())
	s := &service{device: ctaphid.NewDevice(handler{}, ctaphid.DeviceConfig{ReportSize: cfg.ReportSize}), done: make(chan error, 1), stop: stop}
	if network == UDP {
		conn, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s.address = conn.LocalAddr().String()
		go func() { s.done <- Serve(ctx, conn, s.device.Connect, cfg) }()
	} else {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s.address = l.Addr().String()
		go func() { s.done <- ServeStream(ctx, l, s.device.Connect, cfg) }()
	}
	t.Cleanup(func() {
		stop(errStopped)
		if err := <-s.done; err != errStopped {
			t.Errorf("serving %s ended with %v", network, err)
		}
		s.done <- errStopped
		if err := s.device.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// end stops serving and waits until nothing listens any more.
func (s *service) end() {
	s.stop(errStopped)
	s.done <- <-s.done
}

func mustDial(t testing.TB, network, address string, cfg Config) *Conn {
	t.Helper()
	c, err := Dial(t.Context(), network, address, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func mustOpen(t testing.TB, conn ctaphid.ReportConn, cfg ctaphid.Config) *ctaphid.Channel {
	t.Helper()
	ch, err := ctaphid.Open(context.Background(), conn, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ch.Close() })
	return ch
}

// freeAddress is a loopback address that nobody listens on.
func freeAddress(t *testing.T, network string) string {
	t.Helper()
	if network == UDP {
		conn, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.LocalAddr().String()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

var networks = []string{UDP, TCP}
