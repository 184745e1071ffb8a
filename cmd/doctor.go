package cmd

import (
	"context"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices/doctor"
	"github.com/touchstone-fido/touchstone/packaging/udev"
)

func (a *app) doctorCommand() *cobra.Command {
	var c doctor.Config
	command := &cobra.Command{
		Use: "doctor", Short: "Find out what keeps security keys from being used here", Args: cobra.NoArgs,
		Long: "Check permissions, udev rules, the PC/SC daemon and who has the card, what is built into this program\n" +
			"and the user's rights, ask each key what it is, and say for each finding what to do. Nothing is changed.\n" +
			"The exit status is 0 when nothing is wrong, warnings or not, and 5 when there is a problem.",
		Example: "  touchstone doctor\n  touchstone --json doctor --no-open",
		RunE: func(cc *cobra.Command, _ []string) error {
			report := doctor.Run(cc.Context(), c)
			return a.diagnosed(cc.Context(), report)
		},
	}
	command.Flags().BoolVar(&c.NoOpen, "no-open", false, "leave the keys alone: open none and ask none")
	command.AddCommand(&cobra.Command{
		Use: "rules", Short: "Print the udev rules that give security keys to the person at the seat", Args: cobra.NoArgs,
		Long: "Print the udev rules file that Touchstone's packages install, for systems without a package.",
		Example: "  touchstone doctor rules | sudo tee /etc/udev/rules.d/" + udev.FileName + "\n" +
			"  sudo udevadm control --reload && sudo udevadm trigger --subsystem-match=hidraw",
		RunE: func(*cobra.Command, []string) error {
			return a.show(view.UdevRules{FileName: udev.FileName, Rules: udev.Rules()})
		},
	})
	return command
}

// diagnosed shows what was found, and is an error when something is wrong.
func (a *app) diagnosed(ctx context.Context, report doctor.Report) error {
	err := a.show(view.Doctor{Version: version(), OS: runtime.GOOS, Arch: runtime.GOARCH, Report: report})
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case report.Count(doctor.Problem) > 0:
		return errChecksFailed
	}
	return nil
}
