package hidraw

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// Conn is an open node.
type Conn struct {
	f      *os.File
	size   int
	closed atomic.Bool

	// Writing: one system call a report, and nothing to allocate for it.
	raw   syscall.RawConn
	write func(fd uintptr) bool // c.writeOnce
	out   []byte                // report ID 0 and the report
	wrote int
	err   error
}

var (
	_ ctaphid.ReportConn   = (*Conn)(nil)
	_ ctaphid.ReportPoller = (*Conn)(nil)
)

// newConn wraps an open non-blocking file that carries one report at a time. It
// closes the file if that cannot be waited for.
func newConn(f *os.File, size int) (*Conn, error) {
	c := &Conn{f: f, size: size, out: make([]byte, 1, 1+size)}
	c.write = c.writeOnce
	var err error
	if c.raw, err = f.SyscallConn(); err == nil {
		err = f.SetDeadline(time.Time{})
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("hidraw: open %s: %w", f.Name(), err)
	}
	return c, nil
}

// ReportSize returns how many bytes a report has.
func (c *Conn) ReportSize() int { return c.size }

// ReadReport reads one report, which the device may have made shorter than
// [Conn.ReportSize].
func (c *Conn) ReadReport(ctx context.Context, p []byte) (int, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if len(p) < c.size {
		return 0, c.failed("read", io.ErrShortBuffer)
	}
	release := c.endReadWith(ctx)
	n, err := c.f.Read(p)
	release()
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil:
		return 0, context.Cause(ctx)
	}
	return 0, c.failed("read", err)
}

// PollReport reads a report that has come already, or returns 0.
func (c *Conn) PollReport(p []byte) (int, error) {
	if len(p) < c.size {
		return 0, c.failed("read", io.ErrShortBuffer)
	}
	var n int
	var err error
	rawErr := c.raw.Read(func(fd uintptr) bool {
		n, err = unix.Read(int(fd), p)
		return true
	})
	switch {
	case rawErr != nil:
		return 0, c.failed("read", rawErr)
	case err == unix.EAGAIN, err == unix.EINTR:
		return 0, nil
	case err != nil:
		return 0, c.failed("read", err)
	}
	return n, nil
}

var longAgo = time.Unix(1, 0)

// endReadWith makes a read end when ctx does. The function that it returns must
// follow the read, and leaves neither a goroutine nor a deadline behind.
func (c *Conn) endReadWith(ctx context.Context) (release func()) {
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		c.f.SetReadDeadline(longAgo)
		close(ended)
	})
	return func() {
		if !stop() {
			<-ended
			c.f.SetReadDeadline(time.Time{})
		}
	}
}

// WriteReport sends one report of [Conn.ReportSize] bytes. The kernel waits for
// the device, up to five seconds if that is stuck, and ctx cannot shorten it.
func (c *Conn) WriteReport(ctx context.Context, p []byte) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(p) != c.size {
		return c.failed("write", fmt.Errorf("report of %d bytes, the device takes %d", len(p), c.size))
	}
	c.out = append(c.out[:1], p...)
	if err := c.raw.Write(c.write); err != nil {
		return c.failed("write", err)
	}
	switch {
	case c.err != nil:
		return c.failed("write", c.err)
	case c.wrote != len(c.out):
		return c.failed("write", io.ErrShortWrite)
	}
	return nil
}

// writeOnce hands the whole report over in one call. [os.File.Write] would send
// what a short write left as a report of its own. It reports false if the
// device is not ready.
func (c *Conn) writeOnce(fd uintptr) bool {
	for {
		c.wrote, c.err = unix.Write(int(fd), c.out)
		if c.err != unix.EINTR {
			return c.err != unix.EAGAIN
		}
	}
}

// Close gives the lock back and ends a read that waits.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	return c.f.Close()
}

// failed names what failed, and tells a closed connection and a device that has
// left from other failures.
func (c *Conn) failed(op string, err error) error {
	var inner *fs.PathError
	if errors.As(err, &inner) {
		err = inner.Err // the path follows
	}
	switch {
	case c.closed.Load():
		err = ctaphid.ErrClosed
	case isGone(err):
		err = fmt.Errorf("%w (%w)", ctaphid.ErrGone, err)
	}
	return fmt.Errorf("hidraw: %s %s: %w", op, c.f.Name(), err)
}

// isGone tells the errors that mean an unplugged device: reads end with EIO,
// writes with ENODEV, and in the moment of leaving with what the bus says. An
// end of file comes only from the stand-ins for a node.
func isGone(err error) bool {
	for _, e := range []error{unix.EIO, unix.ENODEV, unix.ENXIO, unix.ESHUTDOWN, io.EOF} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
