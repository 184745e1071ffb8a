// Package usbhid finds USB security keys and exchanges reports with them
// through github.com/karalabe/hid, which brings hidapi and libusb in C. It is
// the way on macOS and Windows, and a second way on Linux, where package hidraw
// is to be preferred:
//
//   - On Linux opening takes the interface away from the kernel's driver. Its
//     hidraw node vanishes for browsers and ssh until Close gives it back, and
//     comes back as another node. A program that is killed meanwhile leaves the
//     interface without a driver, for everybody, until Open mends it or the key
//     is plugged in again.
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

	// ErrUnbound says that no driver has the interface; an [*UnboundError] says
	// more.
	ErrUnbound = errors.New("no driver has the interface")

	// ErrNotFIDO says that an interface, once it had a driver that could tell,
	// turned out to be no key's.
	ErrNotFIDO = errors.New("no FIDO interface")

	// ErrElevation says that Windows keeps FIDO interfaces from programs that
	// an administrator has not started as such. Some it does not even list.
	ErrElevation = fmt.Errorf("Windows lets administrators only use security keys: %w", fs.ErrPermission)

	// ErrOverrun says that reports came faster than they were taken, because
	// nobody read them or because the program stood still, so that some were
	// dropped. The library drops without a word; that its queue was full, 32
	// reports or as many milliseconds on USB, is what shows here.
	ErrOverrun = errors.New("reports came faster than they were taken, and some were lost")

	// ErrUnexplained says that the library failed. On Linux that is all it ever
	// says; what else is known, such as that the device has left, is told
	// instead.
	ErrUnexplained = errors.New("the USB library failed and does not say why")
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
	root   string     // where it was seen, the real root if empty
	likely *describer // what tells whether it is a key, once it has a driver; nil if that is known
}

// describer reads a report descriptor; see [List].
type describer func(descriptor []byte) (reportSize int, err error)

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

// UnboundError says that an interface has no driver, so that the system shows
// neither what it is nor a hidraw node for it. A program that was killed while
// it had a key leaves it so.
type UnboundError struct {
	Path string // of the [Device]
	Bind string // the command by which root has the kernel's driver take it
	Err  error  // why that was not done here, nil if nobody tried
}

// Error says what is the matter.
func (e *UnboundError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%v, and it cannot be given one: %v", ErrUnbound, e.Err)
	}
	return ErrUnbound.Error()
}

// Is makes every UnboundError an [ErrUnbound].
func (e *UnboundError) Is(target error) bool { return target == ErrUnbound }

// Unwrap gives the reason why it was not mended.
func (e *UnboundError) Unwrap() error { return e.Err }

// Available returns nil if this build can reach USB devices, else [ErrNotBuilt]
// or [ErrUnsupported].
func Available() error { return builtin.missing }

// List returns the FIDO interfaces, those that cannot be opened with the reason
// in Err. An error means that it could not look.
//
// On Linux it reads sysfs below root, the real one if empty, opens no device,
// and asks describe what to make of a report descriptor: 0 and no error for what
// is no key, as hidraw.ReportSize does. (Backends do not import each other.) An
// interface without a driver shows no descriptor; if it looks like a key's and
// this user may open it, it is listed with nothing against it, as [Open] finds
// out. Elsewhere the library tells, and both arguments are ignored.
func List(root string, describe func(descriptor []byte) (reportSize int, err error)) ([]Device, error) {
	return builtin.devices(root, describe)
}

// Open opens a device that [List] returned. The error wraps [ErrNotListed] if it
// did not, the device's own Err if that is set, ctaphid.ErrGone if it has left,
// [ErrInUse] if another program has it, is a [*PermissionError] if this user may
// not, and wraps [ErrUnexplained] if nothing is known to stand against it.
//
// On Linux this detaches the kernel's driver; see the package comment. If that
// is not there, because an earlier program was killed, it is put back first; the
// error is an [*UnboundError] if that fails, and wraps [ErrNotFIDO] if the
// interface then turns out to be something else.
func Open(ctx context.Context, d Device) (*Conn, error) {
	return builtin.openDevice(ctx, d)
}
