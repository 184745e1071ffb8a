package transcript

import (
	"context"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// Connect connects to the key of a HID tape as other programs do, from behind a
// socket or a USB port, where nobody knows when they read: a read waits until the
// tape has an answer next, and after the end of the tape for ever. Where the tape
// closed its connection, or stopped waiting, it goes on by itself. Answers go to
// the connection that asked last.
//
// It is strict all the same: what is asked has to be what the tape has next. A
// question that differs is a [MismatchError] for every connection.
func (p *Player) Connect() ctaphid.ReportConn {
	return &liveReports{playedReports: playedReports{session{player: p}}, gone: make(chan struct{})}
}

// Failed is what made the player stop for good, such as a [MismatchError], or nil.
func (p *Player) Failed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed
}

// liveReports is a connection whose reads wait.
type liveReports struct {
	playedReports
	gone chan struct{} // closed with it
}

// ReadReport waits for the answer that the tape has next.
func (c *liveReports) ReadReport(ctx context.Context, p []byte) (int, error) {
	for {
		n, wait, err := c.try(ctx, p)
		if wait == nil {
			return n, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
		case <-c.gone:
		}
	}
}

// try reads what is due, or returns a channel to wait on for a change.
func (c *liveReports) try(ctx context.Context, p []byte) (n int, wait <-chan struct{}, err error) {
	player := c.player
	player.mu.Lock()
	defer player.mu.Unlock()
	if err := c.usable(ctx, ctaphid.ErrClosed); err != nil {
		return 0, nil, err
	}
	player.passHost()
	next, ok := player.next()
	switch {
	case player.failed != nil:
		return 0, nil, player.failed
	case !ok || next.dir == Out || next.dir == In && player.asker != c:
		return 0, player.moved, nil
	}
	defer player.move()
	if next.late {
		n, err = c.poll(p)
	} else {
		n, err = c.read(ctx, p)
	}
	if err != nil {
		player.failed = err
	}
	return n, nil, err
}

// WriteReport takes p if it is what the tape has next.
func (c *liveReports) WriteReport(ctx context.Context, p []byte) error {
	c.player.mu.Lock()
	defer c.player.mu.Unlock()
	c.player.passHost()
	c.player.asker = c
	defer c.player.move()
	return c.write(ctx, p)
}

// PollReport is the way of hosts that never wait; there is nothing for them.
func (c *liveReports) PollReport([]byte) (int, error) { return 0, nil }

// Close ends a read that waits.
func (c *liveReports) Close() error {
	c.player.mu.Lock()
	defer c.player.mu.Unlock()
	if !c.closed {
		c.closed = true
		close(c.gone)
	}
	return nil
}

// passHost passes what befell the host of the tape and nobody else: that it
// closed its connection, or stopped waiting.
func (p *Player) passHost() {
	for p.pos < len(p.steps) {
		e := p.steps[p.pos].event
		if e == nil || e.Name != eventClose && e.Kind != kindEnded {
			return
		}
		p.pos++
	}
}

// move tells those who wait that something has changed.
func (p *Player) move() {
	close(p.moved)
	p.moved = make(chan struct{})
}
