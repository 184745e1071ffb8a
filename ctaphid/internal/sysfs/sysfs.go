// Package sysfs is what the backends of ctaphid share in reading what a system
// says of its devices: on Linux the files below /sys, and everywhere the texts
// that a device chose.
package sysfs

import (
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

// Tree is a root directory with /sys and /dev in it.
type Tree struct {
	Root   string
	Access func(path string) error // whether this user may read and write path
}

// New returns the tree at root, the real one if that is empty.
func New(root string) Tree {
	if root == "" {
		root = "/"
	}
	return Tree{Root: root, Access: access}
}

// Path joins the parts of a path below the root.
func (t Tree) Path(parts ...string) string {
	return filepath.Join(append([]string{t.Root}, parts...)...)
}

// Attribute reads an attribute of one line, empty if it is not there. It is
// [Printable].
func Attribute(dir, name string) string {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return Printable(string(b))
}

// Printable makes a text that a device chose fit for a terminal.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, strings.TrimSpace(s))
}
