package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
)

func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use: "man FOLDER", Short: "Write a manual page for each command", Args: cobra.ExactArgs(1),
		Long: "Write the manual, a page for each command, into a folder, which is made if it is not there. Pages of the same name are\n" +
			"replaced. They bear the date of SOURCE_DATE_EPOCH, or of today.",
		Example: "  touchstone man ~/.local/share/man/man1 && man touchstone-passkey-delete",
		RunE:    func(c *cobra.Command, args []string) error { return a.man(c.Root(), args[0]) },
	}
}

// man writes the manual of a program.
func (a *app) man(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root.InitDefaultCompletionCmd()
	root.DisableAutoGenTag = true
	root.PersistentFlags().Lookup("device").DefValue = "" // what this machine has set is of no use elsewhere
	header := &doc.GenManHeader{Section: "1", Source: "Touchstone", Manual: "Touchstone Manual"}
	if err := doc.GenManTree(root, header, dir); err != nil {
		return fmt.Errorf("manual: %w", err)
	}
	pages := pagesOf(root)
	slices.Sort(pages)
	return a.show(view.Manual{Folder: filepath.Clean(dir), Pages: pages})
}

// pagesOf are the names of the pages that [doc.GenManTree] writes.
func pagesOf(c *cobra.Command) []string {
	if !c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand() {
		return nil
	}
	pages := []string{strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"}
	for _, sub := range c.Commands() {
		pages = append(pages, pagesOf(sub)...)
	}
	return pages
}
