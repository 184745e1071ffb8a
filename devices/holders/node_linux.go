package holders

import (
	"context"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// OfNode returns the processes that have a device node, such as "/dev/hidraw3",
// open under whatever name: device numbers are compared. root is where /proc is,
// the real one if empty; path is taken as it is.
//
// An error means that it could not look, or that there is no such node.
func OfNode(ctx context.Context, root, path string) (Found, error) {
	var node unix.Stat_t
	if err := unix.Stat(path, &node); err != nil {
		return Found{}, fmt.Errorf("holders of %s: %w", path, err)
	}
	found, err := newProc(root).scan(ctx, func(fd string) bool {
		// What is no file has no path, and need not be asked.
		if name, err := os.Readlink(fd); err != nil || strings.HasPrefix(name, "socket:") || strings.HasPrefix(name, "pipe:") {
			return false
		}
		var open unix.Stat_t
		return unix.Stat(fd, &open) == nil && same(node, open)
	})
	if err != nil {
		return Found{}, fmt.Errorf("holders of %s: %w", path, err)
	}
	return found, nil
}

// same reports whether two files are one: the same device, or else the same
// place on a disk.
func same(a, b unix.Stat_t) bool {
	if a.Mode&unix.S_IFMT != b.Mode&unix.S_IFMT {
		return false
	}
	switch a.Mode & unix.S_IFMT {
	case unix.S_IFCHR, unix.S_IFBLK:
		return a.Rdev == b.Rdev
	}
	return a.Dev == b.Dev && a.Ino == b.Ino
}
