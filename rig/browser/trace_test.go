//go:build linux

package browser

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// trace is the beginning of each message between the browser and a key.
type trace struct {
	mu      sync.Mutex
	packets []tracedPacket
	changed chan struct{} // closed by the next one
}

type tracedPacket struct {
	ctaphid.Packet
	fromKey bool
}

func newTrace() *trace { return &trace{changed: make(chan struct{})} }

func (tr *trace) add(report []byte, fromKey bool) {
	p, err := ctaphid.ParsePacket(bytes.Clone(report))
	if err != nil || !p.Init {
		return
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.packets = append(tr.packets, tracedPacket{p, fromKey})
	close(tr.changed)
	tr.changed = make(chan struct{})
}

// count is how many messages the browser has sent (or with fromKey, the key) that
// begin with a command and data.
func (tr *trace) count(fromKey bool, command ctaphid.Command, data ...byte) (int, <-chan struct{}) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	n := 0
	for _, p := range tr.packets {
		if p.fromKey == fromKey && p.Command == command && bytes.HasPrefix(p.Data, data) {
			n++
		}
	}
	return n, tr.changed
}

// await waits until there are so many.
func (tr *trace) await(t *testing.T, want int, fromKey bool, command ctaphid.Command, data ...byte) {
	t.Helper()
	end := time.After(limit)
	for {
		n, changed := tr.count(fromKey, command, data...)
		if n >= want {
			return
		}
		select {
		case <-changed:
		case <-end:
			t.Fatalf("waited for %v: %v %x, %d times of %d", limit, command, data, n, want)
		}
	}
}

// shown is how many messages a failure shows.
const shown = 100

// String lists the last messages, of those that come again and again the first.
func (tr *trace) String() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	var lines []string
	for _, p := range tr.packets {
		arrow := "->"
		if p.fromKey {
			arrow = "<-"
		}
		lines = append(lines, fmt.Sprintf("\n\t%s %v %v %x", arrow, p.CID, p.Command, p.Data[:min(len(p.Data), 20)]))
	}
	lines = slices.Compact(lines)
	return strings.Join(lines[max(0, len(lines)-shown):], "")
}

// tap writes down what a host's connection carries.
type tap struct {
	ctaphid.ReportConn
	trace *trace
}

// WriteReport is on its way to the key.
func (t tap) WriteReport(ctx context.Context, p []byte) error {
	t.trace.add(p, false)
	return t.ReportConn.WriteReport(ctx, p)
}

// ReadReport comes from the key.
func (t tap) ReadReport(ctx context.Context, p []byte) (int, error) {
	n, err := t.ReportConn.ReadReport(ctx, p)
	if err == nil {
		t.trace.add(p[:n], true)
	}
	return n, err
}
