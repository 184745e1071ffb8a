package cmd

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// program has the commands of this program.
func program() *cobra.Command {
	root := (&app{}).command()
	root.InitDefaultCompletionCmd()
	return root
}

// spans are the pieces of a Markdown text that stand between backquotes.
func spans(text string) (all []string) {
	for i, piece := range strings.Split(text, "`") {
		if i%2 == 1 {
			all = append(all, piece)
		}
	}
	return all
}

// named finds the command that a text such as "touchstone pin set --json" names,
// and returns what is wrong with it. Flags alone are those of the command before.
func named(before *cobra.Command, text string) (c *cobra.Command, wrong string) {
	c = before
	for _, word := range strings.Fields(text) {
		name, isFlag := strings.CutPrefix(word, "--")
		name, _, _ = strings.Cut(name, "=")
		if c != nil {
			c.InitDefaultHelpFlag()
		}
		switch {
		case word == "touchstone":
			c = program()
		case c == nil:
			return nil, "no command before it"
		case isFlag && c.Flags().Lookup(name) == nil && c.InheritedFlags().Lookup(name) == nil:
			return c, "no flag --" + name + " of " + c.CommandPath()
		case !isFlag && c.HasSubCommands():
			if c = children(c, word); c == nil {
				return nil, "no command " + word
			}
		}
	}
	return c, ""
}

// children is the last of the commands that a word such as "set|change" names, nil
// unless there are all of them.
func children(parent *cobra.Command, word string) (c *cobra.Command) {
	for name := range strings.SplitSeq(word, "|") {
		if c = child(parent, name); c == nil {
			return nil
		}
	}
	return c
}

func child(parent *cobra.Command, name string) *cobra.Command {
	for _, c := range parent.Commands() {
		if c.Name() == name {
			return c
		}
	}
	return nil
}

// ours is the column of a table that is about this program, or "".
func ours(row string) string {
	cells := strings.Split(row, "|")
	if !strings.HasPrefix(row, "| ") || len(cells) != 7 {
		return ""
	}
	return cells[2]
}

// TestTableOfPeers holds the table beside other programs against this one: every
// command in it exists and has the flags that are named, and every command that
// manages a key is in it.
func TestTableOfPeers(t *testing.T) {
	page, err := os.ReadFile("../docs/peers.md")
	if err != nil {
		t.Fatal(err)
	}
	on := map[string]bool{}
	for row := range strings.Lines(string(page)) {
		var c *cobra.Command
		for _, span := range spans(ours(row)) {
			wrong := ""
			if c, wrong = named(c, span); wrong != "" {
				t.Errorf("%q: %s", span, wrong)
				continue
			}
			on[c.CommandPath()] = true
		}
	}
	for _, noun := range program().Commands() {
		switch noun.Name() {
		case "device", "enroll", "verify", "pin", "passkey", "fingerprint", "policy", "blob", "u2f":
			for _, c := range leaves(noun) {
				if !on[c.CommandPath()] {
					t.Errorf("docs/peers.md does not have %s", c.CommandPath())
				}
			}
		}
	}
}

func leaves(c *cobra.Command) (all []*cobra.Command) {
	if !c.HasSubCommands() {
		return []*cobra.Command{c}
	}
	for _, sub := range c.Commands() {
		all = append(all, leaves(sub)...)
	}
	return all
}

// TestReadme: so does every command that the front page names.
func TestReadme(t *testing.T) {
	page, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := 0
	for line := range strings.Lines(string(page)) {
		for _, span := range spans(line) {
			if !strings.HasPrefix(span, "touchstone ") {
				continue
			}
			commands++
			if _, wrong := named(nil, span); wrong != "" {
				t.Errorf("%q: %s", span, wrong)
			}
		}
	}
	if commands == 0 {
		t.Error("there is no command in README.md")
	}
}

// TestNamed: the tests above can fail.
func TestNamed(t *testing.T) {
	for text, wrong := range map[string]string{
		"touchstone passkey list --rp ID --json --help": "", "touchstone pin status|set|change": "", "touchstone policy set --always-uv=on": "",
		"touchstone passkey lists":  "no command lists",
		"touchstone pin status|sat": "no command status|sat",
		"touchstone pin set --rp":   "no flag --rp of touchstone pin set",
		"--rp":                      "no command before it",
	} {
		if _, got := named(nil, text); got != wrong {
			t.Errorf("%q: %q, want %q", text, got, wrong)
		}
	}
}
