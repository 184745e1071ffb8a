package ctaphid

import (
	"context"
	"sync"
)

// A host may leave maxQueue reports unread; the queue begins with room for
// minQueue. A whole message is 129 at most. The limit is far above what Linux's
// hidraw keeps (64), because here another host can make a thousand reports in
// the time in which this one's goroutine is not scheduled once.
const (
	minQueue = 64
	maxQueue = 16384
)

// hostConn is one host's connection to a [Device]. The device's mutex guards
// the queue, a ring of reports.
type hostConn struct {
	device *Device
	size   int // of a report
	ready  chan struct{}
	closed chan struct{}
	close  sync.Once

	ring                  []byte
	room, oldest, waiting int // reports that fit the ring; where they begin; how many there are
}

func newHostConn(d *Device) *hostConn {
	return &hostConn{
		device: d,
		size:   d.cfg.ReportSize,
		ready:  make(chan struct{}, 1),
		closed: make(chan struct{}),
	}
}

// deliver queues a report. When the queue is full the oldest one is lost: a
// host that comes back after a while wants the answer to what it sends now.
func (c *hostConn) deliver(report []byte) {
	switch {
	case c.waiting < c.room:
	case c.room < maxQueue:
		c.grow()
	default:
		c.drop()
	}
	copy(c.slot(c.waiting), report)
	c.waiting++
	select {
	case c.ready <- struct{}{}:
	default:
	}
}

// grow doubles the room and puts the oldest report first.
func (c *hostConn) grow() {
	ring := make([]byte, max(minQueue, 2*c.room)*c.size)
	for i := range c.waiting {
		copy(ring[i*c.size:], c.slot(i))
	}
	c.ring, c.room, c.oldest = ring, len(ring)/c.size, 0
}

// drop takes the oldest report out.
func (c *hostConn) drop() {
	c.oldest = (c.oldest + 1) % c.room
	c.waiting--
}

func (c *hostConn) slot(i int) []byte {
	at := (c.oldest + i) % c.room * c.size
	return c.ring[at : at+c.size]
}

// ReadReport returns what was queued before the device left even when it has
// left.
func (c *hostConn) ReadReport(ctx context.Context, p []byte) (int, error) {
	if len(p) < c.size {
		return 0, &Error{Op: "read", Err: wrongSize(len(p), c.size)}
	}
	for {
		if err := c.over(ctx, "read"); err != nil {
			return 0, err
		}
		if c.take(p) {
			return c.size, nil
		}
		select {
		case <-c.ready:
		case <-ctx.Done():
		case <-c.closed:
		case <-c.device.gone:
			if c.take(p) {
				return c.size, nil
			}
			return 0, &Error{Op: "read", Err: ErrGone}
		}
	}
}

// PollReport returns what is queued.
func (c *hostConn) PollReport(p []byte) (int, error) {
	if len(p) < c.size {
		return 0, &Error{Op: "read", Err: wrongSize(len(p), c.size)}
	}
	if err := c.over(context.Background(), "read"); err != nil {
		return 0, err
	}
	if !c.take(p) {
		return 0, nil
	}
	return c.size, nil
}

func (c *hostConn) take(p []byte) bool {
	c.device.mu.Lock()
	defer c.device.mu.Unlock()
	if c.waiting == 0 {
		return false
	}
	copy(p, c.slot(0))
	c.drop()
	return true
}

// over is the error of a connection or context that has ended.
func (c *hostConn) over(ctx context.Context, op string) error {
	select {
	case <-c.closed:
		return &Error{Op: op, Err: ErrClosed}
	default:
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// WriteReport hands the report to the device, which deals with it before
// WriteReport returns. A report may be shorter than it should be, as USB and
// sockets let it: the device then refuses or ignores it.
func (c *hostConn) WriteReport(ctx context.Context, p []byte) error {
	if err := c.over(ctx, "write"); err != nil {
		return err
	}
	if len(p) > c.size {
		return &Error{Op: "write", Err: wrongSize(len(p), c.size)}
	}
	c.device.mu.Lock()
	defer c.device.mu.Unlock()
	if c.device.closed {
		return &Error{Op: "write", Err: ErrGone}
	}
	c.device.receive(p)
	return nil
}

// Close ends a ReadReport that waits.
func (c *hostConn) Close() error {
	c.close.Do(func() {
		close(c.closed)
		c.device.mu.Lock()
		defer c.device.mu.Unlock()
		delete(c.device.hosts, c)
	})
	return nil
}
