package usbhid

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/ctaphid/internal/sysfs"
)

const devicesDir = "sys/bus/usb/devices"

// tree is where USB devices are read. The library names a device after the
// interface's directory there, and knows no usages on Linux.
type tree struct {
	sysfs.Tree
	root string
	// bind has the kernel's driver take an interface of the device at a node.
	bind func(node string, iface int) error
}

func newTree(root string) tree { return tree{Tree: sysfs.New(root), root: root} }

// dir is the directory of an interface such as "1-1:1.0" or a device "1-1".
func (t tree) dir(name string) string {
	return t.Path(devicesDir, name)
}

func (t tree) present(path string) bool {
	_, err := os.Stat(t.dir(path))
	return err == nil
}

func (t tree) list(describe describer) ([]Device, error) {
	if describe == nil {
		return nil, errors.New("nothing to read report descriptors with")
	}
	entries, err := os.ReadDir(t.dir(""))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoUSB
	}
	if err != nil {
		return nil, err
	}
	var found []Device
	for _, e := range entries {
		if sysfs.Attribute(t.dir(e.Name()), "bInterfaceClass") != classHID {
			continue
		}
		if d, ok := t.look(e.Name(), describe); ok {
			found = append(found, d)
		}
	}
	return found, nil
}

const (
	classHID     = "03"
	subclassNone = "00" // no boot protocol, so no keyboard and no mouse
)

// look describes a HID interface. It reports false for what is no key.
func (t tree) look(name string, describe describer) (Device, bool) {
	raw := t.descriptor(name)
	if raw == nil {
		return t.guess(name, describe)
	}
	size, err := describe(raw)
	if size == 0 && err == nil {
		return Device{}, false
	}
	if err == nil {
		err = t.permitted(name)
	}
	d := t.identify(name)
	d.ReportSize, d.Err = size, err
	return d, true
}

// guess describes a HID interface that shows no report descriptor, if it could
// be a key's: because a program has it, or because nobody has.
func (t tree) guess(name string, describe describer) (Device, bool) {
	err := t.taken(name)
	if err == nil || !t.likeKey(name) {
		return Device{}, false
	}
	d := t.identify(name)
	if errors.Is(err, ErrUnbound) && t.permitted(name) == nil {
		d.likely = &describe
	} else {
		d.Err = err
	}
	return d, true
}

// descriptor returns the report descriptor of an interface, which is below the
// HID device that the kernel's driver made of it, nil if there is none.
func (t tree) descriptor(name string) []byte {
	entries, err := os.ReadDir(t.dir(name))
	if err != nil {
		return nil
	}
	for _, e := range entries {
		raw, err := os.ReadFile(filepath.Join(t.dir(name), e.Name(), "report_descriptor"))
		if err == nil {
			return raw
		}
	}
	return nil
}

// likeKey reports whether an interface whose descriptor is out of sight could be
// a key's: one endpoint in and one out, and no boot protocol.
func (t tree) likeKey(name string) bool {
	dir := t.dir(name)
	return sysfs.Attribute(dir, "bInterfaceSubClass") == subclassNone && sysfs.Attribute(dir, "bNumEndpoints") == "02"
}

// taken says who has an interface instead of the kernel's HID driver: nobody, or
// a program through usbfs. It returns nil if a driver has it.
func (t tree) taken(name string) error {
	driver, err := os.Readlink(filepath.Join(t.dir(name), "driver"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return unbound(name, nil)
	case err == nil && filepath.Base(driver) == "usbfs":
		return ErrInUse
	}
	return nil
}

// permitted says why this user cannot open the device of an interface.
func (t tree) permitted(name string) error {
	node := t.node(name)
	err := t.Access(node)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return &PermissionError{Path: node, Rule: udevRule(t.identify(name)), Err: err}
	}
	return fmt.Errorf("%s: %w", node, err)
}

// obstacle returns what stands against opening an interface that was listed.
func (t tree) obstacle(name string) error {
	if !t.present(name) {
		return ctaphid.ErrGone
	}
	if err := t.permitted(name); err != nil {
		return err
	}
	return t.taken(name)
}

// deviceOf returns the directory of the device that an interface belongs to.
func (t tree) deviceOf(name string) string {
	device, _, _ := strings.Cut(name, ":")
	return t.dir(device)
}

// node is where the USB device of an interface can be opened.
func (t tree) node(name string) string {
	dir := t.deviceOf(name)
	bus, _ := strconv.Atoi(sysfs.Attribute(dir, "busnum"))
	number, _ := strconv.Atoi(sysfs.Attribute(dir, "devnum"))
	return t.Path(fmt.Sprintf("dev/bus/usb/%03d/%03d", bus, number))
}

func (t tree) identify(name string) Device {
	dir := t.deviceOf(name)
	return Device{
		Path: name, VendorID: hexAttribute(dir, "idVendor"), ProductID: hexAttribute(dir, "idProduct"),
		Manufacturer: sysfs.Attribute(dir, "manufacturer"), Product: sysfs.Attribute(dir, "product"), Serial: sysfs.Attribute(dir, "serial"),
		listed: true, root: t.root,
	}
}

func hexAttribute(dir, name string) uint16 {
	n, _ := strconv.ParseUint(sysfs.Attribute(dir, name), 16, 16)
	return uint16(n)
}

// udevRule is the rule that gives the person at the seat the device's node.
func udevRule(d Device) string {
	return fmt.Sprintf(`SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ATTR{idVendor}=="%04x", ATTR{idProduct}=="%04x", TAG+="uaccess"`,
		d.VendorID, d.ProductID)
}
