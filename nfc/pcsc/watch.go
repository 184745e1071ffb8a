package pcsc

import (
	"context"
	"time"
)

// Watch calls changed whenever what [List] returns may be another, since a
// reader or a card came or left or a program opened or freed one, and once at
// its beginning, until ctx ends. It opens no card.
//
// It returns ctx's cause, or an *[Error] when the service cannot be watched, or
// not any longer: [ErrNotBuilt], [ErrNoService], [ErrDenied], or
// errors.ErrUnsupported on macOS, whose service does not tell of new readers.
func Watch(ctx context.Context, changed func()) error {
	w, err := await(ctx, newWatcher, watcher.close)
	if err != nil {
		return wrap("watch", "", err)
	}
	defer w.close()
	for {
		changed()
		if err := nextOf(ctx, w); err != nil {
			return wrap("watch", "", err)
		}
	}
}

// watcher is a client of the service that waits.
type watcher interface {
	// next waits for a change since the last call, at first since the watcher
	// was made.
	next() error
	// cancel ends next, if that waits already.
	cancel()
	close()
}

// persistence is the time between two tries to cancel: the first may come before next
// has begun to wait.
const persistence = 10 * time.Millisecond

func nextOf(ctx context.Context, w watcher) error {
	news := make(chan error, 1)
	go func() { news <- w.next() }()
	select {
	case err := <-news:
		return err
	case <-ctx.Done():
	}
	again := time.NewTicker(persistence)
	defer again.Stop()
	for {
		w.cancel()
		select {
		case <-news:
			return context.Cause(ctx)
		case <-again.C:
		}
	}
}
