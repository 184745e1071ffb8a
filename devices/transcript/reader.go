package transcript

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
)

// maxLine bounds one line of a tape. The longest APDU in hex has 128 KiB.
const maxLine = 1 << 20

// errEndless is a line that is too long to be one of a tape. Nothing after it
// can be read.
var errEndless = errors.New("no line of a tape")

// Ending says how the last line of a tape ends.
type Ending byte

// Endings.
const (
	EndWhole   Ending = iota // with a line end, as it should
	EndNoBreak               // a whole record without a line end
	EndCut                   // inside a record, which is left out: the recording broke off
)

var endingNames = [...]string{"whole", "no line end", "cut"}

// String says it in a word or two.
func (e Ending) String() string {
	if int(e) < len(endingNames) {
		return endingNames[e]
	}
	return fmt.Sprintf("ending %d", byte(e))
}

// Reader reads a tape line by line, in memory that does not grow with the
// tape.
type Reader struct {
	file    string
	scanner *bufio.Scanner
	line    int
	ending  Ending
	header  Header
	level   Level    // of records that do not say
	ahead   []Record // read while finding out what the tape is
	err     error    // what ended reading, io.EOF at the end
}

// NewReader reads the header, or where there is none as much of the tape as it
// takes to see what it is (at most 32 records). file is the name for errors.
func NewReader(r io.Reader, file string) (*Reader, error) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxLine)
	scanner.Split(splitLines)
	reader := &Reader{file: file, scanner: scanner}
	if err := reader.open(); err != nil {
		return nil, err
	}
	return reader, nil
}

// splitLines keeps the line end, so that a cut last line shows.
func splitLines(data []byte, atEOF bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i+1], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// open reads the first line, and more where that is not a header.
func (r *Reader) open() error {
	text, err := r.text()
	if err == io.EOF {
		return fmt.Errorf("%s: %w", r.file, ErrEmpty)
	}
	if err != nil {
		return err
	}
	var members map[string]json.RawMessage
	if err := r.lineError(text, decode(text, &members)); err != nil {
		if err == io.EOF {
			return fmt.Errorf("%s: %w: the only line breaks off", r.file, ErrEmpty)
		}
		return err
	}
	if !isHeader(members) {
		return r.openHeaderless(text)
	}
	if r.header, err = parseHeader(members); err != nil {
		return &FormatError{r.file, r.line, err}
	}
	r.level = levelOf(r.header.Transport)
	return nil
}

// openHeaderless reads ahead from the first record on and takes from there
// what the tape is.
func (r *Reader) openHeaderless(first []byte) error {
	rec, err := parseRecord(first)
	if err != nil {
		return &FormatError{r.file, r.line, err}
	}
	rec.Line = r.line
	r.ahead = append(r.ahead, rec)
	for len(r.ahead) < lookAhead {
		rec, err := r.read()
		if err != nil {
			r.err = err
			break
		}
		r.ahead = append(r.ahead, rec)
	}
	r.header.Transport, r.level = recognise(r.ahead)
	for i := range r.ahead {
		r.setLevel(&r.ahead[i])
	}
	return nil
}

// text is the next line that is not blank.
func (r *Reader) text() ([]byte, error) {
	for r.scanner.Scan() {
		r.line++
		text := r.scanner.Bytes()
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		if text[len(text)-1] != '\n' {
			r.ending = EndNoBreak
		}
		return text, nil
	}
	err := r.scanner.Err()
	switch {
	case err == nil:
		return nil, io.EOF
	case errors.Is(err, bufio.ErrTooLong):
		return nil, &FormatError{r.file, r.line + 1, fmt.Errorf("%w: longer than %d bytes", errEndless, maxLine)}
	}
	return nil, fmt.Errorf("%s after line %d: %w", r.file, r.line, err)
}

// lineError places an error in the file. A last line that breaks off is no
// error but the end of the tape.
func (r *Reader) lineError(text []byte, err error) error {
	if err == nil {
		return nil
	}
	if r.ending == EndNoBreak && errors.Is(err, io.ErrUnexpectedEOF) && text[0] == '{' {
		r.ending = EndCut
		return io.EOF
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("not JSON: the line ends inside an object")
	}
	return &FormatError{r.file, r.line, err}
}

// read reads the next record.
func (r *Reader) read() (Record, error) {
	text, err := r.text()
	if err != nil {
		return Record{}, err
	}
	rec, err := parseRecord(text)
	if err := r.lineError(text, err); err != nil {
		return Record{}, err
	}
	rec.Line = r.line
	r.setLevel(&rec)
	return rec, nil
}

func (r *Reader) setLevel(rec *Record) {
	if rec.Level == 0 {
		rec.Level = r.level
	}
}

// Header is the tape's header. Of a tape without one it has the transport
// that the first records show.
func (r *Reader) Header() Header { return r.header }

// Records yields the records in order, once. It ends after the first error,
// which a [FormatError] places in the file.
func (r *Reader) Records() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for {
			rec, err := r.next()
			if err == io.EOF || !yield(rec, err) || err != nil {
				return
			}
		}
	}
}

// next takes from what was read ahead first.
func (r *Reader) next() (Record, error) {
	if len(r.ahead) > 0 {
		rec := r.ahead[0]
		r.ahead = r.ahead[1:]
		return rec, nil
	}
	if r.err == nil {
		var rec Record
		if rec, r.err = r.read(); r.err == nil {
			return rec, nil
		}
	}
	return Record{}, r.err
}

// Skip goes on after the error of a line that is no record, with another call of
// Records, and reports whether that can be done: not after an error of reading,
// nor at the end.
func (r *Reader) Skip() bool {
	var format *FormatError
	if !errors.As(r.err, &format) || errors.Is(r.err, errEndless) {
		return false
	}
	r.err = nil
	return true
}

// Ending says how the last line ended, once Records has come to its end.
func (r *Reader) Ending() Ending { return r.ending }
