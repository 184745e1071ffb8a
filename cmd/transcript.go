package cmd

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

func (a *app) transcriptCommand() *cobra.Command {
	return group("transcript", "Look at recorded sessions with keys",
		a.explainCommand(), a.diffCommand(),
		&cobra.Command{
			Use: "show TAPE", Short: "Show a tape, a line for each report or APDU", Args: cobra.ExactArgs(1),
			Example: "  touchstone transcript show tape.jsonl",
			RunE:    func(_ *cobra.Command, args []string) error { return a.transcriptShow(args[0]) },
		},
		a.transcriptCheckCommand(),
		a.transcriptReplayCommand(), a.transcriptImportCommand(), a.transcriptExportCommand(),
		a.transcriptRedactCommand(), a.transcriptLeaksCommand(),
	)
}

func (a *app) transcriptShow(name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	reader, err := transcript.NewReader(file, name)
	if err != nil {
		return err
	}
	show := view.NewTape(a.streams.Out, a.json)
	if err := show.Header(reader.Header()); err != nil {
		return err
	}
	var bad error
	for record, err := range reader.Records() {
		if err != nil {
			bad = err
			break
		}
		if err := show.Record(record); err != nil {
			return err
		}
	}
	if a.json && reader.Ending() == transcript.EndCut { // in text the view tells
		a.note("warning: the last line of %s is cut off", name)
	}
	return errors.Join(show.End(reader.Ending()), bad)
}

func (a *app) transcriptCheck(name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	summary, err := transcript.Check(file, name)
	if err != nil {
		return err
	}
	if err := a.show(view.TapeCheck{Summary: summary}); err != nil {
		return err
	}
	if summary.Messages.Malformed > 0 {
		return errChecksFailed
	}
	return nil
}
