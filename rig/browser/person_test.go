//go:build linux

package browser

import (
	"context"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// limit is how long a test waits for what must happen. A guest sets a longer one.
var limit = 30 * time.Second

// pause is how long a test waits before it looks again where nobody tells.
const pause = 10 * time.Millisecond

// person touches a key when the test says so.
type person struct {
	t     *testing.T
	asked chan struct{}
	acts  chan virtual.Decision
}

func newPerson(t *testing.T) *person {
	return &person{t: t, asked: make(chan struct{}, 16), acts: make(chan virtual.Decision)}
}

// key is the configuration of a key that the person sits in front of.
func (p *person) key() virtual.Config { return virtual.Config{Presence: p.presence} }

func (p *person) presence(ctx context.Context) virtual.Decision {
	p.asked <- struct{}{}
	select {
	case decision := <-p.acts:
		return decision
	case <-ctx.Done():
		return virtual.DecisionTimedOut
	}
}

// isAsked waits until the key wants a touch.
func (p *person) isAsked() {
	p.t.Helper()
	receive(p.t, "that the key asks for a touch", p.asked)
}

// touches the key as soon as it wants that.
func (p *person) touches() {
	p.t.Helper()
	p.isAsked()
	p.does(virtual.DecisionGranted)
}

// does something about what the key has asked for.
func (p *person) does(decision virtual.Decision) {
	p.t.Helper()
	select {
	case p.acts <- decision:
	case <-time.After(limit):
		p.t.Fatal("the key does not wait for a touch any more")
	}
}

// receive waits for what must come.
func receive[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(limit):
		t.Fatalf("waited for %v: %s", limit, what)
		panic("not reached")
	}
}

// await waits until something is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !so(); time.Sleep(pause) {
		if time.Now().After(end) {
			t.Fatalf("waited for %v: %s", limit, what)
		}
	}
}
