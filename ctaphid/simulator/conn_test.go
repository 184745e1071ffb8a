package simulator

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"reflect"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// pair is a connection and the other end of its socket, both over TCP or both
// over UDP.
func pair(t *testing.T, network string, cfg Config) (*Conn, net.Conn) {
	t.Helper()
	if network == TCP {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		conn := mustDial(t, network, l.Addr().String(), cfg)
		peer, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { peer.Close() })
		peer.SetDeadline(time.Now().Add(patience))
		return conn, peer
	}
	here, there := freeAddress(t, UDP), freeAddress(t, UDP)
	from, err := net.ResolveUDPAddr("udp", there)
	if err != nil {
		t.Fatal(err)
	}
	to, err := net.ResolveUDPAddr("udp", here)
	if err != nil {
		t.Fatal(err)
	}
	peer, err := net.DialUDP("udp", from, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	peer.SetDeadline(time.Now().Add(patience))
	cfg.Local = here
	return mustDial(t, network, there, cfg), peer
}

// frame is a report as it goes over a network.
func frame(network string, report []byte) []byte {
	if network == UDP {
		return report
	}
	return append([]byte{byte(len(report) >> 8), byte(len(report))}, report...)
}

func TestReports(t *testing.T) {
	for _, network := range networks {
		for _, size := range []int{0, ctaphid.MinReportSize, 64, 1024} {
			conn, peer := pair(t, network, Config{ReportSize: size})
			if size == 0 {
				size = 64
			}
			report, got := numbered(size), make([]byte, 2*size)
			if err := conn.WriteReport(t.Context(), report); err != nil {
				t.Fatal(err)
			}
			n, err := io.ReadAtLeast(peer, got, len(frame(network, report)))
			if err != nil || !bytes.Equal(got[:n], frame(network, report)) {
				t.Fatalf("%s: the peer got %x, %v", network, got[:n], err)
			}
			if _, err := peer.Write(frame(network, report)); err != nil {
				t.Fatal(err)
			}
			if n, err := conn.ReadReport(t.Context(), got); err != nil || !bytes.Equal(got[:n], report) {
				t.Errorf("%s: got %x, %v", network, got[:n], err)
			}
		}
	}
}

func TestWrongSizes(t *testing.T) {
	for _, network := range networks {
		conn, _ := pair(t, network, Config{})
		for _, n := range []int{0, 63, 65} {
			var e *Error
			if err := conn.WriteReport(t.Context(), make([]byte, n)); !errors.As(err, &e) || e.Op != "write" {
				t.Errorf("%s: a report of %d bytes: %v", network, n, err)
			}
		}
		if _, err := conn.ReadReport(t.Context(), make([]byte, 63)); !errors.Is(err, io.ErrShortBuffer) {
			t.Errorf("%s: without room: %v", network, err)
		}
	}
}

// TestWrongDatagrams: what is no report is told of, and does not hide the next.
func TestWrongDatagrams(t *testing.T) {
	conn, peer := pair(t, UDP, Config{})
	p := make([]byte, 64)
	for _, n := range []int{0, 1, 63, 65, 5000} {
		if _, err := peer.Write(numbered(n)); err != nil {
			t.Fatal(err)
		}
		_, err := conn.ReadReport(t.Context(), p)
		var wrong *FrameError
		if !errors.As(err, &wrong) || *wrong != (FrameError{Got: n, Want: 64}) || !errors.Is(err, ctaphid.ErrProtocol) {
			t.Errorf("%d bytes: %v", n, err)
		}
		var e *Error
		if !errors.As(err, &e) || e.Op != "read" || e.Network != UDP || e.Address != peer.LocalAddr().String() {
			t.Errorf("%d bytes: not said where: %v", n, err)
		}
	}
	if _, err := peer.Write(numbered(64)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.ReadReport(t.Context(), p); n != 64 || err != nil {
		t.Errorf("afterwards: %d, %v", n, err)
	}
}

// TestFrames gives the connection one frame after the other, in pieces.
func TestFrames(t *testing.T) {
	for _, c := range []struct {
		name string
		sent string
		want []int // sizes of the reports
		err  error
	}{
		{"one", "\x00\x03abc", []int{3}, ErrGone},
		{"two", "\x00\x01a\x00\x40" + string(numbered(64)), []int{1, 64}, ErrGone},
		{"none", "", nil, ErrGone},
		{"half a length", "\x00", nil, ErrGone},
		{"half a report", "\x00\x03ab", nil, ErrGone},
		{"length 0", "\x00\x00abc", nil, &FrameError{Got: 0, Want: 64}},
		{"length 65", "\x00\x41" + string(numbered(65)), nil, &FrameError{Got: 65, Want: 64}},
		{"longest", "\xff\xff", nil, &FrameError{Got: 65535, Want: 64}},
		{"after a good one", "\x00\x01a\x01\x00", []int{1}, &FrameError{Got: 256, Want: 64}},
	} {
		for piece := 1; piece <= 70; piece += 23 {
			conn := newConn(&pieces{data: []byte(c.sent), size: piece}, TCP, "peer", mustComplete(t, Config{}))
			var got []int
			p := make([]byte, 64)
			n, err := conn.ReadReport(t.Context(), p)
			for ; err == nil; n, err = conn.ReadReport(t.Context(), p) {
				got = append(got, n)
			}
			var wrong *FrameError
			if errors.As(err, &wrong) {
				err = wrong
			}
			if !reflect.DeepEqual(got, c.want) || !errors.Is(err, c.err) && !reflect.DeepEqual(err, c.err) {
				t.Errorf("%s in pieces of %d: reports of %v bytes, %v", c.name, piece, got, err)
			}
		}
	}
}

// pieces is a socket that brings data a piece at a time, and then hangs up.
type pieces struct {
	net.Conn
	data []byte
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.size)], p.data)
	p.data = p.data[n:]
	return n, nil
}

func (p *pieces) SetReadDeadline(time.Time) error  { return nil }
func (p *pieces) SetWriteDeadline(time.Time) error { return nil }

func mustComplete(t testing.TB, cfg Config) Config {
	t.Helper()
	cfg, err := cfg.complete()
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestFrameThatDoesNotEnd: the rest of a frame has the limit, not more, however
// slowly it comes, and the wait for a frame has none.
func TestFrameThatDoesNotEnd(t *testing.T) {
	for _, c := range []struct {
		name  string
		every time.Duration // between two bytes
		sent  []byte
		want  error
	}{
		{"one byte", 0, []byte{0}, &FrameError{Got: 1, Want: 2, Waited: 5 * time.Second}},
		{"a length", 0, []byte{0, 64}, &FrameError{Got: 2, Want: 66, Waited: 5 * time.Second}},
		{"a part", 0, []byte{0, 64, 1, 2, 3}, &FrameError{Got: 5, Want: 66, Waited: 5 * time.Second}},
		{"drop by drop", 999 * time.Millisecond, frame(TCP, numbered(64)), &FrameError{Got: 6, Want: 66, Waited: 5 * time.Second}},
		{"fast enough", 70 * time.Millisecond, frame(TCP, numbered(64)), nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			here, there := net.Pipe()
			conn := newConn(here, TCP, "peer", mustComplete(t, Config{}))
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				time.Sleep(time.Hour)
				for _, b := range c.sent {
					if _, err := there.Write([]byte{b}); err != nil {
						return
					}
					time.Sleep(c.every)
				}
			}()
			defer func() { conn.Close(); <-sent }()
			start := time.Now()
			_, err := conn.ReadReport(t.Context(), make([]byte, 64))
			took := time.Since(start) - time.Hour
			var e *Error
			if errors.As(err, &e) {
				err = e.Err
			}
			if !reflect.DeepEqual(err, c.want) || err != nil && took != 5*time.Second {
				t.Errorf("%s: %v after %v", c.name, err, took)
			}
		})
	}
}

// TestReadGoesOn: a read that its context ends in the middle of a frame loses
// nothing of it.
func TestReadGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		conn := newConn(here, TCP, "peer", mustComplete(t, Config{}))
		defer conn.Close()
		whole, p := frame(TCP, numbered(64)), make([]byte, 64)
		for at := 0; at < len(whole)-1; at += 13 {
			go there.Write(whole[at:min(at+13, len(whole)-1)])
			ctx, cancel := context.WithTimeoutCause(t.Context(), 3*time.Second, errStopped)
			if _, err := conn.ReadReport(ctx, p); err != errStopped {
				t.Fatalf("with %d bytes: %v", at, err)
			}
			cancel()
			time.Sleep(time.Minute)
		}
		go there.Write(whole[len(whole)-1:])
		if n, err := conn.ReadReport(t.Context(), p); err != nil || !bytes.Equal(p[:n], numbered(64)) {
			t.Errorf("got %x, %v", p[:n], err)
		}
	})
}

func TestReadEndsWithContext(t *testing.T) {
	reason := errors.New("the person went home")
	for _, network := range networks {
		conn, peer := pair(t, network, Config{})
		p := make([]byte, 64)
		for range 100 {
			ctx, cancel := context.WithCancelCause(context.Background())
			go cancel(reason)
			if _, err := conn.ReadReport(ctx, p); err != reason {
				t.Fatalf("%s: got %v", network, err)
			}
			if err := conn.WriteReport(ctx, p); err != reason {
				t.Fatalf("%s: wrote %v", network, err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := conn.ReadReport(ctx, p); err != context.DeadlineExceeded {
			t.Errorf("%s: got %v", network, err)
		}
		// What ended one read does not end the next.
		if _, err := peer.Write(frame(network, numbered(64))); err != nil {
			t.Fatal(err)
		}
		if n, err := conn.ReadReport(t.Context(), p); n != 64 || err != nil {
			t.Errorf("%s: afterwards: %d, %v", network, n, err)
		}
	}
}

func TestReadWhileContextsEnd(t *testing.T) {
	const reports = 200 // that fit the socket's buffer
	for _, network := range networks {
		conn, peer := pair(t, network, Config{})
		go func() {
			for range reports {
				peer.Write(frame(network, numbered(64)))
			}
		}()
		p := make([]byte, 64)
		for got := 0; got < reports; got++ {
			ctx, cancel := context.WithCancel(context.Background())
			go cancel()
			_, err := conn.ReadReport(ctx, p)
			if errors.Is(err, context.Canceled) {
				_, err = conn.ReadReport(context.Background(), p) // no report is lost, and no deadline left
			}
			if err != nil {
				t.Fatalf("%s: %v", network, err)
			}
			cancel()
		}
	}
}

func TestCloseEndsRead(t *testing.T) {
	for _, network := range networks {
		conn, _ := pair(t, network, Config{})
		result := make(chan error)
		go func() {
			_, err := conn.ReadReport(context.Background(), make([]byte, 64))
			result <- err
		}()
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		if err := <-result; !errors.Is(err, ctaphid.ErrClosed) {
			t.Errorf("%s: the read got %v", network, err)
		}
		if err := conn.WriteReport(t.Context(), make([]byte, 64)); !errors.Is(err, ctaphid.ErrClosed) {
			t.Errorf("%s: the write got %v", network, err)
		}
		if err := conn.Close(); err != nil {
			t.Errorf("%s: second close: %v", network, err)
		}
	}
}

// TestHangUp: the other end closes its socket, with nothing unread and with
// something, which over TCP is a reset.
func TestHangUp(t *testing.T) {
	for _, network := range networks {
		for _, unread := range []bool{false, true} {
			conn, peer := pair(t, network, Config{})
			p := make([]byte, 64)
			if _, err := peer.Write(frame(network, p)); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.ReadReport(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			if unread {
				if err := conn.WriteReport(t.Context(), p); err != nil {
					t.Fatal(err)
				}
			}
			peer.Close()
			if err := goneFor(t, conn); !errors.Is(err, ErrGone) || !errors.Is(err, ctaphid.ErrGone) || errors.Is(err, ErrNotRunning) {
				t.Errorf("%s, unread %v: %v", network, unread, err)
			}
		}
	}
}

// goneFor uses a connection until that fails: over UDP nobody knows before.
func goneFor(t *testing.T, conn *Conn) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p := make([]byte, 64)
	if conn.network == UDP {
		if err := conn.WriteReport(ctx, p); err != nil {
			return err
		}
	}
	_, err := conn.ReadReport(ctx, p)
	return err
}

func TestFailed(t *testing.T) {
	conn := newConn(&pieces{}, UDP, "127.0.0.1:8111", mustComplete(t, Config{}))
	for _, c := range []struct {
		err   error
		heard bool
		want  error // nil for itself
		text  string
	}{
		{io.EOF, true, ErrGone, "simulator: read udp 127.0.0.1:8111: the simulator is gone (EOF)"},
		{&net.OpError{Op: "read", Err: refused[0]}, false, ErrNotRunning, ""},
		{refused[0], true, ErrGone, ""},
		{lost[0], true, ErrGone, ""},
		{net.ErrClosed, true, ErrGone, ""}, // given up after half a report
		{&FrameError{Got: 3, Want: 64}, true, nil, "simulator: read udp 127.0.0.1:8111: report of 3 bytes, want 64"},
		{&FrameError{Got: 3, Want: 66, Waited: time.Second}, true, nil,
			"simulator: read udp 127.0.0.1:8111: report breaks off: 3 of 66 bytes, and no more in 1s"},
		{syscall.EACCES, true, nil, ""},
	} {
		conn.heard.Store(c.heard)
		err := conn.failed("read", c.err)
		if !errors.Is(err, bare(c.err)) || c.want != nil && !errors.Is(err, c.want) ||
			errors.Is(err, ctaphid.ErrGone) != (c.want != nil) || c.text != "" && err.Error() != c.text {
			t.Errorf("%v became %v", c.err, err)
		}
	}
}

// TestWriteLimit: a peer that takes nothing, or half a report, does not hold a
// write up for longer than the limit.
func TestWriteLimit(t *testing.T) {
	for _, takes := range []int{0, 1, 40} {
		synctest.Test(t, func(t *testing.T) {
			here, there := net.Pipe()
			conn := newConn(here, TCP, "peer", mustComplete(t, Config{Limit: 3 * time.Second}))
			defer conn.Close()
			go io.ReadFull(there, make([]byte, takes))
			start := time.Now()
			err := conn.WriteReport(t.Context(), make([]byte, 64))
			if took := time.Since(start); !errors.Is(err, ctaphid.ErrTimeout) || took != 3*time.Second {
				t.Errorf("%v after %v", err, took)
			}
			go io.Copy(io.Discard, there)
			err = conn.WriteReport(t.Context(), make([]byte, 64))
			if (err == nil) != (takes == 0) { // half a report was sent, and nothing may follow it
				t.Errorf("after %d bytes were taken: %v", takes, err)
			}
			there.Close()
		})
	}
}

func TestWriteEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		conn := newConn(here, TCP, "peer", mustComplete(t, Config{}))
		defer conn.Close()
		defer there.Close()
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errStopped)
		defer cancel()
		start := time.Now()
		if err := conn.WriteReport(ctx, make([]byte, 64)); err != errStopped || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// TestTwoPieces: a peer that sends length and report apart is understood.
func TestTwoPieces(t *testing.T) {
	conn, peer := pair(t, TCP, Config{})
	p := make([]byte, 64)
	for range 5 {
		for _, piece := range [][]byte{{0, 64}, numbered(64)} {
			if _, err := peer.Write(piece); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := conn.ReadReport(t.Context(), p); err != nil || !bytes.Equal(p[:n], numbered(64)) {
			t.Fatalf("got %x, %v", p[:n], err)
		}
	}
}
