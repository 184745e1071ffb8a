package cmd

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices/discover"
)

// release is set by the linker in released builds.
var release string

// version is the release, or what the Go toolchain knows of the build.
func version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Show the version and what is built in", Args: cobra.NoArgs,
		Example: "  touchstone version",
		RunE: func(*cobra.Command, []string) error {
			return a.show(view.Version{
				Version: version(), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
				Backends: discover.Backends(),
			})
		},
	}
}
