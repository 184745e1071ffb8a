package cmd

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/touchstone-fido/touchstone/cmd/internal/term"
)

// tree is a new program with all its commands.
func tree() *cobra.Command {
	streams, _, _ := term.Test("")
	return (&app{streams: streams}).command()
}

// commands are all of a tree, the root among them.
func commands(root *cobra.Command) (all []*cobra.Command) {
	walk(root, func(c *cobra.Command) { all = append(all, c) })
	return all
}

// TestEveryPageHasAnExample: each command's help shows how it is used, with
// commands and flags that there are.
func TestEveryPageHasAnExample(t *testing.T) {
	for _, c := range commands(tree()) {
		if c.Example == "" {
			t.Errorf("%s: no example", c.CommandPath())
		}
		found := 0
		for line := range strings.Lines(c.Example) {
			for _, args := range invocations(line) {
				checkInvocation(t, c, args)
				found++
			}
		}
		if found == 0 {
			t.Errorf("%s: no example runs touchstone:\n%s", c.CommandPath(), c.Example)
		}
	}
}

var (
	quoted = regexp.MustCompile(`'[^']*'|"[^"]*"`)
	calls  = regexp.MustCompile(`(?:^|[|(]|\bman) *touchstone((?:[ -][^|><)]*)?)`)
)

// invocations are the arguments with which a line of shell runs the program, or
// has its manual page shown.
func invocations(line string) (all [][]string) {
	line, _, _ = strings.Cut(quoted.ReplaceAllString(strings.TrimSpace(line), "X"), " # ")
	for _, m := range calls.FindAllStringSubmatch(line, -1) {
		rest := m[1]
		if strings.HasPrefix(rest, "-") { // a page's name
			rest = strings.ReplaceAll(rest, "-", " ")
		}
		all = append(all, strings.Fields(rest))
	}
	return all
}

func checkInvocation(t *testing.T, page *cobra.Command, args []string) {
	t.Helper()
	root := tree()
	c, rest, err := root.Find(args)
	if err == nil && c.HasSubCommands() && c != root && c.Name() != "doctor" && page.Name() != "man" {
		t.Errorf("%s: %q runs no command", page.CommandPath(), args)
	}
	if err == nil {
		err = c.ParseFlags(rest)
	}
	if err == nil && page.Name() != "man" {
		err = c.ValidateArgs(c.Flags().Args())
	}
	if err != nil {
		t.Errorf("%s: %q: %v", page.CommandPath(), args, err)
	}
}

// TestEveryCommandSaysWhatItIs: names are short words, and the line in a list
// begins with a capital and has no full stop.
func TestEveryCommandSaysWhatItIs(t *testing.T) {
	for _, c := range commands(tree()) {
		first := strings.ToUpper(c.Short[:min(1, len(c.Short))])
		if c.Short == "" || !strings.HasPrefix(c.Short, first) || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: %q", c.CommandPath(), c.Short)
		}
		if !c.Runnable() {
			t.Errorf("%s does nothing", c.CommandPath())
		}
	}
}

// manual writes all pages and returns them by name.
func manual(t *testing.T) map[string]string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "man1")
	names, err := writeManual(tree(), dir)
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		pages[name] = string(text)
	}
	return pages
}

// TestManual: there is a page for each command, it says what help says, no flag is
// missing, and nothing on it is this user's or this day's.
func TestManual(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	t.Setenv(deviceVariable, "hid:/dev/of-this-user")
	pages := manual(t)
	all := commands(tree())
	if len(pages) != len(all)-1 { // help has none
		t.Errorf("%d pages for %d commands", len(pages), len(all))
	}
	for _, c := range all {
		name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
		page, ok := pages[name]
		switch {
		case c.Name() == "help":
			continue
		case !ok:
			t.Errorf("no %s", name)
			continue
		case strings.Contains(page, "of-this-user") || !strings.Contains(page, `"Nov 2023"`) || strings.Contains(page, "spf13"):
			t.Errorf("%s has what it should not:\n%s", name, page)
		}
		said := words(page)
		for _, text := range append(usages(c), c.Short, c.Long, c.Example) {
			for _, w := range words(text) {
				if !slices.Contains(said, w) && !strings.Contains(page, w) {
					t.Errorf("%s lacks %q", name, w)
				}
			}
		}
	}
}

// usages are the texts of a command's own flags.
func usages(c *cobra.Command) (all []string) {
	c.Flags().VisitAll(func(f *pflag.Flag) { all = append(all, "--"+f.Name, f.Usage) })
	return all
}

var (
	fonts  = regexp.MustCompile(`\\f[BIRP]`)
	noWord = regexp.MustCompile(`[^A-Za-z0-9/.:=+-]+`)
)

// words are those of a text or page, without what is only layout.
func words(text string) []string {
	text = strings.ReplaceAll(fonts.ReplaceAllString(text, ""), `\-`, "-")
	return strings.Fields(noWord.ReplaceAllString(text, " "))
}

// TestManualIsRoff has groff read every page.
func TestManualIsRoff(t *testing.T) {
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("NOT RUN: groff is not installed: nobody reads the pages as roff")
	}
	for name, page := range manual(t) {
		c := exec.Command(groff, "-man", "-ww", "-z", "-Tutf8")
		c.Stdin = strings.NewReader(page)
		if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// TestManualInVain: a directory that cannot be is an error.
func TestManualInVain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := writeManual(tree(), file); err == nil {
		t.Error("pages were written into a file")
	}
}
