// Package usbhid finds USB security keys and exchanges reports with them
// through github.com/karalabe/hid, which brings hidapi and libusb in C. It is
// the way on macOS and Windows, and a second way on Linux, where package hidraw
// is to be preferred:
//
//   - On Linux opening takes the interface away from the kernel's driver. Its
//     hidraw node vanishes for browsers and ssh until Close gives it back, and
//     comes back as another node. A program that is killed meanwhile leaves the
//     interface without a driver until the key is plugged in again.
//   - On Linux it needs the node of the whole USB device, which udev gives to
//     root alone; the usual rules hand out hidraw nodes only.
//   - On macOS the device is opened for this program alone.
//   - On Windows only administrators reach a FIDO interface.
//
// Reports are those of FIDO CTAP 2.3 §11.2; the package looks into none.
//
//	keys, err := usbhid.List("", hidraw.ReportSize)
//	if err != nil {
//		return err // could not look; no key is an empty list
//	}
//	for _, key := range keys {
//		if key.Err != nil {
//			log.Printf("%s: %v", key.Path, key.Err)
//			continue
//		}
//		conn, err := usbhid.Open(ctx, key) // a ctaphid.ReportConn
//		...
//	}
package usbhid

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

var (
	// ErrNotBuilt says that the program was built without C, and how to build
	// it so that USB HID works.
	ErrNotBuilt = errors.New("USB HID is not in this build: rebuild with CGO_ENABLED=1 and a C compiler")

	// ErrUnsupported says that the library does not know this operating system.
	ErrUnsupported = fmt.Errorf("no USB HID on this operating system: %w", errors.ErrUnsupported)

	// ErrNoUSB says that the kernel shows no USB at all.
	ErrNoUSB = errors.New("the kernel shows no USB bus")

	// ErrNotListed says that a [Device] does not come from [List]. Opening an
	// interface that was not looked at could take a keyboard away.
	ErrNotListed = errors.New("device was not listed")

	// ErrInUse says that another program has taken the interface.
	ErrInUse = errors.New("another program holds the device")

	// ErrUnbound says that no driver has the interface. A program that was
	// killed while it had a key leaves it so.
	ErrUnbound = errors.New("no driver has the interface, so that it cannot be told what it is")

	// ErrElevation says that Windows keeps FIDO interfaces from programs that
	// an administrator has not started as such. Some it does not even list.
	ErrElevation = fmt.Errorf("Windows lets administrators only use security keys: %w", fs.ErrPermission)

	// ErrOverrun says that reports came faster than they were read, and that
	// some were dropped here. Those that the library's own short queue drops go
	// unnoticed.
	ErrOverrun = errors.New("reports were lost")
)

// Device is one FIDO interface. What is not known is empty.
type Device struct {
	Path         string // the library's name for it; on Linux bus, ports, configuration and interface, "1-1:1.0"
	VendorID     uint16
	ProductID    uint16
	Manufacturer string
	Product      string
	Serial       string
	ReportSize   int   // bytes of one report; 0 where the system does not tell (64 on every key so far)
	Err          error // why it cannot be opened, nil if nothing speaks against it

	listed bool
}

// PermissionError says that this user may not open the node of a USB device.
type PermissionError struct {
	Path string // the node, such as "/dev/bus/usb/001/004"
	Rule string // the udev rule that would let the user at the seat in
	Err  error  // the system's answer
}

// Error names the node and the system's answer.
func (e *PermissionError) Error() string { return fmt.Sprintf("%s: %v", e.Path, e.Err) }

// Unwrap makes errors.Is find [fs.ErrPermission].
func (e *PermissionError) Unwrap() error { return e.Err }

// UdevRule is Rule, for those who know the error by its methods only.
func (e *PermissionError) UdevRule() string { return e.Rule }

// Available returns nil if this build can reach USB devices, else [ErrNotBuilt]
// or [ErrUnsupported].
func Available() error { return builtin.missing }

// List returns the FIDO interfaces, those that cannot be opened with the reason
// in Err. An error means that it could not look.
//
// On Linux it reads sysfs below root, the real one if empty, opens no device,
// and asks describe what to make of a report descriptor: 0 and no error for what
// is no key, as hidraw.ReportSize does. (Backends do not import each other.)
// Elsewhere the library tells, and both arguments are ignored.
func List(root string, describe func(descriptor []byte) (reportSize int, err error)) ([]Device, error) {
	return builtin.devices(root, describe)
}

// Open opens a device that [List] returned. The error wraps [ErrNotListed] if it
// did not, the device's own Err if that is set, ctaphid.ErrGone if it has left,
// [ErrInUse] if another program has it, and is a [*PermissionError] if this user
// may not.
//
// On Linux this detaches the kernel's driver; see the package comment.
func Open(ctx context.Context, d Device) (*Conn, error) {
	return builtin.openDevice(ctx, d)
}
