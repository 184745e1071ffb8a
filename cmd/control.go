package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/devices/virtual/control"
)

// controlVariable is the environment variable that stands in for --at.
const controlVariable = "TOUCHSTONE_CONTROL"

// serveControl starts the control channel, and returns where it is.
func (s *serving) serveControl(ctx context.Context, work *sync.WaitGroup, failed func(error)) (string, error) {
	if s.opts.control == "" {
		return "", nil
	}
	l, err := control.Listen(s.opts.control)
	if errors.Is(err, control.ErrNotLoopback) {
		return "", usageError{fmt.Errorf("--control: %w", err)}
	}
	if err != nil {
		return "", err
	}
	work.Go(func() { failed(s.panel.Serve(ctx, l)) })
	return l.Addr().String(), nil
}

// hand is the flags of virtual control.
type hand struct {
	app     *app
	at, key string
}

func (a *app) controlCommand() *cobra.Command {
	h := &hand{app: a}
	c := group("control", "Touch, remove, insert and break keys that \"virtual serve --control\" serves",
		h.stateCommand(), h.touchCommand(), h.denyCommand(),
		h.plainCommand(control.Remove, "Pull the key out"),
		h.plainCommand(control.Insert, "Plug the key in again"),
		h.plainCommand(control.PowerCycle, "Take the key's power and give it back"),
		h.presenceCommand(), h.fingerCommand(),
		group("fault", "Give the key bugs and take them away", h.faultOnCommand(), h.faultOffCommand()),
		h.eventsCommand())
	f := c.PersistentFlags()
	f.StringVar(&h.at, "at", os.Getenv(controlVariable), "`HOST:PORT` of --control (default $"+controlVariable+")")
	f.StringVar(&h.key, "key", "", "`NAME` of the key, such as udp or udp-2 (default: the only one)")
	return c
}

// leaf is a command that asks the served keys for something. Its example is how it
// is used, behind the address.
func (h *hand) leaf(use, short, example string, args cobra.PositionalArgs, run func(context.Context, *control.Client, []string) (view.Result, error)) *cobra.Command {
	example = "  touchstone virtual control --at 127.0.0.1:8110 " + example
	return &cobra.Command{Use: use, Short: short, Example: example, Args: args, RunE: func(c *cobra.Command, args []string) error {
		if h.at == "" {
			return usageError{errors.New("which served keys? --at HOST:PORT, as virtual serve --control has it")}
		}
		client, err := control.NewClient(h.at)
		if err != nil {
			return usageError{fmt.Errorf("--at: %w", err)}
		}
		result, err := run(c.Context(), client, args)
		var refusal *control.Refusal
		if errors.As(err, &refusal) && refusal.Usage() {
			return usageError{err}
		}
		if err != nil {
			return err
		}
		return h.app.show(result)
	}}
}

// do does something to the key that is meant.
func (h *hand) do(ctx context.Context, c *control.Client, action control.Action, request any) (view.Result, error) {
	name, err := h.which(ctx, c)
	if err != nil {
		return nil, err
	}
	state, err := c.Do(ctx, name, action, request)
	if err != nil {
		return nil, err
	}
	return view.ServedKey{State: state}, nil
}

// which is the name of the key that is meant.
func (h *hand) which(ctx context.Context, c *control.Client) (string, error) {
	if h.key != "" {
		return h.key, nil
	}
	keys, err := c.Keys(ctx)
	if err != nil {
		return "", err
	}
	var names []string
	for _, k := range keys {
		names = append(names, k.Name)
	}
	if len(names) != 1 {
		return "", usageError{fmt.Errorf("which key? --key, one of %s", strings.Join(names, ", "))}
	}
	return names[0], nil
}

func (h *hand) stateCommand() *cobra.Command {
	return h.leaf("state", "Say how the keys are", "state", cobra.NoArgs, func(ctx context.Context, c *control.Client, _ []string) (view.Result, error) {
		if h.key != "" {
			state, err := c.Key(ctx, h.key)
			return view.ServedKeys{Keys: []control.State{state}}, err
		}
		keys, err := c.Keys(ctx)
		return view.ServedKeys{Keys: keys}, err
	})
}

// waitFlag is how long a command waits for the key.
func waitFlag(c *cobra.Command, wait *time.Duration, what string) {
	c.Flags().DurationVar(wait, "wait", 0, "wait so long for "+what+", at most "+control.MaxWait.String())
}

func (h *hand) touchCommand() *cobra.Command {
	var wait time.Duration
	var short bool
	c := h.leaf("touch", "Touch the key, which waits for it", "--key udp touch --wait 10s", cobra.NoArgs, func(ctx context.Context, c *control.Client, _ []string) (view.Result, error) {
		return h.do(ctx, c, control.Touch, control.TouchRequest{Wait: wait.String(), Short: short})
	})
	c.Long = "Touch the key, or put the finger on its sensor. Where it does not wait for that now, --wait waits until it does."
	waitFlag(c, &wait, "the key to ask")
	c.Flags().BoolVar(&short, "short", false, "only for a moment, where the key may want a long touch")
	return c
}

func (h *hand) denyCommand() *cobra.Command {
	var wait time.Duration
	c := h.leaf("deny", "Refuse what the key waits for", "deny --wait 10s", cobra.NoArgs, func(ctx context.Context, c *control.Client, _ []string) (view.Result, error) {
		return h.do(ctx, c, control.Refuse, control.DenyRequest{Wait: wait.String()})
	})
	waitFlag(c, &wait, "the key to ask")
	return c
}

func (h *hand) plainCommand(action control.Action, short string) *cobra.Command {
	return h.leaf(string(action), short, "--key udp-2 "+string(action), cobra.NoArgs, func(ctx context.Context, c *control.Client, _ []string) (view.Result, error) {
		return h.do(ctx, c, action, nil)
	})
}

func (h *hand) presenceCommand() *cobra.Command {
	return h.leaf("presence MODE", "Have the user touch (auto), refuse (deny) or wait for these commands (manual)", "presence manual", cobra.ExactArgs(1),
		func(ctx context.Context, c *control.Client, args []string) (view.Result, error) {
			return h.do(ctx, c, control.Presence, control.PresenceRequest{Mode: control.Mode(args[0])})
		})
}

func (h *hand) fingerCommand() *cobra.Command {
	return h.leaf("finger WHICH", "Put a good, a bad or none of the fingers on the sensor from now on, or one from 1 to 10", "finger bad", cobra.ExactArgs(1),
		func(ctx context.Context, c *control.Client, args []string) (view.Result, error) {
			return h.do(ctx, c, control.Finger, control.FingerRequest{Finger: args[0]})
		})
}

func faultIDs(args []string) (ids []virtual.FaultID) {
	for _, arg := range args {
		ids = append(ids, virtual.FaultID(arg))
	}
	return ids
}

func (h *hand) faultOnCommand() *cobra.Command {
	return h.leaf("on ID...", "Give the key bugs; \"virtual faults\" lists them", "fault on hid-cancel-ignored mc-no-touch", cobra.MinimumNArgs(1),
		func(ctx context.Context, c *control.Client, args []string) (view.Result, error) {
			return h.do(ctx, c, control.Faults, control.FaultsRequest{On: faultIDs(args)})
		})
}

func (h *hand) faultOffCommand() *cobra.Command {
	return h.leaf("off [ID]...", "Take bugs away, all of them unless told which", "fault off mc-no-touch", cobra.ArbitraryArgs,
		func(ctx context.Context, c *control.Client, args []string) (view.Result, error) {
			return h.do(ctx, c, control.Faults, control.FaultsRequest{Clear: len(args) == 0, Off: faultIDs(args)})
		})
}

func (h *hand) eventsCommand() *cobra.Command {
	var q control.Query
	var wait time.Duration
	c := h.leaf("events", "Say what has befallen the keys, or wait for it", "events --event waiting --wait 10s", cobra.NoArgs, func(ctx context.Context, c *control.Client, _ []string) (view.Result, error) {
		q.Key = h.key
		all, err := c.Events(ctx, q, wait)
		return view.ServedEvents{All: all}, err
	})
	c.Long = "Say what has befallen the keys: inserted, removed, waiting (for a touch or a finger), touched, denied, given-up, done (a command),\n" +
		"winked, power-cycled, faults, presence, finger. When there is no such event yet, --wait waits for the first one."
	waitFlag(c, &wait, "an event")
	c.Flags().Uint64Var(&q.After, "after", 0, "only events with a larger `NUMBER`, such as \"last\" of the answer before")
	c.Flags().StringVar(&q.Event, "event", "", "only events of this `KIND`")
	return c
}
