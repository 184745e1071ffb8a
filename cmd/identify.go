package cmd

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/discover"
)

func (a *app) deviceIdentifyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "identify", Short: "Have a key show which one it is: it winks, or waits for a touch", Args: cobra.NoArgs,
		Long: "Have the key that --device means show itself. A key that can wink does; any other one waits for a touch,\n" +
			"at which most blink. On a reader it is the key that lies there, and no touch may be needed.",
		Example: "  touchstone --device hid:/dev/hidraw3 device identify",
		RunE:    func(c *cobra.Command, _ []string) error { return a.withKey(c.Context(), a.deviceIdentify) },
	}
}

func (a *app) deviceIdentify(ctx context.Context, s *session) (view.Result, error) {
	how := view.ByWink
	winked, err := a.wink(ctx, s)
	if err == nil && !winked {
		how, err = view.ByTouch, a.identifyByTouch(ctx, s)
	}
	if err != nil {
		return nil, err
	}
	return view.Identified{Device: s.Info, How: how}, nil
}

// wink has the key wink, and reports false if it does not.
func (a *app) wink(ctx context.Context, s *session) (bool, error) {
	if s.Channel == nil || !s.Channel.Capabilities().Has(ctaphid.CapabilityWink) {
		return false, nil
	}
	limited, stop := a.limited(ctx)
	defer stop()
	err := s.Channel.Wink(limited)
	if errors.Is(err, ctaphid.CodeInvalidCommand) { // it says that it can, and cannot
		return false, nil
	}
	return err == nil, err
}

func (a *app) identifyByTouch(ctx context.Context, s *session) error {
	a.note("This key does not wink. It waits for a touch now: most blink at that.")
	info, err := s.GetInfo(ctx)
	if err != nil {
		return err
	}
	return s.Touch(ctx, info)
}

func (a *app) deviceSelectCommand() *cobra.Command {
	return &cobra.Command{
		Use: "select", Short: "Find out which of several keys is meant, by a touch", Args: cobra.NoArgs,
		Long: "Have all USB keys wait for a touch, and print the selector of the one that is touched, for --device. Cards\n" +
			"on readers are not asked, since lying there counts as a touch.",
		Example: "  export TOUCHSTONE_DEVICE=$(touchstone device select)\n  touchstone --json device select",
		RunE: func(c *cobra.Command, _ []string) error {
			if c.Flags().Changed("device") {
				return usageError{errors.New("--device with device select: it asks all keys")}
			}
			return a.deviceSelect(c.Context())
		},
	}
}

func (a *app) deviceSelect(ctx context.Context) error {
	limited, stop := a.limited(ctx)
	defer stop()
	a.note("Touch the security key that you mean.")
	info, err := discover.Choose(limited, devices.Selector{Kind: devices.KindTouch}, discover.Options{HIDBackend: a.hidBackend})
	if err != nil {
		return err
	}
	return a.show(view.Selected{Device: info})
}
