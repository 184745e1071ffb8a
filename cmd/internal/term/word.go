package term

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// ReadWord shows the prompt on the terminal and reads a line, which is echoed, as
// it was typed but for its end. When ctx ends first, ctx's cause is returned.
func (s *Streams) ReadWord(ctx context.Context, prompt string) (string, error) {
	tty, err := s.openTTY()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoTerminal, err)
	}
	if !term.IsTerminal(int(tty.Fd())) {
		closeTerminal(tty)
		return "", ErrNoTerminal
	}
	fmt.Fprint(tty, prompt)
	a := await(ctx, func() ([]byte, error) { return readTyped(tty) })
	if a.err != nil && ctx.Err() != nil {
		fmt.Fprintln(s.Err) // the prompt's line has no end yet
		return "", a.err
	}
	if a.err != nil {
		return "", fmt.Errorf("terminal: %w", a.err)
	}
	return strings.TrimSuffix(string(a.line), "\r"), nil
}

// readTyped reads to the end of a line and not beyond, or to the end of input. It
// closes the terminal.
func readTyped(tty *os.File) ([]byte, error) {
	defer closeTerminal(tty)
	var line []byte
	one := make([]byte, 1)
	for len(line) < maxLine {
		_, err := tty.Read(one)
		switch {
		case errors.Is(err, io.EOF), err == nil && one[0] == '\n':
			return line, nil
		case err != nil:
			return nil, err
		}
		line = append(line, one[0])
	}
	return nil, ErrLongLine
}

// HasTerminal reports whether there is a terminal to ask on.
func (s *Streams) HasTerminal() bool {
	tty, err := s.openTTY()
	if err != nil {
		return false
	}
	defer closeTerminal(tty)
	return term.IsTerminal(int(tty.Fd()))
}

// ErrIsTerminal reports whether a person sees what is written to Err.
func (s *Streams) ErrIsTerminal() bool { return s.live }

// OutIsTerminal reports whether what is written to Out is shown on a terminal.
func (s *Streams) OutIsTerminal() bool {
	file, ok := s.Out.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// ReadAll reads the rest of stdin, of which there may be limit bytes at most, or
// returns ctx's cause when ctx ends before that is there.
func (s *Streams) ReadAll(ctx context.Context, limit int) ([]byte, error) {
	a := await(ctx, func() ([]byte, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return io.ReadAll(io.LimitReader(s.in, int64(limit)+1))
	})
	switch {
	case a.err != nil && ctx.Err() == nil:
		return nil, fmt.Errorf("standard input: %w", a.err)
	case a.err == nil && len(a.line) > limit:
		return nil, fmt.Errorf("%w: %d bytes at most", ErrLongInput, limit)
	}
	return a.line, a.err
}

// ErrLongInput: stdin has more than what can be of use.
var ErrLongInput = errors.New("too much on standard input")
