package pcsc

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/touchstone-fido/touchstone/nfc"
)

// grace is how long a transaction outlives the last command.
const grace = time.Second

// card is a link with one goroutine that does all its calls.
type card struct {
	reader   string
	link     link
	requests chan request
	quit     chan struct{} // closed to end the worker
	done     chan struct{} // closed when the worker has ended
	once     sync.Once
	err      error // of disconnect, once done is closed

	held   bool        // in a transaction; the worker's
	queued atomic.Bool // waiting for one
}

type request struct {
	apdu  []byte
	reply chan<- reply // has room: the asker may have left
}

type reply struct {
	apdu []byte
	err  error
}

var _ nfc.Card = (*card)(nil)

func newCard(reader string, l link) *card {
	c := &card{
		reader:   reader,
		link:     l,
		requests: make(chan request),
		quit:     make(chan struct{}),
		done:     make(chan struct{}),
	}
	go c.work()
	return c
}

// Transmit hands apdu to the worker and waits for its reply.
func (c *card) Transmit(ctx context.Context, apdu []byte) ([]byte, error) {
	replies := make(chan reply, 1)
	switch {
	case c.closing():
		return nil, wrap("transmit", c.reader, nfc.ErrClosed)
	case ctx.Err() != nil:
		return nil, wrap("transmit", c.reader, context.Cause(ctx))
	}
	select {
	case c.requests <- request{clone(apdu), replies}:
	case <-c.quit:
		return nil, wrap("transmit", c.reader, nfc.ErrClosed)
	case <-ctx.Done():
		return nil, wrap("transmit", c.reader, fmt.Errorf("%w: %w", ErrBusy, context.Cause(ctx)))
	}
	select {
	case r := <-replies:
		return r.apdu, wrap("transmit", c.reader, r.err)
	case <-ctx.Done():
		return nil, wrap("transmit", c.reader, context.Cause(ctx))
	}
}

// Close waits for a command under way and leaves the card to others. A worker
// that is itself waiting for another program's transaction to end, which may
// take for ever, is left to close the card when its turn comes.
func (c *card) Close() error {
	c.once.Do(func() { close(c.quit) })
	if c.queued.Load() {
		return nil
	}
	<-c.done
	return wrap("close", c.reader, c.err)
}

// work is the worker: commands, the end of the grace, the end.
func (c *card) work() {
	defer close(c.done)
	idle := time.NewTimer(grace)
	defer idle.Stop()
	for {
		select {
		case r := <-c.requests:
			apdu, err := c.transmit(r.apdu)
			r.reply <- reply{apdu, err}
			idle.Reset(grace)
		case <-idle.C:
			c.release()
		case <-c.quit:
			c.release()
			c.err = c.link.disconnect()
			return
		}
	}
}

// transmit makes sure of the transaction. After a failure that is left: where
// another program has reset the card it does not exist any more.
func (c *card) transmit(apdu []byte) ([]byte, error) {
	if err := c.hold(); err != nil {
		return nil, err
	}
	answer, err := c.link.transmit(apdu)
	if err != nil {
		c.release()
	}
	return answer, err
}

func (c *card) hold() error {
	if c.held {
		return nil
	}
	c.queued.Store(true) // before the question: Close asks the other way round
	defer c.queued.Store(false)
	if c.closing() {
		return nfc.ErrClosed
	}
	err := c.link.begin()
	c.held = err == nil
	if c.closing() {
		return nfc.ErrClosed
	}
	return err
}

func (c *card) closing() bool {
	select {
	case <-c.quit:
		return true
	default:
		return false
	}
}

// release ends the transaction. Where that fails the card is gone or reset,
// and the transaction with it.
func (c *card) release() {
	if c.held {
		_ = c.link.end()
	}
	c.held = false
}
