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
	dev    handle
	path   string
	system system
	around surroundings

	reports chan []byte   // nil where some are missing
	lost    atomic.Bool   // there was no room in it; no report is taken until that is told
	ended   chan struct{} // closed when the reader has returned
	endErr  error         // why, valid after ended

	closing chan struct{}
	once    sync.Once
	err     error // of closing

	turn chan struct{} // holds a token while a report is sent, and for good once closed
	out  []byte        // of the holder of the turn
}

var (
	_ ctaphid.ReportConn   = (*Conn)(nil)
	_ ctaphid.ReportPoller = (*Conn)(nil)
)

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
		if err := c.take(buf); err != nil {
			c.endErr = c.failed("read", c.system.unexplained(err))
			return
		}
	}
	c.endErr = c.failed("read", ctaphid.ErrClosed)
}

// take waits for a report and takes what else is in the library's queue. If that
// was full, older reports may be missing.
func (c *Conn) take(buf []byte) error {
	var burst [][]byte
	var err error
	for wait := c.system.slice; len(burst) < c.system.queue; wait = 0 {
		var n int
		n, err = c.dev.ReadTimeout(buf, int(wait/time.Millisecond))
		if n == 0 || err != nil {
			break
		}
		burst = append(burst, slices.Clone(buf[:n]))
	}
	if len(burst) == c.system.queue {
		c.enqueue(nil)
	}
	for _, report := range burst {
		c.enqueue(report)
	}
	return err
}

// enqueue keeps a report. When there is no room it drops that and all that
// follow, so that the gap is told where it is.
func (c *Conn) enqueue(report []byte) {
	if c.lost.Load() {
		return
	}
	select {
	case c.reports <- report:
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

// PollReport returns the oldest report that was not read yet, 0 and no error if
// there is none. It passes over gaps: who asks what is left of earlier requests
// misses nothing.
func (c *Conn) PollReport(p []byte) (int, error) {
	if c.isClosing() {
		return 0, c.failed("read", ctaphid.ErrClosed)
	}
	for {
		select {
		case r := <-c.reports:
			if r != nil {
				return c.deliver(p, r)
			}
			continue
		default:
		}
		if !c.lost.Swap(false) {
			return 0, nil
		}
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
	switch {
	case report == nil:
		return 0, c.failed("read", ErrOverrun)
	case len(p) < len(report):
		return 0, c.failed("read", io.ErrShortBuffer)
	}
	return copy(p, report), nil
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
