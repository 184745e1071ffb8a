//go:build linux

package rig

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/ctaphid/hidraw"
	"github.com/touchstone-fido/touchstone/devices/discover"
)

// pings is the environment variable that makes this program a host that opens a
// node and sends so many of the longest PINGs, with nothing else in its process.
const pings = "TOUCHSTONE_RIG_PINGS"

func TestMain(m *testing.M) {
	if n := os.Getenv(pings); n != "" {
		if err := sendPings(os.Args[1], n); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func sendPings(node, times string) error {
	n, err := strconv.Atoi(times)
	if err != nil {
		return err
	}
	ctx := context.Background()
	conn, err := hidraw.Open(ctx, node)
	if err != nil {
		return err
	}
	defer conn.Close()
	channel, err := ctaphid.Open(ctx, conn, ctaphid.Config{})
	for data := pattern(ctaphid.MaxMessage); err == nil && n > 0; n-- {
		_, err = channel.Ping(ctx, data)
	}
	return err
}

// figure prints a figure, which scripts/rig repeats at its end.
func figure(format string, args ...any) { fmt.Printf("FIGURE "+format+"\n", args...) }

// TestCost measures and asserts nothing. scripts/rig --cost runs it without the
// race detector, on a processor whose every instruction takes a nanosecond, so
// that a busy host does not show in the figures.
func TestCost(t *testing.T) {
	k := plugIn(t, options{})
	node := k.find(discover.Hidraw).Path
	t.Run("command", func(t *testing.T) { costOfCommand(t, node) })
	t.Run("report", func(t *testing.T) { costOfReport(t, node) })
}

// costOfCommand holds our program against libfido2's on the same question. Of
// both times 50 ms are the kernel's, which waits so long when a node is opened.
func costOfCommand(t *testing.T, node string) {
	a, b := medians(t, 20, []string{"touchstone", "--device", "hid:" + node, "device", "info"}, []string{"fido2-token", "-I", node})
	figure("touchstone device info %.0f ms, fido2-token -I %.0f ms: ratio %.2f (medians of 20 alternating runs)", a, b, a/b)
	a, b = medians(t, 5, []string{"touchstone", "version"}, []string{"fido2-token", "-V"})
	figure("without a key, touchstone version %.0f ms, fido2-token -V %.0f ms: ratio %.2f (medians of 5)", a, b, a/b)
}

// medians runs two commands by turns and returns their times in milliseconds.
func medians(t *testing.T, runs int, a, b []string) (float64, float64) {
	t.Helper()
	var as, bs []time.Duration
	for range runs {
		as = append(as, duration(t, a[0], a[1:]...))
		bs = append(bs, duration(t, b[0], b[1:]...))
	}
	slices.Sort(as)
	slices.Sort(bs)
	return as[runs/2].Seconds() * 1000, bs[runs/2].Seconds() * 1000
}

func duration(t *testing.T, name string, args ...string) time.Duration {
	t.Helper()
	begin := time.Now()
	start(t, "", nil, name, args...).wait(0)
	return time.Since(begin)
}

// costOfReport is the processor's time, user's and system's, of a program that
// does nothing but send and receive reports.
func costOfReport(t *testing.T, node string) {
	const times = 4
	const reports = times * 2 * 129
	per := (processorTime(t, node, times) - processorTime(t, node, 0)) / reports
	figure("a report of a long PING through hidraw takes %v of the processor: %.1f %% of the 1 ms that it takes a full-speed bus (mean of %d)",
		per, 100*per.Seconds()/time.Millisecond.Seconds(), reports)
}

func processorTime(t *testing.T, node string, times int) time.Duration {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0], node)
	c.Env = append(os.Environ(), pings+"="+strconv.Itoa(times))
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return c.ProcessState.UserTime() + c.ProcessState.SystemTime()
}
