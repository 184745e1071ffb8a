package holders

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// proc is where /proc is.
type proc struct{ dir string }

func newProc(root string) proc {
	if root == "" {
		root = "/"
	}
	return proc{filepath.Join(root, "proc")}
}

// scan returns the processes of which an open file is wanted. want is given the
// file's link in /proc.
func (p proc) scan(ctx context.Context, want func(fd string) bool) (Found, error) {
	pids, err := p.pids()
	if err != nil {
		return Found{}, err
	}
	var f Found
	f.Hidden = len(pids) > 0 && pids[0] != 1 // every process can see the first one, unless they are hidden
	for _, pid := range pids {
		if ctx.Err() != nil {
			return Found{}, context.Cause(ctx)
		}
		if pid == os.Getpid() {
			continue
		}
		has, err := p.has(pid, want)
		switch {
		case has:
			f.Processes = append(f.Processes, p.describe(pid))
		case err != nil && p.matters(pid):
			f.Unseen++
		}
	}
	return f, nil
}

// pids lists the processes in the order of their numbers.
func (p proc) pids() ([]int, error) {
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	if len(pids) == 0 {
		return nil, errors.New(p.dir + " shows no processes")
	}
	slices.Sort(pids)
	return pids, nil
}

// has reports whether one of a process's open files is wanted. An error means
// that they could not be looked at.
func (p proc) has(pid int, want func(fd string) bool) (bool, error) {
	dir := p.path(pid, "fd")
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return false, nil // it has ended
	}
	for _, e := range entries {
		if want(filepath.Join(dir, e.Name())) {
			return true, nil
		}
	}
	return false, err
}

func (p proc) path(pid int, name string) string {
	return filepath.Join(p.dir, strconv.Itoa(pid), name)
}

// matters reports whether a process that could not be looked at could have
// files open: a thread of the kernel has none, nor one that has ended.
func (p proc) matters(pid int) bool {
	b, err := os.ReadFile(p.path(pid, "stat"))
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ESRCH)
	}
	return !withoutFiles(string(b))
}

// withoutFiles reads from /proc/PID/stat whether a process has no files: the
// name, which may hold anything, is in parentheses; the state comes after it,
// and the flags are the seventh.
func withoutFiles(stat string) bool {
	const flagKernelThread = 0x00200000 // PF_KTHREAD
	rest := stat[strings.LastIndexByte(stat, ')')+1:]
	fields := strings.Fields(rest)
	if len(fields) < 7 {
		return false
	}
	flags, err := strconv.ParseUint(fields[6], 10, 32)
	return fields[0] == "Z" || fields[0] == "X" || err == nil && flags&flagKernelThread != 0
}

func (p proc) describe(pid int) Process {
	status, _ := os.ReadFile(p.path(pid, "status"))
	return Process{PID: pid, Name: p.name(pid), User: userName(realUser(string(status)))}
}

// name is what the kernel calls the process, which for a script is the script.
// The kernel cuts it at 15 bytes; the program's file may have the rest.
func (p proc) name(pid int) string {
	const cut = 15
	b, _ := os.ReadFile(p.path(pid, "comm"))
	name := strings.TrimSuffix(string(b), "\n")
	if exe, err := os.Readlink(p.path(pid, "exe")); err == nil {
		base := strings.TrimSuffix(filepath.Base(exe), " (deleted)")
		if name == "" || len(name) == cut && strings.HasPrefix(base, name) {
			name = base
		}
	}
	if name == "" {
		return "a program"
	}
	return printable(name)
}

// realUser reads the number of the user from /proc/PID/status, empty if it is
// not there. The owner of the directory would be root for programs that guard
// their memory, as GnuPG's do.
func realUser(status string) string {
	for line := range strings.Lines(status) {
		if numbers, ok := strings.CutPrefix(line, "Uid:"); ok {
			if fields := strings.Fields(numbers); len(fields) > 0 {
				return fields[0]
			}
		}
	}
	return ""
}

func userName(number string) string {
	if _, err := strconv.ParseUint(number, 10, 32); err != nil {
		return "unknown"
	}
	if u, err := user.LookupId(number); err == nil {
		return u.Username
	}
	return number
}
