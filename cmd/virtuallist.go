package cmd

import (
	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices/virtual/faulty"
	"github.com/touchstone-fido/touchstone/devices/virtual/profiles"
)

func (a *app) virtualProfilesCommand() *cobra.Command {
	return &cobra.Command{
		Use: "profiles", Short: "List the products that the software key can be", Args: cobra.NoArgs,
		Long: "List the built-in profiles with the public sources of what they say. docs/profiles.md tells how to\n" +
			"write one: --device virtual:FILE.toml and --device 'virtual?profile=FILE.toml' take it.",
		Example: "  touchstone virtual profiles\n  touchstone --device virtual:yubikey-5-nfc-5.7 device info",
		RunE: func(*cobra.Command, []string) error {
			models, err := profiles.All()
			if err != nil {
				return err
			}
			return a.show(view.Profiles{Models: models})
		},
	}
}

func (a *app) virtualFaultsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "faults", Short: "List the bugs that the software key can have", Args: cobra.NoArgs,
		Long: "List the faults that --fault ID switches on, any number of them at once, each with the clause of\n" +
			"CTAP 2.3 that it breaks and, where it was seen, the key or report. They are there so that checks of\n" +
			"keys can be shown to fail.",
		Example: "  touchstone virtual faults\n  touchstone --device virtual --fault mc-no-touch enroll --rp example.com --user alice",
		RunE: func(*cobra.Command, []string) error {
			a.faultsUsed = true // they are listed, not needed
			return a.show(view.Faults{List: faulty.Faults()})
		},
	}
}
