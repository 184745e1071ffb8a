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

// patience is how long a client waits before it is told that another program
// is in the way.
const patience = time.Second

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
	late   atomic.Bool // Open has waited for patience already
}

// request is something for the worker to do, and where it puts what comes of
// it: there is room, as the asker may have left.
type request struct {
	work  func() reply
	reply chan<- reply
}

type reply struct {
	apdu   []byte
	traits nfc.Traits
	err    error
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
	_, waited := l.(*late)
	c.late.Store(waited)
	go c.run()
	return c
}

// Transmit hands apdu to the worker and waits for its reply.
func (c *card) Transmit(ctx context.Context, apdu []byte) ([]byte, error) {
	apdu = clone(apdu)
	r := c.ask(ctx, nil, func() reply {
		answer, err := c.transmit(apdu)
		return reply{apdu: answer, err: err}
	})
	return r.apdu, wrap("transmit", c.reader, r.err)
}

// Claim waits until no other program holds the card, and then keeps it from
// them, for as long as commands come. It calls waiting after a second, the one
// that Open may have waited included.
func (c *card) Claim(ctx context.Context, waiting func()) error {
	r := c.ask(ctx, waiting, func() reply { return reply{err: c.hold()} })
	return wrap("claim", c.reader, r.err)
}

// Traits tells what the service and the reader say of the connection.
func (c *card) Traits(ctx context.Context) (nfc.Traits, error) {
	r := c.ask(ctx, nil, func() reply {
		if err := c.hold(); err != nil {
			return reply{err: err}
		}
		return reply{traits: c.link.traits()}
	})
	return r.traits, wrap("ask for traits", c.reader, r.err)
}

// ask has the worker do something. The caller is told, through waiting if that
// is set, when another program is in the way for long.
func (c *card) ask(ctx context.Context, waiting func(), work func() reply) reply {
	replies := make(chan reply, 1)
	switch {
	case c.closing():
		return reply{err: nfc.ErrClosed}
	case ctx.Err() != nil:
		return reply{err: context.Cause(ctx)}
	}
	notice := time.NewTimer(patience)
	if c.late.Load() {
		notice.Reset(retry)
	}
	defer notice.Stop()
	requests, quit := c.requests, c.quit
	for {
		select {
		case requests <- request{work, replies}:
			requests, quit = nil, nil // the worker has it, and will see to it
		case r := <-replies:
			return r
		case <-quit:
			return reply{err: nfc.ErrClosed}
		case <-notice.C:
			waiting = c.notify(waiting)
			notice.Reset(patience)
		case <-ctx.Done():
			return reply{err: c.excuse(ctx, requests == nil)}
		}
	}
}

// notify calls waiting if it is another program that is in the way, and
// returns what is still to be called.
func (c *card) notify(waiting func()) func() {
	if waiting == nil || !c.queued.Load() {
		return waiting
	}
	c.late.Store(false)
	waiting()
	return nil
}

// excuse says why there is no reply in time.
func (c *card) excuse(ctx context.Context, begun bool) error {
	cause := context.Cause(ctx)
	switch {
	case c.queued.Load():
		return fmt.Errorf("%w: %w", errHeld, cause)
	case !begun:
		return fmt.Errorf("%w: %w", ErrBusy, cause)
	}
	return cause
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

// run is the worker: requests, the end of the grace, the end.
func (c *card) run() {
	defer close(c.done)
	idle := time.NewTimer(grace)
	defer idle.Stop()
	for {
		select {
		case r := <-c.requests:
			r.reply <- r.work()
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
	c.late.Store(false)
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
