package cmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices/manage"
)

func (a *app) policyCommand() *cobra.Command {
	return group("policy", "Show and set how strict a key is",
		&cobra.Command{
			Use: "show", Short: "Show a key's policy and what of it can be changed", Args: cobra.NoArgs,
			Long: "Show how strict a key is, as far as it tells: no PIN is asked for. CHANGES says which way the key lets a setting be\n" +
				"changed; what goes one way only is taken back by nothing but a reset.",
			Example: "  touchstone policy show\n  touchstone --json policy show",
			RunE: func(c *cobra.Command, _ []string) error {
				return a.withManaged(c.Context(), func(_ context.Context, key *manage.Key) (view.Result, error) {
					return view.Policy{Device: key.Device(), Policy: key.Policy()}, nil
				})
			},
		},
		a.policySetCommand(),
		a.policyVendorCommand(),
	)
}

// wishFlags are the flags of policy set.
type wishFlags struct {
	alwaysUV, enterprise, longTouch, complexity string
	wish                                        manage.Wish
}

func (a *app) policySetCommand() *cobra.Command {
	w := &wishFlags{}
	c := &cobra.Command{
		Use: "set", Short: "Change a key's policy", Args: cobra.NoArgs,
		Long: "Have a key's policy be as the flags say, and leave the rest as it is. What is so already is not sent; if all is, nothing\n" +
			"is, and no PIN is asked for. Says what changes, what it means and what cannot be undone, and wants the word change\n" +
			"typed, or --yes. The key is asked again afterwards. Who may learn the minimum length is told by no key: --min-pin-rp\n" +
			"is always sent, and replaces the relying parties that were there.",
		Example: "  touchstone policy set --always-uv on\n  touchstone policy set --min-pin-length 8 --min-pin-rp example.com --min-pin-rp example.org\n" +
			"  touchstone --yes --pin-stdin policy set --force-pin-change < pin",
		RunE: func(c *cobra.Command, _ []string) error { return a.policySet(c.Context(), w) },
	}
	f := c.Flags()
	f.StringVar(&w.alwaysUV, "always-uv", "", "every use of the key verifies the user: `on` or off")
	f.UintVar(&w.wish.MinPINLength, "min-pin-length", 0, "`characters` that a PIN has at least; it only ever grows")
	f.StringArrayVar(&w.wish.MinPINLengthRPIDs, "min-pin-rp", nil, "relying party `ID` that may learn the minimum length; repeat it for more")
	f.BoolVar(&w.wish.ForcePINChange, "force-pin-change", false, "the PIN has to be changed before its next use")
	f.StringVar(&w.enterprise, "enterprise-attestation", "", "relying parties may be told which key this is: `on`")
	f.StringVar(&w.longTouch, "long-touch-reset", "", "a reset wants a long touch: `on`")
	f.StringVar(&w.complexity, "pin-complexity", "", "PINs keep to the key's policy: `on`")
	return c
}

// read takes what the flags say, and wants at least something.
func (w *wishFlags) read() error {
	for _, f := range []struct {
		name, value string
		into        **bool
	}{
		{"--always-uv", w.alwaysUV, &w.wish.AlwaysUV}, {"--enterprise-attestation", w.enterprise, &w.wish.EnterpriseAttestation},
		{"--long-touch-reset", w.longTouch, &w.wish.LongTouchForReset}, {"--pin-complexity", w.complexity, &w.wish.PINComplexityPolicy},
	} {
		on := f.value == "on"
		switch f.value {
		case "":
			continue
		case "on", "off":
			*f.into = &on
		default:
			return usageError{fmt.Errorf("%s %q is neither on nor off", f.name, f.value)}
		}
	}
	if w.wish.Empty() {
		return usageError{errors.New("policy set wants to be told what to set: see \"touchstone policy set --help\"")}
	}
	return nil
}

func (a *app) policySet(ctx context.Context, w *wishFlags) error {
	if err := w.read(); err != nil {
		return err
	}
	return a.withManaged(ctx, func(ctx context.Context, key *manage.Key) (view.Result, error) {
		plan, err := key.Plan(w.wish)
		if err != nil {
			return nil, err
		}
		if len(plan.Changes) > 0 {
			g := gate{Key: key.Device(), Loss: view.PolicyLoss(plan.Changes), Word: "change"}
			if err := a.confirm(ctx, g); err != nil {
				return nil, err
			}
		}
		if err := plan.Apply(ctx); err != nil {
			return nil, err
		}
		return view.PolicyChanged{Device: key.Device(), Changes: plan.Changes, Policy: key.Policy()}, nil
	})
}
