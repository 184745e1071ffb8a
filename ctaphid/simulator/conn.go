package simulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// Conn carries reports over a socket, between a host and a key.
type Conn struct {
	sock             net.Conn
	carrier          carrier
	network, address string
	size             int
	limit            time.Duration
	end              func(time.Time) error // sock's write deadline
	closed           atomic.Bool
	heard            atomic.Bool // the other end was there
}

var _ ctaphid.ReportConn = (*Conn)(nil)

// newConn takes a complete Config.
func newConn(sock net.Conn, network, address string, cfg Config) *Conn {
	c := &Conn{
		sock: sock, network: network, address: address,
		size: cfg.ReportSize, limit: cfg.Limit, end: sock.SetWriteDeadline,
	}
	if network == UDP {
		c.carrier = newDatagrams(sock, cfg.ReportSize)
	} else {
		c.carrier = newStream(sock, cfg.ReportSize, cfg.Limit)
	}
	return c
}

// RemoteAddr is the address of the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.sock.RemoteAddr() }

// ReadReport reads one report, which over TCP the other end may have made
// shorter. What is no report is a [*FrameError]; over UDP the next read goes on
// behind it, over TCP no more reports can be found. An other end that hung up is
// a [ctaphid.ErrGone].
func (c *Conn) ReadReport(ctx context.Context, p []byte) (int, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if len(p) < c.size {
		return 0, c.failed("read", io.ErrShortBuffer)
	}
	n, err := c.carrier.read(ctx, p)
	switch {
	case err == nil:
		c.heard.Store(true)
		return n, nil
	case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil:
		return 0, context.Cause(ctx)
	}
	return 0, c.failed("read", err)
}

// WriteReport sends one report of the size agreed, in no more time than
// [Config.Limit] and ctx allow. A connection on which half a report was sent is
// given up.
func (c *Conn) WriteReport(ctx context.Context, p []byte) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(p) != c.size {
		return c.failed("write", fmt.Errorf("report of %d bytes, the simulator takes %d", len(p), c.size))
	}
	frame := c.carrier.frame(p)
	_ = c.end(time.Now().Add(c.limit))
	release := endWith(ctx, c.end)
	n, err := c.sock.Write(frame)
	release()
	if n > 0 && n < len(frame) {
		_ = c.sock.Close() // the other end would take the next report for the rest of this one
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = fmt.Errorf("%w: the simulator does not take a report in %v", ctaphid.ErrTimeout, c.limit)
	}
	return c.failed("write", err)
}

// Close hangs up and ends a read or write that waits. Closing twice does
// nothing.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	return bare(c.sock.Close())
}

// failed names what failed, and tells a closed connection and an other end that
// is not there from other failures.
func (c *Conn) failed(op string, err error) error {
	err = bare(err)
	switch {
	case c.closed.Load():
		err = ctaphid.ErrClosed
	case isRefused(err) && !c.heard.Load():
		err = fmt.Errorf("%w (%w)", ErrNotRunning, err)
	case isGone(err):
		err = fmt.Errorf("%w (%w)", ErrGone, err)
	}
	return &Error{Op: op, Network: c.network, Address: c.address, Err: err}
}
