package transcript

import (
	"fmt"
	"io"
)

// Writer writes a tape in this package's format, each line with one call of
// Write, so that a crash cuts at most the last line. Once a write has failed
// it writes nothing more and goes on returning that error: a tape has no holes.
type Writer struct {
	w         io.Writer
	transport Transport
	line      []byte
	err       error
}

// NewWriter writes the header, which must name its transport. The version, the
// PIN and, without a seed, the note on the seed are the package's business.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	if h.Transport != HID && h.Transport != NFC {
		return nil, fmt.Errorf("write tape: transport %q is neither %q nor %q", h.Transport, HID, NFC)
	}
	line, err := h.text()
	if err != nil {
		return nil, fmt.Errorf("write tape: header: %w", err)
	}
	writer := &Writer{w: w, transport: h.Transport}
	writer.put(append(line, '\n'))
	return writer, writer.err
}

// Write writes one record. Its Line does not count.
func (w *Writer) Write(rec Record) error {
	if w.err != nil {
		return w.err
	}
	line, err := appendRecord(w.line[:0], w.transport, rec)
	if err != nil {
		return fmt.Errorf("write tape: %w", err)
	}
	w.line = line
	w.put(line)
	return w.err
}

func (w *Writer) put(line []byte) {
	n, err := w.w.Write(line)
	if err == nil && n < len(line) {
		err = io.ErrShortWrite
	}
	if err != nil {
		w.err = fmt.Errorf("write tape: %w", err)
	}
}
