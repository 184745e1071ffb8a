package holders

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// fakeProc is a root directory with a /proc in which there are processes.
type fakeProc struct {
	t    *testing.T
	root string
}

func newFakeProc(t *testing.T) fakeProc {
	f := fakeProc{t, t.TempDir()}
	f.process(1, "systemd", 0, nil)
	return f
}

func (f fakeProc) write(pid int, name, text string) {
	f.t.Helper()
	path := filepath.Join(f.root, "proc", fmt.Sprint(pid), name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		f.t.Fatal(err)
	}
}

func (f fakeProc) link(pid int, name, target string) {
	f.t.Helper()
	path := filepath.Join(f.root, "proc", fmt.Sprint(pid), name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Symlink(target, path)); err != nil {
		f.t.Fatal(err)
	}
}

// process adds a process with the files that it has open.
func (f fakeProc) process(pid int, comm string, uid int, open []string) {
	f.t.Helper()
	f.write(pid, "comm", comm+"\n")
	f.write(pid, "status", fmt.Sprintf("Name:\t%s\nUid:\t%d\t0\t0\t0\n", comm, uid))
	f.write(pid, "stat", fmt.Sprintf("%d (%s) S 1 1 1 0 -1 4194304 119 0\n", pid, comm))
	f.link(pid, "fd/0", "/dev/null")
	for i, name := range open {
		f.link(pid, fmt.Sprintf("fd/%d", i+3), name)
	}
}

// closed adds a process whose files cannot be looked at: for an unprivileged
// user it is the directory that cannot be read, here there is none.
func (f fakeProc) closed(pid int, stat string) {
	f.t.Helper()
	f.write(pid, "fd", "no directory")
	if stat != "" {
		f.write(pid, "stat", stat)
	}
}

func (f fakeProc) node() string {
	f.t.Helper()
	path := filepath.Join(f.root, "hidraw3")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		f.t.Fatal(err)
	}
	return path
}

const nobodyAt = 4000000000 // a user number without a name

func TestOfNode(t *testing.T) {
	stranger := fmt.Sprint(nobodyAt)
	tests := []struct {
		name string
		add  func(f fakeProc, node string)
		want Found
	}{
		{"nobody", func(fakeProc, string) {}, Found{}},
		{"one", func(f fakeProc, node string) { f.process(812, "scdaemon", nobodyAt, []string{"socket:[1]", node}) },
			Found{Processes: []Process{{812, "scdaemon", stranger}}}},
		{"in the order of numbers", func(f fakeProc, node string) {
			f.process(1000, "b", nobodyAt, []string{node})
			f.process(99, "a", nobodyAt, []string{node, node})
		}, Found{Processes: []Process{{99, "a", stranger}, {1000, "b", stranger}}}},
		{"itself is left out", func(f fakeProc, node string) { f.process(os.Getpid(), "test", 0, []string{node}) }, Found{}},
		{"by another name", func(f fakeProc, node string) {
			if err := os.Link(node, node+"-too"); err != nil {
				f.t.Fatal(err)
			}
			f.process(7, "a", nobodyAt, []string{node + "-too"})
		}, Found{Processes: []Process{{7, "a", stranger}}}},
		{"not to be looked at", func(f fakeProc, node string) {
			f.closed(20, "20 (sshd) S 1 1 1 0 -1 4194304 119 0\n")
			f.closed(21, "21 (odd) name) S 1 1 1 0 -1 4194304 119 0\n")
			f.process(812, "scdaemon", nobodyAt, []string{node})
		}, Found{Processes: []Process{{812, "scdaemon", stranger}}, Unseen: 2}},
		{"without files", func(f fakeProc, _ string) {
			f.closed(2, "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0\n")
			f.closed(3, "3 (gone) Z 1 1 1 0 -1 4194304 119 0\n")
			f.closed(4, "")
		}, Found{}},
		{"ended meanwhile", func(f fakeProc, _ string) { f.write(30, "comm", "gone\n") }, Found{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeProc(t)
			node := f.node()
			tt.add(f, node)
			got, err := OfNode(t.Context(), f.root, node)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

// TestHidden: with hidepid, a user does not even see that there are others.
func TestHidden(t *testing.T) {
	f := newFakeProc(t)
	if err := os.RemoveAll(filepath.Join(f.root, "proc/1")); err != nil {
		t.Fatal(err)
	}
	f.process(812, "a", 0, nil)
	got, err := OfNode(t.Context(), f.root, f.node())
	if want := (Found{Hidden: true}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestOfNodeCannotLook(t *testing.T) {
	f := newFakeProc(t)
	if _, err := OfNode(t.Context(), f.root, filepath.Join(f.root, "hidraw9")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such node: %v", err)
	}
	node := f.node()
	if _, err := OfNode(t.Context(), t.TempDir(), node); err == nil {
		t.Error("without /proc there is an answer")
	}
	empty := t.TempDir()
	if err := os.Mkdir(filepath.Join(empty, "proc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := OfNode(t.Context(), empty, node); err == nil {
		t.Error("without processes there is an answer")
	}
	ended := errors.New("ended")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(ended)
	if _, err := OfNode(ctx, f.root, node); !errors.Is(err, ended) {
		t.Errorf("ended context: %v", err)
	}
}

func TestName(t *testing.T) {
	for _, tt := range []struct{ comm, exe, want string }{
		{"scdaemon", "/usr/lib/gnupg/scdaemon", "scdaemon"},
		{"ykman", "/usr/bin/python3.11", "ykman"},
		{"gnome-keyring-d", "/usr/bin/gnome-keyring-daemon", "gnome-keyring-daemon"},
		{"gnome-keyring-d", "/usr/bin/gnome-keyring-daemon (deleted)", "gnome-keyring-daemon"},
		{"fifteen-letters", "/usr/bin/other", "fifteen-letters"},
		{"no-program", "", "no-program"},
		{"", "/usr/bin/nameless", "nameless"},
		{"", "", "a program"},
		{"evil\x1b[2J", "", "evil\uFFFD[2J"},
	} {
		f := newFakeProc(t)
		f.write(7, "comm", tt.comm+"\n")
		if tt.exe != "" {
			f.link(7, "exe", tt.exe)
		}
		if got := newProc(f.root).name(7); got != tt.want {
			t.Errorf("%q and %q: %q, want %q", tt.comm, tt.exe, got, tt.want)
		}
	}
}

func TestUserName(t *testing.T) {
	for number, want := range map[string]string{"0": "root", "": "unknown", "x": "unknown", "4000000000": "4000000000"} {
		if got := userName(number); got != want {
			t.Errorf("%q: %q, want %q", number, got, want)
		}
	}
}

func TestRealUser(t *testing.T) {
	for status, want := range map[string]string{
		"Name:\tx\nUid:\t1000\t0\t0\t0\nGid:\t5\n": "1000",
		"Name:\tUid:\n":            "",
		"Uid:\n":                   "",
		"":                         "",
		strings.Repeat("x", 1<<16): "",
	} {
		if got := realUser(status); got != want {
			t.Errorf("%.40q: %q, want %q", status, got, want)
		}
	}
}

// TestSame: a device is its kind and number, wherever its node lies.
func TestSame(t *testing.T) {
	node := unix.Stat_t{Mode: unix.S_IFCHR | 0o600, Dev: 1, Ino: 10, Rdev: 0xf003}
	for _, tt := range []struct {
		name string
		open unix.Stat_t
		want bool
	}{
		{"itself", node, true},
		{"another node of it", unix.Stat_t{Mode: unix.S_IFCHR | 0o666, Dev: 2, Ino: 20, Rdev: 0xf003}, true},
		{"another device", unix.Stat_t{Mode: unix.S_IFCHR, Dev: 1, Ino: 10, Rdev: 0xf004}, false},
		{"a block device of that number", unix.Stat_t{Mode: unix.S_IFBLK, Dev: 1, Ino: 10, Rdev: 0xf003}, false},
		{"a file", unix.Stat_t{Mode: unix.S_IFREG, Dev: 1, Ino: 10}, false},
	} {
		if got := same(node, tt.open); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
