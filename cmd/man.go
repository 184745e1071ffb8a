package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
)

func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use: "man DIRECTORY", Short: "Write the manual pages of all commands", Args: cobra.ExactArgs(1),
		Long: "Write a manual page (roff, section 1) for this program and one for each of its commands into a directory, which is\n" +
			"made if it is not there. They say what --help says. The packages install them. Their date is $SOURCE_DATE_EPOCH's,\n" +
			"where that is set.",
		Example: "  touchstone man ~/.local/share/man/man1\n  man touchstone-device-reset",
		RunE: func(c *cobra.Command, args []string) error {
			pages, err := writeManual(c.Root(), args[0])
			if err != nil {
				return err
			}
			return a.show(view.Manual{Directory: args[0], Pages: pages})
		},
	}
}

// writeManual writes all pages and returns their names, sorted.
func writeManual(root *cobra.Command, dir string) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("man: %w", err)
	}
	root.PersistentFlags().Lookup("device").DefValue = "" // not what it is for this user
	walk(root, func(c *cobra.Command) { c.DisableAutoGenTag = true })
	header := &doc.GenManHeader{Title: "TOUCHSTONE", Section: "1", Source: "touchstone " + version(), Manual: "Touchstone"}
	if err := doc.GenManTree(root, header, dir); err != nil {
		return nil, fmt.Errorf("man: %w", err)
	}
	pages, err := filepath.Glob(filepath.Join(dir, root.Name()+"*.1"))
	for i := range pages {
		pages[i] = filepath.Base(pages[i])
	}
	slices.Sort(pages)
	return pages, err
}
