package simulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// TestServe runs the longest message through both ends, in reports of several
// sizes.
func TestServe(t *testing.T) {
	for _, network := range networks {
		for _, size := range []int{64, 1024} {
			s := serve(t, network, Config{ReportSize: size})
			ch := mustOpen(t, mustDial(t, network, s.address, Config{ReportSize: size}), ctaphid.Config{ReportSize: size})
			for _, n := range []int{0, 1, 57, 58, ctaphid.MaxMessage} {
				if _, err := ch.Ping(t.Context(), numbered(n)); err != nil {
					t.Errorf("%s, reports of %d bytes, message of %d: %v", network, size, n, err)
				}
			}
		}
	}
}

// TestTwoHosts: each has a channel of its own, and while one waits for a touch
// the other is told that the key is busy.
func TestTwoHosts(t *testing.T) {
	for _, network := range networks {
		s := serve(t, network, Config{})
		waiting := make(chan struct{}, 1024)
		first := mustOpen(t, mustDial(t, network, s.address, Config{}), ctaphid.Config{
			OnKeepalive: func(ctaphid.Keepalive) { waiting <- struct{}{} },
		})
		second := mustOpen(t, mustDial(t, network, s.address, Config{}), ctaphid.Config{Silence: 150 * time.Millisecond})
		if first.ID() == second.ID() {
			t.Errorf("%s: both have channel %v", network, first.ID())
		}
		ctx, cancel := context.WithCancel(t.Context())
		answered := make(chan error, 1)
		go func() {
			answer, err := first.Exchange(ctx, []byte{touchWait})
			if err == nil && (len(answer) != 1 || answer[0] != 0x2d) {
				err = fmt.Errorf("answer %x", answer)
			}
			answered <- err
		}()
		<-waiting
		if _, err := second.Ping(t.Context(), numbered(9)); !errors.Is(err, ctaphid.CodeChannelBusy) {
			t.Errorf("%s: meanwhile: %v", network, err)
		}
		cancel()
		if err := <-answered; err != nil {
			t.Errorf("%s: the cancelled wait: %v", network, err)
		}
		if _, err := second.Ping(t.Context(), numbered(9)); err != nil {
			t.Errorf("%s: afterwards: %v", network, err)
		}
	}
}

// TestServerDies in the middle of a wait for a touch. Over TCP the host learns
// it at once; over UDP when the key was silent too long, or when it sends
// something: here the cancelling of its wait.
func TestServerDies(t *testing.T) {
	for _, c := range []struct {
		network string
		cancel  bool
		want    error
	}{
		{TCP, false, ErrGone},
		{UDP, false, ctaphid.ErrTimeout},
		{UDP, true, ErrGone},
	} {
		s := serve(t, c.network, Config{})
		ctx, cancel := context.WithCancel(t.Context())
		dies := func(ctaphid.Keepalive) {
			s.end()
			if c.cancel {
				cancel()
			}
		}
		ch := mustOpen(t, mustDial(t, c.network, s.address, Config{}), ctaphid.Config{Silence: 300 * time.Millisecond, OnKeepalive: dies})
		if _, err := ch.Exchange(ctx, []byte{touchWait}); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c, err)
		}
		if _, err := ch.Ping(t.Context(), nil); !errors.Is(err, ErrGone) {
			t.Errorf("%+v: afterwards: %v", c, err)
		}
		cancel()
	}
}

// TestKeyLeaves: over TCP hosts see it, as on USB.
func TestKeyLeaves(t *testing.T) {
	s := serve(t, TCP, Config{})
	conn := mustDial(t, TCP, s.address, Config{})
	mustOpen(t, conn, ctaphid.Config{})
	s.device.Close()
	if err := goneFor(t, conn); !errors.Is(err, ErrGone) {
		t.Errorf("got %v", err)
	}
}

// TestServeGarbage: nothing that comes from one socket stops the server or
// disturbs another host.
func TestServeGarbage(t *testing.T) {
	for _, network := range networks {
		s := serve(t, network, Config{})
		ch := mustOpen(t, mustDial(t, network, s.address, Config{}), ctaphid.Config{})
		for _, garbage := range []string{"", "\x00", "\x00\x00", "\xff\xff", "\x00\x41", "GET / HTTP/1.0\r\n\r\n", "\x00\x01a", string(make([]byte, 5000))} {
			sock, err := net.Dial(network, s.address)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := sock.Write([]byte(garbage)); err != nil {
				t.Fatal(err)
			}
			sock.Close()
		}
		if _, err := ch.Ping(t.Context(), numbered(500)); err != nil {
			t.Errorf("%s: %v", network, err)
		}
		mustOpen(t, mustDial(t, network, s.address, Config{}), ctaphid.Config{})
	}
}

// TestStreamHangsUp on a host that sends what is no report.
func TestStreamHangsUp(t *testing.T) {
	s := serve(t, TCP, Config{})
	for _, garbage := range []string{"\x00\x00", "\x00\x41", "\xff\xff"} {
		sock, err := net.Dial("tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sock.Write([]byte(garbage)); err != nil {
			t.Fatal(err)
		}
		sock.SetDeadline(time.Now().Add(patience))
		if n, err := sock.Read(make([]byte, 1)); n != 0 || !isGone(err) {
			t.Errorf("%q: %d bytes, %v", garbage, n, err)
		}
		sock.Close()
	}
}

// TestShortReport: a host that leaves the padding out is understood.
func TestShortReport(t *testing.T) {
	s := serve(t, TCP, Config{})
	sock, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close()
	sock.SetDeadline(time.Now().Add(patience))
	init := []byte("\xff\xff\xff\xff\x86\x00\x08nonce...")
	ping := []byte("\x00\x00\x00\x01\x81\x00\x14after the longer one")
	for _, report := range [][]byte{init, ping, ping[:7+8]} { // the last one is filled up with zeros
		if _, err := sock.Write(frame(TCP, report)); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 2+64)
		if _, err := io.ReadFull(sock, answer); err != nil {
			t.Fatal(err)
		}
		want := append(report[:len(report):len(report)], make([]byte, 7+20-min(27, len(report)))...)
		if report[4] == 0x81 && !bytes.HasPrefix(answer[2:], want) || answer[2+4] != report[4] {
			t.Errorf("%q is answered by %q", report, answer)
		}
	}
}

func TestStreamHosts(t *testing.T) {
	s := serve(t, TCP, Config{Hosts: 2})
	first := mustOpen(t, mustDial(t, TCP, s.address, Config{}), ctaphid.Config{})
	mustOpen(t, mustDial(t, TCP, s.address, Config{}), ctaphid.Config{})
	if err := goneFor(t, mustDial(t, TCP, s.address, Config{})); !errors.Is(err, ctaphid.ErrGone) {
		t.Errorf("one host too many: %v", err)
	}
	first.Close()
	for limit := time.Now().Add(patience); ; { // until the server has seen it
		conn := mustDial(t, TCP, s.address, Config{})
		_, err := ctaphid.Open(t.Context(), conn, ctaphid.Config{})
		conn.Close()
		if err == nil {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("after one has left: %v", err)
		}
	}
}

// counted is a key of which the test knows how many hosts have a connection.
type counted struct {
	device     *ctaphid.Device
	made, open atomic.Int32
}

func (c *counted) connect() ctaphid.ReportConn {
	c.made.Add(1)
	c.open.Add(1)
	return &countedConn{ReportConn: c.device.Connect(), open: &c.open}
}

type countedConn struct {
	ctaphid.ReportConn
	open   *atomic.Int32
	closed atomic.Bool
}

func (c *countedConn) Close() error {
	if !c.closed.Swap(true) {
		c.open.Add(-1)
	}
	return c.ReportConn.Close()
}

// inEther serves a counted key in an ether for as long as run takes.
func inEther(t *testing.T, cfg Config, run func(t *testing.T, e *ether, key *counted)) {
	synctest.Test(t, func(t *testing.T) {
		e := newEther()
		key := &counted{device: ctaphid.NewDevice(handler{}, ctaphid.DeviceConfig{})}
		ctx, stop := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		conn := e.listen("key")
		go func() { done <- Serve(ctx, conn, key.connect, cfg) }()
		run(t, e, key)
		stop(errStopped)
		if err := <-done; err != errStopped {
			t.Errorf("serving ended with %v", err)
		}
		if err := key.device.Close(); err != nil || key.open.Load() != 0 {
			t.Errorf("%v, and %d connections to the key are left", err, key.open.Load())
		}
	})
}

func (e *ether) conn(t *testing.T, at name) *Conn {
	return newConn(e.dial(at, "key"), UDP, "key", mustComplete(t, Config{}))
}

func TestServeForgets(t *testing.T) {
	inEther(t, Config{Idle: time.Minute}, func(t *testing.T, e *ether, key *counted) {
		ch := mustOpen(t, e.conn(t, "host"), ctaphid.Config{})
		for range 5 {
			time.Sleep(50 * time.Second)
			if _, err := ch.Ping(t.Context(), nil); err != nil {
				t.Error(err)
			}
		}
		if key.made.Load() != 1 {
			t.Errorf("%d connections for one host", key.made.Load())
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if key.open.Load() != 0 {
			t.Error("a silent host is remembered")
		}
		if _, err := ch.Ping(t.Context(), nil); err != nil {
			t.Errorf("a forgotten host comes back: %v", err)
		}
		if key.made.Load() != 2 || key.open.Load() != 1 {
			t.Errorf("%d connections, %d open", key.made.Load(), key.open.Load())
		}
	})
}

// TestServeHosts: a flood of addresses takes no more than the room for hosts,
// and of several hosts the one that was silent longest makes room.
func TestServeHosts(t *testing.T) {
	inEther(t, Config{Hosts: 4}, func(t *testing.T, e *ether, key *counted) {
		old := mustOpen(t, e.conn(t, "old"), ctaphid.Config{})
		for i := range 3 {
			time.Sleep(time.Second)
			mustOpen(t, e.conn(t, name(fmt.Sprint("host ", i))), ctaphid.Config{})
		}
		time.Sleep(time.Second)
		if _, err := old.Ping(t.Context(), nil); err != nil {
			t.Error(err)
		}
		mustOpen(t, e.conn(t, "one more"), ctaphid.Config{})
		made := key.made.Load()
		if _, err := old.Ping(t.Context(), nil); err != nil || key.made.Load() != made {
			t.Errorf("the busiest host had to go: %v, %d connections", err, key.made.Load())
		}
		for i := range 1000 {
			flood := e.dial(name(fmt.Sprint("flood ", i)), "key")
			flood.Write(make([]byte, 64))
			synctest.Wait()
			if open := key.open.Load(); open > 4 {
				t.Fatalf("%d hosts, 4 are allowed", open)
			}
		}
		mustOpen(t, e.conn(t, "late"), ctaphid.Config{})
	})
}

// TestServeTurns: a host that had to make room and comes back at once is not
// taken for the one that is leaving.
func TestServeTurns(t *testing.T) {
	inEther(t, Config{Hosts: 1}, func(t *testing.T, e *ether, key *counted) {
		turns := []*socket{e.dial("one", "key"), e.dial("other", "key")}
		for i := range 200 {
			turns[i%2].Write(make([]byte, 64))
		}
		synctest.Wait()
		if key.open.Load() != 1 || key.made.Load() != 200 {
			t.Errorf("%d hosts at once, %d in all", key.open.Load(), key.made.Load())
		}
	})
}

func TestServeIgnores(t *testing.T) {
	inEther(t, Config{}, func(t *testing.T, e *ether, key *counted) {
		sock := e.dial("host", "key")
		for _, n := range []int{0, 1, 63, 65, 5000} {
			sock.Write(make([]byte, n))
		}
		synctest.Wait()
		if key.made.Load() != 0 {
			t.Error("what is no report made a host")
		}
		mustOpen(t, e.conn(t, "host"), ctaphid.Config{})
	})
}

// TestLoss loses datagrams of both directions. Every request then ends with its
// answer or an error that says so, in bounded time, and the next one is served.
func TestLoss(t *testing.T) {
	for _, oneIn := range []int{4, 10, 30} {
		inEther(t, Config{}, func(t *testing.T, e *ether, key *counted) {
			ch := mustOpen(t, e.conn(t, "host"), ctaphid.Config{Silence: 2 * time.Second})
			luck := rand.New(rand.NewPCG(1, uint64(oneIn)))
			e.lose(func() bool { return luck.IntN(oneIn) == 0 })
			answered := 0
			for i := range 100 {
				start := time.Now()
				_, err := ch.Ping(t.Context(), numbered(i*7))
				if took := time.Since(start); took > 10*time.Second {
					t.Errorf("a request took %v", took)
				}
				switch {
				case err == nil:
					answered++
				case !errors.Is(err, ctaphid.ErrTimeout) && !errors.Is(err, ctaphid.ErrProtocol) && !errors.Is(err, ctaphid.ErrBusy) &&
					!errors.Is(err, ctaphid.CodeMessageTimeout) && !errors.Is(err, ctaphid.CodeInvalidSeq):
					t.Errorf("error of another kind: %v", err)
				}
			}
			if answered == 0 || answered == 100 {
				t.Errorf("one in %d lost: %d of 100 answered", oneIn, answered)
			}
			e.lose(nil)
			time.Sleep(time.Minute)
			if _, err := ch.Ping(t.Context(), numbered(ctaphid.MaxMessage)); err != nil {
				t.Errorf("without loss: %v", err)
			}
		})
	}
}

// failing is a socket on which reading fails a few times before it is closed.
type failing struct {
	*socket
	errs []error
}

func (f *failing) ReadFrom(b []byte) (int, net.Addr, error) {
	if len(f.errs) > 0 {
		err := f.errs[0]
		f.errs = f.errs[1:]
		return 0, nil, err
	}
	return f.socket.ReadFrom(b)
}

// TestServeFails: a host that left is no reason to stop, a broken socket is.
func TestServeFails(t *testing.T) {
	broken := errors.New("broken")
	sock := &failing{newEther().listen("key"), []error{refused[0], refused[0], broken}}
	err := Serve(t.Context(), sock, nil, Config{})
	if want := (&Error{Op: "serve", Network: "ether", Address: "key", Err: broken}); err == nil || err.Error() != want.Error() {
		t.Errorf("got %v, want %v", err, want)
	}
	if _, _, err := sock.ReadFrom(nil); err != net.ErrClosed {
		t.Errorf("the socket is open: %v", err)
	}
	var e *Error
	if err := Serve(t.Context(), newEther().listen("key"), nil, Config{ReportSize: 1}); !errors.As(err, &e) {
		t.Errorf("reports of 1 byte: %v", err)
	}
}

// busyListener has no host, and errors first.
type busyListener struct {
	net.Listener
	errs   []error
	closed chan struct{}
}

func (l *busyListener) Accept() (net.Conn, error) {
	if len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		return nil, err
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *busyListener) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

func (l *busyListener) Addr() net.Addr { return name("key") }

// TestStreamSitsOut too many open files, and ends on what does not pass.
func TestStreamSitsOut(t *testing.T) {
	passing := &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
	broken := &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EINVAL}
	for _, c := range []struct {
		errs []error
		want error
	}{
		{[]error{passing, passing, passing}, errStopped},
		{[]error{passing, broken}, syscall.EINVAL},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errStopped)
			defer cancel()
			l := &busyListener{errs: c.errs, closed: make(chan struct{})}
			if err := ServeStream(ctx, l, nil, Config{}); !errors.Is(err, c.want) || len(l.errs) != 0 {
				t.Errorf("%v with %d errors to come", err, len(l.errs))
			}
			<-l.closed
		})
	}
}
