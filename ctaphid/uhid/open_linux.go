package uhid

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// openNode opens the kernel's node. Non-blocking, so that the runtime waits for
// it and not a thread, and closing ends a read.
func openNode() (io.ReadWriteCloser, error) {
	f, err := os.OpenFile(Node, os.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return nil, fmt.Errorf("%w (%w)", ErrNoUHID, err)
	case err != nil:
		return nil, err
	}
	return f, nil
}
