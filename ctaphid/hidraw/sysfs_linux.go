package hidraw

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/touchstone-fido/touchstone/ctaphid/internal/sysfs"
)

const (
	classDir = "sys/class/hidraw"
	busUSB   = 3
)

// tree is where the class is read.
type tree struct{ sysfs.Tree }

func newTree(root string) tree { return tree{sysfs.New(root)} }

// identity is a device as sysfs describes it.
type identity struct {
	Device
	usb bool // it hangs on a USB device, whose attributes a udev rule can name
}

// identify fills in what sysfs knows of a member of the class, apart from
// ReportSize and Err.
func (t tree) identify(name string) identity {
	id := identity{Device: Device{Path: t.Path("dev", name)}}
	event := readEvent(t.Path(classDir, name, "device/uevent"))
	id.Bus, id.VendorID, id.ProductID = parseHIDID(event["HID_ID"])
	id.Product = sysfs.Printable(event["HID_NAME"])
	id.Serial = sysfs.Printable(event["HID_UNIQ"])
	if dir, ok := t.usbDevice(name, id); ok {
		id.usb = true
		id.Manufacturer = sysfs.Attribute(dir, "manufacturer")
		replace(&id.Product, sysfs.Attribute(dir, "product"))
		replace(&id.Serial, sysfs.Attribute(dir, "serial"))
	}
	return id
}

func replace(s *string, better string) {
	if better != "" {
		*s = better
	}
}

// usbDevice finds the directory of the USB device that a HID device belongs to.
// The IDs must agree: the next USB device above a Bluetooth keyboard is the
// Bluetooth adapter, and above a wrongly walked tree comes the root hub.
func (t tree) usbDevice(name string, id identity) (string, bool) {
	dir, err := filepath.EvalSymlinks(t.Path(classDir, name, "device"))
	if err != nil || id.Bus != busUSB {
		return "", false
	}
	const levels = 3 // HID device, interface, USB device
	for range levels {
		dir = filepath.Dir(dir)
		if v := sysfs.Attribute(dir, "idVendor"); v != "" {
			same := v == fmt.Sprintf("%04x", id.VendorID) &&
				sysfs.Attribute(dir, "idProduct") == fmt.Sprintf("%04x", id.ProductID)
			return dir, same
		}
	}
	return "", false
}

// readEvent reads the assignments of a uevent file. The first of a name counts:
// the kernel writes HID_ID before the texts that the device chose, in which a
// line break could forge another.
func readEvent(path string) map[string]string {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	event := map[string]string{}
	for line := range strings.Lines(string(b)) {
		key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if _, again := event[key]; ok && !again {
			event[key] = value
		}
	}
	return event
}

// parseHIDID reads bus, vendor and product from the form 0003:00001050:00000407.
// What does not fit is zero.
func parseHIDID(s string) (bus, vendor, product uint16) {
	parts := strings.Split(s, ":")
	if len(parts) != 3 {
		return 0, 0, 0
	}
	var n [3]uint16
	for i, part := range parts {
		v, err := strconv.ParseUint(part, 16, 16)
		if err != nil {
			return 0, 0, 0
		}
		n[i] = uint16(v)
	}
	return n[0], n[1], n[2]
}
