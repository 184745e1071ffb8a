package transcript

import (
	"fmt"
	"io"
	"os"
)

// maxTape bounds what Load reads, far above a day of a session.
const maxTape = 256 << 20

// Tape is a whole tape in memory, of this format or a foreign one; the records
// are in the same form either way.
type Tape struct {
	Name    string // of the file, for errors
	Header  Header
	Records []Record
	Ending  Ending
}

// Foreign says that the tape is not of this package's own format.
func (t *Tape) Foreign() bool { return t.Header.Version == 0 }

// Load reads a whole tape. A last line that breaks off is left out and shows
// in Ending. The error for anything else that is wrong says file and line. A
// tape of more than 256 MiB is [ErrTooLarge].
func Load(r io.Reader, name string) (*Tape, error) {
	return load(r, name, maxTape)
}

// LoadFile reads a whole tape from a file.
func LoadFile(path string) (*Tape, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("load tape: %w", err)
	}
	defer file.Close()
	return Load(file, path)
}

func load(r io.Reader, name string, limit int64) (*Tape, error) {
	reader, err := NewReader(&limited{r, limit}, name)
	if err != nil {
		return nil, err
	}
	tape := &Tape{Name: name, Header: reader.Header()}
	for rec, err := range reader.Records() {
		if err != nil {
			return nil, err
		}
		tape.Records = append(tape.Records, rec)
	}
	tape.Ending = reader.Ending()
	return tape, nil
}

// limited fails, where io.LimitedReader pretends that the input has ended.
type limited struct {
	r    io.Reader
	left int64
}

// Read fails with ErrTooLarge when the limit is reached.
func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, ErrTooLarge
	}
	if int64(len(p)) > l.left {
		p = p[:l.left]
	}
	n, err := l.r.Read(p)
	l.left -= int64(n)
	return n, err
}

// WriteTo writes the tape in this package's format, whatever it was loaded
// from. Lines that were cut, and the PIN of a foreign header, are not written.
func (t *Tape) WriteTo(w io.Writer) (int64, error) {
	counter := &counter{w: w}
	writer, err := NewWriter(counter, t.Header)
	for i := 0; err == nil && i < len(t.Records); i++ {
		err = writer.Write(t.Records[i])
	}
	return counter.n, err
}

// counter counts what is written.
type counter struct {
	w io.Writer
	n int64
}

// Write writes and counts.
func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
