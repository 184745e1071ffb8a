package cmd

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/cmd/internal/term"
)

// ways to end the program, by exit status. In the arguments DIR is a folder with
// the files of [folder]; stdin is what standard input has.
var ways = map[int][]struct {
	why   string
	stdin string
	args  string
}{
	statusDone: {
		{"it is done", "", "--device virtual device info"},
		{"help is no error", "", "help device reset"},
	},
	statusFailed: {
		{"what was checked does not verify", "", "--device virtual verify DIR/forged.json"},
		{"no answer came in time", "", "--timeout 50ms --device virtual?touch=1h enroll --rp example.com --user a"},
		{"a tape does not fit", "", "--device replay:DIR/tape.jsonl pin status"},
		{"a file cannot be read", "", "transcript check DIR/nothing"},
		{"the key has no reset", "", "--yes --device virtual:yubikey-4 device reset"},
	},
	statusUsage: {
		{"an unknown command", "", "fly"},
		{"an unknown flag", "", "device list --fly"},
		{"a wrong value", "", "--timeout -1s device list"},
		{"a wrong argument", "", "device list now"},
		{"a group without a command", "", "device"},
		{"a selection that means several", "24680\n", "--pin-stdin --device virtual:DIR/two.key passkey show --rp example.com"},
		{"two sources of PINs", "", "--pin-stdin --pin-command x pin status"},
		{"nothing was recorded", "", "--record DIR/new.jsonl version"},
	},
	statusNoDevice: {
		{"no device", "", "--device hid:/dev/hidraw99 device info"},
		{"a simulator that does not run", "", "--device tcp:127.0.0.1:1 device info"},
	},
	statusRefused: {
		{"by a status of CTAP", "", "--device virtual?touch=deny enroll --rp example.com --user a"},
		{"over NFC", "", "--device virtual+nfc?touch=deny enroll --rp example.com --user a"},
		{"by a status word of U2F", "", "--device virtual u2f authenticate --check DIR/old.json"},
		{"by the PIN", "13579\n", "--pin-stdin --device virtual:DIR/two.key pin verify"},
	},
	statusChecks: {
		{"a malformed tape", "", "transcript check DIR/malformed.jsonl"},
		{"a key that is not as new after a reset", "", "--yes --device virtual:DIR/kept.key --fault reset-keeps-pin device reset"},
	},
	statusGate: {
		{"no word", "", "--device virtual device reset"},
		{"no word, for a passkey", "24680\n", "--pin-stdin --device virtual:DIR/two.key passkey delete --user a"},
		{"few PIN tries and nobody to agree", "24680\n", "--pin-stdin --device virtual:DIR/few.key pin verify"},
	},
}

// inProgram runs the program and returns its exit status.
func inProgram(ctx context.Context, stdin string, args ...string) (exit int, out, errs string) {
	streams, stdout, stderr := term.Test(stdin)
	exit = Run(ctx, streams, args)
	return exit, stdout.String(), stderr.String()
}

// folder holds what the ways use.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	do := func(want int, stdin string, args ...string) {
		t.Helper()
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "DIR", dir)
		}
		if exit, _, errs := inProgram(t.Context(), stdin, args...); exit != want {
			t.Fatalf("%q: exit status %d\n%s", args, exit, errs)
		}
	}
	do(0, "", "--device", "virtual", "u2f", "register", "--app-id", "https://example.com", "--out", "DIR/old.json")
	do(0, "", "--device", "virtual", "--record", "DIR/tape.jsonl", "device", "info")
	do(0, "", "--device", "virtual", "enroll", "--rp", "example.com", "--user", "a", "--out", "DIR/forged.json")
	write(t, dir, "forged.json", func(s string) string { return strings.Replace(s, `"rpId": "example.com"`, `"rpId": "example.org"`, 1) })
	write(t, dir, "malformed.jsonl", func(string) string { return "{\"touchstone\":1,\"transport\":\"hid\"}\nnonsense\n{\"t_us\":1}\n" })
	for _, key := range []string{"two", "few", "kept"} {
		device := "virtual:DIR/" + key + ".key"
		do(0, "24680\n", "--device", device, "--pin-stdin", "pin", "set")
		for _, user := range []string{"a", "b"} {
			do(0, "24680\n", "--device", device, "--pin-stdin", "enroll", "--rp", "example.com", "--user", user, "--uv", "required")
		}
	}
	for range 5 {
		do(statusRefused, "13579\n", "--device", "virtual:DIR/few.key", "--pin-stdin", "pin", "verify")
	}
	return dir
}

// write changes a file, or makes it.
func write(t *testing.T, dir, name string, change func(string) string) {
	t.Helper()
	file := filepath.Join(dir, name)
	text, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(change(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestExitStatuses provokes every exit status, with text and with an envelope that
// has the same number.
func TestExitStatuses(t *testing.T) {
	dir := folder(t)
	for want, cases := range ways {
		for _, c := range cases {
			args := strings.Fields(strings.ReplaceAll(c.args, "DIR", dir))
			if exit, _, errs := inProgram(t.Context(), c.stdin, args...); exit != want || want != 0 && !strings.HasPrefix(lastPart(errs), "touchstone: ") {
				t.Errorf("%s: exit status %d, want %d\n%s", c.why, exit, want, errs)
			}
			if want == 0 {
				continue
			}
			exit, _, errs := inProgram(t.Context(), c.stdin, append([]string{"--json"}, args...)...)
			var e struct {
				Schema, Error string
				Exit          int
			}
			if err := json.Unmarshal([]byte(errs[max(0, strings.Index(errs, "{\n")):]), &e); err != nil || exit != want || e.Exit != want || e.Error == "" || e.Schema != "touchstone/error/1" {
				t.Errorf("%s, --json: exit status %d, %+v, %v, want %d\n%s", c.why, exit, e, err, want, errs)
			}
		}
	}
}

// lastPart is what stands in errs from the program's name on.
func lastPart(errs string) string {
	return errs[max(0, strings.LastIndex(errs, "touchstone: ")):]
}

// TestExitStatusInterrupted: whatever a command waits for, an interrupt ends it.
func TestExitStatusInterrupted(t *testing.T) {
	for _, args := range []string{
		"--device virtual?touch=1h enroll --rp example.com --user a",
		"--device virtual+nfc?touch=1h device identify",
		"--yes --device virtual?touch=1h device reset",
		"device watch",
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		streams, _, _ := term.Test("")
		seen := &notice{at: "ouch", cancel: func() { cancel(errInterrupted) }}
		if strings.HasSuffix(args, "watch") {
			seen.at = "watching"
			args = "-v " + args
		}
		streams.Err = seen
		if exit := Run(ctx, streams, strings.Fields(args)); exit != statusInterrupted {
			t.Errorf("%s: exit status %d\n%s", args, exit, seen.text)
		}
		cancel(nil)
	}
}

// notice does something as soon as a text was written.
type notice struct {
	at     string
	cancel func()
	text   []byte
}

func (n *notice) Write(p []byte) (int, error) {
	n.text = append(n.text, p...)
	if strings.Contains(string(n.text), n.at) {
		n.cancel()
	}
	return len(p), nil
}

// TestExitStatusesAreDocumented: the page for programs, the program's own help and
// the README have the statuses that are provoked here, and no others.
func TestExitStatusesAreDocumented(t *testing.T) {
	want := []int{statusInterrupted}
	for status := range ways {
		want = append(want, status)
	}
	slices.Sort(want)
	for name, row := range map[string]string{
		"../docs/interface.md": `(?m)^\| (\d+) \| [a-z]`, "../README.md": `(?m)^\| (\d+) \| [a-z]`, "": `(?m)^    (\d+) +[a-z]`,
	} {
		text := about
		if name != "" {
			page, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			text = string(page)
		}
		var got []int
		for _, m := range regexp.MustCompile(row).FindAllStringSubmatch(text, -1) {
			n, _ := strconv.Atoi(m[1])
			got = append(got, n)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s has %v, want %v", name, got, want)
		}
	}
}
