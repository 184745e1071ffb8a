package usbhid

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// handle is what is used of the library's device. Closing it during another
// call uses freed memory, and its errors do not tell what happened.
type handle interface {
	Write(b []byte) (int, error)
	// ReadTimeout returns 0 and no error when the time is over, and when the
	// device sent a packet without content.
	ReadTimeout(b []byte, milliseconds int) (int, error)
	Close() error
}

const (
	maxReport = 4096 // bytes; USB allows 3072 in an interrupt transfer
	queued    = 256  // reports; the longest message has 129

	// The library gives up on a report that the device does not take after a
	// second, by its own clock.
	patience = 950 * time.Millisecond

	// A device that was pulled out is listed for a moment after reads fail.
	leaving      = 300 * time.Millisecond
	leavingCheck = 10 * time.Millisecond
)

// Conn is an open interface. One goroutine owns all reads and keeps what comes
// until somebody asks for it.
type Conn struct {
	dev    handle
	path   string
	system system
	around surroundings

	reports chan []byte
	lost    atomic.Bool   // a report was dropped; none is taken until that is told
	ended   chan struct{} // closed when the reader has returned
	endErr  error         // why, valid after ended

	closing chan struct{}
	once    sync.Once
	err     error // of closing

	turn chan struct{} // holds a token while a report is sent, and for good once closed
	out  []byte        // of the holder of the turn
}

var _ ctaphid.ReportConn = (*Conn)(nil)

func newConn(dev handle, path string, sys system, around surroundings) *Conn {
	if sys.oneCall {
		dev = &oneCall{handle: dev}
	}
	c := &Conn{
		dev: dev, path: path, system: sys, around: around,
		reports: make(chan []byte, queued),
		ended:   make(chan struct{}),
		closing: make(chan struct{}),
		turn:    make(chan struct{}, 1),
	}
	go c.read()
	return c
}

// read takes reports off the device until that fails or the connection is to be
// closed. It waits in short slices, as nothing can interrupt the library.
func (c *Conn) read() {
	defer close(c.ended)
	buf := make([]byte, maxReport)
	for !c.isClosing() {
		n, err := c.dev.ReadTimeout(buf, int(c.system.slice/time.Millisecond))
		if err != nil {
			c.endErr = c.failed("read", c.system.unexplained(err))
			return
		}
		if n > 0 {
			c.enqueue(buf[:n])
		}
	}
	c.endErr = c.failed("read", ctaphid.ErrClosed)
}

// enqueue keeps a report. When there is no room it drops that and all that
// follow, so that the gap is told where it is.
func (c *Conn) enqueue(report []byte) {
	if c.lost.Load() {
		return
	}
	select {
	case c.reports <- slices.Clone(report):
	default:
		c.lost.Store(true)
	}
}

// ReadReport returns the oldest report that was not read yet. It returns an
// error that wraps [ErrOverrun], once, in the place of reports that were lost.
func (c *Conn) ReadReport(ctx context.Context, p []byte) (int, error) {
	switch {
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case c.isClosing():
		return 0, c.failed("read", ctaphid.ErrClosed)
	case len(c.reports) == 0 && c.lost.Swap(false):
		return 0, c.failed("read", ErrOverrun)
	}
	select {
	case r := <-c.reports:
		return c.deliver(p, r)
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case <-c.closing:
		return 0, c.failed("read", ctaphid.ErrClosed)
	case <-c.ended:
		return c.last(p)
	}
}

// last returns what had come before reading ended, then why it ended.
func (c *Conn) last(p []byte) (int, error) {
	select {
	case r := <-c.reports:
		return c.deliver(p, r)
	default:
		return 0, c.endErr
	}
}

func (c *Conn) deliver(p, report []byte) (int, error) {
	if len(p) < len(report) {
		return 0, c.failed("read", io.ErrShortBuffer)
	}
	return copy(p, report), nil
}

// WriteReport sends one report. The library waits up to a second for the device;
// an error then wraps ctaphid.ErrTimeout. When ctx ends or the connection is
// closed meanwhile, WriteReport returns and leaves the report to its fate.
func (c *Conn) WriteReport(ctx context.Context, p []byte) error {
	if err := c.takeTurn(ctx); err != nil {
		return err
	}
	c.out = c.system.frame(c.out[:0], p)
	sent := make(chan error, 1)
	go func() {
		err := c.send()
		<-c.turn
		sent <- err
	}()
	select {
	case err := <-sent:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.closing:
		return c.failed("write", ctaphid.ErrClosed)
	}
}

// takeTurn waits until the library is done with the report before.
func (c *Conn) takeTurn(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if c.isClosing() {
		return c.failed("write", ctaphid.ErrClosed)
	}
	select {
	case c.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.closing:
		return c.failed("write", ctaphid.ErrClosed)
	}
}

// send has the library send what is in c.out.
func (c *Conn) send() error {
	start := time.Now()
	n, err := c.dev.Write(c.out)
	switch {
	case err == nil && n == len(c.out):
		return nil
	case err == nil:
		err = io.ErrShortWrite
	case time.Since(start) >= patience:
		err = fmt.Errorf("%w: the device takes no report", ctaphid.ErrTimeout)
	default:
		err = c.system.unexplained(err)
	}
	return c.failed("write", err)
}

// Close ends waiting calls at once, waits until the library has left those that
// are under way, a second at most, and gives the interface back to the system.
// The error is an [*UnboundError] if the system does not take it.
func (c *Conn) Close() error {
	c.once.Do(func() {
		close(c.closing)
		<-c.ended
		c.turn <- struct{}{}
		c.err = errors.Join(c.dev.Close(), c.around.restore(c.path))
		if c.err != nil {
			c.err = fmt.Errorf("usbhid: close %s: %w", c.path, c.err)
		}
	})
	return c.err
}

func (c *Conn) isClosing() bool {
	select {
	case <-c.closing:
		return true
	default:
		return false
	}
}

// failed names what failed. As the library gives no reasons, it finds out
// whether the device has left.
func (c *Conn) failed(op string, err error) error {
	known := errors.Is(err, ErrOverrun) || errors.Is(err, io.ErrShortBuffer)
	gone := !known && c.left()
	switch {
	case known:
	case c.isClosing():
		err = ctaphid.ErrClosed
	case gone:
		err = ctaphid.ErrGone
	}
	return fmt.Errorf("usbhid: %s %s: %w", op, c.path, err)
}

// left reports whether the device goes within a moment, false when the
// connection is being closed.
func (c *Conn) left() bool {
	end := time.After(leaving)
	for !c.isClosing() {
		if !c.around.present(c.path) {
			return true
		}
		select {
		case <-time.After(leavingCheck):
		case <-c.closing:
		case <-end:
			return false
		}
	}
	return false
}
