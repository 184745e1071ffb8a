package cmd_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// log notes the messages that a key gets.
type log struct {
	mu   sync.Mutex
	msgs [][]byte
}

func (l *log) sees(msg []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.msgs = append(l.msgs, bytes.Clone(msg))
}

// forget forgets what was seen.
func (l *log) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.msgs = nil
}

// has counts the messages with a command whose member has this value.
func (l *log) has(t *testing.T, command ctap2.Command, member, value uint64) (n int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, msg := range l.msgs {
		if ctap2.Command(msg[0]) != command {
			continue
		}
		var m map[uint64]any
		if err := wire.Decode(msg[1:], &m); err != nil {
			t.Fatal(err)
		}
		if m[member] == value {
			n++
		}
	}
	return n
}

// pins counts how often the PIN was tried.
func (l *log) pins(t *testing.T) int {
	return l.has(t, ctap2.CommandClientPIN, 2, 5) + l.has(t, ctap2.CommandClientPIN, 2, 9)
}

// TestGateWithoutTerminal: what loses something is refused where nobody can agree
// to it, before a PIN is tried and anything is changed; with --yes it goes ahead
// and says the same.
func TestGateWithoutTerminal(t *testing.T) {
	blob := filepath.Join(t.TempDir(), "blob")
	if err := os.WriteFile(blob, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		kind string
		args []string
		loss string
	}{
		{"stocked", []string{"passkey", "delete", "--user", "alice"}, "This deletes the passkey"},
		{"stocked", []string{"blob", "collect"}, "This deletes 1 large blob"},
		{"empty", []string{"policy", "set", "--always-uv", "on"}, "This changes the policy of the key:\n  alwaysUv: no -> yes"},
		{"keeper", []string{"blob", "put", "--rp", "example.com", "--in", blob}, "This replaces the large blob"},
	} {
		cfg, fill := keyKinds[c.kind]()
		seen := &log{}
		device := offered(t, cfg, seen.sees, fill...)
		seen.forget()
		args := append([]string{"--json", "--device", device, "--pin-stdin"}, c.args...)
		exit, out, errs := run(t, keyPIN+"\n", args...)
		var e struct {
			Exit  int
			Error string
			Hint  string
		}
		if err := json.Unmarshal([]byte(errs), &e); err != nil || exit != 6 || e.Exit != 6 || out != "" || !strings.Contains(e.Hint, "--yes") {
			t.Errorf("%v: exit status %d, %v\n%s%s", c.args, exit, err, out, errs)
		}
		if n := seen.pins(t); n != 0 {
			t.Errorf("%v: %d PINs were tried", c.args, n)
		}
		exit, out, errs = run(t, keyPIN+"\n", append([]string{"--yes"}, args...)...)
		if exit != 0 || !strings.Contains(errs, "Key: "+device) || !strings.Contains(errs, c.loss) {
			t.Errorf("%v with --yes: exit status %d\n%s%s", c.args, exit, out, errs)
		}
		if n := seen.pins(t); n != 1 {
			t.Errorf("%v with --yes: %d PINs were tried", c.args, n)
		}
	}
}

// TestGateOnlyForLoss: what loses nothing asks nobody.
func TestGateOnlyForLoss(t *testing.T) {
	device, blob := kind(t, "stocked"), filepath.Join(t.TempDir(), "blob")
	for _, c := range []struct {
		data string
		exit int
		want string
	}{
		{"one", 0, "Stored 3 bytes"}, {"one", 0, "already; nothing was written"}, {"two", 6, "there is no terminal to type it on"},
	} {
		if err := os.WriteFile(blob, []byte(c.data), 0o600); err != nil {
			t.Fatal(err)
		}
		exit, out, errs := run(t, keyPIN+"\n", "--device", device, "--pin-stdin", "blob", "put", "--user", "alice", "--in", blob)
		if exit != c.exit || !strings.Contains(out+errs, c.want) {
			t.Errorf("%s: exit status %d\n%s%s", c.data, exit, out, errs)
		}
	}
	exit, out, errs := run(t, keyPIN+"\n", "--device", device, "--pin-stdin", "blob", "delete", "--user", "alice")
	if exit != 6 {
		t.Errorf("exit status %d\n%s%s", exit, out, errs)
	}
	exit, out, errs = run(t, keyPIN+"\n", "--device", device, "--pin-stdin", "blob", "get", "--user", "alice")
	if exit != 0 || out != "one" {
		t.Errorf("exit status %d\n%s%s", exit, out, errs)
	}
	if exit, out, _ = run(t, "", "--device", device, "policy", "set", "--always-uv", "off"); exit != 0 {
		t.Errorf("nothing to do: exit status %d\n%s", exit, out)
	}
}

// TestBlobFromStandardInput stores what comes in, on a key whose user is verified
// by a finger so that no PIN is in the way.
func TestBlobFromStandardInput(t *testing.T) {
	device := offered(t, virtual.Config{Profile: virtual.FingerprintProfile(), Finger: virtual.Touching("thumb")}, nil,
		(*stock).setPIN, func(s *stock) { s.make("example.com", "alice", ctap2.CreationExtensions{LargeBlobKey: true}) })
	if exit, out, errs := run(t, keyPIN+"\n", "--device", device, "--pin-stdin", "fingerprint", "add"); exit != 0 {
		t.Fatalf("exit status %d\n%s%s", exit, out, errs)
	}
	data := "\x00line\r\nline\xff\n"
	exit, out, errs := run(t, data, "--device", device, "blob", "put", "--rp", "example.com")
	if exit != 0 || !strings.Contains(errs, "use a finger that it knows") {
		t.Fatalf("exit status %d\n%s%s", exit, out, errs)
	}
	if exit, out, errs = run(t, "", "--device", device, "blob", "get", "--rp", "example.com"); exit != 0 || out != data {
		t.Errorf("exit status %d: %q\n%s", exit, out, errs)
	}
	if exit, _, errs = run(t, strings.Repeat("x", 1<<20+1), "--device", device, "blob", "put", "--rp", "example.com"); exit != 1 || !strings.Contains(errs, "too much on standard input") {
		t.Errorf("too much: exit status %d\n%s", exit, errs)
	}
}
