//go:build unix

package cmd_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// person is somebody at a terminal in front of the program.
type person struct {
	t    *testing.T
	tty  *os.File
	cmd  *exec.Cmd
	seen bytes.Buffer
}

const patience = 20 * time.Second

// sit starts the program on a terminal.
func sit(t *testing.T, args ...string) *person {
	t.Helper()
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), beMain+"=1", "TOUCHSTONE_DEVICE=")
	tty, err := pty.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	p := &person{t: t, tty: tty, cmd: c}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		tty.Close()
	})
	return p
}

// waits reads until the terminal shows text.
func (p *person) waits(text string) {
	p.t.Helper()
	if err := p.tty.SetReadDeadline(time.Now().Add(patience)); err != nil {
		p.t.Fatal(err)
	}
	one := make([]byte, 1)
	for start := p.seen.Len(); !strings.Contains(p.seen.String()[start:], text); {
		if _, err := io.ReadFull(p.tty, one); err != nil {
			p.t.Fatalf("waiting for %q: %v; the terminal shows\n%s", text, err, p.seen.String())
		}
		p.seen.Write(one)
	}
}

func (p *person) types(text string) {
	p.t.Helper()
	if _, err := p.tty.WriteString(text); err != nil {
		p.t.Fatal(err)
	}
}

// leaves waits for the program to end and returns its exit status and all that
// the terminal showed.
func (p *person) leaves() (int, string) {
	p.t.Helper()
	if err := p.tty.SetReadDeadline(time.Now().Add(patience)); err != nil {
		p.t.Fatal(err)
	}
	_, _ = io.Copy(&p.seen, p.tty) // ends with an error when the program does
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode(), p.seen.String()
}

func TestTerminalPIN(t *testing.T) {
	device := "virtual:" + filepath.Join(t.TempDir(), "a.key")

	p := sit(t, "--device", device, "pin", "set")
	p.waits("New PIN: ")
	p.types("24680\n")
	p.waits("New PIN again: ")
	p.types("24681\n")
	if exit, shown := p.leaves(); exit != 1 || !strings.Contains(shown, "the two PINs differ; nothing was changed") {
		t.Errorf("two different PINs: exit status %d\n%s", exit, shown)
	}

	p = sit(t, "--device", device, "pin", "set")
	p.waits("New PIN: ")
	p.types("24680\n")
	p.waits("New PIN again: ")
	p.types("24680\n")
	if exit, shown := p.leaves(); exit != 0 || !strings.Contains(shown, "The PIN was set.") || strings.Contains(shown, "24680") {
		t.Errorf("pin set: exit status %d\n%s", exit, shown)
	}

	p = sit(t, "--device", device, "enroll", "--rp", "example.com", "--user", "alice", "--uv", "required")
	p.waits("PIN of software key: ")
	p.types("24680\n")
	p.waits("Touch your security key.")
	if exit, shown := p.leaves(); exit != 0 || !strings.Contains(shown, "User verified      yes") || strings.Contains(shown, "24680") {
		t.Errorf("enroll: exit status %d\n%s", exit, shown)
	}

	p = sit(t, "--device", device, "pin", "change")
	p.waits("Current PIN of software key: ")
	p.types("24680\n")
	p.waits("New PIN: ")
	p.types("n\u0308ew PIN\n")
	p.waits("New PIN again: ")
	p.types("n\u0308ew PIN\n")
	if exit, shown := p.leaves(); exit != 0 || !strings.Contains(shown, "The PIN was changed.") {
		t.Errorf("pin change: exit status %d\n%s", exit, shown)
	}
}

// TestTerminalExplain has a tape told in colours, after the PIN was asked for
// without an echo.
func TestTerminalExplain(t *testing.T) {
	dir := t.TempDir()
	tape := filepath.Join(dir, "tape.jsonl")
	if exit, _, errs := run(t, "", "--device", "virtual", "--record", tape, "device", "info"); exit != 0 {
		t.Fatal(errs)
	}
	p := sit(t, "transcript", "explain", tape, "--pin")
	p.waits("PIN of the tape: ")
	p.types("24680\n")
	if exit, shown := p.leaves(); exit != 0 || !strings.Contains(shown, "\x1b[36mhost → key CTAPHID_CBOR authenticatorGetInfo\x1b[0m") || strings.Contains(shown, "24680") {
		t.Errorf("explain: exit status %d\n%s", exit, shown)
	}
	t.Setenv("NO_COLOR", "1")
	if exit, shown := sit(t, "transcript", "explain", tape).leaves(); exit != 0 || strings.Contains(shown, "\x1b") || !strings.Contains(shown, "authenticatorGetInfo") {
		t.Errorf("explain without colours: exit status %d\n%s", exit, shown)
	}
	if exit, shown := sit(t, "transcript", "diff", tape, tape).leaves(); exit != 0 || !strings.Contains(shown, "Verdict  same") {
		t.Errorf("diff: exit status %d\n%s", exit, shown)
	}
}

// TestTerminalFewTries: a person who has few PIN tries left is asked whether to
// spend another one. What is not a yes is a no.
func TestTerminalFewTries(t *testing.T) {
	device := "virtual:" + filepath.Join(t.TempDir(), "a.key")
	if exit, _, errs := run(t, "24680\n", "--device", device, "--pin-stdin", "pin", "set"); exit != 0 {
		t.Fatal(errs)
	}
	p := sit(t, "--device", device, "pin", "verify")
	p.waits("PIN tries left: 8")
	p.waits("PIN of software key: ")
	p.types("24680\n")
	if exit, shown := p.leaves(); exit != 0 || !strings.Contains(shown, "The PIN was verified. Tries left: 8") {
		t.Errorf("pin verify: exit status %d\n%s", exit, shown)
	}
	for range 5 {
		if exit, _, errs := run(t, "13579\n", "--device", device, "--pin-stdin", "pin", "verify"); exit != 4 {
			t.Fatalf("exit status %d\n%s", exit, errs)
		}
	}
	for _, answer := range []string{"", "n", "24680"} {
		p = sit(t, "--device", device, "pin", "verify")
		p.waits("3 PIN tries are left")
		p.waits("Try a PIN all the same? [y/N] ")
		p.types(answer + "\n")
		if exit, shown := p.leaves(); exit != 6 || !strings.Contains(shown, "no PIN was tried") {
			t.Errorf("answer %q: exit status %d\n%s", answer, exit, shown)
		}
	}
	p = sit(t, "--device", device, "pin", "change")
	p.waits("Try a PIN all the same? [y/N] ")
	p.types("\x03")
	if exit, shown := p.leaves(); exit != 130 {
		t.Errorf("interrupted: exit status %d\n%s", exit, shown)
	}
	p = sit(t, "--device", device, "pin", "verify")
	p.waits("Try a PIN all the same? [y/N] ")
	p.types("y\n")
	p.waits("PIN of software key: ")
	p.types("24680\n")
	if exit, shown := p.leaves(); exit != 0 || !strings.Contains(shown, "Tries left: 8") {
		t.Errorf("yes: exit status %d\n%s", exit, shown)
	}
}

// TestTerminalInterrupt presses Ctrl-C while a PIN is asked for and while a
// touch is waited for: exit status 130, the terminal as it was, and the key
// usable by the next command.
func TestTerminalInterrupt(t *testing.T) {
	const ctrlC = "\x03"
	dir := t.TempDir()
	for _, framing := range []string{"virtual", "virtual+nfc"} {
		key := ":" + filepath.Join(dir, framing+".key")
		out := filepath.Join(dir, framing+".json")

		p := sit(t, "--device", framing+key+"?touch=1h", "enroll", "--rp", "example.com", "--user", "alice", "--out", out)
		p.waits("Touch your security key.")
		if exit, _, errs := run(t, "", "--device", framing+key, "device", "info"); exit != 1 || !strings.Contains(errs, "in use by another process") {
			t.Errorf("%s: the key in two processes: exit status %d\n%s", framing, exit, errs)
		}
		p.types(ctrlC)
		if exit, shown := p.leaves(); exit != 130 || !strings.Contains(shown, "interrupted") {
			t.Errorf("%s: exit status %d\n%s", framing, exit, shown)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%s: an interrupted enrolment left %s", framing, out)
		}
		exit, stdout, errs := run(t, "", "--device", framing+key, "enroll", "--rp", "example.com", "--user", "alice", "--out", out)
		if exit != 0 || !strings.Contains(stdout, "Signature counter  1\n") {
			t.Errorf("%s: the key after the interrupt: exit status %d\n%s%s", framing, exit, stdout, errs)
		}
	}
	p := sit(t, "--device", "virtual", "pin", "set")
	p.waits("New PIN: ")
	p.types(ctrlC)
	if exit, shown := p.leaves(); exit != 130 {
		t.Errorf("at the PIN prompt: exit status %d\n%s", exit, shown)
	}
}

// TestTerminalWatch ends a watch as people do.
func TestTerminalWatch(t *testing.T) {
	p := sit(t, "-v", "device", "watch")
	p.waits("watching for keys")
	p.types("\x03")
	if exit, shown := p.leaves(); exit != 130 || !strings.Contains(shown, "interrupted") {
		t.Errorf("exit status %d\n%s", exit, shown)
	}
}

// TestTerminated ends the program as a service manager does, and as a terminal
// whose window is closed.
func TestTerminated(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP} {
		p := sit(t, "--device", "virtual?touch=1h", "enroll", "--rp", "example.com", "--user", "alice")
		p.waits("Touch your security key.")
		if err := p.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		if exit, shown := p.leaves(); exit != 130 {
			t.Errorf("%v: exit status %d\n%s", s, exit, shown)
		}
	}
}

// TestServerKilled ends a simulator by force while a touch is waited for. Over
// TCP the program sees it at once; over UDP when it cancels.
func TestServerKilled(t *testing.T) {
	for _, c := range []struct {
		network, types, want string
		exit                 int
	}{
		{"tcp", "", "the simulator is gone", 1},
		{"udp", "\x03", "interrupted", 130},
	} {
		server, address := beginServing(t, "--device", "virtual?touch=1h", "virtual", "serve", c.network, "--address", ":0")
		p := sit(t, "--device", c.network+":"+address, "enroll", "--rp", "example.com", "--user", "alice")
		p.waits("Touch your security key.")
		if err := server.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = server.Wait()
		p.types(c.types)
		start := time.Now()
		if exit, shown := p.leaves(); exit != c.exit || !strings.Contains(shown, c.want) {
			t.Errorf("%s: exit status %d\n%s", c.network, exit, shown)
		}
		if took := time.Since(start); took > patience/2 {
			t.Errorf("%s: it took %v", c.network, took)
		}
	}
}

func beginServing(t *testing.T, args ...string) (*exec.Cmd, string) {
	t.Helper()
	c := serving(args...)
	envelope, err := begin(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() })
	return c, envelope.Address
}

// BenchmarkStart starts the program and has it tell its version, beside a
// program that does nothing.
func BenchmarkStart(b *testing.B) {
	for name, args := range map[string][]string{
		"version":     {os.Args[0], "version"},
		"device-info": {os.Args[0], "--device", "virtual", "device", "info"},
		"true":        {"/bin/true"},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				c := exec.Command(args[0], args[1:]...)
				c.Env = append(os.Environ(), beMain+"=1")
				if err := c.Run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
