package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/devices/transcript/replay"
)

// checkFlags are the flags of transcript check.
type checkFlags struct {
	junit, shard string
	countOnly    bool
}

func (a *app) transcriptCheckCommand() *cobra.Command {
	f := &checkFlags{}
	c := &cobra.Command{
		Use: "check TAPE|DIR", Short: "Count what is on a tape, and say what is wrong with it", Args: cobra.ExactArgs(1),
		Long: "Read a tape, our own or one of the foreign forms, and count its messages: whole, cut (begun and\n" +
			"not ended) and malformed. The exit status is 0 when no message is malformed, and 5 when some is.\n\n" +
			"Of a folder, every tape in it (*.jsonl, those in folders below too) is counted, and replayed as by transcript replay\n" +
			"as far as it can be: a gate for CI that needs no key. The exit status is 5 when a tape cannot be read, has a malformed\n" +
			"message or does not replay the same. What a tape lacks is no failure. A folder without tapes is one.",
		Example: "  touchstone transcript check tape.jsonl\n  touchstone --json transcript check tape.jsonl\n" +
			"  touchstone transcript check --junit report.xml tapes\n  touchstone transcript check --shard 2/8 tapes",
		RunE: func(c *cobra.Command, args []string) error { return a.transcriptCheckAny(c.Context(), args[0], f) },
	}
	c.Flags().StringVar(&f.junit, "junit", "", "of a folder: write a report in JUnit's form to this `FILE`, too")
	c.Flags().StringVar(&f.shard, "shard", "", "of a folder: take every Nth tape from the Kth on, `K/N`, so that N runs share a large folder")
	c.Flags().BoolVar(&f.countOnly, "no-replay", false, "of a folder: count only")
	return c
}

func (a *app) transcriptCheckAny(ctx context.Context, name string, f *checkFlags) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return a.transcriptCheckDir(ctx, name, f)
	}
	if *f != (checkFlags{}) {
		return usageError{errors.New("--junit, --shard and --no-replay are for a folder of tapes")}
	}
	return a.transcriptCheck(name)
}

// part is a share of a list.
type part struct{ k, n int }

// parsePart reads K/N, empty for all.
func parsePart(text string) (part, error) {
	if text == "" {
		return part{1, 1}, nil
	}
	left, right, _ := strings.Cut(text, "/")
	k, err := strconv.Atoi(left)
	n, wrong := strconv.Atoi(right)
	if err != nil || wrong != nil || k < 1 || k > n {
		return part{}, usageError{fmt.Errorf("--shard %q is not a number and how many there are, such as 2/8", text)}
	}
	return part{k, n}, nil
}

// of are the share's members.
func (p part) of(files []string) (mine []string) {
	for i := p.k - 1; i < len(files); i += p.n {
		mine = append(mine, files[i])
	}
	return mine
}

// tapesIn are the tapes of a folder by their paths inside it, in order.
func tapesIn(dir string) (files []string, err error) {
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".jsonl" {
			return err
		}
		name, err := filepath.Rel(dir, path)
		files = append(files, filepath.ToSlash(name))
		return err
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s: there are no tapes (*.jsonl) in it", dir)
	}
	return files, err
}

func (a *app) transcriptCheckDir(ctx context.Context, dir string, f *checkFlags) error {
	share, err := parsePart(f.shard)
	if err != nil {
		return err
	}
	files, err := tapesIn(dir)
	if err != nil {
		return err
	}
	result := view.TapeChecks{Dir: dir, Shard: f.shard}
	for _, name := range share.of(files) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		start := time.Now()
		tape := checkTape(ctx, dir, name, f.countOnly)
		tape.Took = time.Since(start)
		result.Tapes = append(result.Tapes, tape)
	}
	if err := a.writeJUnit(f.junit, result); err != nil {
		return err
	}
	if err := a.show(result); err != nil {
		return err
	}
	if result.Failed() > 0 {
		return errChecksFailed
	}
	return nil
}

// writeJUnit writes the report over an earlier one, as CI has it.
func (a *app) writeJUnit(name string, result view.TapeChecks) error {
	if name == "" {
		return nil
	}
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("--junit: %w", err)
	}
	if err := errors.Join(result.JUnit(file), file.Close()); err != nil {
		return fmt.Errorf("--junit: %w", err)
	}
	return nil
}

// checkTape counts a tape and replays it.
func checkTape(ctx context.Context, dir, name string, countOnly bool) view.CheckedTape {
	c := view.CheckedTape{File: name}
	path := filepath.Join(dir, filepath.FromSlash(name))
	file, err := os.Open(path)
	if err != nil {
		c.Failures = []string{err.Error()}
		return c
	}
	defer file.Close()
	summary, err := transcript.Check(file, name)
	c.Messages = summary.Messages
	switch {
	case err != nil:
		c.Failures = []string{err.Error()}
		return c
	case summary.Messages.Malformed > 0:
		c.Failures = append(c.Failures, fmt.Sprintf("%d malformed", summary.Messages.Malformed))
	}
	switch {
	case countOnly:
	case summary.Unplayable != nil:
		c.NotReplayed = summary.Unplayable.Error()
	default:
		replayTape(ctx, path, &c)
	}
	return c
}

// replayTape replays a tape. What it lacks cannot be asked and is no failure; an
// answer that differs is one, and so is a question that could be asked and was not.
func replayTape(ctx context.Context, path string, c *view.CheckedTape) {
	tape, err := transcript.LoadFile(path)
	if err == nil {
		c.Replay, err = replay.Run(ctx, tape, replay.Options{})
	}
	if err != nil {
		c.Failures = append(c.Failures, err.Error())
		return
	}
	if n := c.Replay.Differs; n > 0 {
		c.Failures = append(c.Failures, fmt.Sprintf("%d of %d answers differ", n, len(c.Replay.Steps)))
	}
}
