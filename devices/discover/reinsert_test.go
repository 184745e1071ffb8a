package discover

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/touchstone-fido/touchstone/devices"
)

// reinserting is a Reinserted that goes on.
type reinserting struct {
	t     *testing.T
	told  []devices.ChangeKind
	ended chan struct{}
	got   devices.Change
	err   error
}

func reinsert(ctx context.Context, t *testing.T, key devices.Info, sources ...source) *reinserting {
	r := &reinserting{t: t, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		r.got, r.err = Reinserted(ctx, key, Options{sources: sources}, func(k devices.ChangeKind) { r.told = append(r.told, k) })
	}()
	return r
}

// wants waits until nothing more happens by itself, and compares what was told;
// path is that of the key that came back, "" for none yet.
func (r *reinserting) wants(path string, told ...devices.ChangeKind) {
	r.t.Helper()
	synctest.Wait()
	if !slices.Equal(r.told, told) {
		r.t.Errorf("told %v, want %v", r.told, told)
	}
	if (path == "") == r.over() || r.got.Device.Path != path {
		r.t.Errorf("over: %t, with %+v, %v; want %q", r.over(), r.got, r.err, path)
	}
}

func (r *reinserting) over() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

// TestReinserted: a key is taken out and put into another port, where it may be
// used only after a moment; keys beside it, and other places, do not count.
func TestReinserted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, other := newPort(), newPort()
		p.set(nil, at("a", nil), at("b", nil))
		r := reinsert(t.Context(), t, at("a", nil).info, p.source(Hidraw), other.source(PCSC))
		r.wants("", devices.Present)
		p.plug(at("a", nil), at("b", nil), at("c", nil))
		r.wants("", devices.Present)
		p.plug(at("a", nil), at("c", nil))
		r.wants("", devices.Present)
		time.Sleep(time.Minute)
		p.plug(at("c", nil))
		r.wants("", devices.Present, devices.Removed)
		other.plug(candidate{info: devices.Info{Transport: devices.NFC, Backend: PCSC, Path: "reader"}})
		r.wants("", devices.Present, devices.Removed)
		p.plug(at("c", nil), at("d", errors.New("no permission yet")))
		r.wants("", devices.Present, devices.Removed)
		time.Sleep(time.Second)
		before := time.Now()
		p.plug(at("c", nil), at("d", nil))
		r.wants("d", devices.Present, devices.Removed)
		if r.err != nil || r.got.Time.Before(before) {
			t.Errorf("%+v, %v", r.got, r.err)
		}
	})
}

// TestReinsertedCard: a card comes back on its own reader.
func TestReinsertedCard(t *testing.T) {
	on := func(reader string) candidate {
		return candidate{info: devices.Info{Transport: devices.NFC, Backend: PCSC, Path: reader}}
	}
	synctest.Test(t, func(t *testing.T) {
		p := newPort()
		p.set(nil, on("one"))
		r := reinsert(t.Context(), t, on("one").info, p.source(PCSC))
		time.Sleep(time.Minute)
		p.plug()
		synctest.Wait()
		p.plug(on("two"))
		r.wants("", devices.Present, devices.Removed)
		time.Sleep(time.Minute)
		p.plug(on("two"), on("one"))
		r.wants("one", devices.Present, devices.Removed)
	})
}

// TestNotReinserted: the wait ends with its context, with what kept the key from
// being used, or with a place that cannot be looked at.
func TestNotReinserted(t *testing.T) {
	enough, denied, stopped := errors.New("enough"), errors.New("denied"), errors.New("stopped")
	for name, c := range map[string]struct {
		do   func(p *port, cancel context.CancelCauseFunc)
		want []error
	}{
		"not taken out": {func(_ *port, cancel context.CancelCauseFunc) { cancel(enough) }, []error{enough}},
		"of no use": {func(p *port, cancel context.CancelCauseFunc) {
			p.plug()
			synctest.Wait()
			p.plug(at("b", denied))
			synctest.Wait()
			cancel(enough)
		}, []error{enough, denied}},
		"out of sight": {func(p *port, _ context.CancelCauseFunc) {
			p.set(stopped)
			p.news <- nil
			time.Sleep(settling)
		}, []error{ErrStopped, stopped}},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			p := newPort()
			p.set(nil, at("a", nil))
			r := reinsert(ctx, t, at("a", nil).info, p.source(Hidraw))
			time.Sleep(time.Minute)
			c.do(p, cancel)
			<-r.ended
			for _, want := range c.want {
				if !errors.Is(r.err, want) {
					t.Errorf("%s: %v, want %v", name, r.err, want)
				}
			}
		})
	}
}
