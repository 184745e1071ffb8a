package usbip

import (
	"bytes"
	"encoding/binary"
	"io"
)

// The handshake of version 1.1.1.
const (
	version = 0x0111

	requestList   = 0x8005 // OP_REQ_DEVLIST
	requestImport = 0x8003 // OP_REQ_IMPORT
	replyMask     = 0x7fff // a reply has the request's code without its first bit

	pathSize  = 256
	busIDSize = 32
)

// Statuses of a reply, as Linux's tools know them.
const (
	replyDone     = 0
	replyBusy     = 2 // ST_DEV_BUSY
	replyNoDevice = 4 // ST_NODEV
)

const speedFull = 2 // USB_SPEED_FULL

// operation is a request of the handshake.
type operation struct {
	code  uint16
	busID string // of requestImport
}

// readOperation reads a request. All errors of the protocol's own are a
// [*ProtocolError].
func readOperation(r io.Reader) (operation, error) {
	var h [8]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return operation{}, err
	}
	op := operation{code: binary.BigEndian.Uint16(h[2:])}
	if v := binary.BigEndian.Uint16(h[:]); v != version {
		return op, &ProtocolError{Fault: FaultVersion, Got: uint32(v)}
	}
	switch op.code {
	case requestList:
		return op, nil
	case requestImport:
		var id [busIDSize]byte
		if _, err := io.ReadFull(r, id[:]); err != nil {
			return op, noEOF(err)
		}
		name, _, _ := bytes.Cut(id[:], []byte{0})
		op.busID = string(name)
		return op, nil
	}
	return op, &ProtocolError{Fault: FaultCommand, Got: uint32(op.code)}
}

// appendReply appends the beginning of the reply to a request.
func appendReply(b []byte, code uint16, status uint32) []byte {
	b = binary.BigEndian.AppendUint16(b, version)
	b = binary.BigEndian.AppendUint16(b, code&replyMask)
	return binary.BigEndian.AppendUint32(b, status)
}

// appendDevice appends what both replies tell of a device.
func (o *offer) appendDevice(b []byte) []byte {
	d := o.device
	b = appendText(b, "/sys/devices/touchstone/"+o.busID, pathSize)
	b = appendText(b, o.busID, busIDSize)
	b = binary.BigEndian.AppendUint32(b, onlyBus)
	b = binary.BigEndian.AppendUint32(b, o.number)
	b = binary.BigEndian.AppendUint32(b, speedFull)
	b = binary.BigEndian.AppendUint16(b, d.cfg.VendorID)
	b = binary.BigEndian.AppendUint16(b, d.cfg.ProductID)
	b = binary.BigEndian.AppendUint16(b, d.cfg.Release)
	return append(b, 0, 0, 0, onlyOne, 1, byte(len(d.interfaces)))
}

// appendInterfaces appends the classes of a device's interfaces.
func (d *Device) appendInterfaces(b []byte) []byte {
	for _, i := range d.interfaces {
		b = append(b, classHID, i.subclass, i.protocol, 0)
	}
	return b
}

// appendText appends a text, filled up to size with zeros, of which one is the
// least.
func appendText(b []byte, text string, size int) []byte {
	field := make([]byte, size)
	copy(field[:size-1], text)
	return append(b, field...)
}
