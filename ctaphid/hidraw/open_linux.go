package hidraw

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Open opens the node of a key, such as "/dev/hidraw3", after it has made sure
// that it is a FIDO interface. It takes the advisory lock that libfido2 takes,
// so that two careful programs do not mix up their transactions; browsers do
// not look at it.
//
// The error wraps [ErrInUse] if another program has the lock, [ErrNotFIDO] if
// the node is something else, and is a [*PermissionError] if this user may not.
func Open(ctx context.Context, path string) (*Conn, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	// Non-blocking, so that the runtime waits for the device and not a thread.
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("hidraw: %w", newTree("").refused(path, err))
	}
	size, err := claim(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("hidraw: open %s: %w", path, err)
	}
	return newConn(f, size)
}

// claim locks an open node and returns how long its reports are.
func claim(f *os.File) (size int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	controlErr := raw.Control(func(fd uintptr) {
		if err = lock(int(fd)); err == nil {
			size, err = nodeReportSize(int(fd))
		}
	})
	return size, errors.Join(controlErr, err)
}

func lock(fd int) error {
	err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrInUse
	}
	return err
}

// nodeReportSize asks an open node for its report descriptor.
func nodeReportSize(fd int) (int, error) {
	var d unix.HIDRawReportDescriptor
	n, err := unix.IoctlGetUint32(fd, unix.HIDIOCGRDESCSIZE)
	if err != nil || int(n) > len(d.Value) {
		return 0, fmt.Errorf("%w: no hidraw node (%v)", ErrNotFIDO, err)
	}
	d.Size = n
	if err := unix.IoctlHIDGetDesc(fd, &d); err != nil {
		return 0, fmt.Errorf("read the report descriptor: %w", err)
	}
	size, err := ReportSize(d.Value[:n])
	if err == nil && size == 0 {
		return 0, ErrNotFIDO
	}
	return size, err
}
