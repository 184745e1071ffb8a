package virtual_test

import (
	"bufio"
	"encoding/hex"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/devices/virtual/statefile"
)

// kills is how often the crash test kills the process that has the key.
var kills = flag.Int("kills", 30, "how often to kill the process that has the key")

// crashEnv makes the test binary the process that is killed; its value is the
// state file.
const crashEnv = "VIRTUAL_TEST_CRASH"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashEnv); path != "" {
		useForever(path)
	}
	os.Exit(m.Run())
}

// quiet is a testing.TB for a process that is no test.
type quiet struct{ testing.TB }

func (quiet) Helper()             {}
func (quiet) Logf(string, ...any) {}

func (quiet) Fatal(args ...any) {
	fmt.Fprintln(os.Stderr, args...)
	os.Exit(1)
}

func (q quiet) Fatalf(format string, args ...any) { q.Fatal(fmt.Sprintf(format, args...)) }

// inFile is a key with its state in a file.
func inFile(t testing.TB, path string) *rig {
	store, err := statefile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return newRig(t, func(c *virtual.Config) { c.Rand, c.Store = nil, store }, model(func(p *virtual.Profile) { p.MaxCredentials = 100000 }))
}

// useForever makes one credential after the other and signs with it, and says
// each time what was answered: a credential ID, or a signature counter.
func useForever(path string) {
	r := inFile(quiet{}, path)
	for n := 0; ; n++ {
		c := r.make(discoverable(fmt.Sprint(time.Now().UnixNano(), n)))
		fmt.Printf("made %x\n", c.id)
		fmt.Printf("counted %d\n", r.assert(assertion(c.id), c).count)
	}
}

// acknowledged is what a key said before its process was killed.
type acknowledged struct {
	ids   [][]byte
	count uint32
}

func (a *acknowledged) hear(t *testing.T, line string) {
	t.Helper()
	var id string
	if n, _ := fmt.Sscanf(line, "made %s", &id); n == 1 {
		b, err := hex.DecodeString(id)
		if err != nil {
			t.Fatal(err)
		}
		a.ids = append(a.ids, b)
	} else if n, _ := fmt.Sscanf(line, "counted %d", &a.count); n != 1 {
		t.Fatalf("the process says %q", line)
	}
}

// killUser has a process use the key, and kills it at some moment after its first
// words.
func killUser(t *testing.T, path string, a *acknowledged) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashEnv+"="+path)
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(pipe)
	var timer *time.Timer
	for {
		line, err := lines.ReadString('\n')
		if err != nil { // what is cut off was not said
			break
		}
		a.hear(t, strings.TrimSpace(line))
		if timer == nil {
			timer = time.AfterFunc(rand.N(30*time.Millisecond), func() { cmd.Process.Kill() })
			defer timer.Stop()
		}
	}
	cmd.Wait() // killed
	if timer == nil {
		t.Fatal("the process said nothing")
	}
}

// TestKilledKeyForgetsNothing kills a process that uses a key, again and again:
// every credential that it answered with is there, and no signature counter is
// seen twice.
func TestKilledKeyForgetsNothing(t *testing.T) {
	const perFile = 50 // so that loading does not take longer and longer
	var a acknowledged
	var path string
	for i := range *kills {
		if i%perFile == 0 {
			path, a = filepath.Join(t.TempDir(), "key.db"), acknowledged{}
		}
		before := len(a.ids)
		killUser(t, path, &a)
		r := inFile(t, path)
		for _, id := range append(a.ids[before:], a.ids[rand.N(len(a.ids))]) {
			status, body := r.raw(message(t, cmdGetAssertion, assertion(id)))
			if status != 0 {
				t.Fatalf("kill %d: credential %x: status %02x", i, id, status)
			}
			if count := parseAuthData(t, decode(t, body)).count; count <= a.count {
				t.Fatalf("kill %d: signature counter %d after %d", i, count, a.count)
			} else {
				a.count = count
			}
		}
		if err := r.key.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestThousandsInAFile: a state file holds more than any key that one can buy.
func TestThousandsInAFile(t *testing.T) {
	const n = 5000
	from := filled(t, n)
	records, err := from.cfg.Store.Load()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key.db")
	store, err := statefile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, store, records)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	r := inFile(t, path)
	defer r.key.Close()
	expect(t, "who is found", r.users(assertion(), r.accounts("last")), "last")
	body := r.ok(cmdGetAssertion, assertion().with(m{1: fmt.Sprintf("%d.example", n/100-1)}))
	expect(t, "how many are found", body[uint64(5)], any(uint64(100)))
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d credentials take %d bytes each in the file", n, info.Size()/n)
}
