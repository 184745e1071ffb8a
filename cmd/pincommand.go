package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// promptVariable tells the command of --pin-command what is asked for.
const promptVariable = "TOUCHSTONE_PIN_PROMPT"

const (
	maxPINLine  = 1024            // bytes of the first line that a command prints
	commandWait = 2 * time.Second // for a command that was told to end
)

// secretOfCommand runs the command of --pin-command. The first line that it
// prints is the secret; what it says on standard error reaches the person.
func (a *app) secretOfCommand(ctx context.Context, prompt string) ([]byte, error) {
	words, err := splitCommand(a.pins.command)
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, words[0], words[1:]...)
	command.Env = append(os.Environ(), promptVariable+"="+prompt)
	command.WaitDelay = commandWait
	said := a.errWriter()
	defer said.flush()
	command.Stderr = said
	secret, err := firstLine(command)
	if err != nil {
		clear(secret)
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("--pin-command %s: %w", words[0], err)
	}
	return secret, nil
}

// errPINLine: what a command prints is no PIN.
var errPINLine = fmt.Errorf("the first line that it prints is longer than %d bytes", maxPINLine)

// firstLine runs a command to its end and returns the first line that it
// printed, without its end. No other copy of the line is left.
func firstLine(command *exec.Cmd) ([]byte, error) {
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	buffer := make([]byte, maxPINLine+2)
	defer clear(buffer)
	n, err := io.ReadFull(out, buffer)
	if err == nil {
		_, err = io.Copy(io.Discard, out)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	if end := command.Wait(); end != nil {
		return nil, end
	}
	line, _, whole := bytes.Cut(buffer[:n], []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	switch {
	case err != nil:
		return nil, err
	case len(line) > maxPINLine, !whole && n == len(buffer):
		return nil, errPINLine
	case len(line) == 0:
		return nil, errNoMorePINs
	}
	return bytes.Clone(line), nil
}

// splitCommand cuts a command into words at spaces. Single and double quotes
// keep a part together and mean the same. No shell is asked: nothing is expanded
// or redirected, on every system alike.
func splitCommand(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	inside, quote := false, rune(0)
	for _, r := range text {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			inside, quote = true, r
		case r == ' ' || r == '\t' || r == '\n':
			if inside {
				words = append(words, word.String())
			}
			inside = false
			word.Reset()
		default:
			inside = true
			word.WriteRune(r)
		}
	}
	if inside {
		words = append(words, word.String())
	}
	if quote != 0 || len(words) == 0 || words[0] == "" {
		return nil, fmt.Errorf("--pin-command %q is no command: want a program and its arguments, quotes in pairs", text)
	}
	return words, nil
}
