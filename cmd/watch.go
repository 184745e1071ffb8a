package cmd

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/discover"
)

// watchOptions say what a watch tells and when it ends.
type watchOptions struct {
	identify bool
	count    uint          // ends it after so many events of keys, 0 for no limit
	lasts    time.Duration // ends it after this time, 0 for none
}

func (a *app) deviceWatchCommand() *cobra.Command {
	var o watchOptions
	c := &cobra.Command{
		Use: "watch", Short: "Tell what keys are plugged in and out", Args: cobra.NoArgs,
		Long: "Tell what keys are there, a line for each (=), and then at once what comes (+), leaves (-) and changes (~):\n" +
			"USB keys and cards on readers. A key that may not be used is told with the reason and the mend, and again when\n" +
			"it may. A place that cannot be looked at (!) is told once. With --json every event is one line. Ends when it\n" +
			"is interrupted, or as --count and --for say.",
		Example: "  touchstone device watch\n  touchstone --json device watch --identify\n  touchstone device watch --for 30s --count 1   # until there is a key",
		RunE:    func(c *cobra.Command, _ []string) error { return a.deviceWatch(c.Context(), o) },
	}
	c.Flags().BoolVar(&o.identify, "identify", false, "open every key that comes for a moment and ask what it is")
	c.Flags().UintVar(&o.count, "count", 0, "end after so many events of keys, those that are there included")
	c.Flags().DurationVar(&o.lasts, "for", 0, "end after this time")
	return c
}

// errTimeIsUp is the cause with which --for ends a watch.
var errTimeIsUp = errors.New("the time that --for gave is up")

func (a *app) deviceWatch(ctx context.Context, o watchOptions) error {
	if o.lasts < 0 {
		return usageError{fmt.Errorf("--for %v is less than nothing", o.lasts)}
	}
	if o.lasts > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, o.lasts, errTimeIsUp)
		defer stop()
	}
	a.tell("watching for keys until interrupted")
	where := discover.Options{HIDBackend: a.hidBackend}
	err := a.tellChanges(discover.Watch(ctx, where), o.count, func(c *devices.Change) {
		if o.identify && c.Usable() {
			identify(ctx, c, where)
		}
	})
	if err == nil && ctx.Err() != nil && !errors.Is(context.Cause(ctx), errTimeIsUp) {
		err = context.Cause(ctx)
	}
	return err
}

// tellChanges writes every change, when complete has put in what is missing,
// until there are no more, or count of them were about keys.
func (a *app) tellChanges(changes iter.Seq[devices.Change], count uint, complete func(*devices.Change)) error {
	told := uint(0)
	for c := range changes {
		complete(&c)
		if err := view.WriteLine(a.streams.Out, a.json, view.DeviceChange{Change: c}); err != nil {
			return err
		}
		if c.OfKey() {
			told++
		}
		if count > 0 && told == count {
			break
		}
	}
	return nil
}

// identify asks the key of a change what it is. A card that is no key cannot be
// used as one.
func identify(ctx context.Context, change *devices.Change, where discover.Options) {
	id := discover.Identify(ctx, change.Device, where)
	if errors.Is(id.Err, discover.ErrNoApplet) {
		change.Reason, change.Hint = id.Err, id.Hint
		return
	}
	change.Device.Identity = &id
}
