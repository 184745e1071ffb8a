package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/cmd/internal/term"
	"github.com/touchstone-fido/touchstone/devices"
)

func noticed(kinds ...devices.ChangeKind) iter.Seq[devices.Change] {
	var changes []devices.Change
	for _, k := range kinds {
		c := devices.Change{Kind: k, Time: time.Unix(0, 0), Backend: "hidraw", Device: devices.Info{Transport: devices.USB, Backend: "hidraw", Path: "/dev/hidraw3"}}
		if !c.OfKey() {
			c.Reason = errors.New("cannot look")
		}
		changes = append(changes, c)
	}
	return slices.Values(changes)
}

// TestWatchCounts: what ends a watch is a number of events of keys.
func TestWatchCounts(t *testing.T) {
	all := noticed(devices.Failed, devices.Present, devices.Recovered, devices.Removed, devices.Added)
	for count, want := range []int{5, 2, 4, 5, 5} {
		streams, out, _ := term.Test("")
		a := &app{streams: streams, json: true}
		if err := a.tellChanges(all, uint(count), func(*devices.Change) {}); err != nil {
			t.Error(err)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != want {
			t.Errorf("count %d: %d events", count, len(lines))
		}
		for _, line := range lines {
			var event struct{ Schema string }
			if err := json.Unmarshal([]byte(line), &event); err != nil || event.Schema != "touchstone/device-event/1" {
				t.Errorf("%v: %s", err, line)
			}
		}
	}
}

// closedOut is a standard output that is closed.
type closedOut struct{ writes int }

func (g *closedOut) Write([]byte) (int, error) { g.writes++; return 0, errors.New("closed") }

func TestWatchEndsWithItsReader(t *testing.T) {
	streams, _, _ := term.Test("")
	g := &closedOut{}
	streams.Out = g
	a := &app{streams: streams}
	if err := a.tellChanges(noticed(devices.Present, devices.Added), 0, func(*devices.Change) {}); err == nil || g.writes != 1 {
		t.Errorf("%v after %d writes", err, g.writes)
	}
}

// TestWatchEnds watches the real places for a moment: time that is up is an end
// like any other, an interrupt is not.
func TestWatchEnds(t *testing.T) {
	interrupted, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(errInterrupted) })
	for _, c := range []struct {
		name string
		ctx  context.Context
		o    watchOptions
		want error
		exit int
	}{
		{"time is up", t.Context(), watchOptions{lasts: 50 * time.Millisecond, identify: true}, nil, 0},
		{"interrupted", interrupted, watchOptions{}, errInterrupted, 130},
		{"interrupted before", interrupted, watchOptions{lasts: time.Hour}, errInterrupted, 130},
	} {
		streams, _, _ := term.Test("")
		a := &app{streams: streams}
		err := a.deviceWatch(c.ctx, c.o)
		if !errors.Is(err, c.want) || err != nil && exitStatus(c.ctx, err) != c.exit {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
