package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/ctaphid"
)

// pingOptions are the flags of device ping.
type pingOptions struct {
	sizes []uint // bytes; none for the usual ones
	count uint
}

// usualSizes are those of one packet, and of a message that every key takes.
var usualSizes = []uint{57, 1024}

func (a *app) devicePingCommand() *cobra.Command {
	var o pingOptions
	c := &cobra.Command{
		Use: "ping", Short: "Measure how long a key takes to answer", Args: cobra.NoArgs,
		Long: "Send data to a USB key and wait for its echo (CTAPHID_PING), and tell the shortest, the median and the\n" +
			"longest time for each size. NFC has no such command: there it is getInfo that is measured.",
		Example: "  touchstone device ping\n  touchstone --json device ping --size 1,57,7609 --count 100",
		RunE:    func(c *cobra.Command, _ []string) error { return a.devicePing(c.Context(), o) },
	}
	c.Flags().UintSliceVar(&o.sizes, "size", nil, fmt.Sprintf("how many bytes to send, several `SIZE`s with commas between (default %d,%d)", usualSizes[0], usualSizes[1]))
	c.Flags().UintVar(&o.count, "count", 10, "how often to ask for each size")
	return c
}

func (a *app) devicePing(ctx context.Context, o pingOptions) error {
	if o.count == 0 {
		return usageError{errors.New("--count 0: there would be nothing to measure")}
	}
	for _, size := range o.sizes {
		if size > ctaphid.MaxMessage {
			return usageError{fmt.Errorf("--size %d: a message has %d bytes at most", size, ctaphid.MaxMessage)}
		}
	}
	return a.withKey(ctx, func(ctx context.Context, s *session) (view.Result, error) {
		if s.Channel == nil {
			return a.pingByInfo(ctx, s, o)
		}
		return a.ping(ctx, s, o)
	})
}

func (a *app) ping(ctx context.Context, s *session, o pingOptions) (view.Result, error) {
	result := view.Pings{Device: s.Info, Command: ctaphid.CommandPing.String()}
	sizes := o.sizes
	if len(sizes) == 0 {
		sizes = usualSizes
	}
	for _, size := range sizes {
		data := make([]byte, size)
		round, err := a.measure(ctx, o.count, func(ctx context.Context) (time.Duration, error) {
			if _, err := io.ReadFull(s.rand, data); err != nil {
				return 0, err
			}
			return s.Channel.Ping(ctx, data)
		})
		if err != nil {
			return nil, fmt.Errorf("%d bytes: %w", size, err)
		}
		round.Bytes = &size
		result.Rounds = append(result.Rounds, round)
	}
	return result, nil
}

// pingByInfo measures the shortest command that every key has.
func (a *app) pingByInfo(ctx context.Context, s *session, o pingOptions) (view.Result, error) {
	if len(o.sizes) > 0 {
		return nil, usageError{errors.New("--size on NFC, which has no ping: getInfo is measured there")}
	}
	a.note("NFC has no ping: getInfo is measured instead.")
	round, err := a.measure(ctx, o.count, func(ctx context.Context) (time.Duration, error) {
		start := time.Now()
		_, err := s.GetInfo(ctx)
		return time.Since(start), err
	})
	return view.Pings{Device: s.Info, Command: "authenticatorGetInfo", Rounds: []view.PingRound{round}}, err
}

// measure asks count times.
func (a *app) measure(ctx context.Context, count uint, once func(context.Context) (time.Duration, error)) (view.PingRound, error) {
	times := make([]time.Duration, 0, min(count, 1<<16))
	for range count {
		limited, stop := a.limited(ctx)
		took, err := once(limited)
		stop()
		if err != nil {
			return view.PingRound{}, err
		}
		times = append(times, took)
	}
	slices.Sort(times)
	return view.PingRound{Count: count, Min: times[0], Median: times[len(times)/2], Max: times[len(times)-1]}, nil
}
