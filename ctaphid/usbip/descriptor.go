package usbip

import (
	"encoding/binary"
	"unicode/utf16"
)

// Types of descriptors (USB 2.0 table 9-5, HID 1.11 §7.1).
const (
	typeDevice        = 0x01
	typeConfiguration = 0x02
	typeString        = 0x03
	typeInterface     = 0x04
	typeEndpoint      = 0x05
	typeHID           = 0x21
	typeReport        = 0x22
)

const (
	maxPacket = 64 // of an endpoint at full speed, in bytes

	usbVersion = 0x0200
	hidVersion = 0x0111
	english    = 0x0409 // United States, the only language of the texts

	classHID  = 0x03
	interrupt = 0x03 // kind of endpoint
	interval  = 5    // milliseconds between two polls, as in CTAP 2.3 §11.2.8.2
	onlyOne   = 1    // number of the only configuration

	busPowered  = 0x80
	milliampere = 100
)

// Endpoints by number, and the bit of an address that says IN.
const (
	endpointControl  = 0
	endpointFIDO     = 1
	endpointKeyboard = 2

	directionIn = 0x80
)

// iface is a HID interface of the device.
type iface struct {
	subclass, protocol byte   // both 1 for a boot keyboard (HID 1.11 §4.2)
	endpoints          []byte // addresses
	packet             int    // bytes that an endpoint moves at most
	report             []byte // the report descriptor
	input              int    // bytes of an input report
}

// fidoInterface is the interface of CTAP 2.3 §11.2.8, whose report descriptor
// says: page 0xF1D0, usage 1, and size bytes in and out.
func fidoInterface(size int) iface {
	return iface{
		endpoints: []byte{endpointFIDO | directionIn, endpointFIDO},
		packet:    size,
		input:     size,
		report: []byte{
			0x06, 0xD0, 0xF1, 0x09, 0x01, 0xA1, 0x01,
			0x09, 0x20, 0x15, 0x00, 0x26, 0xFF, 0x00, 0x75, 0x08, 0x95, byte(size), 0x81, 0x02,
			0x09, 0x21, 0x15, 0x00, 0x26, 0xFF, 0x00, 0x75, 0x08, 0x95, byte(size), 0x91, 0x02,
			0xC0,
		},
	}
}

// keyboardInterface has the reports that every boot keyboard has: eight
// modifiers, a reserved byte and six keys in, five LEDs out (HID 1.11 B.1).
func keyboardInterface() iface {
	return iface{
		subclass: 1, protocol: 1,
		endpoints: []byte{endpointKeyboard | directionIn},
		packet:    8,
		input:     8,
		report: []byte{
			0x05, 0x01, 0x09, 0x06, 0xA1, 0x01,
			0x05, 0x07, 0x19, 0xE0, 0x29, 0xE7, 0x15, 0x00, 0x25, 0x01, 0x75, 0x01, 0x95, 0x08, 0x81, 0x02,
			0x95, 0x01, 0x75, 0x08, 0x81, 0x01,
			0x95, 0x05, 0x75, 0x01, 0x05, 0x08, 0x19, 0x01, 0x29, 0x05, 0x91, 0x02,
			0x95, 0x01, 0x75, 0x03, 0x91, 0x01,
			0x95, 0x06, 0x75, 0x08, 0x15, 0x00, 0x25, 0x65, 0x05, 0x07, 0x19, 0x00, 0x29, 0x65, 0x81, 0x00,
			0xC0,
		},
	}
}

// deviceDescriptor is USB 2.0 §9.6.1. Class 0: each interface has its own.
func (d *Device) deviceDescriptor() []byte {
	b := []byte{18, typeDevice}
	b = binary.LittleEndian.AppendUint16(b, usbVersion)
	b = append(b, 0, 0, 0, maxPacket)
	b = binary.LittleEndian.AppendUint16(b, d.cfg.VendorID)
	b = binary.LittleEndian.AppendUint16(b, d.cfg.ProductID)
	b = binary.LittleEndian.AppendUint16(b, d.cfg.Release)
	for i, text := range d.texts() {
		number := byte(0)
		if text != "" {
			number = byte(1 + i)
		}
		b = append(b, number)
	}
	return append(b, 1) // configuration
}

// configuration is the configuration with all that belongs to it (USB 2.0
// §9.6.3, §9.6.5 and §9.6.6, HID 1.11 §6.2.1).
func (d *Device) configuration() []byte {
	b := []byte{9, typeConfiguration, 0, 0, byte(len(d.interfaces)), onlyOne, 0, busPowered, milliampere / 2}
	for n, i := range d.interfaces {
		b = append(b, 9, typeInterface, byte(n), 0, byte(len(i.endpoints)), classHID, i.subclass, i.protocol, 0)
		b = append(b, i.hidDescriptor()...)
		for _, address := range i.endpoints {
			b = append(b, 7, typeEndpoint, address, interrupt, byte(i.packet), 0, interval)
		}
	}
	binary.LittleEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

func (i iface) hidDescriptor() []byte {
	b := []byte{9, typeHID}
	b = binary.LittleEndian.AppendUint16(b, hidVersion)
	b = append(b, 0, 1, typeReport) // no country, one more descriptor
	return binary.LittleEndian.AppendUint16(b, uint16(len(i.report)))
}

// text is the string descriptor of a number (USB 2.0 §9.6.7); number 0 is the
// list of languages. It is nil if there is none.
func (d *Device) text(number byte) []byte {
	texts := d.texts()
	switch {
	case number == 0:
		return binary.LittleEndian.AppendUint16([]byte{4, typeString}, english)
	case int(number) > len(texts) || texts[number-1] == "":
		return nil
	}
	return descriptorOfText(texts[number-1])
}

func descriptorOfText(s string) []byte {
	b := []byte{0, typeString}
	for _, unit := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	b[0] = byte(len(b))
	return b
}
