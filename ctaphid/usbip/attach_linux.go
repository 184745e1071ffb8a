package usbip

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// Attach plugs the device into a free port of this machine's virtual host
// controller, which wants root's rights. It returns when the kernel has the
// device, some time before a driver has.
//
// The error wraps [ErrNoVHCI], [ErrNoPort], [ErrBusy] if the device is plugged
// in elsewhere, or fs.ErrPermission.
func Attach(d *Device) (*Attachment, error) {
	a, err := controller{root: "/", write: writeAttribute}.attach(d)
	if err != nil {
		return nil, fmt.Errorf("usbip: attach: %w", err)
	}
	return a, nil
}

// controller is Linux's vhci_hcd below a root directory.
type controller struct {
	root  string
	write func(file, line string) error
}

func (c controller) path(name string) string {
	return filepath.Join(c.root, "sys/devices/platform/vhci_hcd.0", name)
}

func writeAttribute(file, line string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	return errors.Join(err, f.Close())
}

func (c controller) attach(d *Device) (*Attachment, error) {
	if !d.claim() {
		return nil, ErrBusy
	}
	stream, port, err := c.plugIn()
	if err != nil {
		d.attached.Store(false)
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	a := &Attachment{port: port, pull: cancel, ended: make(chan struct{})}
	go func() {
		defer close(a.ended)
		defer cancel()
		if err := d.serve(ctx, stream); !errors.Is(err, context.Canceled) {
			a.err = err
		}
	}()
	return a, nil
}

// plugIn connects a socket to a free port and returns the device's end of it.
func (c controller) plugIn() (stream *os.File, port int, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, 0, err
	}
	defer unix.Close(pair[0]) // the kernel has its own hold on it
	if err := unix.SetNonblock(pair[1], true); err != nil {
		return nil, 0, errors.Join(err, unix.Close(pair[1]))
	}
	stream = os.NewFile(uintptr(pair[1]), "usbip")
	if port, err = c.connect(pair[0]); err != nil {
		return nil, 0, errors.Join(err, stream.Close())
	}
	return stream, port, nil
}

// connect gives a socket to a free port. Somebody else may be faster.
func (c controller) connect(socket int) (int, error) {
	ports, err := c.freePorts()
	if err != nil {
		return 0, err
	}
	for _, port := range ports {
		line := fmt.Sprintf("%d %d %d %d", port, socket, onlyBus<<16|port+1, speedFull)
		err := c.write(c.path("attach"), line)
		if err == nil {
			return port, nil
		}
		if !errors.Is(err, unix.EBUSY) {
			return 0, err
		}
	}
	return 0, ErrNoPort
}

// freePorts reads the status files, of which each further controller has one
// more.
func (c controller) freePorts() ([]int, error) {
	var free []int
	for n, name := 0, "status"; ; n, name = n+1, "status."+strconv.Itoa(n+1) {
		status, err := os.ReadFile(c.path(name))
		switch {
		case errors.Is(err, fs.ErrNotExist) && n == 0:
			return nil, ErrNoVHCI
		case errors.Is(err, fs.ErrNotExist):
			return free, nil
		case err != nil:
			return nil, err
		}
		ports, err := parsePorts(string(status))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.path(name), err)
		}
		free = append(free, ports...)
	}
}
