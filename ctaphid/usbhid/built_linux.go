//go:build cgo && !android

package usbhid

/*
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <linux/usbdevice_fs.h>

// bind_driver has the kernel look for a driver for an interface that has none.
// It returns 1 if that took it, 0 if there is none, and -1 and errno.
static int bind_driver(const char *node, int interface) {
	struct usbdevfs_ioctl command = { .ifno = interface, .ioctl_code = USBDEVFS_CONNECT };
	int fd = open(node, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -1;
	int result = ioctl(fd, USBDEVFS_IOCTL, &command);
	int reason = errno;
	close(fd);
	errno = reason;
	return result;
}
*/
import "C"

import (
	"errors"
	"unsafe"
)

var builtin = library{
	list: func(root string, describe describer) ([]Device, error) { return newTree(root).list(describe) },
	open: openHandle,
	at:   func(root string) surroundings { return realTree(root) },
}

// realTree is a tree whose interfaces can be given a driver.
func realTree(root string) tree {
	t := newTree(root)
	t.bind = bindDriver
	return t
}

var errNoDriver = errors.New("the kernel has no driver for it")

// bindDriver is what libusb_attach_kernel_driver does, which the library has no
// way to. Whoever may open a device may do it, unlike a write to the driver's
// "bind" in sysfs. It is in C so that umockdev can stand in for the kernel.
func bindDriver(node string, iface int) error {
	path := C.CString(node)
	defer C.free(unsafe.Pointer(path))
	bound, err := C.bind_driver(path, C.int(iface))
	switch {
	case bound < 0:
		return err
	case bound == 0:
		return errNoDriver
	}
	return nil
}
