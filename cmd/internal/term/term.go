// Package term is the terminal: the three streams of a command, a PIN asked
// for without echo, and the prompt to touch the key. [Test] makes streams of
// buffers.
package term

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// Streams are the standard streams of one command. What was asked for goes to
// Out; prompts, progress and warnings go to Err.
type Streams struct {
	Out io.Writer
	Err io.Writer

	live    bool // Err is a terminal
	in      *bufio.Reader
	openTTY func() (*os.File, error) // the person's terminal, for PINs
	mu      sync.Mutex
}

// System returns the process's own streams.
func System() *Streams {
	return &Streams{
		Out: os.Stdout, Err: os.Stderr, live: term.IsTerminal(int(os.Stderr.Fd())),
		in: bufio.NewReaderSize(os.Stdin, maxLine), openTTY: openTerminal,
	}
}

// Test returns streams on buffers, without a terminal.
func Test(stdin string) (s *Streams, out, err *bytes.Buffer) {
	out, err = &bytes.Buffer{}, &bytes.Buffer{}
	return &Streams{
		Out: out, Err: err, in: bufio.NewReaderSize(bytes.NewBufferString(stdin), maxLine),
		openTTY: func() (*os.File, error) { return nil, os.ErrNotExist },
	}, out, err
}

// WithInput returns the streams with another standard input.
func (s *Streams) WithInput(r io.Reader) *Streams {
	return &Streams{Out: s.Out, Err: s.Err, in: bufio.NewReaderSize(r, maxLine), openTTY: s.openTTY}
}

// Input is all of stdin, for a command that reads a file from it and asks
// nobody anything.
func (s *Streams) Input() io.Reader { return s.in }

// WithTerminal returns the streams with another terminal to ask for PINs on.
func (s *Streams) WithTerminal(open func() (*os.File, error)) *Streams {
	return &Streams{Out: s.Out, Err: s.Err, in: s.in, openTTY: open}
}

// Live returns the streams as they are when Err is a terminal.
func (s *Streams) Live() *Streams {
	return &Streams{Out: s.Out, Err: s.Err, live: true, in: s.in, openTTY: s.openTTY}
}

// openTerminal opens the person's terminal even when stdin is a pipe.
func openTerminal() (*os.File, error) {
	if term.IsTerminal(int(os.Stdin.Fd())) {
		return os.Stdin, nil
	}
	return os.OpenFile(terminalDevice, os.O_RDWR, 0)
}

// Errors of reading secrets.
var (
	// ErrNoTerminal: nobody can be asked.
	ErrNoTerminal = errors.New("there is no terminal to ask on")
	// ErrNoInput: stdin ended before a line that was due.
	ErrNoInput = errors.New("standard input ended too early")
	// ErrLongLine: a line is longer than any PIN.
	ErrLongLine = errors.New("line on standard input is too long")
)

// maxLine bounds a line with a PIN, in bytes.
const maxLine = 1024

// ReadLine reads one line of stdin, without its end, or returns ctx's cause when
// ctx ends before there is one. It is for secrets: the caller wipes what it
// gets.
func (s *Streams) ReadLine(ctx context.Context) ([]byte, error) {
	a := await(ctx, s.readLine)
	return a.line, a.err
}

func (s *Streams) readLine() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	line, err := s.in.ReadSlice('\n')
	defer clear(line)
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, ErrLongLine
	case errors.Is(err, io.EOF) && len(line) == 0:
		return nil, ErrNoInput
	case err != nil && !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("standard input: %w", err)
	}
	return bytes.Clone(bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))), nil
}

// ReadSecret shows the prompt on the terminal and reads a line without echo.
// When ctx ends first, the terminal is put back as it was and ctx's cause is
// returned. The caller wipes what it gets.
func (s *Streams) ReadSecret(ctx context.Context, prompt string) ([]byte, error) {
	tty, err := s.openTTY()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoTerminal, err)
	}
	fd := int(tty.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		closeTerminal(tty)
		return nil, fmt.Errorf("%w: %w", ErrNoTerminal, err)
	}
	asked := begin(ctx, func() ([]byte, error) { return readPassword(tty) })
	awaitChange(fd, before)
	fmt.Fprint(tty, prompt)
	select {
	case a := <-asked:
		if a.err != nil {
			return nil, fmt.Errorf("terminal: %w", a.err)
		}
		return a.line, nil
	case <-ctx.Done():
		_ = term.Restore(fd, before)
		fmt.Fprintln(tty)
		return nil, context.Cause(ctx)
	}
}

// awaitChange returns when the terminal has left the state before, so that
// nothing can be typed after the prompt and before echo is off; or after a
// tenth of a second, when echo was off all the time.
func awaitChange(fd int, before *term.State) {
	for range 100 {
		if now, err := term.GetState(fd); err != nil || *now != *before {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

type answer struct {
	line []byte
	err  error
}

// begin reads a line in the background. Reading cannot be broken off, so the
// goroutine outlives a cancelled call until there is something to read or the
// program ends. A line that came too late is wiped.
func begin(ctx context.Context, read func() ([]byte, error)) <-chan answer {
	answers := make(chan answer)
	go func() {
		line, err := read()
		select {
		case answers <- answer{line, err}:
		case <-ctx.Done():
			clear(line)
		}
	}()
	return answers
}

// await reads a line as long as ctx lasts.
func await(ctx context.Context, read func() ([]byte, error)) answer {
	select {
	case a := <-begin(ctx, read):
		return a
	case <-ctx.Done():
		return answer{err: context.Cause(ctx)}
	}
}

// readPassword reads a line without echo. It closes the terminal, whose
// descriptor must not be used for something else before that.
func readPassword(tty *os.File) ([]byte, error) {
	defer closeTerminal(tty)
	line, err := term.ReadPassword(int(tty.Fd()))
	fmt.Fprintln(tty)
	return line, err
}

func closeTerminal(tty *os.File) {
	if tty != os.Stdin {
		_ = tty.Close()
	}
}
