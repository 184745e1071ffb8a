package term_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/cmd/internal/term"
)

// TestWordIsEchoed: a word is read as it was typed, spaces and all, and only one
// line of it.
func TestWordIsEchoed(t *testing.T) {
	s, person := terminal(t)
	for _, word := range []string{"example.com", " delete ", "", "\u00fc"} {
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
	const ctrlD = "\x04"
	go func() {
		await(t, person, "Type it: ")
		_, _ = person.WriteString(ctrlD)
	}()
	if got, err := s.ReadWord(t.Context(), "Type it: "); got != "" || err != nil {
		t.Errorf("end of input: %q, %v", got, err)
	}
}

func TestCancelEndsTheWaitForAWord(t *testing.T) {
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

func TestWhatIsATerminal(t *testing.T) {
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
	if s.OutIsTerminal() || s.ErrIsTerminal() || !s.Live().ErrIsTerminal() {
		t.Error("buffers are terminals")
	}
	tty, _ := terminal(t)
	if !tty.HasTerminal() {
		t.Error("a terminal is none")
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if s.Out = file; s.OutIsTerminal() {
		t.Error("a file is a terminal")
	}
}

func TestReadAll(t *testing.T) {
	s, _, _ := term.Test("1234\nthe rest\r\n\x00")
	if _, err := s.ReadLine(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := s.ReadAll(t.Context(), 11); string(got) != "the rest\r\n\x00" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	s, _, _ = term.Test("12345")
	if got, err := s.ReadAll(t.Context(), 4); !errors.Is(err, term.ErrLongInput) {
		t.Errorf("%q, %v", got, err)
	}
	input := endless{make(chan struct{})}
	cause := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-input.reading
		cancel(cause)
	}()
	if _, err := s.WithInput(input).ReadAll(ctx, 10); !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
}
