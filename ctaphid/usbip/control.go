package usbip

import (
	"bytes"
	"encoding/binary"
)

// setup is a control request (USB 2.0 §9.3).
type setup struct {
	kind, request byte // bmRequestType and bRequest
	value, index  uint16
	length        int
}

func parseSetup(b [8]byte) setup {
	return setup{
		kind: b[0], request: b[1],
		value: binary.LittleEndian.Uint16(b[2:]), index: binary.LittleEndian.Uint16(b[4:]),
		length: int(binary.LittleEndian.Uint16(b[6:])),
	}
}

// in reports whether the data stage goes to the host.
func (s setup) in() bool { return s.kind&directionIn != 0 }

// Kinds of requests: direction, type and recipient.
const (
	toDevice      = 0x00
	toInterface   = 0x01
	toEndpoint    = 0x02
	fromDevice    = 0x80
	fromInterface = 0x81
	fromEndpoint  = 0x82
	classTo       = 0x21 // a class request to an interface
	classFrom     = 0xA1
)

// Requests (USB 2.0 table 9-4, HID 1.11 §7.2).
const (
	getStatus        = 0x00
	clearFeature     = 0x01
	getDescriptor    = 0x06
	getConfiguration = 0x08
	setConfiguration = 0x09
	getInterface     = 0x0A
	setInterface     = 0x0B

	getReport   = 0x01
	getIdle     = 0x02
	getProtocol = 0x03
	setReport   = 0x09
	setIdle     = 0x0A
	setProtocol = 0x0B
)

const (
	featureHalt  = 0 // ENDPOINT_HALT
	reportInput  = 1 // kinds of HID reports
	reportOutput = 2
)

// answer is what a request has to say: the data stage, and false for STALL.
type answer func(a *attachment, s setup, data []byte) ([]byte, bool)

// answers are the requests that the device knows, by kind and request. Linux's
// vhci deals with SET_ADDRESS by itself.
var answers = map[[2]byte]answer{
	{fromDevice, getStatus}:        func(*attachment, setup, []byte) ([]byte, bool) { return []byte{0, 0}, true },
	{fromInterface, getStatus}:     ofInterface(func(*attachment, setup, iface) ([]byte, bool) { return []byte{0, 0}, true }),
	{fromEndpoint, getStatus}:      (*attachment).endpointStatus,
	{toEndpoint, clearFeature}:     (*attachment).clearHalt,
	{fromDevice, getDescriptor}:    (*attachment).descriptor,
	{fromInterface, getDescriptor}: ofInterface((*attachment).interfaceDescriptor),
	{fromDevice, getConfiguration}: func(a *attachment, _ setup, _ []byte) ([]byte, bool) { return []byte{a.configured}, true },
	{toDevice, setConfiguration}:   (*attachment).configure,
	{fromInterface, getInterface}:  ofInterface(func(*attachment, setup, iface) ([]byte, bool) { return []byte{0}, true }),
	{toInterface, setInterface}:    ofInterface(func(_ *attachment, s setup, _ iface) ([]byte, bool) { return nil, s.value == 0 }),

	{classFrom, getReport}:   ofInterface((*attachment).idleReport),
	{classFrom, getIdle}:     ofInterface(func(a *attachment, s setup, _ iface) ([]byte, bool) { return []byte{a.idle[s.index]}, true }),
	{classFrom, getProtocol}: ofInterface((*attachment).bootOrReport),
	{classTo, setReport}:     (*attachment).setReport,
	{classTo, setIdle}:       ofInterface((*attachment).setIdle),
	{classTo, setProtocol}:   ofInterface((*attachment).setBootOrReport),
}

// ofInterface is an answer that must be to an interface that there is.
func ofInterface(f func(*attachment, setup, iface) ([]byte, bool)) answer {
	return func(a *attachment, s setup, _ []byte) ([]byte, bool) {
		i, ok := a.device.iface(s)
		if !ok {
			return nil, false
		}
		return f(a, s, i)
	}
}

// iface is the interface that a request is for.
func (d *Device) iface(s setup) (iface, bool) {
	if int(s.index) >= len(d.interfaces) {
		return iface{}, false
	}
	return d.interfaces[s.index], true
}

// hasEndpoint reports whether an address is one of an interrupt endpoint.
func (d *Device) hasEndpoint(address uint32) bool {
	for _, i := range d.interfaces {
		if address <= 0xFF && bytes.IndexByte(i.endpoints, byte(address)) >= 0 {
			return true
		}
	}
	return false
}

func (a *attachment) endpointStatus(s setup, _ []byte) ([]byte, bool) {
	return []byte{0, 0}, a.device.hasEndpoint(uint32(s.index)) || s.index&^directionIn == endpointControl
}

func (a *attachment) clearHalt(s setup, _ []byte) ([]byte, bool) {
	return nil, s.value == featureHalt && a.device.hasEndpoint(uint32(s.index))
}

// descriptor has no device qualifier: a device that knows full speed only must
// refuse it (USB 2.0 §9.6.2).
func (a *attachment) descriptor(s setup, _ []byte) ([]byte, bool) {
	var b []byte
	number := byte(s.value)
	switch s.value >> 8 {
	case typeDevice:
		b = a.device.deviceDescriptor()
	case typeConfiguration:
		if number == 0 {
			b = a.device.configuration()
		}
	case typeString:
		b = a.device.text(number)
	}
	return b, b != nil
}

func (a *attachment) interfaceDescriptor(s setup, i iface) ([]byte, bool) {
	switch s.value >> 8 {
	case typeHID:
		return i.hidDescriptor(), true
	case typeReport:
		return i.report, true
	}
	return nil, false
}

func (a *attachment) configure(s setup, _ []byte) ([]byte, bool) {
	if s.value > onlyOne {
		return nil, false
	}
	a.configured = byte(s.value)
	return nil, true
}

// idleReport is what an interface on which nothing happens reports. What the
// key has to say goes through the interrupt endpoint alone.
func (a *attachment) idleReport(s setup, i iface) ([]byte, bool) {
	return make([]byte, i.input), s.value == reportInput<<8
}

func (a *attachment) setIdle(s setup, _ iface) ([]byte, bool) {
	a.idle[s.index] = byte(s.value >> 8)
	return nil, true
}

// bootOrReport is for boot interfaces only (HID 1.11 §7.2.5).
func (a *attachment) bootOrReport(_ setup, i iface) ([]byte, bool) {
	return []byte{a.protocol}, i.subclass == 1
}

func (a *attachment) setBootOrReport(s setup, i iface) ([]byte, bool) {
	if i.subclass != 1 || s.value > 1 {
		return nil, false
	}
	a.protocol = byte(s.value)
	return nil, true
}

// setReport takes an output report: the keyboard's LEDs, which nobody sees, or
// a report for the key from a host that does not use the endpoint.
func (a *attachment) setReport(s setup, data []byte) ([]byte, bool) {
	i, ok := a.device.iface(s)
	if !ok || s.value != reportOutput<<8 || len(data) != s.length {
		return nil, false
	}
	if i.subclass == 0 {
		a.output(data)
	}
	return nil, true
}

// control answers a transfer on endpoint 0. Data that goes the other way than
// the request says is refused like a request that is not known.
func (a *attachment) control(u urb) {
	s := parseSetup(u.setup)
	answer, ok := answers[[2]byte{s.kind, s.request}]
	if !ok || s.length > 0 && u.in != s.in() {
		a.finish(u, statusStall, 0, nil)
		return
	}
	data, ok := answer(a, s, u.data)
	if !ok {
		a.finish(u, statusStall, 0, nil)
		return
	}
	data = data[:min(len(data), s.length, u.length)]
	moved := len(data)
	if !u.in {
		moved = len(u.data)
	}
	a.finish(u, statusDone, moved, data)
}
