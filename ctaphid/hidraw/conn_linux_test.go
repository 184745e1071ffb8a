package hidraw

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// limit is how long a test waits for what must happen.
const limit = 10 * time.Second

// pair returns a connection and the device's end of it. Packets keep their
// borders on the socket, as reports do on a node.
func pair(t *testing.T, size int) (*Conn, *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	device := os.NewFile(uintptr(fds[1]), "device")
	conn, err := newConn(os.NewFile(uintptr(fds[0]), "/dev/hidraw7"), size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); device.Close() })
	device.SetDeadline(time.Now().Add(limit))
	return conn, device
}

// noLeak fails the test if it leaves goroutines behind.
func noLeak(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for end := time.Now().Add(limit); runtime.NumGoroutine() > before; runtime.Gosched() {
			if time.Now().After(end) {
				t.Errorf("%d goroutines, %d before the test", runtime.NumGoroutine(), before)
				return
			}
		}
	})
}

func numbered(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func TestWriteReport(t *testing.T) {
	for _, size := range []int{8, 64, 1024} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			conn, device := pair(t, size)
			report := numbered(size) // begins with 0, as some channel IDs do
			if err := conn.WriteReport(t.Context(), report); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, 2*size)
			n, err := device.Read(got)
			if want := append([]byte{0}, report...); err != nil || !bytes.Equal(got[:n], want) {
				t.Errorf("the node got %x, %v; want %x", got[:n], err, want)
			}
		})
	}
}

func TestWriteReportAllocatesNothing(t *testing.T) {
	conn, device := pair(t, 64)
	ctx, report, got := t.Context(), make([]byte, 64), make([]byte, 65)
	allocs := testing.AllocsPerRun(100, func() {
		if err := conn.WriteReport(ctx, report); err != nil {
			t.Fatal(err)
		}
		if _, err := device.Read(got); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations for a report", allocs)
	}
}

func TestWriteReportOfWrongSize(t *testing.T) {
	conn, _ := pair(t, 64)
	for _, n := range []int{0, 63, 65} {
		if err := conn.WriteReport(t.Context(), make([]byte, n)); err == nil {
			t.Errorf("report of %d bytes was sent", n)
		}
	}
}

func TestReadReport(t *testing.T) {
	conn, device := pair(t, 64)
	for _, n := range []int{64, 17, 1} {
		if _, err := device.Write(numbered(n)); err != nil {
			t.Fatal(err)
		}
	}
	p := make([]byte, 64)
	for _, n := range []int{64, 17, 1} {
		got, err := conn.ReadReport(t.Context(), p)
		if err != nil || !bytes.Equal(p[:got], numbered(n)) {
			t.Errorf("got %x, %v; want %d bytes", p[:got], err, n)
		}
	}
	if _, err := conn.ReadReport(t.Context(), p[:63]); !errors.Is(err, io.ErrShortBuffer) {
		t.Errorf("without room: %v", err)
	}
}

func TestPollReport(t *testing.T) {
	conn, device := pair(t, 64)
	p := make([]byte, 64)
	if n, err := conn.PollReport(p); n != 0 || err != nil {
		t.Errorf("nothing has come: %d, %v", n, err)
	}
	for _, n := range []int{64, 17} {
		if _, err := device.Write(numbered(n)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.PollReport(p[:63]); !errors.Is(err, io.ErrShortBuffer) {
		t.Errorf("without room: %v", err)
	}
	for _, n := range []int{64, 17, 0} {
		got, err := conn.PollReport(p)
		if err != nil || !bytes.Equal(p[:got], numbered(n)) {
			t.Errorf("got %x, %v; want %d bytes", p[:got], err, n)
		}
	}
	conn.Close()
	if _, err := conn.PollReport(p); !errors.Is(err, ctaphid.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

func TestReadReportEndsWithContext(t *testing.T) {
	noLeak(t)
	conn, device := pair(t, 64)
	reason := errors.New("the person went home")
	p := make([]byte, 64)
	for range 100 {
		ctx, cancel := context.WithCancelCause(context.Background())
		go cancel(reason)
		if _, err := conn.ReadReport(ctx, p); !errors.Is(err, reason) {
			t.Fatalf("got %v", err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := conn.ReadReport(ctx, p); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if err := conn.WriteReport(ctx, p); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("write: %v", err)
	}

	// What ended one read does not end the next.
	if _, err := device.Write(numbered(64)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.ReadReport(t.Context(), p); n != 64 || err != nil {
		t.Errorf("afterwards: %d, %v", n, err)
	}
}

func TestReadReportWhileContextsEnd(t *testing.T) {
	noLeak(t)
	conn, device := pair(t, 64)
	const reports = 500
	go func() {
		for range reports {
			device.Write(make([]byte, 64))
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
			t.Fatal(err)
		}
		cancel()
	}
}

func TestReadsEndWithTheirOwnContextOnly(t *testing.T) {
	conn, device := pair(t, 64)
	p := make([]byte, 64)
	for range 100 {
		ctx, cancel := context.WithCancel(context.Background())
		release := conn.endReadWith(ctx)
		cancel() // as the read returns with a report
		release()
		runtime.Gosched() // to what would be late
		if _, err := device.Write(p); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.ReadReport(context.Background(), p); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCloseEndsRead(t *testing.T) {
	noLeak(t)
	conn, _ := pair(t, 64)
	result := make(chan error)
	go func() {
		_, err := conn.ReadReport(context.Background(), make([]byte, 64))
		result <- err
	}()
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if err := <-result; !errors.Is(err, ctaphid.ErrClosed) {
		t.Errorf("the read got %v", err)
	}
	if err := conn.WriteReport(t.Context(), make([]byte, 64)); !errors.Is(err, ctaphid.ErrClosed) {
		t.Errorf("the write got %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

func TestUnplug(t *testing.T) {
	noLeak(t)
	conn, device := pair(t, 64)
	result := make(chan error)
	go func() {
		_, err := conn.ReadReport(context.Background(), make([]byte, 64))
		result <- err
	}()
	device.Close()
	if err := <-result; !errors.Is(err, ctaphid.ErrGone) {
		t.Errorf("got %v", err)
	}
}

func TestFailed(t *testing.T) {
	tests := []struct {
		err  error
		gone bool
	}{
		{unix.EIO, true},
		{unix.ENODEV, true},
		{unix.ENXIO, true},
		{unix.ESHUTDOWN, true},
		{&fs.PathError{Op: "read", Path: "/dev/hidraw7", Err: unix.EIO}, true},
		{unix.EPIPE, false}, // a stalled endpoint
		{unix.ETIMEDOUT, false},
		{io.ErrShortWrite, false},
	}
	conn, _ := pair(t, 64)
	for _, tt := range tests {
		err := conn.failed("read", tt.err)
		if errors.Is(err, ctaphid.ErrGone) != tt.gone {
			t.Errorf("%v became %v", tt.err, err)
		}
	}
	want := "hidraw: read /dev/hidraw7: stalled"
	if got := conn.failed("read", errors.New("stalled")).Error(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, path string
		want       error
	}{
		{"nothing", filepath.Join(dir, "nothing"), fs.ErrNotExist},
		{"another node", pipe, ErrNotFIDO},
		{"a file", file, ErrNotFIDO},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Open(t.Context(), tt.path); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, pipe); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

func TestOpenInUse(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	other, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := lock(int(other.Fd())); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), pipe); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v, want ErrInUse", err)
	}
}

func TestNewConnWantsToWait(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newConn(f, 64); !errors.Is(err, os.ErrNoDeadline) {
		t.Errorf("got %v for a file that cannot be waited for", err)
	}
	if err := f.Close(); !errors.Is(err, os.ErrClosed) {
		t.Error("the file was left open")
	}
}
