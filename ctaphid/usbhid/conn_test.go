package usbhid

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
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
	in        chan []byte   // to the host; empty is a packet without content
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

func TestWriteReport(t *testing.T) {
	packet := append([]byte{0x00, 0x00, 0x00, 0x01, 0x86}, make([]byte, 59)...) // a channel that begins with zero
	tests := []struct {
		goos string
		want []byte
	}{
		{"linux", append([]byte{0}, packet...)},
		{"darwin", append([]byte{0}, packet...)},
		{"windows", packet},
	}
	for _, tt := range tests {
		t.Run(tt.goos, func(t *testing.T) {
			k := newFakeKey()
			c := k.open(t, tt.goos)
			for range 2 {
				if err := c.WriteReport(t.Context(), packet); err != nil {
					t.Fatal(err)
				}
			}
			for _, got := range k.wrote {
				if !bytes.Equal(got, tt.want) {
					t.Errorf("got %x, want %x", got, tt.want)
				}
			}
		})
	}
}

func TestWriteReportFails(t *testing.T) {
	tests := []struct {
		name      string
		n         int
		err       error
		took      time.Duration
		unplugged bool
		want      error
	}{
		{"short", 64, nil, 0, false, io.ErrShortWrite},
		{"refused", 0, errLibrary, 0, false, ErrUnexplained},
		{"not taken", 0, errLibrary, time.Second, false, ctaphid.ErrTimeout},
		{"unplugged", 0, errLibrary, 0, true, ctaphid.ErrGone},
		{"unplugged after a while", 0, errLibrary, time.Second, true, ctaphid.ErrGone},
	}
	kinds := []error{io.ErrShortWrite, ErrUnexplained, ctaphid.ErrTimeout, ctaphid.ErrGone, ctaphid.ErrClosed, errLibrary}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, k *fakeKey) {
				k.write = func([]byte) (int, error) { time.Sleep(tt.took); return tt.n, tt.err }
				c := k.open(t, "linux")
				if tt.unplugged {
					close(k.unplugged)
				}
				err := c.WriteReport(t.Context(), report(1))
				for _, kind := range kinds {
					if errors.Is(err, kind) != (kind == tt.want) {
						t.Errorf("got %v, want %v", err, tt.want)
					}
				}
			})
		})
	}
}

// TestLibraryError: a text of the library is kept where it says something.
func TestLibraryError(t *testing.T) {
	for goos, kept := range map[string]bool{"linux": false, "darwin": true, "windows": true} {
		err := systemFor(goos).unexplained(errLibrary)
		if !errors.Is(err, ErrUnexplained) || errors.Is(err, errLibrary) != kept {
			t.Errorf("%s: got %v", goos, err)
		}
	}
}

// TestWriteReportEndsWithContext: the caller is free at once when the device
// takes nothing, and the library's call is alone for as long as it lasts.
func TestWriteReportEndsWithContext(t *testing.T) {
	bubble(t, func(t *testing.T, k *fakeKey) {
		k.write = func(b []byte) (int, error) { time.Sleep(time.Second); return len(b), nil }
		c := k.open(t, "linux")
		reason := errors.New("the person went home")
		start := time.Now()
		for i, limit := range []time.Duration{100 * time.Millisecond, 200 * time.Millisecond} {
			ctx, cancel := context.WithTimeoutCause(t.Context(), limit, reason)
			defer cancel()
			if err := c.WriteReport(ctx, report(byte(i))); !errors.Is(err, reason) {
				t.Errorf("got %v", err)
			}
		}
		if took := time.Since(start); took != 300*time.Millisecond {
			t.Errorf("two writes took %v", took)
		}
		if err := c.WriteReport(t.Context(), report(3)); err != nil || time.Since(start) != 2*time.Second {
			t.Errorf("the third one: %v after %v", err, time.Since(start))
		}
		want := [][]byte{append([]byte{0}, report(0)...), append([]byte{0}, report(3)...)}
		if !reflect.DeepEqual(k.wrote, want) {
			t.Errorf("sent %x, want %x", k.wrote, want)
		}
	})
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

func TestCloseDuringWrite(t *testing.T) {
	bubble(t, func(t *testing.T, k *fakeKey) {
		k.write = func([]byte) (int, error) { time.Sleep(time.Second); return 0, errLibrary }
		c := k.open(t, "linux")
		results := make(chan error)
		for range 2 { // one in the library, one that waits for its turn
			go func() { results <- c.WriteReport(context.Background(), report(1)) }()
		}
		synctest.Wait()
		start := time.Now()
		closed := make(chan time.Duration)
		go func() { c.Close(); closed <- time.Since(start) }()
		for range 2 {
			if err := <-results; !errors.Is(err, ctaphid.ErrClosed) || time.Since(start) != 0 {
				t.Errorf("a write got %v after %v", err, time.Since(start))
			}
		}
		if took := <-closed; took != time.Second {
			t.Errorf("closing took %v, the write a second", took)
		}
		if len(k.wrote) != 1 {
			t.Errorf("%d reports were sent", len(k.wrote))
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
