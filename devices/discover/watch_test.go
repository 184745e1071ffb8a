package discover

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid/hidraw"
	"github.com/touchstone-fido/touchstone/devices"
)

// port is a place where a test plugs keys in and out.
type port struct {
	mu    sync.Mutex
	found []candidate
	err   error
	looks int
	news  chan error // nil for a change, anything else is the end of watching
}

func newPort() *port { return &port{news: make(chan error)} }

func (p *port) source(backend string) source {
	return source{backend: backend, list: p.list, watch: p.watch, poll: slowly}
}

func (p *port) list(context.Context) ([]candidate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.looks++
	return p.found, p.err
}

func (p *port) watch(ctx context.Context, changed func()) error {
	for {
		select {
		case err := <-p.news:
			if err != nil {
				return err
			}
			changed()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// set changes what is there, and tells nobody.
func (p *port) set(err error, found ...candidate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.found, p.err = found, err
}

// plug changes what is there, and tells.
func (p *port) plug(found ...candidate) {
	p.set(nil, found...)
	p.news <- nil
}

// watching collects what a Watch tells.
type watching struct {
	t    *testing.T
	mu   sync.Mutex
	told []string
	done chan struct{}
}

func begin(ctx context.Context, t *testing.T, sources ...source) *watching {
	w := &watching{t: t, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for c := range Watch(ctx, Options{sources: sources}) {
			w.mu.Lock()
			w.told = append(w.told, inWords(c))
			w.mu.Unlock()
		}
	}()
	return w
}

// wants waits until nothing more happens by itself, and compares.
func (w *watching) wants(want ...string) {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.told, want) {
		w.t.Errorf("told %q, want %q", w.told, want)
	}
	w.told = nil
}

func at(path string, err error) candidate {
	return candidate{devices.Info{Transport: devices.USB, Backend: Hidraw, Path: path}, err}
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := newPort()
		p.set(nil, at("a", nil))
		w := begin(ctx, t, p.source(Hidraw))
		w.wants("present a")

		denied := &hidraw.PermissionError{Path: "b", Rule: "RULE", Err: errors.New("no")}
		p.plug(at("a", nil), at("b", denied))
		w.wants("added b: " + denied.Error())
		time.Sleep(5 * time.Millisecond)
		p.plug(at("a", nil), at("b", nil))
		w.wants("changed b")

		time.Sleep(time.Minute)
		p.plug(at("b", nil))
		w.wants("removed a")
		p.plug(at("b", nil), at("c", nil))
		w.wants("added c")
		time.Sleep(10 * time.Millisecond)
		p.plug(at("b", nil)) // a loose contact
		w.wants()
		time.Sleep(10 * time.Millisecond)
		p.plug(at("b", nil), at("c", nil))
		time.Sleep(time.Minute)
		w.wants()
		p.plug(at("b", nil))
		w.wants("removed c")
		p.plug(at("b", nil), at("c", nil))
		w.wants() // not yet: it may go on like this
		time.Sleep(settling)
		w.wants("added c")

		looks := p.looks
		time.Sleep(time.Hour)
		if p.looks != looks {
			t.Errorf("looked %d times while nothing happened", p.looks-looks)
		}
		cancel()
		<-w.done
	})
}

// TestWatchAServiceThatStops: that is told once, and so is its return. What was
// there before is not taken to have left.
func TestWatchAServiceThatStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		stopped := errors.New("stopped")
		p, other := newPort(), newPort()
		p.set(nil, at("a", nil))
		w := begin(ctx, t, p.source(PCSC), other.source(Hidraw))
		w.wants("present a")
		p.set(stopped)
		p.news <- stopped
		w.wants()
		time.Sleep(settling)
		w.wants("failed pcsc: stopped")
		go func() {
			for ctx.Err() == nil {
				select {
				case p.news <- stopped:
				case <-ctx.Done():
				}
			}
		}()
		time.Sleep(time.Minute)
		w.wants()
		other.plug(at("x", nil))
		w.wants("added x")
		p.set(nil, at("a", nil), at("b", nil))
		time.Sleep(slowly + settling)
		w.wants("recovered pcsc", "added b")
		cancel()
		<-w.done
	})
}

// TestWatchByPolling: a place that cannot tell is looked at.
func TestWatchByPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := newPort()
		s := p.source(USBHID)
		s.watch, s.poll = nil, quickly
		w := begin(ctx, t, s)
		w.wants()
		p.set(nil, at("a", nil))
		time.Sleep(quickly)
		w.wants("added a")
		p.set(nil)
		time.Sleep(quickly)
		w.wants("removed a")
		cancel()
		<-w.done
	})
}

// TestWatchDoesNotWaitForTheStuck: a place that does not answer keeps nothing
// back, not even the end.
func TestWatchDoesNotWaitForTheStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		stuck := source{backend: PCSC, poll: slowly, list: func(ctx context.Context) ([]candidate, error) {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}}
		p := newPort()
		p.set(nil, at("a", nil))
		w := begin(ctx, t, stuck, p.source(Hidraw))
		w.wants("present a")
		p.plug(at("a", nil), at("b", nil))
		w.wants("added b")
		cancel()
		<-w.done
		w.wants()
	})
}

// TestWatchUntilEnough: a caller that stops leaves nothing running, for which
// the bubble looks.
func TestWatchUntilEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPort()
		p.set(nil, at("a", nil), at("b", nil))
		for c := range Watch(t.Context(), Options{sources: []source{p.source(Hidraw), newPort().source(PCSC)}}) {
			if inWords(c) != "present a" {
				t.Errorf("%+v", c)
			}
			break
		}
	})
}

// TestWatchReal watches the places that the machine has for a moment.
func TestWatchReal(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	for c := range Watch(ctx, Options{Root: t.TempDir()}) {
		if c.Time.IsZero() || c.Backend == "" {
			t.Errorf("%+v", c)
		}
	}
	if ctx.Err() == nil {
		t.Error("the watch ended by itself")
	}
}
