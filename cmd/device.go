package cmd

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices/discover"
)

func (a *app) deviceCommand() *cobra.Command {
	return group("device", "Find security keys and ask what they are",
		&cobra.Command{
			Use: "list", Short: "List the security keys that are there", Args: cobra.NoArgs,
			Long: "List the security keys that are there, without opening any. What looked like a key and\n" +
				"cannot be used, and places that could not be looked at, are told on standard error.",
			Example: "  touchstone device list\n  touchstone --json device list",
			RunE:    func(c *cobra.Command, _ []string) error { return a.deviceList(c.Context()) },
		},
		&cobra.Command{
			Use: "info", Short: "Show what a key says of itself (getInfo)", Args: cobra.NoArgs,
			Example: "  touchstone device info\n  touchstone --device virtual device info\n  touchstone --json --device replay:tape.jsonl device info",
			RunE:    func(c *cobra.Command, _ []string) error { return a.withKey(c.Context(), deviceInfo) },
		},
	)
}

// errLookedNowhere: every place where keys could be failed.
var errLookedNowhere = errors.New("no place could be looked at for security keys")

func (a *app) deviceList(ctx context.Context) error {
	ctx, stop := a.limited(ctx)
	defer stop()
	l := discover.List(ctx, discover.Options{HIDBackend: a.hidBackend})
	result := view.DeviceList{Listing: l}
	if err := a.show(result); err != nil {
		return err
	}
	if !a.json {
		result.Notes(view.Clean(a.streams.Err))
	}
	if len(l.Looked) == 0 {
		return errLookedNowhere
	}
	return nil
}

func deviceInfo(ctx context.Context, s *session) (view.Result, error) {
	info, err := s.GetInfo(ctx)
	if err != nil {
		return nil, err
	}
	return view.DeviceInfo{Device: s.Info, Protocol: s.Protocol, Info: info}, nil
}
