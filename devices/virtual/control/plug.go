package control

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Plug is the place where one key is plugged in: a port, a reader, a socket. It
// is in from the beginning. Its methods may be called from several goroutines.
type Plug struct {
	tell func(event string)

	mu      sync.Mutex
	wanted  bool // in, rather than out
	in      bool
	over    error // why it will not be in any more
	address string
	pull    context.CancelCauseFunc // while it is served
	changed chan struct{}           // closed when any of it has changed
}

// Plug makes the place of a key of that name.
func (p *Panel) Plug(name string) *Plug {
	return &Plug{
		tell:    func(event string) { p.log.add(Event{Key: name, Event: event}) },
		wanted:  true,
		changed: make(chan struct{}),
	}
}

// errOver: the key is not served any more.
var errOver = errors.New("the key is not served any more")

// errRemoved is the cause with which serving ends when the key is pulled out.
var errRemoved = errors.New("the key was pulled out")

// Serve serves a key as long as its ctx lasts, and calls in when the key is
// plugged in, with the address at which others find it. An error of in ends it.
type Serve func(ctx context.Context, in func(address string) error) error

// Run serves a key whenever it is in. It returns when ctx ends (its cause), or
// with what serve returned when nobody had pulled the key out.
func (p *Plug) Run(ctx context.Context, serve Serve) error {
	for {
		inner, err := p.await(ctx)
		if err != nil {
			p.set(func() { p.over = errOver })
			return err
		}
		err = serve(inner, p.plugged)
		removed := errors.Is(context.Cause(inner), errRemoved)
		p.pulled()
		switch {
		case ctx.Err() != nil:
			err = context.Cause(ctx)
		case removed:
			continue
		}
		p.set(func() { p.over = errOver })
		return err
	}
}

// await waits until the key is to be in, and returns the context to serve it in.
func (p *Plug) await(ctx context.Context) (context.Context, error) {
	inner, pull := context.WithCancelCause(ctx)
	for {
		wanted, changed := p.begin(pull)
		if wanted {
			return inner, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			pull(nil)
			return nil, context.Cause(ctx)
		}
	}
}

func (p *Plug) begin(pull context.CancelCauseFunc) (wanted bool, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wanted {
		p.pull = pull
	}
	return p.wanted, p.changed
}

// plugged is told by who serves the key that it is in.
func (p *Plug) plugged(address string) error {
	p.set(func() { p.in, p.address = true, address })
	p.tell(EventInserted)
	return nil
}

// pulled notes that serving has ended.
func (p *Plug) pulled() {
	was := false
	p.set(func() {
		was = p.in
		p.pull(nil)
		p.in, p.pull = false, nil
	})
	if was {
		p.tell(EventRemoved)
	}
}

// set changes something and tells those who wait for it.
func (p *Plug) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Plug) state() (in bool, address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.in, p.address
}

// Remove pulls the key out, and waits until it is. One that is out stays so.
func (p *Plug) Remove(ctx context.Context) error {
	p.set(func() {
		p.wanted = false
		if p.pull != nil {
			p.pull(errRemoved)
		}
	})
	return p.reach(ctx, false)
}

// Insert plugs the key in, and waits until it is. One that is in stays so.
func (p *Plug) Insert(ctx context.Context) error {
	p.set(func() { p.wanted = true })
	return p.reach(ctx, true)
}

// reach waits until the key is in, or out.
func (p *Plug) reach(ctx context.Context, in bool) error {
	for {
		p.mu.Lock()
		there, over, changed := p.in == in && (in || p.pull == nil), p.over, p.changed
		p.mu.Unlock()
		switch {
		case there:
			return nil
		case over != nil:
			return fmt.Errorf("%w: %w", ErrCannot, over)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
