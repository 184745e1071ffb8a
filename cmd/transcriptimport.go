package cmd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices/transcript/capture"
)

func (a *app) transcriptImportCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use: "import FILE --out TAPE", Short: "Make tapes of what other programs captured", Args: cobra.ExactArgs(1),
		Long: "Read a capture of another program, find out what it is, and write a tape for each FIDO key in it: USB\n" +
			"captures (usbmon, USBPcap; pcap, pcapng, usbmon's text, Wireshark's text), libfido2's FIDO_DEBUG, logs of\n" +
			"python-fido2 and ykman, pcscd, OpenSC, libwebauthn, microG, Chromium and Windows, APDU logs, and more. \"-\" is\n" +
			"standard input. The first key's tape is TAPE, the next ones' have a number: tape.jsonl, tape-2.jsonl. No file\n" +
			"is written over. What is missing or damaged is told, with its place. The exit status is 0 when something was\n" +
			"imported, 5 when some message in it is malformed, and 1 when nothing of a key's session is in the file.",
		Example: "  touchstone transcript import login.pcapng --out login.jsonl\n" +
			"  FIDO_DEBUG=1 fido2-token -I /dev/hidraw3 2>&1 | touchstone transcript import - --out token.jsonl",
		RunE: func(_ *cobra.Command, args []string) error { return a.transcriptImport(args[0], out) },
	}
	c.Flags().StringVar(&out, "out", "", "write the tape to this new `FILE`")
	return c
}

func (a *app) transcriptImport(name, out string) error {
	if out == "" {
		return usageError{errors.New("transcript import wants --out")}
	}
	source, err := a.source(name)
	if err != nil {
		return err
	}
	defer source.Close()
	files := &tapeFiles{name: out}
	result, err := capture.Import(source, name, files.open)
	if files.failed != nil {
		files.remove()
	}
	if len(result.Tapes) == 0 || files.failed != nil {
		return err
	}
	if err := errors.Join(err, a.show(view.TapeImport{Result: result})); err != nil {
		return err
	}
	for _, tape := range result.Tapes {
		if tape.Summary.Messages.Malformed > 0 {
			return errChecksFailed
		}
	}
	return nil
}

// source opens a file, or standard input for "-".
func (a *app) source(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(a.streams.Input()), nil
	}
	return os.Open(name)
}

// tapeFiles makes the files of the tapes that an import writes.
type tapeFiles struct {
	name   string // of the first
	made   []string
	failed error // of making or writing one
}

// open makes the file of tape n, which must not be there yet.
func (t *tapeFiles) open(n int, _ capture.Device) (io.WriteCloser, string, error) {
	name := t.name
	if n > 1 {
		ext := filepath.Ext(name)
		name = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(name, ext), n, ext)
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		t.failed = fmt.Errorf("--out: %w", err)
		return nil, "", t.failed
	}
	t.made = append(t.made, name)
	return &tapeFile{files: t, file: file, buffer: bufio.NewWriterSize(file, 64<<10)}, name, nil
}

// remove takes away what was made, as it is not whole.
func (t *tapeFiles) remove() {
	for _, name := range t.made {
		_ = os.Remove(name)
	}
}

// tapeFile is a tape being written, in larger pieces than lines.
type tapeFile struct {
	files  *tapeFiles
	file   *os.File
	buffer *bufio.Writer
}

// Write writes to the buffer.
func (f *tapeFile) Write(p []byte) (int, error) {
	n, err := f.buffer.Write(p)
	f.fail(err)
	return n, err
}

// Close writes what is left in the buffer and closes the file.
func (f *tapeFile) Close() error {
	err := errors.Join(f.buffer.Flush(), f.file.Close())
	f.fail(err)
	return err
}

func (f *tapeFile) fail(err error) {
	if err != nil && f.files.failed == nil {
		f.files.failed = err
	}
}
