package pcsc

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// fakeWatcher is a service that tells of news when a test does, and that misses
// the first cancel.
type fakeWatcher struct {
	news    chan error
	cancels int
	closed  bool
}

func (w *fakeWatcher) next() error { return <-w.news }

func (w *fakeWatcher) cancel() {
	if w.cancels++; w.cancels == 2 {
		w.news <- errTest
	}
}

func (w *fakeWatcher) close() { w.closed = true }

// watches puts w in the place of the machine's service for one test.
func watches(t *testing.T, w watcher, err error) {
	before := newWatcher
	newWatcher = func() (watcher, error) { return w, err }
	t.Cleanup(func() { newWatcher = before })
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWatcher{news: make(chan error)}
		watches(t, w, nil)
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		looks, ended := make(chan struct{}, 9), make(chan error)
		go func() { ended <- Watch(ctx, func() { looks <- struct{}{} }) }()
		<-looks
		w.news <- nil
		<-looks
		cancel(enough)
		start := time.Now()
		wantKind(t, <-ended, "watch", enough)
		if took := time.Since(start); took != persistence || w.cancels != 2 || !w.closed || len(looks) != 0 {
			t.Errorf("ended after %v and %d cancels, closed %v, %d more looks", took, w.cancels, w.closed, len(looks))
		}
	})
}

func TestWatchFails(t *testing.T) {
	w := &fakeWatcher{news: make(chan error, 1)}
	watches(t, w, nil)
	w.news <- ErrNoService
	looks := 0
	wantKind(t, Watch(t.Context(), func() { looks++ }), "watch", ErrNoService)
	if looks != 1 || !w.closed {
		t.Errorf("%d looks, closed %v", looks, w.closed)
	}
	watches(t, nil, ErrDenied)
	wantKind(t, Watch(t.Context(), func() { t.Error("something has changed") }), "watch", ErrDenied)
}
