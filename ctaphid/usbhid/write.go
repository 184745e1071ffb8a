package usbhid

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// The library gives up on a report that the device does not take after a
// second, by its own clock.
const patience = 950 * time.Millisecond

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
