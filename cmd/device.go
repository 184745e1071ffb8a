package cmd

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices/discover"
	"github.com/touchstone-fido/touchstone/devices/models"
)

func (a *app) deviceCommand() *cobra.Command {
	return group("device", "Find security keys, ask what they are, and reset them",
		a.deviceListCommand(), a.deviceWatchCommand(), a.deviceIdentifyCommand(), a.deviceSelectCommand(),
		a.devicePingCommand(), a.deviceResetCommand(),
		&cobra.Command{
			Use: "info", Short: "Show what a key says of itself (getInfo)", Args: cobra.NoArgs,
			Example: "  touchstone device info\n  touchstone --device virtual device info\n  touchstone --json --device replay:tape.jsonl device info",
			RunE:    func(c *cobra.Command, _ []string) error { return a.withKey(c.Context(), deviceInfo) },
		},
	)
}

func (a *app) deviceListCommand() *cobra.Command {
	var noOpen bool
	c := &cobra.Command{
		Use: "list", Short: "List the security keys that are there", Args: cobra.NoArgs,
		Long: "List the security keys that are there, with what they say of themselves: each is opened for a moment\n" +
			"and asked. None is disturbed at that: one that another program has locked, or that waits for a touch, is\n" +
			"listed without. What looked like a key and cannot be used, and places that could not be looked at, are\n" +
			"told on standard error.",
		Example: "  touchstone device list\n  touchstone device list --no-open\n  touchstone --json device list",
		RunE:    func(c *cobra.Command, _ []string) error { return a.deviceList(c.Context(), noOpen) },
	}
	c.Flags().BoolVar(&noOpen, "no-open", false, "open no key: list what the system tells")
	return c
}

// errLookedNowhere: every place where keys could be failed.
var errLookedNowhere = errors.New("no place could be looked at for security keys")

func (a *app) deviceList(ctx context.Context, noOpen bool) error {
	result, err := a.findKeys(ctx, noOpen)
	if err != nil {
		return err
	}
	if err := a.show(result); err != nil {
		return err
	}
	if !a.json {
		result.Notes(view.Clean(a.streams.Err))
	}
	if len(result.Listing.Looked) == 0 {
		return errLookedNowhere
	}
	return nil
}

// findKeys lists the keys and asks them. The error is the cause with which the
// command was ended.
func (a *app) findKeys(ctx context.Context, noOpen bool) (view.DeviceList, error) {
	limited, stop := a.limited(ctx)
	defer stop()
	o := discover.Options{HIDBackend: a.hidBackend}
	l := discover.List(limited, o)
	if !noOpen {
		l = discover.IdentifyAll(limited, l, o)
	}
	if ctx.Err() != nil {
		return view.DeviceList{}, context.Cause(ctx)
	}
	return view.DeviceList{Listing: l}, nil
}

func deviceInfo(ctx context.Context, s *session) (view.Result, error) {
	info, err := s.GetInfo(ctx)
	if err != nil {
		return nil, err
	}
	model, _ := models.Name(info.AAGUID)
	return view.DeviceInfo{Device: s.Info, Protocol: s.Protocol, Info: info, Model: model}, nil
}
