package hidraw

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// List returns the FIDO interfaces that the kernel knows, in the order of their
// numbers, those that cannot be opened with the reason in Err. It reads sysfs
// and opens no device. A descriptor that cannot be read is listed with its
// reason, as a key may hide behind it. root is where /sys and /dev are, the real
// ones if empty.
//
// An error means that List could not look; it wraps [ErrNoClass] if the kernel
// has no hidraw.
func List(root string) ([]Device, error) {
	return newTree(root).list()
}

func (t tree) list() ([]Device, error) {
	entries, err := os.ReadDir(t.Path(classDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("hidraw: %w", ErrNoClass)
	}
	if err != nil {
		return nil, fmt.Errorf("hidraw: list the class: %w", err)
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return cmp.Compare(number(a), number(b)) })
	var found []Device
	for _, e := range entries {
		if d, ok := t.look(e.Name()); ok {
			found = append(found, d)
		}
	}
	return found, nil
}

// number is the 12 of hidraw12, so that hidraw9 comes before it.
func number(e os.DirEntry) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(e.Name(), "hidraw"))
	return n
}

// look describes one member of the class. It reports false for what is not a
// key, and for what left while it was being looked at.
func (t tree) look(name string) (Device, bool) {
	raw, err := os.ReadFile(t.Path(classDir, name, "device/report_descriptor"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return Device{}, false
	}
	size := 0
	if err == nil {
		size, err = ReportSize(raw)
	}
	if size == 0 && err == nil {
		return Device{}, false
	}
	d := t.identify(name)
	if err == nil {
		err = t.permitted(d)
	}
	d.ReportSize, d.Err = size, err
	return d.Device, true
}
