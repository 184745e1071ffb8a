package capture

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
)

// What a device is asked in control transfers (USB 2.0 §9.4, HID 1.11 §7).
const (
	usbGetDescriptor = 0x06
	usbSetAddress    = 0x05
	hidSetReport     = 0x09

	usbDeviceDescriptor    = 1
	usbConfigDescriptor    = 2
	usbStringDescriptor    = 3
	usbInterfaceDescriptor = 4
	usbEndpointDescriptor  = 5
	hidDescriptor          = 0x21
	hidReportDescriptor    = 0x22

	usbClassHID          = 3
	usbInterruptEndpoint = 3
)

// fidoUsagePage begins the report descriptor of a FIDO interface (CTAP 2.3
// §11.2.8.2).
var fidoUsagePage = []byte{0x06, 0xd0, 0xf1}

// usbEndpoint is what a configuration says of an endpoint.
type usbEndpoint struct {
	iface, class byte
}

// descriptors are what a device said of itself in the capture.
type descriptors struct {
	vendor, product uint16
	names           [3]byte // numbers of the strings: manufacturer, product, serial
	strings         map[byte]string
	endpoints       map[byte]usbEndpoint
	fido            map[byte]bool // by interface: whether its report descriptor is FIDO's
}

// learn takes the answer to a request for a descriptor.
func (d *descriptors) learn(setup, data []byte) {
	if len(setup) < 8 || setup[1] != usbGetDescriptor || setup[0]&0x80 == 0 {
		return
	}
	kind, index := setup[3], setup[2]
	switch {
	case kind == usbDeviceDescriptor && len(data) >= 18:
		d.vendor, d.product = binary.LittleEndian.Uint16(data[8:]), binary.LittleEndian.Uint16(data[10:])
		d.names = [3]byte(data[14:17])
	case kind == usbConfigDescriptor:
		d.configuration(data)
	case kind == usbStringDescriptor && index != 0 && len(data) > 2 && data[0] >= 2:
		if d.strings == nil || len(d.strings) > 64 {
			d.strings = map[byte]string{}
		}
		d.strings[index] = utf16Text(data[2:min(len(data), int(data[0]))])
	case kind == hidReportDescriptor && len(data) >= len(fidoUsagePage):
		if d.fido == nil {
			d.fido = map[byte]bool{}
		}
		d.fido[setup[4]] = string(data[:len(fidoUsagePage)]) == string(fidoUsagePage)
	}
}

func utf16Text(data []byte) string {
	units := make([]uint16, 0, len(data)/2)
	for ; len(data) >= 2; data = data[2:] {
		units = append(units, binary.LittleEndian.Uint16(data))
	}
	return oneLine(strings.TrimRight(string(utf16.Decode(units)), "\x00"))
}

// configuration reads a configuration descriptor, which holds those of the
// interfaces and their endpoints, one behind the other.
func (d *descriptors) configuration(data []byte) {
	var iface, class byte
	for len(data) >= 2 {
		size := int(data[0])
		if size < 2 || size > len(data) {
			return
		}
		switch {
		case data[1] == usbInterfaceDescriptor && size >= 9:
			iface, class = data[2], data[5]
		case data[1] == usbEndpointDescriptor && size >= 7:
			if d.endpoints == nil {
				d.endpoints = map[byte]usbEndpoint{}
			}
			d.endpoints[data[2]] = usbEndpoint{iface, class}
		}
		data = data[size:]
	}
}

// facts are what a tape's header says of the device.
func (d *descriptors) facts() map[string]string {
	facts := map[string]string{}
	if d.vendor != 0 {
		facts["vendor_id"], facts["product_id"] = fmt.Sprintf("%04x", d.vendor), fmt.Sprintf("%04x", d.product)
	}
	for i, name := range []string{"manufacturer", "product", "serial"} {
		if text := d.strings[d.names[i]]; d.names[i] != 0 && text != "" {
			facts[name] = text
		}
	}
	if len(facts) == 0 {
		return nil
	}
	return facts
}

// String names the device in a word or two, as far as it is known.
func (d *descriptors) String() string {
	facts := d.facts()
	words := []string{facts["manufacturer"], facts["product"]}
	if d.vendor != 0 {
		words = append([]string{fmt.Sprintf("%04x:%04x", d.vendor, d.product)}, words...)
	}
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}
