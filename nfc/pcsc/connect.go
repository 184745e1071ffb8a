package pcsc

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// retry is how long it takes until a card is tried again that another program
// has for itself alone.
const retry = 100 * time.Millisecond

// made is what has become of a connection.
type made struct {
	link link
	err  error
}

// connect connects to a card, and gives up when ctx ends. A connection that
// other programs keep from being made for longer than patience is a link that
// is not there yet.
func connect(ctx context.Context, reader string) (link, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	results := make(chan made, 1)
	var refused atomic.Bool // for the present, by a program that has it exclusively
	go func() {
		l, err := insist(ctx, reader, &refused)
		results <- made{l, err}
	}()
	slow := time.NewTimer(patience)
	defer slow.Stop()
	for {
		select {
		case r := <-results:
			return r.link, r.err
		case <-slow.C:
			if shared, _ := await(ctx, func() (bool, error) { return system.shared(reader), nil }, nil); shared {
				return &late{results: results}, nil
			}
			slow.Reset(patience)
		case <-ctx.Done():
			go abandon(results)
			if refused.Load() {
				return nil, fmt.Errorf("%w: %w", errExclusive, context.Cause(ctx))
			}
			return nil, context.Cause(ctx)
		}
	}
}

// insist connects, and tries again for as long as patience lasts while another
// program has the card exclusively.
func insist(ctx context.Context, reader string, refused *atomic.Bool) (link, error) {
	for end := time.Now().Add(patience); ; {
		l, err := system.connect(reader)
		if !errors.Is(err, ErrInUse) || time.Until(end) < retry {
			return l, err
		}
		refused.Store(true)
		select {
		case <-time.After(retry):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", err, context.Cause(ctx))
		}
	}
}

// abandon puts back what comes after its caller has left.
func abandon(results <-chan made) {
	if r := <-results; r.err == nil {
		_ = r.link.disconnect()
	}
}

// late is a link that is made as soon as another program allows.
type late struct {
	results <-chan made
	link    // once it is made
	err     error
}

// begin waits for the link to be made, too.
func (l *late) begin() error {
	if l.link == nil && l.err == nil {
		r := <-l.results
		l.link, l.err = r.link, gone(r.err)
	}
	if l.err != nil {
		return l.err
	}
	return l.link.begin()
}

func (l *late) disconnect() error {
	switch {
	case l.link != nil:
		return l.link.disconnect()
	case l.err == nil:
		go abandon(l.results)
	}
	return nil
}
