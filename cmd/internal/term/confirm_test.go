package term_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/cmd/internal/term"
)

// TestWordIsRead: a word is echoed, read as it was typed, and only one line of
// it.
func TestWordIsRead(t *testing.T) {
	s, person := terminal(t)
	for _, word := range []string{"reset", " y ", ""} {
		shown := make(chan string, 1)
		go func() {
			await(t, person, "Type it: ")
			_, _ = person.WriteString(word + "\n")
			shown <- await(t, person, "\n")
		}()
		got, err := s.ReadWord(t.Context(), "Type it: ")
		if err != nil || got != word {
			t.Fatalf("%q, %v; want %q", got, err, word)
		}
		if echo := <-shown; !strings.Contains(echo, word) {
			t.Errorf("the terminal shows %q", echo)
		}
	}
}

func TestWordIsNotWaitedForInVain(t *testing.T) {
	s, person := terminal(t)
	cause := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		await(t, person, "Type it: ")
		cancel(cause)
	}()
	if got, err := s.ReadWord(ctx, "Type it: "); got != "" || !errors.Is(err, cause) {
		t.Errorf("%q, %v", got, err)
	}
	_, _ = person.WriteString("\n") // for whoever still reads
}

func TestNoTerminalForAWord(t *testing.T) {
	s, _, _ := term.Test("word\n")
	if _, err := s.ReadWord(t.Context(), "Type it: "); !errors.Is(err, term.ErrNoTerminal) || s.HasTerminal() {
		t.Errorf("no terminal: %v, %t", err, s.HasTerminal())
	}
	name := t.TempDir() + "/file"
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f := s.WithTerminal(func() (*os.File, error) { return os.Open(name) })
	if _, err := f.ReadWord(t.Context(), "Type it: "); !errors.Is(err, term.ErrNoTerminal) || f.HasTerminal() {
		t.Errorf("a file: %v, %t", err, f.HasTerminal())
	}
	if tty, _ := terminal(t); !tty.HasTerminal() {
		t.Error("a terminal is none")
	}
	if s.ErrIsTerminal() || !s.Live().ErrIsTerminal() {
		t.Error("a buffer is a terminal, or a terminal is none")
	}
}
