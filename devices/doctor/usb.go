package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/touchstone-fido/touchstone/devices/holders"
)

const usbDevices = "sys/bus/usb/devices"

// Interface classes of USB.
const (
	classHID  = "03"
	classCCID = "0b" // smart card readers, and the card side of keys
)

// usbInterface is an interface as sysfs shows it.
type usbInterface struct {
	name   string // as "1-1:1.0"
	class  string // two hex digits
	driver string // empty if it has none, "usbfs" if a program has it
	device string // what the device calls itself, and its numbers
	node   string // of the whole device
	maybe  bool   // a HID interface that could be a key's
}

// interfaces lists the USB interfaces. There are none where there is no USB.
func (m *machine) interfaces() []usbInterface {
	entries, _ := os.ReadDir(m.path(usbDevices))
	var all []usbInterface
	for _, e := range entries {
		device, _, ok := strings.Cut(e.Name(), ":")
		if !ok {
			continue // a device, or a hub
		}
		at := func(name string) string { return m.attribute(e.Name(), name) }
		all = append(all, usbInterface{
			name: e.Name(), class: at("bInterfaceClass"), driver: m.driver(e.Name()),
			device: m.deviceName(device), node: m.usbNode(device),
			// No boot protocol, so no keyboard and no mouse; one endpoint in and one out.
			maybe: at("bInterfaceClass") == classHID && at("bInterfaceSubClass") == "00" && at("bNumEndpoints") == "02",
		})
	}
	return all
}

// attribute reads a line of sysfs. What a device chose itself is made fit for a
// terminal by the view.
func (m *machine) attribute(device, name string) string {
	return strings.TrimSpace(m.read(usbDevices, device, name))
}

func (m *machine) driver(name string) string {
	target, err := os.Readlink(m.path(usbDevices, name, "driver"))
	if err != nil {
		return ""
	}
	return filepath.Base(target)
}

func (m *machine) deviceName(device string) string {
	id := m.attribute(device, "idVendor") + ":" + m.attribute(device, "idProduct")
	if product := m.attribute(device, "product"); product != "" {
		return product + " (" + id + ")"
	}
	return id
}

func (m *machine) usbNode(device string) string {
	bus, _ := strconv.Atoi(m.attribute(device, "busnum"))
	number, _ := strconv.Atoi(m.attribute(device, "devnum"))
	return fmt.Sprintf("/dev/bus/usb/%03d/%03d", bus, number)
}

// usbBound finds interfaces that could be a key's and that the kernel's driver
// does not have: they have no hidraw node.
func usbBound(ctx context.Context, m *machine) []Finding {
	if !m.exists(usbDevices) {
		return []Finding{{ID: "usb.bound", Status: NotApplicable, Summary: "the kernel shows no USB bus"}}
	}
	var found []Finding
	for _, i := range m.interfaces() {
		if !i.maybe || i.driver != "" && i.driver != "usbfs" {
			continue
		}
		f := m.unbound(ctx, i)
		f.ID = "usb.bound:" + i.name
		found = append(found, f)
	}
	if found == nil {
		found = []Finding{{ID: "usb.bound", Status: OK, Summary: "every HID interface on USB has its driver"}}
	}
	return found
}

func (m *machine) unbound(ctx context.Context, i usbInterface) Finding {
	if i.driver == "usbfs" {
		return m.taken(ctx, i, "a program has taken "+i.device+" away from the kernel's driver")
	}
	return Finding{Status: Problem, Summary: "no driver has an interface of " + i.device + ", which could be a key",
		Detail: "a program that was killed while it had the key leaves it so",
		Fix: Fix{Text: "unplug the key and plug it in again, or bind it to its driver",
			Commands: []string{"echo -n " + i.name + " | sudo tee /sys/bus/usb/drivers/usbhid/bind"}}}
}

// taken is a finding about an interface that a program uses by itself.
func (m *machine) taken(ctx context.Context, i usbInterface, summary string) Finding {
	f := heldFinding(i.node, func() (holders.Found, error) { return m.holders(ctx, i.node) })
	f.Status, f.Summary = Problem, summary
	if f.Fix.Text == "" {
		f.Fix.Text = "close that program, or unplug the key and plug it in again"
	}
	return f
}
