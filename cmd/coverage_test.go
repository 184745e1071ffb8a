package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// read joins the files that match.
func read(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(files), err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// scripted are the paths of the commands that a script runs.
func scripted(script string) map[string]bool {
	seen, root := map[string]bool{}, tree()
	for line := range strings.Lines(script) {
		_, args, found := strings.Cut(line, "touchstone ")
		if strings.HasPrefix(line, "serve ") {
			_, args, found = strings.Cut(strings.TrimPrefix(line, "serve "), " ")
		}
		if c, _, err := root.Find(strings.Fields(args)); found && err == nil {
			seen[c.CommandPath()] = true
		}
	}
	return seen
}

// TestEveryCommandIsTested: in a pipe, by a script, and on a terminal.
func TestEveryCommandIsTested(t *testing.T) {
	pipe := scripted(read(t, "testdata/script/*.txtar"))
	terminal := read(t, "*terminal_test.go")
	for _, c := range commands(tree()) {
		if isGroup(c) || c.Name() == "help" {
			continue
		}
		words := strings.Fields(c.CommandPath())[1:]
		if !pipe[c.CommandPath()] {
			t.Errorf("%s: no script runs it", c.CommandPath())
		}
		if quoted := `"` + strings.Join(words, `", "`) + `"`; !strings.Contains(terminal, quoted) {
			t.Errorf("%s: nobody runs it on a terminal (%s)", c.CommandPath(), quoted)
		}
	}
}

// isGroup reports whether a command only holds others.
func isGroup(c *cobra.Command) bool { return c.HasSubCommands() && c.Name() != "doctor" }
