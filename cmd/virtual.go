package cmd

import "github.com/spf13/cobra"

func (a *app) virtualCommand() *cobra.Command {
	return group("virtual", "Say what the software key can be, and put it before other programs",
		a.virtualProfilesCommand(), a.virtualFaultsCommand(), a.virtualRootCommand(), a.serveCommand(), a.controlCommand())
}
