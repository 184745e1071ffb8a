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

	// A device that was pulled out is listed for a moment after reads fail.
	leaving      = 300 * time.Millisecond
	leavingCheck = 10 * time.Millisecond
)

// Conn is an open interface. One goroutine owns all reads and keeps what comes
// until somebody asks for it.
type Conn struct {
	dev     handle
	path    string
	system  system
	present func() bool // whether the system still lists the device

	reports chan []byte
	lost    atomic.Bool   // a report was dropped; none is taken until that is told
	ended   chan struct{} // closed when the reader has returned
	endErr  error         // why, valid after ended

	closing chan struct{}
	once    sync.Once
	err     error // of closing

	writing sync.Mutex
	out     []byte
}

var _ ctaphid.ReportConn = (*Conn)(nil)

func newConn(dev handle, path string, sys system, present func() bool) *Conn {
	if sys.oneCall {
		dev = &oneCall{handle: dev}
	}
	c := &Conn{
		dev: dev, path: path, system: sys, present: present,
		reports: make(chan []byte, queued),
		ended:   make(chan struct{}),
		closing: make(chan struct{}),
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
			c.endErr = c.failed("read", err)
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

// WriteReport sends one report. The library waits up to a second for the
// device, and ctx cannot shorten that.
func (c *Conn) WriteReport(ctx context.Context, p []byte) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.isClosing() {
		return c.failed("write", ctaphid.ErrClosed)
	}
	c.out = c.system.frame(c.out[:0], p)
	n, err := c.dev.Write(c.out)
	if err == nil && n < len(c.out) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return c.failed("write", err)
	}
	return nil
}

// Close ends waiting reads at once, waits until the library has left the calls
// that are under way, and gives the interface back to the system.
func (c *Conn) Close() error {
	c.once.Do(func() {
		close(c.closing)
		<-c.ended
		c.writing.Lock()
		defer c.writing.Unlock()
		c.err = c.dev.Close()
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
		err = fmt.Errorf("%w (%w)", ctaphid.ErrGone, err)
	}
	return fmt.Errorf("usbhid: %s %s: %w", op, c.path, err)
}

// left reports whether the device goes within a moment, false when the
// connection is being closed.
func (c *Conn) left() bool {
	end := time.After(leaving)
	for !c.isClosing() {
		if !c.present() {
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
