package cmd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices/transcript/diff"
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
			"with a PIN, which is asked for or comes from where --pin-stdin, --pin-fd or --pin-command say. PINs, tokens and\n" +
			"secrets are not shown. On a tape without a seed nothing encrypted opens, whatever the PIN: each session agrees on\n" +
			"a new secret.",
		Example: "  touchstone transcript explain tape.jsonl\n  touchstone transcript explain tape.jsonl --html --out tape.html\n" +
			"  touchstone --json transcript explain tape.jsonl",
		RunE: func(c *cobra.Command, args []string) error { return a.transcriptExplain(c.Context(), args[0], opts) },
	}
	c.Flags().BoolVar(&opts.pin, "pin", false, "ask for the PIN, to compare the PIN hashes on the tape with it")
	opts.page.flags(c)
	return c
}

type explainOptions struct {
	pin  bool
	page pageOptions
}

func (a *app) diffCommand() *cobra.Command {
	var cfg diff.Config
	var page pageOptions
	c := &cobra.Command{
		Use: "diff A B", Short: "Compare two tapes by what they mean", Args: cobra.ExactArgs(2),
		Long: "Put the commands of two tapes beside each other and compare statuses, members of getInfo, authenticator\n" +
			"data, attestation formats, extensions and all else by what they mean. What is new in every session, such as\n" +
			"nonces, keys and signatures, has only to be there and to have its size. Times are told; they count with\n" +
			"--timing. The exit status is 0 when nothing differs, 5 when something does, and 1 when the tapes have no\n" +
			"command in common.",
		Example: "  touchstone transcript diff old.jsonl new.jsonl\n  touchstone transcript diff old.jsonl new.jsonl --html --out diff.html",
		RunE:    func(_ *cobra.Command, args []string) error { return a.transcriptDiff(args[0], args[1], cfg, page) },
	}
	c.Flags().Float64Var(&cfg.TimingFactor, "timing", 0, "count a median time as different when it is more than `FACTOR` times the other")
	page.flags(c)
	return c
}

// pageOptions are for commands that can write their result as a page.
type pageOptions struct {
	html bool
	out  string
}

func (o *pageOptions) flags(c *cobra.Command) {
	c.Flags().BoolVar(&o.html, "html", false, "write one self-contained HTML page")
	c.Flags().StringVar(&o.out, "out", "", "with --html: write the page to this `FILE`")
}

// check refuses forms that exclude each other.
func (o *pageOptions) check(a *app) error {
	switch {
	case o.html && a.json:
		return usageError{errors.New("--html and --json: only one of the two")}
	case o.out != "" && !o.html:
		return usageError{errors.New("--out wants --html")}
	}
	return nil
}

// paged is a result that can be a page.
type paged interface {
	view.Result
	HTML(w io.Writer) error
}

// present shows a result as text, JSON or a page.
func (a *app) present(r paged, o pageOptions) error {
	if !o.html {
		return a.show(r)
	}
	if o.out == "" {
		return r.HTML(a.streams.Out)
	}
	var page bytes.Buffer
	if err := r.HTML(&page); err != nil {
		return err
	}
	file, err := a.newFile(o.out)
	if err != nil {
		return err
	}
	defer file.discard()
	return file.writeBytes(page.Bytes())
}

func (a *app) transcriptExplain(ctx context.Context, name string, opts explainOptions) error {
	if err := opts.page.check(a); err != nil {
		return err
	}
	known, err := a.explainWith(ctx, name, opts.pin)
	if err != nil {
		return err
	}
	defer clear(known.PIN)
	story, bad := a.readStory(name, known)
	if story == nil {
		return bad
	}
	result := view.Explained{Story: story}
	if !a.json && !opts.page.html && a.colours() {
		return errors.Join(result.Coloured(a.streams.Out), bad)
	}
	return errors.Join(a.present(result, opts.page), bad)
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

// colours says whether standard output is a terminal that wants them.
func (a *app) colours() bool {
	return a.streams.OutIsTerminal() && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// errNothingCommon: two tapes that have nothing to compare.
var errNothingCommon = errors.New("the tapes cannot be compared")

func (a *app) transcriptDiff(left, right string, cfg diff.Config, page pageOptions) error {
	if err := page.check(a); err != nil {
		return err
	}
	if cfg.TimingFactor != 0 && cfg.TimingFactor < 1 {
		return usageError{errors.New("--timing: a factor of less than 1")}
	}
	x, err := a.readStory(left, explain.Options{})
	if err != nil {
		return err
	}
	y, err := a.readStory(right, explain.Options{})
	if err != nil {
		return err
	}
	comparison := diff.Compare(x, y, cfg)
	if err := a.present(view.Compared{Comparison: comparison}, page); err != nil {
		return err
	}
	switch comparison.Verdict {
	case diff.Differs:
		return errChecksFailed
	case diff.Incomparable:
		return errNothingCommon
	}
	return nil
}
