package ctaphid

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// watched is a context that also ends, with errSilent, when its timer is not
// reset in time.
type watched struct {
	ctx   context.Context
	timer *time.Timer
}

func (c *Channel) watch(ctx context.Context, silence time.Duration) (watched, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(silence, func() { cancel(errSilent) })
	stop := func() {
		timer.Stop()
		cancel(nil)
	}
	return watched{ctx, timer}, stop
}

// next returns the next packet for channel id and passes over those of others.
func (c *Channel) next(ctx context.Context, id ChannelID) (Packet, error) {
	for {
		report, err := c.read(ctx)
		if err != nil {
			return Packet{}, err
		}
		p, err := ParsePacket(report)
		if p.CID != id && len(report) >= 4 {
			continue
		}
		return p, err
	}
}

// maxLate is how many reports dropLate drops, several long messages.
const maxLate = 1024

// dropLate drops the reports that came after the last answer was whole. What
// goes wrong here goes wrong again with the request that follows.
func (c *Channel) dropLate() {
	conn, ok := c.conn.(ReportPoller)
	if !ok {
		return
	}
	for range maxLate {
		if n, err := conn.PollReport(c.in); n == 0 || err != nil {
			return
		}
	}
}

// read returns one report, valid until the next read. It looks at ctx itself
// so that a flood of reports cannot outrun it.
func (c *Channel) read(ctx context.Context) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, c.ended(ctx)
	}
	n, err := c.conn.ReadReport(ctx, c.in)
	switch {
	case errors.Is(err, ErrGone), errors.Is(err, ErrClosed):
		return nil, fmt.Errorf("read report: %w", err)
	case err != nil && ctx.Err() != nil:
		return nil, c.ended(ctx)
	case err != nil:
		return nil, fmt.Errorf("read report: %w", err)
	case n < 0 || n > len(c.in):
		return nil, wrongSize(n, len(c.in))
	}
	return c.in[:n], nil
}

func (c *Channel) ended(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), errSilent) {
		return fmt.Errorf("%w: the key fell silent", ErrTimeout)
	}
	return errEnded
}
