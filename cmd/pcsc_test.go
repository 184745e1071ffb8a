//go:build pcsc

package cmd_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/cmd"
	"github.com/touchstone-fido/touchstone/cmd/internal/term"
	"github.com/touchstone-fido/touchstone/nfc/pcsc"
)

// reader is part of the name of the virtual readers of Debian's pcscd.
const (
	reader = "Virtual PCD"
	slot   = "Virtual PCD 00 00" // the first of the two; ykman takes no part of a name that fits both
)

// serve puts a software key into the virtual reader, as "virtual serve vpcd"
// does, until the test ends, and waits until PC/SC sees the card.
// scripts/with-pcscd runs the daemon.
func serve(t testing.TB, selector string) {
	t.Helper()
	if os.Getenv("TOUCHSTONE_PCSCD") == "" {
		t.Skip("NOT RUN: no pcscd; run scripts/test, or this test under scripts/with-pcscd")
	}
	for try := 1; ; try++ {
		stop, errs := putCard(t, selector)
		wait, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		err := pcsc.Wait(wait, slot)
		cancel()
		if err == nil {
			t.Cleanup(func() {
				stop()
				awaitEmpty(t)
			})
			return
		}
		stop()
		if try == 3 {
			t.Fatalf("no card in the virtual reader: %v\n%s", err, errs)
		}
		t.Logf("pcscd does not see the card: %v", err) // on a busy machine its driver can miss who connects
	}
}

// putCard puts the key into the reader, until stop is called.
func putCard(t testing.TB, selector string) (stop func(), errs fmt.Stringer) {
	ctx, cancel := context.WithCancel(t.Context())
	streams, _, said := term.Test("")
	done := make(chan int, 1)
	go func() { done <- cmd.Run(ctx, streams, []string{"--device", selector, "virtual", "serve", "vpcd"}) }()
	return func() {
		cancel()
		<-done
	}, said
}

// awaitEmpty returns when pcscd has seen that the card is gone, for which it
// looks every 0.4 seconds, so that the next test does not meet this one's card.
func awaitEmpty(t testing.TB) {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		readers, err := pcsc.List(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(readers, func(r pcsc.Reader) bool { return r.CardPresent }) {
			return
		}
	}
	t.Fatal("the card stays in the virtual reader")
}

func wantVerified(t *testing.T, exit int, out, errs string) {
	t.Helper()
	var got struct{ Verified bool }
	if err := json.Unmarshal([]byte(out), &got); err != nil || exit != 0 || !got.Verified {
		t.Fatalf("exit status %d, %v\n%s\n%s", exit, err, out, errs)
	}
}

// TestPCSCEnrolAndVerify is the main job through the real PC/SC daemon, with
// and without a PIN.
func TestPCSCEnrolAndVerify(t *testing.T) {
	serve(t, "virtual")
	device := "nfc:" + reader
	dir := t.TempDir()
	alice := filepath.Join(dir, "alice.json")
	exit, out, errs := run(t, "", "--json", "--device", device, "enroll", "--rp", "example.com", "--user", "alice", "--out", alice)
	wantVerified(t, exit, out, errs)
	exit, out, errs = run(t, "", "--json", "--device", device, "verify", alice)
	wantVerified(t, exit, out, errs)

	if exit, _, errs = run(t, "24680\n", "--device", device, "--pin-stdin", "pin", "set"); exit != 0 {
		t.Fatalf("pin set: exit status %d: %s", exit, errs)
	}
	bob := filepath.Join(dir, "bob.json")
	exit, out, errs = run(t, "24680\n", "--json", "--device", device, "--pin-stdin", "--record", filepath.Join(dir, "tape.jsonl"), "--record-seed",
		"enroll", "--rp", "example.com", "--user", "bob", "--uv", "required", "--out", bob)
	wantVerified(t, exit, out, errs)
	exit, again, errs := run(t, "24680\n", "--json", "--device", "replay:"+filepath.Join(dir, "tape.jsonl"), "--pin-stdin",
		"enroll", "--rp", "example.com", "--user", "bob", "--uv", "required")
	if exit != 0 || again != out {
		t.Errorf("the recorded session replays with exit status %d: %s\n%s\nwant\n%s", exit, errs, again, out)
	}
	exit, out, errs = run(t, "24680\n", "--json", "--device", device, "--pin-stdin", "verify", "--uv", "required", bob)
	wantVerified(t, exit, out, errs)
	exit, out, errs = run(t, "", "--json", "--device", device, "verify", "--uv", "discouraged", "--usernameless", "--user", "bob", alice, bob)
	wantVerified(t, exit, out, errs)
}

// TestPCSCDelayedTouch waits for a touch over real PC/SC: the card puts the
// client off with 9100 and the prompt appears.
func TestPCSCDelayedTouch(t *testing.T) {
	serve(t, "virtual?touch=400ms")
	exit, out, errs := run(t, "", "--json", "--device", "nfc:"+reader, "enroll", "--rp", "example.com", "--user", "alice")
	wantVerified(t, exit, out, errs)
	if strings.Count(errs, "Touch your security key.") != 1 {
		t.Errorf("stderr %q", errs)
	}
}

// TestPCSCDecisions: what an applet finds out about the reader and the card is
// told with -v, and the same again when the session replays.
func TestPCSCDecisions(t *testing.T) {
	serve(t, "virtual")
	tape := filepath.Join(t.TempDir(), "tape.jsonl")
	for _, device := range []string{"nfc:" + reader, "replay:" + tape} {
		args := []string{"-v", "--device", device, "device", "info"}
		if !strings.HasPrefix(device, "replay:") {
			args = append([]string{"--record", tape}, args...)
		}
		exit, _, errs := run(t, "", args...)
		var told []string
		for line := range strings.Lines(errs) {
			if strings.HasPrefix(line, "nfc: ") {
				told = append(told, strings.TrimSpace(line))
			}
		}
		want := []string{"nfc: protocol T=1: the reader says so", "nfc: short APDUs: every card takes them"}
		if exit != 0 || !slices.Equal(told, want) {
			t.Errorf("%s: exit status %d, told %q, want %q\n%s", device, exit, told, want, errs)
		}
	}
}

// TestPCSCDeviceList finds the card, and leaves the empty reader out.
func TestPCSCDeviceList(t *testing.T) {
	serve(t, "virtual")
	exit, out, errs := run(t, "", "--json", "device", "list")
	var got struct {
		Devices []struct{ Selector, Transport, Path, ATR string }
		LeftOut []struct {
			Device struct{ Path string }
			Reason string
		}
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || exit != 0 {
		t.Fatalf("exit status %d, %v: %s%s", exit, err, out, errs)
	}
	if len(got.Devices) != 1 || got.Devices[0].Selector != "nfc:"+slot || got.Devices[0].Transport != "nfc" || got.Devices[0].ATR == "" {
		t.Errorf("devices %+v", got.Devices)
	}
	if len(got.LeftOut) != 1 || got.LeftOut[0].Device.Path != reader+" 00 01" || got.LeftOut[0].Reason == "" {
		t.Errorf("left out %+v", got.LeftOut)
	}
}

// diagnose runs the doctor and returns its findings by their identifiers.
func diagnose(t *testing.T) map[string]map[string]any {
	t.Helper()
	_, out, errs := run(t, "", "--json", "doctor")
	var got struct{ Findings []map[string]any }
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v: %s%s", err, out, errs)
	}
	found := map[string]map[string]any{}
	for _, f := range got.Findings {
		found[fmt.Sprint(f["id"])] = f
	}
	return found
}

// TestPCSCDoctor finds pcscd and the card well, and asks it.
func TestPCSCDoctor(t *testing.T) {
	serve(t, "virtual")
	found := diagnose(t)
	for _, id := range []string{"pcsc.built", "pcsc.daemon", "pcsc.access", "pcsc.driver", "pcsc.card-held", "key.answers:nfc:" + slot} {
		if found[id]["status"] != "ok" {
			t.Errorf("%s: %v", id, found[id])
		}
	}
	if daemon := fmt.Sprint(found["pcsc.daemon"]["detail"]); !strings.HasPrefix(daemon, "pcscd (pid ") {
		t.Errorf("the daemon is %q", daemon)
	}
	if told := fmt.Sprint(found["key.answers:nfc:"+slot]["detail"]); !strings.Contains(told, "FIDO_2_0") {
		t.Errorf("the key said %q", told)
	}
}

// TestPCSCHolder has another program keep the card for itself: doctor names it,
// and so does the hint of a command that is refused.
func TestPCSCHolder(t *testing.T) {
	serve(t, "virtual")
	const script = `
import sys
from smartcard.scard import *
_, context = SCardEstablishContext(SCARD_SCOPE_USER)
result, card, _ = SCardConnect(context, sys.argv[1], SCARD_SHARE_EXCLUSIVE, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1)
print("ready" if result == SCARD_S_SUCCESS else SCardGetErrorMessage(result), flush=True)
sys.stdin.read()
`
	holder := exec.Command("/usr/bin/python3", "-c", script, slot)
	in, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = errors.Join(in.Close(), holder.Wait()) }()
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the other program: %q, %v", line, err)
	}
	who := fmt.Sprintf("python3 (pid %d, user ", holder.Process.Pid)
	held := diagnose(t)["pcsc.card-held:"+slot]
	if held["status"] != "problem" || !strings.Contains(fmt.Sprint(held["detail"]), who) {
		t.Errorf("%v, want %s", held, who)
	}
	exit, _, errs := run(t, "", "--device", "nfc:"+slot, "device", "info")
	if exit == 0 || !strings.Contains(errs, "held by "+who) {
		t.Errorf("exit status %d: %s", exit, errs)
	}
}

// program runs somebody else's program and returns what it prints.
func program(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestPCSCPythonFIDO2 has Debian's python3-fido2 set a PIN and make and verify
// credentials with PIN/UV auth protocols one and two, and then Debian's ykman
// report the key.
func TestPCSCPythonFIDO2(t *testing.T) {
	serve(t, "virtual")
	out := program(t, "/usr/bin/python3", "testdata/python_fido2.py", slot, "24680")
	var got struct {
		AAGUID string
		Runs   []struct {
			Protocol int
			Fmt      string
		}
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got.AAGUID != "61c5e308878a4352b3a554aead6cc6ea" || len(got.Runs) != 2 ||
		got.Runs[0].Protocol != 1 || got.Runs[1].Protocol != 2 || got.Runs[0].Fmt != "packed" {
		t.Errorf("%s", out)
	}
	// ykman uses /usr/bin/python3 by its first line, whatever else is in PATH.
	out = program(t, "/usr/bin/ykman", "-r", slot, "fido", "info")
	if !strings.Contains(out, "PIN is set, with 7 attempt(s) remaining") {
		t.Errorf("ykman says %q", out)
	}
}

// TestPCSCPythonFIDO2Manage has python3-fido2 manage a key with each PIN/UV auth
// protocol: PINs, credentials, large blobs, configuration, fingerprints, reset.
func TestPCSCPythonFIDO2Manage(t *testing.T) {
	type bio struct{ Kind, Samples, Announced, Retries int }
	type managed struct {
		Protocol      int
		Bio           *bio
		PINAfterReset bool
		MinPINLength  int
	}
	for _, protocol := range []int{1, 2} {
		t.Run(fmt.Sprint("protocol ", protocol), func(t *testing.T) {
			serve(t, "virtual:touchstone-fingerprint?finger=1")
			out := program(t, "/usr/bin/python3", "testdata/python_fido2_manage.py", slot, "24680", fmt.Sprint(protocol), "finger")
			var got managed
			if err := json.Unmarshal([]byte(out), &got); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			want := managed{Protocol: protocol, Bio: &bio{Kind: 1, Samples: 4, Announced: 4, Retries: 5}, MinPINLength: 4}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s", out)
			}
		})
	}
}

// TestPCSCYkman has ykman report a factory-new key, set and change its PIN, list
// and delete credentials that touchstone made, and reset it.
func TestPCSCYkman(t *testing.T) {
	serve(t, "virtual")
	ykman := func(args ...string) string {
		t.Helper()
		return program(t, "/usr/bin/ykman", append([]string{"-r", slot, "fido"}, args...)...)
	}
	said := func(want string, args ...string) {
		t.Helper()
		if out := ykman(args...); !strings.Contains(out, want) {
			t.Errorf("ykman fido %s says %q", strings.Join(args, " "), out)
		}
	}
	said("PIN is not set", "info")
	ykman("access", "change-pin", "--new-pin", "24680")
	ykman("access", "change-pin", "--pin", "24680", "--new-pin", "135790")
	said("PIN verified", "access", "verify-pin", "--pin", "135790")
	for user, site := range map[string]string{"alice": "example.com", "bob": "example.org"} {
		exit, out, errs := run(t, "135790\n", "--device", "nfc:"+slot, "--json", "--pin-stdin", "enroll", "--rp", site, "--user", user, "--discoverable", "required")
		wantVerified(t, exit, out, errs)
	}
	passkeys := func() []string {
		t.Helper()
		var all []string
		for line := range strings.Lines(ykman("credentials", "list", "--pin", "135790")) {
			words := strings.Fields(line) // RP ID, user handle, user name
			all = append(all, words[0]+" "+words[len(words)-1])
		}
		slices.Sort(all)
		return all
	}
	if got := passkeys(); !slices.Equal(got, []string{"example.com alice", "example.org bob"}) {
		t.Errorf("ykman lists %q", got)
	}
	ykman("credentials", "delete", "--pin", "135790", "--force", "example.org")
	if got := passkeys(); !slices.Equal(got, []string{"example.com alice"}) {
		t.Errorf("ykman lists %q", got)
	}
	said("PIN is set, with 8 attempt(s) remaining", "info")
	ykman("reset", "--force")
	said("PIN is not set", "info")
}

// BenchmarkPCSCInfo has the program and ykman tell about the same card.
func BenchmarkPCSCInfo(b *testing.B) {
	serve(b, "virtual")
	for _, args := range [][]string{
		{os.Args[0], "--device", "nfc:" + slot, "device", "info"},
		{"/usr/bin/ykman", "-r", slot, "fido", "info"},
	} {
		name := "touchstone"
		if args[0] != os.Args[0] {
			name = "ykman"
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				c := exec.Command(args[0], args[1:]...)
				c.Env = append(os.Environ(), beMain+"=1")
				if out, err := c.CombinedOutput(); err != nil {
					b.Fatalf("%v\n%s", err, out)
				}
			}
		})
	}
}
