package capture

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sync"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

const (
	// window is how much of a capture is looked at to see what it is.
	window = 256 << 10

	// maxLine bounds one line of a text. The longest APDU in hex, with spaces
	// between the bytes, has 192 KiB.
	maxLine = 1 << 20
)

// decoded takes off what a capture was wrapped in: gzip, UTF-16, a byte order
// mark.
func decoded(r io.Reader) (*bufio.Reader, error) {
	in := bufio.NewReaderSize(r, window)
	head, err := in.Peek(3)
	if len(head) == 0 && err != io.EOF {
		return nil, fmt.Errorf("read: %w", err)
	}
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		unpacked, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		return decoded(plain{unpacked})
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}), bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		utf8 := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder()
		return bufio.NewReaderSize(transform.NewReader(in, utf8), window), nil
	case bytes.HasPrefix(head, []byte{0xef, 0xbb, 0xbf}):
		_, err = in.Discard(3)
		return in, err
	}
	return in, nil
}

// plain keeps a gzip inside a gzip from being unpacked, lest a small file keep
// us busy for ever.
type plain struct{ io.Reader }

// lines reads a text line by line. The line is valid until the next one.
type lines struct {
	c      *collector
	in     *bufio.Reader
	n      int
	offset int64 // of the next line
	buf    []byte
	text   []byte
	err    error // that ended reading, other than io.EOF
}

func newLines(c *collector, in *bufio.Reader, skipped position) *lines {
	return &lines{c: c, in: in, n: skipped.line, offset: skipped.offset}
}

// next reads the next line, without its end and without colours, and makes it
// the present place. A line of more than 1 MiB is left out, with a remark.
func (l *lines) next() bool {
	for l.c.failed == nil {
		text, size, ok := l.read()
		if !ok {
			return false
		}
		l.n++
		l.c.place = Place{Line: l.n, Offset: l.offset}
		l.offset += int64(size)
		if text == nil {
			l.c.remark("the line is longer than %d bytes and is left out", maxLine)
			continue
		}
		l.text = uncoloured(bytes.TrimRight(text, "\r\n"))
		return true
	}
	return false
}

// read gives a whole line, nil for one that is too long, and its size.
func (l *lines) read() (text []byte, size int, ok bool) {
	l.buf = l.buf[:0]
	for {
		part, err := l.in.ReadSlice('\n')
		size += len(part)
		if size <= maxLine {
			l.buf = append(l.buf, part...)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil && err != io.EOF {
			l.broken(err)
		}
		if size == 0 {
			return nil, 0, false
		}
		if size > maxLine {
			return nil, size, true
		}
		return l.buf, size, true
	}
}

// broken takes note that reading failed. A compressed file that breaks off is
// one that was cut; what it has can be had.
func (l *lines) broken(err error) {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		l.c.remark("the compressed file breaks off after this line")
		return
	}
	l.err = fmt.Errorf("%s after line %d: %w", l.c.result.File, l.n, err)
}

// uncoloured takes out the escape sequences that colour a terminal's text.
func uncoloured(text []byte) []byte {
	if bytes.IndexByte(text, 0x1b) < 0 {
		return text
	}
	clean := text[:0]
	for i := 0; i < len(text); i++ {
		if text[i] != 0x1b || i+1 == len(text) || text[i+1] != '[' {
			clean = append(clean, text[i])
			continue
		}
		for i += 2; i < len(text) && (text[i] < '@' || text[i] > '~'); i++ {
		}
	}
	return clean
}

// excerptMark says whether a line marks a place where the text was cut by
// whoever quoted it, and with what words.
func excerptMark(text []byte) (string, bool) {
	text = bytes.TrimSpace(text)
	switch string(bytes.ToLower(text)) {
	case "...", "....", "…", "[...]", "[…]", "(...)", "<...>", "[snip]", "<snip>", "(snip)", "snip", "-- snip --", "--8<--", "[cut]", "<cut>", "[truncated]":
		return "cut in the text", true
	}
	if words, ok := bytes.CutPrefix(text, []byte("--- ")); ok {
		return string(words), true
	}
	return "cut in the text", string(text) == "---"
}

// pattern is a regular expression that is compiled when it is first used: most
// runs of the program use none of them.
func pattern(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}
