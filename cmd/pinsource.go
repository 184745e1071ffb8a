package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"github.com/touchstone-fido/touchstone/cmd/internal/term"
)

// pinSources are the flags that say where PINs come from, instead of the
// terminal. At most one is given. None takes a PIN: what is on a command line or
// in the environment, every program of the user can read.
type pinSources struct {
	stdin   bool
	fd      descriptor
	command string

	lines *term.Streams // of fd
}

// descriptor is the number of an open file, as a flag.
type descriptor int

const noFD = descriptor(-1 << 31) // no descriptor that anybody would name

// String is empty for none.
func (d *descriptor) String() string {
	if *d == noFD {
		return ""
	}
	return strconv.Itoa(int(*d))
}

// Set takes the flag's value.
func (d *descriptor) Set(value string) error {
	n, err := strconv.Atoi(value)
	if err != nil {
		return errors.New("want the number of an open file descriptor")
	}
	*d = descriptor(n)
	return nil
}

// Type names what the flag takes.
func (d *descriptor) Type() string { return "int" }

// elsewhere reports whether PINs come from elsewhere than the terminal, so that
// there is nobody to ask.
func (p *pinSources) elsewhere() bool { return p.stdin || p.fd != noFD || p.command != "" }

// openPINSource makes the source ready that the flags name.
func (a *app) openPINSource() error {
	p := &a.pins
	given := 0
	for _, on := range []bool{p.stdin, p.fd != noFD, p.command != ""} {
		if on {
			given++
		}
	}
	switch {
	case given > 1:
		return errors.New("one of --pin-stdin, --pin-fd and --pin-command at a time")
	case p.fd == 0:
		p.stdin, p.fd = true, noFD
	case p.fd != noFD:
		return a.openPINDescriptor()
	case p.command != "":
		_, err := splitCommand(p.command)
		return err
	}
	return nil
}

func (a *app) openPINDescriptor() error {
	fd := a.pins.fd
	if fd < 0 || fd <= 2 || runtime.GOOS == "windows" {
		return fmt.Errorf("--pin-fd %d: want a descriptor that was opened for reading, 3 or more; there are none on Windows", fd)
	}
	file := os.NewFile(uintptr(fd), "--pin-fd")
	if file == nil {
		return fmt.Errorf("--pin-fd %d is not open", fd)
	}
	if _, err := file.Stat(); err != nil {
		return fmt.Errorf("--pin-fd %d is not open", fd)
	}
	a.pins.lines = a.streams.WithInput(file)
	return nil
}

// errNoMorePINs: a descriptor or command brought fewer PINs than were asked for.
var errNoMorePINs = errors.New("there is no PIN")

// secret reads one secret. The caller wipes it.
func (a *app) secret(ctx context.Context, prompt string) ([]byte, error) {
	switch p := &a.pins; {
	case p.command != "":
		return a.secretOfCommand(ctx, prompt)
	case p.lines != nil:
		line, err := p.lines.ReadLine(ctx)
		if errors.Is(err, term.ErrNoInput) {
			err = errNoMorePINs
		}
		if err != nil {
			return nil, fmt.Errorf("--pin-fd %d: %w", p.fd, err)
		}
		return line, nil
	case p.stdin:
		line, err := a.streams.ReadLine(ctx)
		if err != nil {
			return nil, fmt.Errorf("PIN: %w", err)
		}
		return line, nil
	}
	return a.streams.ReadSecret(ctx, prompt)
}
