package usbhid

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

var errLibrary = errors.New("hidapi: hid_error is not implemented yet")

// fakeKey stands where the library's device does, and notes what would have
// crashed that.
type fakeKey struct {
	in        chan []byte   // to the host when that waits; empty is a packet without content
	queue     chan []byte   // what the library has when nobody waits
	unplugged chan struct{} // closed when it was pulled out
	write     func(b []byte) (int, error)

	mu     sync.Mutex
	wrote  [][]byte
	misuse []string

	reads, writes atomic.Int32 // under way
	closed        atomic.Bool
	apart         bool // reads and writes must not overlap
}

func newFakeKey() *fakeKey {
	return &fakeKey{
		in:        make(chan []byte),
		queue:     make(chan []byte, 100),
		unplugged: make(chan struct{}),
		write:     func(b []byte) (int, error) { return len(b), nil },
	}
}

// enter notes a call and what is wrong with it.
func (k *fakeKey) enter(mine, other *atomic.Int32, what string) {
	n, others := mine.Add(1), other.Load()
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.closed.Load():
		k.misuse = append(k.misuse, what+" after close")
	case n > 1:
		k.misuse = append(k.misuse, what+" during "+what)
	case k.apart && others > 0:
		k.misuse = append(k.misuse, what+" beside another call")
	}
}

func (k *fakeKey) Write(b []byte) (int, error) {
	k.enter(&k.writes, &k.reads, "write")
	defer k.writes.Add(-1)
	k.mu.Lock()
	k.wrote = append(k.wrote, bytes.Clone(b))
	k.mu.Unlock()
	return k.write(b)
}

func (k *fakeKey) ReadTimeout(b []byte, milliseconds int) (int, error) {
	k.enter(&k.reads, &k.writes, "read")
	defer k.reads.Add(-1)
	if milliseconds == 0 {
		select {
		case r := <-k.queue:
			return copy(b, r), nil
		default:
			return 0, nil
		}
	}
	select {
	case r := <-k.in:
		return copy(b, r), nil
	case <-k.unplugged:
		return 0, errLibrary
	case <-time.After(time.Duration(milliseconds) * time.Millisecond):
		return 0, nil
	}
}

func (k *fakeKey) Close() error {
	if k.reads.Load()+k.writes.Load() > 0 {
		k.misuse = append(k.misuse, "close during a call")
	}
	if k.closed.Swap(true) {
		k.misuse = append(k.misuse, "close after close")
	}
	return nil
}

// fakeSurroundings is a system with one device. What is not set goes well.
type fakeSurroundings struct {
	listed func() bool
	// errors of the methods
	settled, reason, restored error

	calls []string
}

func (f *fakeSurroundings) present(string) bool { return f.listed == nil || f.listed() }

func (f *fakeSurroundings) settle(Device) error {
	f.calls = append(f.calls, "settle")
	return f.settled
}

func (f *fakeSurroundings) obstacle(string) error {
	f.calls = append(f.calls, "obstacle")
	return f.reason
}

func (f *fakeSurroundings) restore(string) error {
	f.calls = append(f.calls, "restore")
	return f.restored
}

// here is where the key is listed until it is pulled out.
func (k *fakeKey) here() *fakeSurroundings {
	return &fakeSurroundings{listed: func() bool {
		select {
		case <-k.unplugged:
			return false
		default:
			return true
		}
	}}
}

// open connects to the key. The connection is closed with the test.
func (k *fakeKey) open(t *testing.T, goos string) *Conn {
	c := newConn(k, "1-1:1.0", systemFor(goos), k.here())
	t.Cleanup(func() { k.finish(t, c) })
	return c
}

// finish closes the connection and tells what was done wrong.
func (k *fakeKey) finish(t *testing.T, c *Conn) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if len(k.misuse) > 0 || !k.closed.Load() {
		t.Errorf("closed %v, wrong use: %v", k.closed.Load(), k.misuse)
	}
}

// bubble runs a test in fake time, which also fails if goroutines stay behind.
func bubble(t *testing.T, test func(t *testing.T, k *fakeKey)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newFakeKey()) })
}

func report(first byte) []byte {
	b := make([]byte, 64)
	b[0] = first
	return b
}

func TestReadReport(t *testing.T) {
	bubble(t, func(t *testing.T, k *fakeKey) {
		c := k.open(t, "linux")
		go func() {
			k.in <- report(1)
			k.in <- nil // no report
			k.in <- []byte{2, 2, 2}
			time.Sleep(time.Minute)
			k.in <- report(3)
		}()
		p := make([]byte, 64)
		for _, want := range [][]byte{report(1), {2, 2, 2}, report(3)} {
			n, err := c.ReadReport(t.Context(), p)
			if err != nil || !bytes.Equal(p[:n], want) {
				t.Errorf("got %x, %v; want %x", p[:n], err, want)
			}
		}
	})
}

func TestReadReportWithoutRoom(t *testing.T) {
	bubble(t, func(t *testing.T, k *fakeKey) {
		c := k.open(t, "linux")
		k.in <- report(1)
		if _, err := c.ReadReport(t.Context(), make([]byte, 63)); !errors.Is(err, io.ErrShortBuffer) {
			t.Errorf("got %v", err)
		}
	})
}

func TestReadReportEndsWithContext(t *testing.T) {
	bubble(t, func(t *testing.T, k *fakeKey) {
		c := k.open(t, "linux")
		reason := errors.New("the person went home")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, reason)
		defer cancel()
		start := time.Now()
		if _, err := c.ReadReport(ctx, make([]byte, 64)); !errors.Is(err, reason) || time.Since(start) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		if _, err := c.ReadReport(ctx, make([]byte, 64)); !errors.Is(err, reason) {
			t.Errorf("second read: %v", err)
		}
		if err := c.WriteReport(ctx, report(1)); !errors.Is(err, reason) || len(k.wrote) > 0 {
			t.Errorf("write: %v", err)
		}
	})
}

func TestOverrun(t *testing.T) {
	bubble(t, func(t *testing.T, k *fakeKey) {
		c := k.open(t, "linux")
		p := make([]byte, 64)
		for round := range 2 {
			for i := range queued + 20 {
				k.in <- report(byte(i))
			}
			synctest.Wait()
			for i := range queued {
				if i == queued/2 {
					k.in <- report(0xEE) // there is room again, and the gap was not told yet
					synctest.Wait()
				}
				if n, err := c.ReadReport(t.Context(), p); err != nil || p[0] != byte(i) {
					t.Fatalf("round %d, report %d: got %x, %v", round, i, p[:n], err)
				}
			}
			if _, err := c.ReadReport(t.Context(), p); !errors.Is(err, ErrOverrun) {
				t.Fatalf("round %d: got %v in the gap", round, err)
			}
		}
		k.in <- report(0xAA)
		if _, err := c.ReadReport(t.Context(), p); err != nil || p[0] != 0xAA {
			t.Errorf("after the gap: %x, %v", p[0], err)
		}
	})
}

// TestLibraryOverrun: the library's queue is found full, so that what was before
// may be missing. One report less, and nothing is.
func TestLibraryOverrun(t *testing.T) {
	for goos, size := range map[string]int{"linux": 32, "darwin": 32, "windows": 64} {
		for _, full := range []bool{false, true} {
			bubble(t, func(t *testing.T, k *fakeKey) {
				c := k.open(t, goos)
				rest := size - 2
				if full {
					rest++
				}
				for i := range rest {
					k.queue <- report(byte(i + 1))
				}
				k.in <- report(0)
				p := make([]byte, 64)
				if full {
					if n, err := c.ReadReport(t.Context(), p); !errors.Is(err, ErrOverrun) {
						t.Errorf("%s: got %x, %v in the gap", goos, p[:n], err)
					}
				}
				for i := range rest + 1 {
					if n, err := c.ReadReport(t.Context(), p); err != nil || p[0] != byte(i) {
						t.Fatalf("%s: report %d: got %x, %v", goos, i, p[:n], err)
					}
				}
			})
		}
	}
}

func TestPollReport(t *testing.T) {
	bubble(t, func(t *testing.T, k *fakeKey) {
		c := k.open(t, "linux")
		p := make([]byte, 64)
		poll := func(want []byte, wantErr error) {
			t.Helper()
			synctest.Wait()
			n, err := c.PollReport(p)
			if !bytes.Equal(p[:n], want) || !errors.Is(err, wantErr) {
				t.Errorf("got %x, %v, want %x, %v", p[:n], err, want, wantErr)
			}
		}
		poll(nil, nil)
		k.in <- report(1)
		k.in <- []byte{2, 2, 2}
		poll(report(1), nil)
		poll([]byte{2, 2, 2}, nil)
		poll(nil, nil)

		for range queued + 20 { // more than there is room for
			k.in <- report(3)
		}
		for range queued {
			poll(report(3), nil)
		}
		poll(nil, nil)
		k.in <- report(4)
		poll(report(4), nil)

		for range 31 { // the library's queue full
			k.queue <- report(5)
		}
		k.in <- report(5)
		poll(report(5), nil)

		k.in <- report(6)
		c.Close()
		poll(nil, ctaphid.ErrClosed)
	})
}

func TestCloseDuringRead(t *testing.T) {
	bubble(t, func(t *testing.T, k *fakeKey) {
		c := k.open(t, "linux")
		result := make(chan error)
		go func() {
			_, err := c.ReadReport(context.Background(), make([]byte, 64))
			result <- err
		}()
		synctest.Wait()
		start := time.Now()
		closed := make(chan struct{})
		go func() { c.Close(); close(closed) }()
		if err := <-result; !errors.Is(err, ctaphid.ErrClosed) || time.Since(start) != 0 {
			t.Errorf("the read got %v after %v", err, time.Since(start))
		}
		<-closed
		if took, slice := time.Since(start), systemFor("linux").slice; took > slice {
			t.Errorf("closing took %v, a read at most %v", took, slice)
		}
		if _, err := c.ReadReport(t.Context(), make([]byte, 64)); !errors.Is(err, ctaphid.ErrClosed) {
			t.Errorf("read afterwards: %v", err)
		}
		if err := c.WriteReport(t.Context(), report(1)); !errors.Is(err, ctaphid.ErrClosed) {
			t.Errorf("write afterwards: %v", err)
		}
	})
}

func TestCloseTellsWhatIsLeft(t *testing.T) {
	bubble(t, func(t *testing.T, k *fakeKey) {
		around := &fakeSurroundings{restored: &UnboundError{Path: "1-1:1.0"}}
		c := newConn(k, "1-1:1.0", systemFor("linux"), around)
		for range 2 {
			if err := c.Close(); !errors.Is(err, ErrUnbound) {
				t.Errorf("got %v", err)
			}
		}
		if !k.closed.Load() || !slices.Equal(around.calls, []string{"restore"}) {
			t.Errorf("closed %v, then %v", k.closed.Load(), around.calls)
		}
	})
}

func TestUnplug(t *testing.T) {
	bubble(t, func(t *testing.T, k *fakeKey) {
		c := k.open(t, "linux")
		k.in <- report(1)
		close(k.unplugged)
		p := make([]byte, 64)
		if _, err := c.ReadReport(t.Context(), p); err != nil || p[0] != 1 {
			t.Errorf("what had come before: %x, %v", p[0], err)
		}
		for range 2 {
			if _, err := c.ReadReport(t.Context(), p); !errors.Is(err, ctaphid.ErrGone) {
				t.Errorf("got %v", err)
			}
		}
	})
}

func TestReadingFails(t *testing.T) {
	tests := []struct {
		listed time.Duration // how long the system still lists the device
		gone   bool
	}{
		{0, true},
		{leaving / 2, true},
		{2 * leaving, false},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.listed), func(t *testing.T) {
			bubble(t, func(t *testing.T, k *fakeKey) {
				start := time.Now()
				around := &fakeSurroundings{listed: func() bool { return time.Since(start) < tt.listed }}
				c := newConn(k, "1-1:1.0", systemFor("linux"), around)
				close(k.unplugged)
				_, err := c.ReadReport(t.Context(), make([]byte, 64))
				if errors.Is(err, ctaphid.ErrGone) != tt.gone || errors.Is(err, ErrUnexplained) == tt.gone {
					t.Errorf("got %v", err)
				}
				k.finish(t, c)
			})
		})
	}
}

func TestCloseWhileFindingOut(t *testing.T) {
	bubble(t, func(t *testing.T, k *fakeKey) {
		c := newConn(k, "1-1:1.0", systemFor("linux"), &fakeSurroundings{})
		close(k.unplugged)
		synctest.Wait()
		start := time.Now()
		k.finish(t, c)
		if !errors.Is(c.endErr, ctaphid.ErrClosed) || time.Since(start) != 0 {
			t.Errorf("reading ended with %v after %v", c.endErr, time.Since(start))
		}
	})
}

// TestCloseAtAnyTime runs in real time, for the race detector.
func TestCloseAtAnyTime(t *testing.T) {
	for _, goos := range []string{"linux", "windows"} {
		t.Run(goos, func(t *testing.T) {
			for i := range 50 {
				closeAfter(t, goos, time.Duration(i)*20*time.Microsecond)
			}
		})
	}
}

func closeAfter(t *testing.T, goos string, wait time.Duration) {
	k := newFakeKey()
	k.apart = goos == "windows"
	sys := systemFor(goos)
	sys.slice = time.Millisecond
	c := newConn(k, "1-1:1.0", sys, k.here())
	var group sync.WaitGroup
	group.Go(func() {
		for p := make([]byte, 64); ; {
			if _, err := c.ReadReport(context.Background(), p); err != nil {
				return
			}
		}
	})
	group.Go(func() {
		for c.WriteReport(context.Background(), report(1)) == nil {
		}
	})
	done := make(chan struct{})
	group.Go(func() {
		for {
			select {
			case k.in <- report(2):
			case <-done:
				return
			}
		}
	})
	timer := time.NewTimer(wait)
	<-timer.C
	group.Go(func() { c.Close() })
	k.finish(t, c)
	close(done)
	group.Wait()
}
