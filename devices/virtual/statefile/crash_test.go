package statefile_test

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/devices/virtual/statefile"
)

// kills is how often the crash test kills its child process.
var kills = flag.Int("kills", 30, "how often to kill the writing process")

// childEnv tells the test binary to be the other process of a test: its value
// is what to do, a colon, and the path of the state file.
const childEnv = "STATEFILE_TEST_CHILD"

func TestMain(m *testing.M) {
	task, path, ok := strings.Cut(os.Getenv(childEnv), ":")
	if !ok {
		os.Exit(m.Run())
	}
	tasks[task](path)
}

// tasks are what the other process can do with the state file.
var tasks = map[string]func(path string){"open": tryOpen, "write": writeForever}

func child(task, path string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+task+":"+path)
	cmd.Stderr = os.Stderr
	return cmd
}

// runChild runs a task to its end and returns what it says.
func runChild(t *testing.T, task, path string) string {
	t.Helper()
	out, err := child(task, path).Output()
	if err != nil {
		t.Fatalf("other process: %v", err)
	}
	return strings.TrimSpace(string(out))
}

func tryOpen(path string) {
	f, err := statefile.Open(path)
	switch {
	case errors.Is(err, statefile.ErrInUse):
		fmt.Println("in use")
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println("opened")
		f.Close()
	}
}

// step is the change that makes the state of number n out of that of n-1: two
// records that must agree, and a short queue of which the oldest goes.
func step(n int) (puts map[string][]byte, deletes []string) {
	value := []byte(strings.Repeat(strconv.Itoa(n)+" ", 3000)) // more than a page
	puts = map[string][]byte{"left": value, "right": value, queued(n): value[:10]}
	return puts, []string{queued(n - 5)}
}

func queued(n int) string { return fmt.Sprintf("queue/%d", n) }

// writeForever goes on from the state in the file and says the number of each
// state that Apply has taken.
func writeForever(path string) {
	f, err := statefile.Open(path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	records, err := f.Load()
	for n := number(records) + 1; err == nil; n++ {
		if err = f.Apply(step(n)); err == nil {
			fmt.Println(n)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// number reads which state the records are.
func number(records map[string][]byte) int {
	first, _, _ := strings.Cut(string(records["left"]), " ")
	n, _ := strconv.Atoi(first)
	return n
}

// killWriter starts a writer, kills it at a random moment after its first
// words and returns the number of the last state that it called durable.
func killWriter(t *testing.T, path string) int {
	t.Helper()
	cmd := child("write", path)
	pipe, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewScanner(pipe)
	if !lines.Scan() {
		t.Fatalf("the writer said nothing: %v", cmd.Wait())
	}
	last := lines.Text()
	timer := time.AfterFunc(rand.N(40*time.Millisecond), func() { cmd.Process.Kill() })
	defer timer.Stop()
	for lines.Scan() {
		last = lines.Text()
	}
	io.Copy(io.Discard, pipe)
	cmd.Wait() // killed
	n, err := strconv.Atoi(last)
	must(t, err)
	return n
}

// TestNothingAcknowledgedIsLost kills a process that writes, again and again,
// and looks each time for the last state it called durable, or the next one, but
// nothing between states.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.db")
	for i := range *kills {
		acknowledged := killWriter(t, path)
		f, err := statefile.Open(path)
		must(t, err)
		records, err := f.Load()
		must(t, err)
		must(t, f.Close())
		n := number(records)
		if n != acknowledged && n != acknowledged+1 {
			t.Fatalf("kill %d: state %d, acknowledged %d", i, n, acknowledged)
		}
		wantState(t, records, n)
	}
}

func wantState(t *testing.T, records map[string][]byte, n int) {
	t.Helper()
	puts, _ := step(n)
	for name, value := range puts {
		if string(records[name]) != string(value) {
			t.Fatalf("state %d: record %q is not whole", n, name)
		}
	}
	if want := 2 + min(n, 5); len(records) != want {
		t.Fatalf("state %d has %d records, want %d", n, len(records), want)
	}
}

// TestCrashWhileCreating kills processes that create a file and wants either no
// file or one that opens.
func TestCrashWhileCreating(t *testing.T) {
	for range *kills {
		path := filepath.Join(t.TempDir(), "key.db")
		cmd := child("open", path)
		must(t, cmd.Start())
		timer := time.AfterFunc(rand.N(30*time.Millisecond), func() { cmd.Process.Kill() })
		cmd.Wait() // killed, or done first
		timer.Stop()
		if !exists(path) {
			continue
		}
		wantRecords(t, open(t, path), map[string][]byte{})
	}
}
