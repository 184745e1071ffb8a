package cmd

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices/discover"
	"github.com/touchstone-fido/touchstone/devices/virtual/faulty"
	"github.com/touchstone-fido/touchstone/devices/virtual/profiles"
)

// shells are those that there is completion for, and where each looks for it.
var shells = []struct {
	name, where string
	write       func(root *cobra.Command, w io.Writer) error
}{
	{"bash", "touchstone completion bash > ~/.local/share/bash-completion/completions/touchstone",
		func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) }},
	{"zsh", "touchstone completion zsh > \"${fpath[1]}/_touchstone\"",
		func(root *cobra.Command, w io.Writer) error { return root.GenZshCompletion(w) }},
	{"fish", "touchstone completion fish > ~/.config/fish/completions/touchstone.fish",
		func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) }},
	{"powershell", "touchstone completion powershell | Out-String | Invoke-Expression",
		func(root *cobra.Command, w io.Writer) error { return root.GenPowerShellCompletionWithDesc(w) }},
}

func (a *app) completionCommand() *cobra.Command {
	var all []*cobra.Command
	for _, shell := range shells {
		all = append(all, &cobra.Command{
			Use: shell.name, Short: "Print the completion script for " + shell.name, Args: cobra.NoArgs,
			Long: "Print a script that has " + shell.name + " complete touchstone's commands, flags and values, the keys that are there\n" +
				"among them. The packages install it.",
			Example: "  " + shell.where,
			RunE: func(c *cobra.Command, _ []string) error {
				if a.json {
					return usageError{fmt.Errorf("--json with completion: a script for %s is what it is", shell.name)}
				}
				return shell.write(c.Root(), a.streams.Out)
			},
		})
	}
	return group("completion", "Print a script that completes commands and flags in a shell", all...)
}

// values are what flags take that have a short list of words, by the command and
// the flag.
var values = map[string][]string{
	"touchstone --hid-backend":            {discover.Hidraw, discover.USBHID},
	"enroll --alg":                        {"ES256", "ES384", "ES512", "EdDSA", "RS256", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"},
	"enroll --discoverable":               {"required", "preferred", "discouraged"},
	"enroll --uv":                         {"required", "preferred", "discouraged"},
	"enroll --attestation":                {"none", "indirect", "direct", "enterprise"},
	"enroll --enterprise":                 {"vendor", "platform"},
	"enroll --large-blob":                 {"required", "preferred"},
	"verify --uv":                         {"required", "preferred", "discouraged"},
	"policy set --always-uv":              {"on", "off"},
	"policy set --long-touch-reset":       {"on"},
	"policy set --pin-complexity":         {"on"},
	"policy set --enterprise-attestation": {"on"},
}

// complete has the flags of all commands offer their values, and keeps files from
// being offered for arguments where there are none.
func (a *app) complete(root *cobra.Command) {
	register := func(c *cobra.Command, flag string, words cobra.CompletionFunc) {
		if err := c.RegisterFlagCompletionFunc(flag, words); err != nil {
			panic(err) // there is no such flag
		}
	}
	for where, words := range values {
		path, flag, _ := strings.Cut(where, " --")
		c, _, err := root.Find(strings.Fields(strings.TrimPrefix(path, root.Name())))
		if err != nil {
			panic(err)
		}
		register(c, flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	}
	walk(root, func(c *cobra.Command) {
		if c.Use == c.Name() { // it takes no arguments
			c.ValidArgsFunction = cobra.NoFileCompletions
		}
	})
	register(root, "device", a.completeDevice)
	register(root, "fault", completeFault)
}

// walk visits a command and all below it.
func walk(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		walk(sub, visit)
	}
}

// completeTime is how long a person who pressed Tab waits for a list of keys.
const completeTime = time.Second

// completeDevice offers the keys that are there, without opening any, and the
// forms that a selector may have otherwise.
func (a *app) completeDevice(c *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, stop := context.WithTimeout(c.Context(), completeTime)
	defer stop()
	var all []cobra.Completion
	for _, key := range discover.List(ctx, discover.Options{HIDBackend: a.hidBackend}).Devices {
		all = append(all, cobra.CompletionWithDesc(key.Selector(), view.CleanText(key.Product)))
	}
	all = append(all, "touch", "virtual", "virtual+nfc", "hid:", "nfc:", "aaguid:", "replay:", "udp:", "tcp:")
	for _, name := range profiles.Names() {
		all = append(all, "virtual:"+name)
	}
	all = slices.DeleteFunc(all, func(s string) bool { return !strings.HasPrefix(s, begun) })
	if strings.HasPrefix(begun, "replay:") {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return all, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

func completeFault(_ *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var all []cobra.Completion
	for _, f := range faulty.Faults() {
		if strings.HasPrefix(string(f.ID), begun) {
			all = append(all, cobra.CompletionWithDesc(string(f.ID), f.Text))
		}
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}
