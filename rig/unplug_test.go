//go:build linux

package rig

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// atOnce is how long a program may take to learn that the key is gone, in a
// guest on a busy machine. No time limit of a transaction is as short.
const atOnce = 5 * time.Second

// counter calls a function, once, when that many reports have gone by.
type counter struct {
	ctaphid.ReportConn
	reads, writes atomic.Int32 // left until then, below 0 for never
	then          func()
}

func (c *counter) ReadReport(ctx context.Context, p []byte) (int, error) {
	n, err := c.ReportConn.ReadReport(ctx, p)
	if err == nil && c.reads.Add(-1) == 0 {
		c.then()
	}
	return n, err
}

func (c *counter) WriteReport(ctx context.Context, p []byte) error {
	if c.writes.Add(-1) == 0 {
		c.then()
	}
	return c.ReportConn.WriteReport(ctx, p)
}

// TestUnplug pulls the key out in the midst of a transaction: the program learns
// at once that it is gone, and not that it is silent.
func TestUnplug(t *testing.T) {
	ping := func(ctx context.Context, c *ctaphid.Channel) error {
		_, err := c.Ping(ctx, pattern(ctaphid.MaxMessage))
		return err
	}
	for _, c := range []struct {
		name          string
		reads, writes int32 // after which the key goes; the first of each are INIT's
		do            func(context.Context, *ctaphid.Channel) error
	}{
		{"waiting for a touch", -1, -1, func(ctx context.Context, c *ctaphid.Channel) error {
			_, err := c.Exchange(ctx, []byte{0x0B}) // authenticatorSelection
			return err
		}},
		{"sending", -1, 60, ping},
		{"receiving", 60, -1, ping},
	} {
		t.Run(c.name, func(t *testing.T) {
			onBackends(t, func(t *testing.T, backend string) {
				now := make(chan struct{}, 1)
				pull := func() { now <- struct{}{} }
				user := func(ctx context.Context) virtual.Decision {
					pull()
					<-ctx.Done()
					return virtual.DecisionTimedOut
				}
				k := plugIn(t, options{virtual: virtual.Config{Presence: user}, wrap: func(conn ctaphid.ReportConn) ctaphid.ReportConn {
					counting := &counter{ReportConn: conn, then: pull}
					counting.reads.Store(c.reads)
					counting.writes.Store(c.writes)
					return counting
				}})
				channel := k.connect(backend).Channel
				pulled := make(chan time.Time, 1)
				go func() {
					<-now
					pulled <- time.Now()
					k.plug.Close()
				}()
				err := c.do(t.Context(), channel)
				took := time.Since(<-pulled)
				if !errors.Is(err, ctaphid.ErrGone) || took > atOnce {
					t.Errorf("after %v: %v, want %v", took, err, ctaphid.ErrGone)
				}
				t.Logf("%v after %v", err, took)
			})
		})
	}
}
