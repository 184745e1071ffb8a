//go:build linux

package rig

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/devices/discover"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// resettable is a key that takes a reset also when the guest is slow.
func resettable() virtual.Config {
	model := virtual.DefaultProfile()
	model.Reset.AnyTime = true
	return virtual.Config{Profile: model}
}

// resetting is a reset that goes on.
type resetting struct {
	*program
	said screen
}

// beginReset has the program reset a key, and returns when it wants that taken out.
func beginReset(t *testing.T, k *key, backend string) *resetting {
	t.Helper()
	r := &resetting{}
	r.program = prepare(t, "touchstone", "--yes", "--json", "--hid-backend", backend, "--device", "hid:"+k.serial, "device", "reset")
	r.cmd.Stderr = &r.said
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.awaits("Unplug the key.")
	return r
}

func (r *resetting) awaits(text string) {
	r.t.Helper()
	for end := time.Now().Add(limit); !strings.Contains(r.said.String(), text); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("no %q in %v; it says\n%s", text, limit, r.said.String())
		}
	}
}

// screen is what a program writes, to be read meanwhile.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// TestReset takes a key out while the program waits for that, and puts it back: it
// has forgotten its PIN then.
func TestReset(t *testing.T) {
	onBackends(t, func(t *testing.T, backend string) {
		k := plugIn(t, options{virtual: resettable()})
		k.find(backend)
		start(t, "24680\n", nil, "touchstone", "--hid-backend", backend, "--pin-stdin", "pin", "set").wait(0)
		k.find(backend)
		r := beginReset(t, k, backend)
		k.pull()
		r.awaits("Insert it again")
		k.insert()
		var told struct {
			FactoryNew, PINSet *bool
		}
		r.wait(0).json(&told)
		if told.FactoryNew == nil || !*told.FactoryNew || told.PINSet == nil || *told.PINSet {
			t.Errorf("%s\n%s", &r.out, r.said.String())
		}
	})
}

// TestResetAnotherKey puts another key in than was taken out, which is left alone.
func TestResetAnotherKey(t *testing.T) {
	k := plugIn(t, options{virtual: resettable()})
	k.find(discover.Hidraw)
	r := beginReset(t, k, discover.Hidraw)
	k.pull()
	r.awaits("Insert it again")
	plugIn(t, options{virtual: resettable()})
	r.wait(6)
	if said := r.said.String(); !strings.Contains(said, "another key than before: its serial number differs") {
		t.Errorf("%s", said)
	}
}
