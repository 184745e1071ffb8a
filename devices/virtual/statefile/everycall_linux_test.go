package statefile_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/virtual/statefile"
)

// changing are the system calls by which a process changes files, or what they
// are called. The file is not mapped into memory, so that between two of these
// calls there is nothing that a kill could cut in half.
var changing = []string{
	"open", "openat", "write", "pwrite64", "writev", "pwritev", "ftruncate", "fallocate", "fsync", "fdatasync",
	"link", "linkat", "unlink", "unlinkat", "rename", "renameat", "renameat2", "fchmod", "chmod", "fchmodat",
}

// writeSome goes on from the state in the file to the second one after it, says
// the number of each, and closes the file.
func writeSome(path string) {
	f, err := statefile.Open(path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	records, err := f.Load()
	for n := number(records); err == nil && n < number(records)+2; {
		n++
		if err = f.Apply(step(n)); err == nil {
			fmt.Println(n)
		}
	}
	if err := errors.Join(err, f.Close()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// writeUnder runs writeSome under strace with these options, and returns the last
// state that it called durable, 0 for none, and whether it was killed.
func writeUnder(t *testing.T, path string, options ...string) (last int, killed bool) {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("NOT RUN: there is no strace here (scripts/setup installs it)")
	}
	writer := child("some", path)
	writer.Args = slices.Concat([]string{strace, "-qq"}, options, []string{writer.Path})
	writer.Path = strace
	out, err := writer.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status := exit.Sys().(syscall.WaitStatus) // strace ends as its process does
		killed = status.Signaled() && status.Signal() == syscall.SIGKILL
	}
	if err != nil && !killed {
		t.Fatalf("the writer under strace: %v", err)
	}
	for _, line := range strings.Fields(string(out)) {
		if _, err := fmt.Sscan(line, &last); err != nil {
			t.Fatalf("the writer says %q", line)
		}
	}
	return last, killed
}

// killAt has a writer killed before the n-th call of that name.
func killAt(t *testing.T, path, call string, n int) (last int, killed bool) {
	t.Helper()
	return writeUnder(t, path, "-o", "/dev/null", "-e", "trace="+call, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, n))
}

// TestKilledAtEveryCall kills a process that makes a state file, writes to it and
// closes it, before each system call that changes something, one after the
// other. What is left has to be no file, or one that opens with the last state
// that was called durable, or the one after it. It does the same to a process
// that finds a file with records to delete, and to one that finds a file in the
// middle of a change, which has to be undone first.
func TestKilledAtEveryCall(t *testing.T) {
	t.Run("new file", func(t *testing.T) {
		t.Parallel()
		killEverywhere(t, t.TempDir(), 0, "linkat")
	})
	t.Run("file in use", func(t *testing.T) {
		t.Parallel()
		killEverywhere(t, written(t, 5), 5, "pwrite64")
	})
	t.Run("after a crash", func(t *testing.T) {
		t.Parallel()
		killEverywhere(t, halfWritten(t), 3, "pwrite64")
	})
}

// written is a directory with a file in the n-th state.
func written(t *testing.T, n int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	f := open(t, filepath.Join(dir, "key.db"))
	for i := range n {
		must(t, f.Apply(step(i+1)))
	}
	must(t, f.Close())
	return dir
}

// halfWritten is a directory with a file of the third state, to which half of the
// fourth was written.
func halfWritten(t *testing.T) (dir string) {
	t.Helper()
	third, fourth := written(t, 3), strings.Repeat("4 ", 50)
	for n := 1; ; n++ {
		dir = t.TempDir()
		must(t, os.CopyFS(dir, os.DirFS(third)))
		path := filepath.Join(dir, "key.db")
		if last, killed := killAt(t, path, "pwrite64", n); !killed || last > 3 {
			t.Fatal("no kill has left half a change")
		}
		content, err := os.ReadFile(path)
		must(t, err)
		journal, err := os.ReadFile(path + "-journal")
		must(t, err)
		if strings.Contains(string(content), fourth) && len(journal) > 0 && journal[0] != 0 {
			return dir
		}
	}
}

// killEverywhere kills writers on copies of a directory with a file in that state,
// where they have to make that call.
func killEverywhere(t *testing.T, dir string, state int, had string) {
	t.Helper()
	kills, empty := 0, 0
	for _, call := range calls(t, dir, had) {
		for n := 1; ; n++ {
			copied := t.TempDir()
			must(t, os.CopyFS(copied, os.DirFS(dir)))
			path := filepath.Join(copied, "key.db")
			last, killed := killAt(t, path, call, n)
			if !killed && n == 1 {
				t.Fatalf("not killed at the first %s", call)
			}
			if !killed {
				break
			}
			kills++
			if last == 0 && state == 0 && !exists(path) {
				empty++
				continue
			}
			wantLeft(t, fmt.Sprint(call, " ", n), path, max(last, state))
		}
	}
	t.Logf("%d kills; %d left no file", kills, empty)
}

// calls are the names of the calls that a writer makes. All that has to do with
// the file has to be in the one thread that is traced when it is killed.
func calls(t *testing.T, dir, had string) (names []string) {
	t.Helper()
	copied := t.TempDir()
	must(t, os.CopyFS(copied, os.DirFS(dir)))
	log := filepath.Join(t.TempDir(), "calls")
	if last, killed := writeUnder(t, filepath.Join(copied, "key.db"), "-f", "-o", log, "-e", "trace=?"+strings.Join(changing, ",?")); killed || last == 0 {
		t.Fatal("the writer was killed, or has written nothing")
	}
	content, err := os.ReadFile(log)
	must(t, err)
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	main, _, _ := strings.Cut(lines[0], " ")
	for _, line := range lines {
		thread, call, _ := strings.Cut(line, " ")
		if thread != main && strings.Contains(call, "key.db") {
			t.Fatalf("another thread than %s: %s", main, line)
		}
		name, _, made := strings.Cut(strings.TrimSpace(call), "(")
		if thread == main && made && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, want := range []string{had, "pwrite64", "fsync"} {
		if !slices.Contains(names, want) {
			t.Fatalf("the writer makes no %s: %q", want, names)
		}
	}
	return names
}

// wantLeft looks at what a kill has left of a file.
func wantLeft(t *testing.T, kill, path string, acknowledged int) {
	t.Helper()
	f, err := statefile.Open(path)
	if err != nil {
		t.Fatalf("killed at %s, state %d: %v", kill, acknowledged, err)
	}
	records, err := f.Load()
	must(t, err)
	must(t, f.Close())
	n := number(records)
	switch {
	case n != acknowledged && n != acknowledged+1:
		t.Fatalf("killed at %s: state %d, acknowledged %d", kill, n, acknowledged)
	case n > 0:
		wantState(t, records, n)
	case len(records) > 0:
		t.Fatalf("killed at %s: %d records of no state", kill, len(records))
	}
}

func init() {
	tasks["some"] = writeSome
	if os.Getenv(childEnv) != "" {
		runtime.LockOSThread() // strace counts the calls of one thread
	}
}
