package cmd

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/touchstone-fido/touchstone/cmd/internal/term"
)

// offers are what the program offers a shell for a line that was begun, without
// the descriptions.
func offers(t *testing.T, args ...string) []string {
	t.Helper()
	streams, out, stderr := term.Test("")
	if exit := Run(t.Context(), streams, append([]string{cobra.ShellCompRequestCmd}, args...)); exit != statusDone {
		t.Fatalf("%q: exit status %d\n%s", args, exit, stderr)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var all []string
	for _, line := range lines[:len(lines)-1] { // the last one is the directive
		word, _, _ := strings.Cut(line, "\t")
		all = append(all, word)
	}
	return all
}

func TestOffers(t *testing.T) {
	for _, c := range []struct {
		args      []string
		some, not []string
	}{
		{[]string{""}, []string{"device", "enroll", "completion", "man"}, nil},
		{[]string{"device", "re"}, []string{"reset"}, []string{"list"}},
		{[]string{"--device", ""}, []string{"touch", "virtual", "replay:", "virtual:ctap-2.3-everything"}, nil},
		{[]string{"--device", "virtual:"}, []string{"virtual:ctap-2.3-everything"}, []string{"touch", "virtual"}},
		{[]string{"--device", "replay:"}, nil, []string{"replay:"}},
		{[]string{"--fault", "mc-no-t"}, []string{"mc-no-touch"}, []string{"ga-no-touch"}},
		{[]string{"--hid-backend", ""}, []string{"hidraw", "usbhid"}, nil},
		{[]string{"--record", "tape", "enroll", "--uv", ""}, []string{"required", "discouraged"}, nil},
		{[]string{"device", "info", ""}, nil, []string{"device"}},
	} {
		got := offers(t, c.args...)
		for _, word := range c.some {
			if !slices.Contains(got, word) {
				t.Errorf("%q: %q is not among %q", c.args, word, got)
			}
		}
		for _, word := range c.not {
			if slices.Contains(got, word) {
				t.Errorf("%q: %q is among %q", c.args, word, got)
			}
		}
	}
}

// TestOfferedValuesAreInTheHelp: a flag's help names the words that are offered
// for it.
func TestOfferedValuesAreInTheHelp(t *testing.T) {
	root := tree()
	for where, words := range values {
		path, flag, _ := strings.Cut(where, " --")
		c, _, err := root.Find(strings.Fields(strings.TrimPrefix(path, root.Name())))
		if err != nil {
			t.Fatal(err)
		}
		var f *pflag.Flag
		if f = c.Flag(flag); f == nil {
			t.Fatalf("no %s", where)
		}
		for _, word := range words {
			if !strings.Contains(f.Usage, word) {
				t.Errorf("%s: %q is not in %q", where, word, f.Usage)
			}
		}
	}
}

// TestCompletionScripts has each shell that is here read its script.
func TestCompletionScripts(t *testing.T) {
	check := map[string][]string{"bash": {"-n"}, "zsh": {"-n"}, "fish": {"--no-execute"}, "powershell": nil}
	for _, shell := range shells {
		t.Run(shell.name, func(t *testing.T) {
			streams, out, stderr := term.Test("")
			if exit := Run(t.Context(), streams, []string{"completion", shell.name}); exit != statusDone || !bytes.Contains(out.Bytes(), []byte("touchstone")) {
				t.Fatalf("exit status %d\n%s%s", exit, out, stderr)
			}
			program, err := exec.LookPath(shell.name)
			if err != nil || check[shell.name] == nil {
				t.Skipf("NOT RUN: there is no %s here to read the script", shell.name)
			}
			c := exec.Command(program, check[shell.name]...)
			c.Stdin = out
			if said, err := c.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, said)
			}
		})
	}
	streams, out, _ := term.Test("")
	if exit := Run(t.Context(), streams, []string{"--json", "completion", "fish"}); exit != statusUsage || out.Len() > 0 {
		t.Errorf("with --json: exit status %d\n%s", exit, out)
	}
}
