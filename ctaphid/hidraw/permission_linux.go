package hidraw

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// permitted says why a device's node cannot be opened, nil if it seems so that
// it can.
func (t tree) permitted(id identity) error {
	info, err := os.Stat(id.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", id.Path, ErrNoNode)
	}
	if err != nil {
		return err
	}
	err = t.Access(id.Path)
	if errors.Is(err, fs.ErrPermission) {
		return newPermissionError(id, info, err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", id.Path, err)
	}
	return nil
}

// refused makes a [PermissionError] of a failure to open path, and leaves every
// other failure as it is.
func (t tree) refused(path string, err error) error {
	info, statErr := os.Stat(path)
	if !errors.Is(err, fs.ErrPermission) || statErr != nil {
		return err
	}
	name := path
	if real, err := filepath.EvalSymlinks(path); err == nil {
		name = real // udev rules like to add names such as /dev/mykey
	}
	id := t.identify(filepath.Base(name))
	id.Path = path
	var cause syscall.Errno
	if errors.As(err, &cause) {
		err = cause
	}
	return newPermissionError(id, info, err)
}

func newPermissionError(id identity, info fs.FileInfo, err error) *PermissionError {
	e := &PermissionError{Path: id.Path, Mode: info.Mode(), Rule: udevRule(id), Err: err}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		e.Owner, e.Group = userName(st.Uid), groupName(st.Gid)
	}
	return e
}

// udevRule is the rule that gives the person at the seat the device's node.
func udevRule(id identity) string {
	const rule = `KERNEL=="hidraw*", SUBSYSTEM=="hidraw", %s, TAG+="uaccess"`
	switch {
	case id.usb:
		match := fmt.Sprintf(`ATTRS{idVendor}=="%04x", ATTRS{idProduct}=="%04x"`, id.VendorID, id.ProductID)
		return fmt.Sprintf(rule, match)
	case id.VendorID != 0:
		// The HID device's own name, for one that is not on USB or made by uhid.
		return fmt.Sprintf(rule, fmt.Sprintf(`KERNELS=="%04X:%04X:%04X.*"`, id.Bus, id.VendorID, id.ProductID))
	}
	return ""
}

func userName(id uint32) string {
	number := strconv.FormatUint(uint64(id), 10)
	if u, err := user.LookupId(number); err == nil {
		return u.Username
	}
	return number
}

func groupName(id uint32) string {
	number := strconv.FormatUint(uint64(id), 10)
	if g, err := user.LookupGroupId(number); err == nil {
		return g.Name
	}
	return number
}
