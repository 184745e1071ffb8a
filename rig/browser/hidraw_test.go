//go:build linux

package browser

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Numbers of the software key on USB: 1209 is pid.codes, F1D0 nobody's.
const (
	vendorID  = 0x1209
	productID = 0xF1D0
	product   = "Touchstone Software key"
)

// reportDescriptor is that of a FIDO interface: reports of 64 bytes in either
// direction, no report ID (CTAP 2.3 §11.2.8).
var reportDescriptor = []byte{
	0x06, 0xd0, 0xf1, 0x09, 0x01, 0xa1, 0x01, // usage page FIDO, usage CTAPHID
	0x09, 0x20, 0x15, 0x00, 0x26, 0xff, 0x00, 0x75, 0x08, 0x95, 0x40, 0x81, 0x02, // input
	0x09, 0x21, 0x15, 0x00, 0x26, 0xff, 0x00, 0x75, 0x08, 0x95, 0x40, 0x91, 0x02, // output
	0xc0,
}

// Places that are made anew. The nodes cannot be in /dev itself, which a user's
// namespace may not change; a name with a slash leads udev's library elsewhere.
const (
	classDir  = "/sys/class/hidraw"
	deviceDir = "/sys/devices/virtual/misc"
	nodeDir   = "/dev/shm"
)

// fakeHidraw makes sysfs say that there are HID devices hidraw0 and so on, and
// an empty directory for their nodes.
func fakeHidraw(count int) error {
	for _, dir := range []string{classDir, deviceDir, nodeDir} {
		if err := unix.Mount("none", dir, "tmpfs", 0, ""); err != nil {
			return fmt.Errorf("mount on %s: %w", dir, err)
		}
	}
	for number := range count {
		if err := fakeMember(number); err != nil {
			return err
		}
	}
	return nil
}

// fakeMember adds a HID device and its member of the class, with what libudev
// and the browser read and the links that they follow.
func fakeMember(number int) error {
	name := nodeName(number)
	hid := filepath.Join(deviceDir, "uhid", fmt.Sprintf("0003:%04X:%04X.%04X", vendorID, productID, number+1))
	member := filepath.Join(hid, "hidraw", name)
	if err := os.MkdirAll(member, 0o755); err != nil {
		return err
	}
	for path, content := range map[string]string{
		filepath.Join(hid, "uevent"): fmt.Sprintf("HID_ID=0003:%08X:%08X\nHID_NAME=%s\nHID_UNIQ=%s\n",
			vendorID, productID, product, name),
		filepath.Join(hid, "report_descriptor"): string(reportDescriptor),
		filepath.Join(member, "uevent"):         fmt.Sprintf("DEVNAME=%s/%s\n", filepath.Base(nodeDir), name),
	} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	for link, target := range map[string]string{
		filepath.Join(hid, "subsystem"):    "/sys/bus/hid",
		filepath.Join(member, "subsystem"): classDir,
		filepath.Join(member, "device"):    hid,
		filepath.Join(classDir, name):      member,
	} {
		if err := os.Symlink(target, link); err != nil {
			return err
		}
	}
	return nil
}

func nodeName(number int) string { return fmt.Sprintf("hidraw%d", number) }
