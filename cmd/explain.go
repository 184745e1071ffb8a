package cmd

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices/transcript/explain"
)

func (a *app) explainCommand() *cobra.Command {
	var opts explainOptions
	c := &cobra.Command{
		Use: "explain TAPE", Short: "Tell what a tape holds, in the standard's words", Args: cobra.ExactArgs(1),
		Long: "Take a tape apart: packets and APDUs to messages, messages to commands, members, flags, keys, certificates\n" +
			"and extensions, each with its clause, the times, and remarks where somebody broke the standard. Any tape will\n" +
			"do, our own or foreign, also one that is cut or damaged.\n\n" +
			"On a tape with its seed (--record-seed) what was encrypted is opened, and with --pin the PIN hashes are compared\n" +
			"with a PIN, which is asked for, or read with --pin-stdin. PINs, tokens and secrets are not shown. On a tape\n" +
			"without a seed nothing encrypted opens, whatever the PIN: each session agrees on a new secret.",
		Example: "  touchstone transcript explain tape.jsonl\n  touchstone transcript explain tape.jsonl --html --out tape.html\n" +
			"  touchstone --json transcript explain tape.jsonl",
		RunE: func(c *cobra.Command, args []string) error { return a.transcriptExplain(c.Context(), args[0], opts) },
	}
	c.Flags().BoolVar(&opts.pin, "pin", false, "ask for the PIN, to compare the PIN hashes on the tape with it")
	return c
}

type explainOptions struct {
	pin bool
}

func (a *app) transcriptExplain(ctx context.Context, name string, opts explainOptions) error {
	known, err := a.explainWith(ctx, name, opts.pin)
	if err != nil {
		return err
	}
	defer clear(known.PIN)
	story, bad := a.readStory(name, known)
	if story == nil {
		return bad
	}
	return errors.Join(a.showStory(story), bad)
}

// explainWith asks for what is known besides the tape. A tape that is not there
// is told before a PIN is typed.
func (a *app) explainWith(ctx context.Context, name string, pin bool) (explain.Options, error) {
	if _, err := os.Stat(name); err != nil || !pin {
		return explain.Options{}, err
	}
	secret, err := a.secret(ctx, "PIN of the tape: ")
	return explain.Options{PIN: secret}, err
}

func (a *app) readStory(name string, known explain.Options) (*explain.Story, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return explain.Read(file, name, known)
}

func (a *app) showStory(story *explain.Story) error {
	result := view.Explained{Story: story}
	if !a.json && a.colours() {
		return result.Coloured(a.streams.Out)
	}
	return a.show(result)
}

// colours says whether standard output is a terminal that wants them.
func (a *app) colours() bool {
	return a.streams.OutIsTerminal() && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
