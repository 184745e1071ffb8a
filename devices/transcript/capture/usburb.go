package capture

import "encoding/binary"

// The link types of USB captures (tcpdump.org/linktypes.html).
const (
	linkUSBLinux       = 189
	linkUSBLinuxMapped = 220
	linkUSBPcap        = 249
)

// Kinds of USB transfers, as usbmon and USBPcap number them.
const (
	usbIsochronous = 0
	usbInterrupt   = 1
	usbControl     = 2
	usbBulk        = 3
)

// Events of a USB request block (URB).
const (
	urbSubmit   = 'S'
	urbComplete = 'C'
	urbError    = 'E'
)

// urb is one event of a USB request: that it was handed to the host controller,
// or that it came back.
type urb struct {
	id       uint64
	event    byte
	kind     byte
	bus, dev int
	endpoint byte  // with the bit that means device to host
	status   int32 // of one that came back, 0 for success; Linux's error number negated
	setup    []byte
	length   int    // bytes that it carries
	data     []byte // as many of them as were captured
	via      int    // the interface of the capture
}

// inward says whether the data goes from the device to the host.
func (u *urb) inward() bool { return u.endpoint&0x80 != 0 }

const (
	usbmonHeader       = 48
	usbmonMappedHeader = 64
	isoDescriptor      = 16
)

// decodeUsbmon reads a packet of Linux's usbmon (Documentation/usb/usbmon.rst),
// in the byte order of the machine that captured it.
func decodeUsbmon(packet []byte, order binary.ByteOrder, header int) (u urb, ok bool) {
	if len(packet) < header {
		return u, false
	}
	u = urb{
		id: order.Uint64(packet), event: packet[8], kind: packet[9], endpoint: packet[10],
		dev: int(packet[11]), bus: int(order.Uint16(packet[12:])),
		status: int32(order.Uint32(packet[28:])), length: int(order.Uint32(packet[32:])),
	}
	if packet[14] == 0 {
		u.setup = packet[40:48]
	}
	if packet[15] == 0 || len(packet) > header {
		u.data = packet[header:]
	}
	if header == usbmonMappedHeader && u.kind == usbIsochronous {
		skip := min(int64(order.Uint32(packet[60:]))*isoDescriptor, int64(len(u.data)))
		u.data = u.data[skip:]
	}
	if kept := int(order.Uint32(packet[36:])); kept >= 0 && kept < len(u.data) {
		u.data = u.data[:kept]
	}
	switch u.event {
	case urbSubmit, urbComplete, urbError:
		return u, u.kind <= usbBulk
	}
	return u, false
}

const (
	usbpcapHeader   = 27
	usbpcapSetup    = 0 // stages of a control transfer
	usbpcapData     = 1
	usbpcapComplete = 3
)

// decodeUSBPcap reads a packet of USBPcap, which is always little-endian
// (desowin.org/usbpcap/captureformat.html).
func decodeUSBPcap(packet []byte) (u urb, ok bool) {
	order := binary.LittleEndian
	if len(packet) < usbpcapHeader {
		return u, false
	}
	header := int(order.Uint16(packet))
	u = urb{
		id: order.Uint64(packet[2:]), event: urbSubmit, status: int32(order.Uint32(packet[10:])),
		bus: int(order.Uint16(packet[17:])), dev: int(order.Uint16(packet[19:])), endpoint: packet[21], kind: packet[22],
		length: int(order.Uint32(packet[23:])),
	}
	if header < usbpcapHeader || header > len(packet) || u.kind > usbBulk {
		return u, false
	}
	if packet[16]&1 != 0 {
		u.event = urbComplete
	}
	u.data = packet[header:]
	if u.kind == usbControl {
		return u.usbpcapControl(packet, header)
	}
	return u, true
}

// usbpcapControl reads the stage of a control transfer. The setup packet stands
// before the data of the first.
func (u urb) usbpcapControl(packet []byte, header int) (urb, bool) {
	if header <= usbpcapHeader {
		return u, false
	}
	switch packet[usbpcapHeader] {
	case usbpcapSetup:
		if len(u.data) < 8 {
			return u, false
		}
		u.event, u.setup, u.data, u.length = urbSubmit, u.data[:8], u.data[8:], u.length-8
		if u.setup[0]&0x80 != 0 {
			u.endpoint |= 0x80
		}
		return u, true
	case usbpcapData, usbpcapComplete:
		u.event = urbComplete
		return u, len(u.data) > 0
	}
	return u, false
}
