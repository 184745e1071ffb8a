//go:build unix

package cmd_test

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestTerminalU2F registers and signs in by U2F, asked for a touch at both.
func TestTerminalU2F(t *testing.T) {
	dir := t.TempDir()
	key, file := "virtual:"+filepath.Join(dir, "a.key"), filepath.Join(dir, "old.json")
	p := sit(t, "--device", key+"?touch=200ms", "u2f", "register", "--app-id", "https://example.com", "--user", "alice", "--out", file)
	p.waits("\rTouch your security key.")
	if exit, shown := p.leaves(); exit != 0 || !strings.Contains(shown, "U2F registration  verified") {
		t.Errorf("register: exit status %d\n%s", exit, shown)
	}
	p = sit(t, "--device", key+"?touch=200ms", "u2f", "authenticate", file)
	p.waits("\rTouch your security key.")
	if exit, shown := p.leaves(); exit != 0 || !strings.Contains(shown, "User present        yes") {
		t.Errorf("authenticate: exit status %d\n%s", exit, shown)
	}
	p = sit(t, "--device", key+"?touch=1h", "u2f", "authenticate", file)
	p.waits("\rTouch your security key.")
	p.types("\x03")
	if exit, shown := p.leaves(); exit != 130 {
		t.Errorf("interrupted: exit status %d\n%s", exit, shown)
	}
	p = sit(t, "--device", key, "u2f", "version")
	if exit, shown := p.leaves(); exit != 0 || !strings.Contains(shown, "U2F_V2") {
		t.Errorf("version: exit status %d\n%s", exit, shown)
	}
}

// TestTerminalExtensions: secrets and blobs are asked for with a PIN, and shown
// only where that was said.
func TestTerminalExtensions(t *testing.T) {
	dir := t.TempDir()
	key, file, secret := "virtual:"+filepath.Join(dir, "a.key"), filepath.Join(dir, "a.json"), filepath.Join(dir, "secret.json")
	if exit, _, errs := run(t, "24680\n", "--device", key, "--pin-stdin", "pin", "set"); exit != 0 {
		t.Fatal(errs)
	}
	p := sit(t, "--device", key, "enroll", "--rp", "example.com", "--user", "alice", "--out", file,
		"--prf", "--cred-blob", "a blob", "--protect", "3", "--min-pin-length")
	p.waits("PIN of software key: ")
	p.types("24680\n")
	exit, shown := p.leaves()
	for _, want := range []string{"Protection         userVerificationRequired", "Credential blob    stored", "PRF                enabled"} {
		if exit != 0 || !strings.Contains(shown, want) {
			t.Errorf("enroll: exit status %d, no %q in\n%s", exit, want, shown)
		}
	}
	p = sit(t, "--device", key, "verify", file, "--prf=disk", "--prf-out", secret, "--cred-blob")
	p.waits("PIN of software key: ")
	p.types("24680\n")
	if exit, shown := p.leaves(); exit != 0 || !strings.Contains(shown, `Credential blob       "a blob"`) || strings.Contains(shown, "PRF first") {
		t.Errorf("verify: exit status %d\n%s", exit, shown)
	}
	p = sit(t, "--device", key, "verify", file, "--prf=disk", "--show-prf")
	p.waits("PIN of software key: ")
	p.types("24680\n")
	if exit, shown := p.leaves(); exit != 0 || !strings.Contains(shown, "PRF first") {
		t.Errorf("verify: exit status %d\n%s", exit, shown)
	}
}

// TestTerminalFingerprintRename names a finger anew, which is asked for itself.
func TestTerminalFingerprintRename(t *testing.T) {
	device := kind(t, "sensor")
	if exit, _, errs := run(t, keyPIN+"\n", "--device", device, "--pin-stdin", "fingerprint", "add", "--name", "thumb"); exit != 0 {
		t.Fatal(errs)
	}
	p := sit(t, "--device", device, "fingerprint", "rename", "thumb", "finger")
	p.waits("The key verifies you by its own means")
	if exit, shown := p.leaves(); exit != 0 || !strings.Contains(shown, "(thumb) to finger.") {
		t.Errorf("exit status %d\n%s", exit, shown)
	}
}

// TestTerminalShows runs what asks for nothing.
func TestTerminalShows(t *testing.T) {
	dir := t.TempDir()
	tape, capture := filepath.Join(dir, "tape.jsonl"), filepath.Join(dir, "tape.pcapng")
	public := filepath.Join(dir, "public.jsonl")
	if exit, _, errs := run(t, "", "--device", "virtual", "--record", tape, "device", "info"); exit != 0 {
		t.Fatal(errs)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"device", "list", "--no-open"}, ""},
		{[]string{"doctor", "rules"}, "SUBSYSTEM"},
		{[]string{"transcript", "show", tape}, "CTAPHID_INIT"},
		{[]string{"transcript", "check", tape}, "0 malformed"},
		{[]string{"transcript", "replay", tape}, "0 differ, 0 not asked"},
		{[]string{"transcript", "export", tape, "--out", capture}, capture},
		{[]string{"transcript", "import", capture, "--out", filepath.Join(dir, "again.jsonl")}, "0 malformed"},
		{[]string{"transcript", "redact", tape, "--out", public}, public},
		{[]string{"transcript", "leaks", public, "--original", tape}, "Leaks                0"},
		{[]string{"virtual", "profiles"}, "yubikey-4"},
		{[]string{"virtual", "faults"}, "reset-keeps-pin"},
		{[]string{"--device", "virtual:" + filepath.Join(dir, "rooted.key"), "virtual", "root"}, "BEGIN CERTIFICATE"},
		{[]string{"man", filepath.Join(dir, "man1")}, "touchstone-device-reset.1"},
		{[]string{"completion", "bash"}, "__start_touchstone"},
		{[]string{"completion", "zsh"}, "#compdef touchstone"},
		{[]string{"completion", "fish"}, "complete -c touchstone"},
		{[]string{"completion", "powershell"}, "Register-ArgumentCompleter"},
	} {
		if exit, shown := sit(t, c.args...).leaves(); exit != 0 || !strings.Contains(shown, c.want) {
			t.Errorf("%q: exit status %d, no %q in\n%s", c.args, exit, c.want, shown)
		}
	}
	p := sit(t, "doctor", "--no-open")
	if exit, shown := p.leaves(); exit != 0 && exit != 5 || !strings.Contains(shown, "build.backends") {
		t.Errorf("doctor: exit status %d\n%s", exit, shown)
	}
}

// TestTerminalServes stops servers as people do, which is their normal end.
func TestTerminalServes(t *testing.T) {
	for _, args := range [][]string{
		{"virtual", "serve", "udp", "--address", "127.0.0.1:0"},
		{"virtual", "serve", "tcp", "--address", "127.0.0.1:0"},
	} {
		p := sit(t, args...)
		p.waits("127.0.0.1:")
		p.types("\x03")
		if exit, shown := p.leaves(); exit != 0 {
			t.Errorf("%q: exit status %d\n%s", args, exit, shown)
		}
	}
	p := sit(t, "virtual", "serve", "vpcd", "--address", "127.0.0.1:1")
	if exit, shown := p.leaves(); exit != 1 || !strings.Contains(shown, "refused") {
		t.Errorf("vpcd that is not there: exit status %d\n%s", exit, shown)
	}
}

// TestTerminalReplay has a person agree to what a replay does to a key, and give
// it its PIN.
func TestTerminalReplay(t *testing.T) {
	tape := filepath.Join(t.TempDir(), "tape.jsonl")
	if exit, _, errs := run(t, keyPIN+"\n", "--device", "virtual", "--record", tape, "--pin-stdin", "pin", "set"); exit != 0 {
		t.Fatal(errs)
	}
	for _, c := range []struct {
		typed string
		exit  int
	}{{"reply", 6}, {"replay", 0}} {
		p := sit(t, "transcript", "replay", "--against", "virtual", tape)
		p.waits("It sets the key's PIN.")
		p.waits("Type replay to go ahead: ")
		p.types(c.typed + "\n")
		if c.exit == 0 {
			p.waits("PIN of ")
			p.types("97531\n")
		}
		if exit, shown := p.leaves(); exit != c.exit || c.exit == 0 && !strings.Contains(shown, "0 differ, 0 not asked") {
			t.Errorf("%s: exit status %d\n%s", c.typed, exit, shown)
		}
	}
}
