package term_test

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/touchstone-fido/touchstone/cmd/internal/term"
)

func TestReadLine(t *testing.T) {
	for _, c := range []struct {
		name, stdin string
		want        []string
		end         error
	}{
		{"two lines", "1234\n5678\n", []string{"1234", "5678"}, term.ErrNoInput},
		{"no line end", "1234", []string{"1234"}, term.ErrNoInput},
		{"carriage return", "1234\r\n\r\n", []string{"1234", ""}, term.ErrNoInput},
		{"nothing", "", nil, term.ErrNoInput},
		{"spaces are part of it", " 12 34 \n", []string{" 12 34 "}, term.ErrNoInput},
		{"too long", strings.Repeat("x", 5000) + "\n", nil, term.ErrLongLine},
	} {
		s, _, _ := term.Test(c.stdin)
		for _, want := range c.want {
			got, err := s.ReadLine(t.Context())
			if err != nil || string(got) != want {
				t.Errorf("%s: %q, %v; want %q", c.name, got, err, want)
			}
		}
		if got, err := s.ReadLine(t.Context()); !errors.Is(err, c.end) {
			t.Errorf("%s: %q, %v at the end; want %v", c.name, got, err, c.end)
		}
	}
}

// endless is an input that brings nothing and does not end.
type endless struct{ reading chan struct{} }

func (e endless) Read([]byte) (int, error) {
	close(e.reading)
	select {}
}

func TestCancelEndsTheWaitForALine(t *testing.T) {
	s, _, _ := term.Test("")
	input := endless{make(chan struct{})}
	cause := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-input.reading
		cancel(cause)
	}()
	if line, err := s.WithInput(input).ReadLine(ctx); !errors.Is(err, cause) {
		t.Errorf("%q, %v", line, err)
	}
}

func TestNoTerminal(t *testing.T) {
	s, _, _ := term.Test("1234\n")
	if _, err := s.ReadSecret(t.Context(), "PIN: "); !errors.Is(err, term.ErrNoTerminal) {
		t.Errorf("%v", err)
	}
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	s = s.WithTerminal(func() (*os.File, error) { return file, nil })
	if _, err := s.ReadSecret(t.Context(), "PIN: "); !errors.Is(err, term.ErrNoTerminal) {
		t.Errorf("a file as terminal: %v", err)
	}
}

// terminal is a pseudo-terminal, with the person's end of it.
func terminal(t *testing.T) (*term.Streams, *os.File) {
	t.Helper()
	person, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close(); tty.Close() })
	s, _, _ := term.Test("")
	return s.WithTerminal(func() (*os.File, error) { return os.OpenFile(tty.Name(), os.O_RDWR, 0) }), person
}

// await reads what the terminal shows until it ends in text.
func await(t *testing.T, person *os.File, text string) string {
	t.Helper()
	if err := person.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var seen strings.Builder
	one := make([]byte, 1)
	for !strings.HasSuffix(seen.String(), text) {
		if _, err := io.ReadFull(person, one); err != nil {
			t.Fatalf("saw %q, then %v", seen.String(), err)
		}
		seen.Write(one)
	}
	return seen.String()
}

func TestSecretIsNotEchoed(t *testing.T) {
	s, person := terminal(t)
	typed := make(chan string, 1)
	go func() {
		await(t, person, "PIN: ")
		_, _ = person.WriteString("s3cret\n")
		typed <- await(t, person, "\n")
	}()
	got, err := s.ReadSecret(t.Context(), "PIN: ")
	if err != nil || string(got) != "s3cret" {
		t.Fatalf("%q, %v", got, err)
	}
	if shown := <-typed; strings.Contains(shown, "s3cret") {
		t.Errorf("the terminal shows %q", shown)
	}
}

func TestCancelPutsTheTerminalBack(t *testing.T) {
	s, person := terminal(t)
	cause := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		await(t, person, "PIN: ")
		cancel(cause)
	}()
	if _, err := s.ReadSecret(ctx, "PIN: "); !errors.Is(err, cause) {
		t.Fatalf("%v", err)
	}
	if _, err := person.WriteString("echo?\n"); err != nil {
		t.Fatal(err)
	}
	await(t, person, "echo?") // fails at its time limit if echo is still off
}

func TestTouchSpeaksOncePerWait(t *testing.T) {
	s, _, stderr := term.Test("")
	touch := term.NewTouch(s)
	for _, k := range []struct {
		status string
		since  time.Duration
	}{
		{"processing", 0}, {"up-needed", 100}, {"up-needed", 200}, {"processing", 300}, // one wait
		{"up-needed", 400},                    // waits again in the same request
		{"up-needed", 50}, {"up-needed", 150}, // another request
	} {
		touch.Keepalive(k.status, k.since)
	}
	if n := strings.Count(stderr.String(), "Touch your security key."); n != 3 {
		t.Errorf("%d prompts: %q", n, stderr.String())
	}
}

// TestTouchCountsOnATerminal: each line is written over the one before, and
// ends when the request does.
func TestTouchCountsOnATerminal(t *testing.T) {
	s, _, stderr := term.Test("")
	touch := term.NewTouch(s.Live())
	for _, k := range []struct {
		status string
		since  time.Duration
	}{
		{"processing", 100 * time.Millisecond}, {"up-needed", 200 * time.Millisecond}, {"up-needed", 12 * time.Second},
		{"processing", 12100 * time.Millisecond}, {"done", 13 * time.Second},
		{"processing", 100 * time.Millisecond}, {"processing", time.Second}, {"done", 2 * time.Second},
		{"done", 3 * time.Second},
	} {
		touch.Keepalive(k.status, k.since)
	}
	want := "\rTouch your security key." + "\rTouch your security key. 12 s" +
		"\rThe security key is working. 12 s" + "\n" + "\rThe security key is working. 1 s\n"
	if got := stderr.String(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestTouchCountsDown: a prompt of its own, with what is left of the time.
func TestTouchCountsDown(t *testing.T) {
	s, _, stderr := term.Test("")
	touch := term.NewTouch(s.Live())
	touch.Ask("Hold it.", 9500*time.Millisecond)
	for _, since := range []time.Duration{100 * time.Millisecond, 600 * time.Millisecond, 9 * time.Second, 12 * time.Second} {
		touch.Keepalive("up-needed", since)
	}
	touch.Keepalive("done", 13*time.Second)
	if got, want := stderr.String(), "\rHold it. 10 s left"+"\rHold it. 9 s left "+"\rHold it. 1 s left"+"\rHold it. 0 s left\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	s, _, stderr = term.Test("")
	touch = term.NewTouch(s)
	touch.Ask("Hold it.", 9*time.Second)
	touch.Keepalive("up-needed", time.Second)
	if got := stderr.String(); got != "Hold it.\n" {
		t.Errorf("in a pipe: %q", got)
	}
}

// FuzzReadLine reads any standard input to its end: lines or an error.
func FuzzReadLine(f *testing.F) {
	f.Add("1234\n5678")
	f.Add("\r\n\x00\n")
	f.Fuzz(func(t *testing.T, stdin string) {
		s, _, _ := term.Test(stdin)
		for range len(stdin) + 1 {
			line, err := s.ReadLine(t.Context())
			if err != nil {
				return
			}
			if strings.ContainsRune(string(line), '\n') || len(line) > 1024 {
				t.Fatalf("line %q", line)
			}
		}
		t.Fatal("input without end")
	})
}
