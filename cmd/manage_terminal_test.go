//go:build unix

package cmd_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// ctrlC interrupts the program. The kernel may throw away what the program says
// thereupon: it empties the terminal's output after it has sent the signal.
const ctrlC = "\x03"

// TestTerminalGates types the wrong word and then the right one in front of all
// that loses something, each on a key of its own.
func TestTerminalGates(t *testing.T) {
	blob := filepath.Join(t.TempDir(), "blob")
	if err := os.WriteFile(blob, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	blobs := func(s *stock) {
		key := s.make("example.com", "dora", ctap2.CreationExtensions{LargeBlobKey: true})
		s.fail(s.conn.PutLargeBlob(context.Background(), s.token(ctap2.PermissionLargeBlobWrite, ""), key, []byte("old")))
	}
	for _, c := range []struct {
		kind        string
		pin         bool // asked for before the word
		args        []string
		loss        string
		wrong, word string
		done        string
		after       bool // the PIN is asked for after the word
	}{
		{"stocked", true, []string{"passkey", "delete", "--user", "carol"}, "of carol at example.org", "example.com", "example.org", "2 passkeys on the key", false},
		{"stocked", true, []string{"blob", "collect"}, "1 large blob of", "Collect", "collect", "Deleted 1 blob that no passkey opens", false},
		{"blobs", true, []string{"blob", "delete", "--user", "dora"}, "This deletes the large blob", "yes", "delete", "Deleted the blob", false},
		{"blobs", true, []string{"blob", "put", "--user", "dora", "--in", blob}, "This replaces the large blob", "delete", "replace", "Stored 4 bytes", false},
		{"keeper", true, []string{"blob", "put", "--rp", "example.com", "--in", blob}, "if it has one", "y", "replace", "Stored 4 bytes", false},
		{"empty", false, []string{"policy", "set", "--always-uv", "on"}, "alwaysUv: no -> yes", "", "change", "alwaysUv: no -> yes", true},
		{"vendor", false, []string{"policy", "vendor", "0x1f3a"}, "What it does only the maker knows", "change", "run", "answered nothing", true},
		{"fingers", false, []string{"fingerprint", "delete", "thumb"}, "It is the last one.", "delete ", "delete", "0 fingerprints", false},
	} {
		var device string
		switch c.kind {
		case "blobs":
			device = offered(t, virtual.Config{}, nil, (*stock).setPIN, blobs)
		case "fingers":
			device = kind(t, "sensor")
			if exit, _, errs := run(t, keyPIN+"\n", "--device", device, "--pin-stdin", "fingerprint", "add", "--name", "thumb"); exit != 0 {
				t.Fatal(errs)
			}
		default:
			device = kind(t, c.kind)
		}
		for _, typed := range []string{c.wrong, c.word} {
			p := sit(t, append([]string{"--device", device}, c.args...)...)
			if c.pin {
				p.waits("PIN of ")
				p.types(keyPIN + "\n")
			}
			p.waits("Key: " + device)
			p.waits(c.loss)
			p.waits("Type " + c.word + " to go ahead: ")
			p.types(typed + "\n")
			if c.after && typed == c.word {
				p.waits("PIN of ")
				p.types(keyPIN + "\n")
			}
			exit, shown := p.leaves()
			switch {
			case typed == c.word && (exit != 0 || !strings.Contains(shown, c.done)):
				t.Errorf("%v: exit status %d\n%s", c.args, exit, shown)
			case typed != c.word && (exit != 6 || !strings.Contains(shown, "that is not the word: nothing was changed")):
				t.Errorf("%v, wrong word: exit status %d\n%s", c.args, exit, shown)
			}
		}
	}
}

// TestTerminalReads asks for the PIN alone, where nothing is lost.
func TestTerminalReads(t *testing.T) {
	device := kind(t, "stocked")
	file, blob := filepath.Join(t.TempDir(), "keys.json"), filepath.Join(t.TempDir(), "blob")
	if err := os.WriteFile(blob, []byte("blob\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"passkey", "list"}, "3 passkeys on the key"},
		{[]string{"passkey", "show", "--user", "bob"}, "userVerificationRequired"},
		{[]string{"passkey", "rename", "--user", "bob", "--name", "rob"}, "is now of rob"},
		{[]string{"passkey", "list", "--known-keys", file}, "without its PIN to who has"},
		{[]string{"blob", "list"}, "1 orphan of"},
		{[]string{"blob", "put", "--user", "alice", "--in", blob}, "Stored 5 bytes"},
		{[]string{"blob", "get", "--user", "alice", "--out", blob}, "has 5 bytes"},
	} {
		p := sit(t, append([]string{"--device", device}, c.args...)...)
		p.waits("PIN of ")
		p.types(keyPIN + "\n")
		if exit, shown := p.leaves(); exit != 0 || !strings.Contains(shown, c.want) || strings.Contains(shown, keyPIN) {
			t.Errorf("%v: exit status %d\n%s", c.args, exit, shown)
		}
	}
}

// TestTerminalAsksNothing: on a terminal, too, nothing is asked for where nothing
// is needed.
func TestTerminalAsksNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.json")
	stocked, sensor := kind(t, "stocked"), kind(t, "sensor")
	for device, args := range map[string][]string{
		stocked: {"passkey", "list", "--known-keys", file}, sensor: {"fingerprint", "add", "--name", "thumb"},
	} {
		if exit, _, errs := run(t, keyPIN+"\n", append([]string{"--device", device, "--pin-stdin"}, args...)...); exit != 0 {
			t.Fatal(errs)
		}
	}
	for _, c := range []struct {
		device string
		args   []string
		exit   int
		want   string
	}{
		{stocked, []string{"passkey", "list", "--known-keys", file}, 0, "3 passkeys on the key"},
		{stocked, []string{"passkey", "show", "--known-keys", file, "--user", "bob"}, 0, "userVerificationRequired"},
		{stocked, []string{"passkey", "state", "--known-keys", file}, 0, "as they were when they were last listed"},
		{stocked, []string{"policy", "show"}, 0, "alwaysUv"},
		{stocked, []string{"policy", "set", "--always-uv", "off"}, 0, "nothing was sent"},
		{stocked, []string{"fingerprint", "list"}, 1, "does not support this"},
		{sensor, []string{"fingerprint", "list"}, 0, "use a finger that it knows"},
		{sensor, []string{"fingerprint", "rename", "thumb", "left thumb"}, 0, "left thumb"},
	} {
		p := sit(t, append([]string{"--device", c.device}, c.args...)...)
		if exit, shown := p.leaves(); exit != c.exit || !strings.Contains(shown, c.want) || strings.Contains(shown, "PIN of ") {
			t.Errorf("%v: exit status %d\n%s", c.args, exit, shown)
		}
	}
}

// TestTerminalBlobs: a blob that is plain text is shown, another one could take the
// terminal over.
func TestTerminalBlobs(t *testing.T) {
	for data, exit := range map[string]int{"plain \u00fc\ttext\n": 0, "\x1b[2J": 1, "\xff": 1, "\u202etext": 1} {
		device := offered(t, virtual.Config{}, nil, (*stock).setPIN, func(s *stock) {
			key := s.make("example.com", "dora", ctap2.CreationExtensions{LargeBlobKey: true})
			s.fail(s.conn.PutLargeBlob(context.Background(), s.token(ctap2.PermissionLargeBlobWrite, ""), key, []byte(data)))
		})
		p := sit(t, "--device", device, "blob", "get", "--rp", "example.com")
		p.waits("PIN of ")
		p.types(keyPIN + "\n")
		got, shown := p.leaves()
		if got != exit || exit == 0 != strings.Contains(shown, "\u00fc") || exit != 0 && !strings.Contains(shown, "--out FILE") {
			t.Errorf("%q: exit status %d\n%q", data, got, shown)
		}
	}
}

// TestTerminalFingerprint enrols a finger sample by sample, each told before the
// next is given.
func TestTerminalFingerprint(t *testing.T) {
	samples := make(chan virtual.Sample)
	finger := func(ctx context.Context) virtual.Sample {
		select {
		case s := <-samples:
			return s
		case <-ctx.Done():
			return virtual.Sample{}
		}
	}
	device := offered(t, virtual.Config{Profile: virtual.FingerprintProfile(), Finger: finger}, nil, (*stock).setPIN)
	p := sit(t, "--device", device, "fingerprint", "add", "--name", "thumb")
	p.waits("PIN of ")
	p.types(keyPIN + "\n")
	good := virtual.Sample{Finger: "thumb"}
	for _, c := range []struct {
		sample virtual.Sample
		want   string
	}{
		{good, "Sample 1: good. 3 good samples to go."},
		{virtual.Sample{Finger: "thumb", Status: virtual.SampleTooHigh}, "Sample 2: too high on the sensor. 3 good samples to go."},
		{virtual.Sample{Finger: "index"}, "Sample 3: does not go with the samples before: use the same finger. 3 good samples to go."},
		{good, "Sample 4: good. 2 good samples to go."},
		{good, "Sample 5: good. 1 good sample to go."},
		{good, "Sample 6: good. That was the last."},
	} {
		p.waits("Touch your security key.")
		samples <- c.sample
		p.waits(c.want)
	}
	if exit, shown := p.leaves(); exit != 0 || !strings.Contains(shown, "(thumb).") {
		t.Errorf("exit status %d\n%s", exit, shown)
	}
}

// TestTerminalInterruptedFingerprint presses Ctrl-C in the middle of an enrolment:
// it is given up at the key, which is usable at once and knows no finger.
func TestTerminalInterruptedFingerprint(t *testing.T) {
	samples := make(chan virtual.Sample, 1)
	finger := func(ctx context.Context) virtual.Sample {
		select {
		case s := <-samples:
			return s
		case <-ctx.Done():
			return virtual.Sample{}
		}
	}
	seen := &log{}
	device := offered(t, virtual.Config{Profile: virtual.FingerprintProfile(), Finger: finger}, seen.sees, (*stock).setPIN)
	samples <- virtual.Sample{Finger: "thumb"}
	p := sit(t, "--device", device, "fingerprint", "add")
	p.waits("PIN of ")
	p.types(keyPIN + "\n")
	p.waits("Sample 1: good. 3 good samples to go.")
	p.waits("Touch your security key.")
	p.types(ctrlC)
	if exit, shown := p.leaves(); exit != 130 {
		t.Errorf("exit status %d\n%s", exit, shown)
	}
	const cancelCurrentEnrollment = 3
	if n := seen.has(t, ctap2.CommandBioEnrollment, 2, cancelCurrentEnrollment); n != 1 {
		t.Errorf("the enrolment was given up %d times", n)
	}
	exit, out, errs := run(t, "", "--device", device, "fingerprint", "list")
	if exit != 0 || !strings.HasPrefix(out, "0 fingerprints") {
		t.Errorf("afterwards: exit status %d\n%s%s", exit, out, errs)
	}
}

// TestTerminalInterruptedGate presses Ctrl-C where a word is wanted: nothing is
// changed, and the PIN was tried once.
func TestTerminalInterruptedGate(t *testing.T) {
	cfg, fill := keyKinds["stocked"]()
	seen := &log{}
	device := offered(t, cfg, seen.sees, fill...)
	seen.forget()
	p := sit(t, "--device", device, "passkey", "delete", "--user", "bob")
	p.waits("PIN of ")
	p.types(keyPIN + "\n")
	p.waits("Type example.com to go ahead: ")
	p.types("example" + ctrlC)
	if exit, shown := p.leaves(); exit != 130 {
		t.Errorf("exit status %d\n%s", exit, shown)
	}
	const deleteCredential = 6
	if n, pins := seen.has(t, ctap2.CommandCredentialManagement, 1, deleteCredential), seen.pins(t); n != 0 || pins != 1 {
		t.Errorf("%d deletions, %d PINs tried", n, pins)
	}
	exit, out, _ := run(t, keyPIN+"\n", "--device", device, "--pin-stdin", "passkey", "list")
	if exit != 0 || !strings.Contains(out, "3 passkeys on the key") {
		t.Errorf("afterwards: exit status %d\n%s", exit, out)
	}
}

// TestTerminalGateElsewhere: who sends standard error elsewhere sees on the
// terminal what is lost all the same; with --events every line there is JSON.
func TestTerminalGateElsewhere(t *testing.T) {
	for _, events := range []bool{false, true} {
		device := kind(t, "empty")
		args := []string{"--device", device, "policy", "set", "--min-pin-length", "6"}
		if events {
			args = append([]string{"--events"}, args...)
		}
		c := exec.Command(os.Args[0], args...)
		c.Env = append(os.Environ(), beMain+"=1", "TOUCHSTONE_DEVICE=")
		var errs bytes.Buffer
		c.Stderr = &errs
		tty, err := pty.Start(c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = c.Process.Kill()
			tty.Close()
		})
		p := &person{t: t, tty: tty, cmd: c}
		p.waits("minPINLength: 4 -> 6")
		p.waits("Only a reset takes this back")
		p.waits("Type change to go ahead: ")
		p.types("no\n")
		if exit, shown := p.leaves(); exit != 6 {
			t.Errorf("exit status %d\n%s", exit, shown)
		}
		if !strings.Contains(errs.String(), "minPINLength: 4 -> 6") {
			t.Errorf("standard error: %s", errs.String())
		}
		for line := range strings.Lines(errs.String()) {
			if events && !strings.HasPrefix(line, "{") {
				t.Errorf("standard error has the line %q", line)
			}
		}
	}
}
