// Package hidraw finds USB security keys through the hidraw class of Linux and
// exchanges reports with them, in Go alone: no C compiler, no library. It is
// the way every browser takes, and the node that the udev rules of the usual
// distributions hand to the person at the seat. The key's other interfaces and
// other programs are not disturbed: two programs may hold the node, and then
// both see every report.
//
// It carries reports as FIDO CTAP 2.3 §11.2 describes them and looks into none.
//
//	keys, err := hidraw.List("")
//	if err != nil {
//		return err // could not look; no key is an empty list
//	}
//	for _, key := range keys {
//		if key.Err != nil {
//			log.Printf("%s: %v", key.Path, key.Err)
//			continue
//		}
//		conn, err := hidraw.Open(ctx, key.Path) // a ctaphid.ReportConn
//		...
//	}
package hidraw

import (
	"errors"
	"fmt"
	"io/fs"
)

var (
	// ErrUnsupported says that this operating system has no hidraw.
	ErrUnsupported = fmt.Errorf("hidraw is a part of Linux: %w", errors.ErrUnsupported)

	// ErrNoClass says that the kernel has no hidraw class, so that nobody can
	// tell from here whether a key is plugged in.
	ErrNoClass = errors.New("the kernel shows no hidraw class")

	// ErrNoNode says that the kernel knows the key and /dev has no node for it,
	// as in a container that was not given the device.
	ErrNoNode = fmt.Errorf("no device node: %w", fs.ErrNotExist)

	// ErrInUse says that another program has locked the device.
	ErrInUse = errors.New("another program holds the device")

	// ErrNotFIDO says that what was opened is not the FIDO interface of a key.
	ErrNotFIDO = errors.New("not a FIDO interface")
)

// Device is one FIDO interface that the kernel knows. What is not known is
// empty; the texts come from the device, with unprintable characters replaced.
type Device struct {
	Path         string // the node, such as "/dev/hidraw3"
	Bus          uint16 // as in linux/input.h: 3 is USB, 5 is Bluetooth
	VendorID     uint16
	ProductID    uint16
	Manufacturer string
	Product      string
	Serial       string
	ReportSize   int   // bytes of one report, 64 on every key so far; 0 if Err tells why
	Err          error // why it cannot be opened, nil if nothing speaks against it
}

// PermissionError says that this user may not open a device node.
type PermissionError struct {
	Path         string
	Mode         fs.FileMode // who may, as the mode bits have it
	Owner, Group string      // names, or numbers without one
	Rule         string      // the udev rule that would let the user at the seat in, if the device is known
	Err          error       // the system's answer: EACCES, or EPERM where a sandbox forbids it
}

// Error names the node, the system's answer and who may.
func (e *PermissionError) Error() string {
	return fmt.Sprintf("%s: %v (mode %04o, owner %s, group %s)", e.Path, e.Err, e.Mode.Perm(), e.Owner, e.Group)
}

// Unwrap makes errors.Is find [fs.ErrPermission].
func (e *PermissionError) Unwrap() error { return e.Err }

// UdevRule is Rule, for those who know the error by its methods only.
func (e *PermissionError) UdevRule() string { return e.Rule }
