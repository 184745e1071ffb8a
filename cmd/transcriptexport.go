package cmd

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/devices/transcript/capture"
)

func (a *app) transcriptExportCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use: "export TAPE --out FILE.pcapng", Short: "Write a tape as a capture that Wireshark opens", Args: cobra.ExactArgs(1),
		Long: "Write a tape as a pcapng capture: the reports of a USB key as transfers over USB, with descriptors before\n" +
			"them, the APDUs of a card as PDUs of ISO 7816. Each packet has a comment that says what it is; gaps and\n" +
			"events are comments too. \"-\" is standard input. No file is written over. A tape with a seed or a PIN in its\n" +
			"header is exported without those; what crossed is exported as it is.",
		Example: "  touchstone transcript export tape.jsonl --out tape.pcapng\n  tshark -r tape.pcapng -T fields -e frame.comment",
		RunE:    func(_ *cobra.Command, args []string) error { return a.transcriptExport(args[0], out) },
	}
	c.Flags().StringVar(&out, "out", "", "write the capture to this new `FILE`")
	return c
}

func (a *app) transcriptExport(name, out string) error {
	if out == "" {
		return usageError{errors.New("transcript export wants --out")}
	}
	source, err := a.source(name)
	if err != nil {
		return err
	}
	defer source.Close()
	reader, err := transcript.NewReader(source, name)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	result, err := capture.Export(file, reader, name)
	if err = errors.Join(err, file.Close()); err != nil {
		_ = os.Remove(out)
		return err
	}
	return a.show(view.TapeExport{Exported: result, Out: out})
}
