package uhid

import (
	"encoding/binary"
	"fmt"
)

// Types of events (linux/uhid.h).
const (
	typeDestroy        = 1
	typeStart          = 2
	typeStop           = 3
	typeOpen           = 4
	typeClose          = 5
	typeOutput         = 6
	typeGetReport      = 9
	typeGetReportReply = 10
	typeCreate2        = 11
	typeInput2         = 12
	typeSetReport      = 13
	typeSetReportReply = 14
)

// Sizes and places in bytes of what the structures hold (linux/uhid.h), all of
// them in the byte order of the machine and without gaps.
const (
	eventSize = 4380 // at least struct uhid_event
	dataSize  = 4096

	nameSize   = 128
	physSize   = 64
	serialSize = 64

	createName       = 4
	createSerial     = createName + nameSize + physSize
	createSize       = createSerial + serialSize // of the report descriptor
	createBus        = createSize + 2
	createVendor     = createBus + 2
	createProduct    = createVendor + 4
	createVersion    = createProduct + 4
	createDescriptor = createVersion + 4 + 4 // behind the country

	inputSize = 4
	inputData = 6

	outputData = 4
	outputSize = outputData + dataSize
	outputKind = outputSize + 2

	requestID   = 4 // of a GET_REPORT and a SET_REPORT, and of their replies
	requestKind = 9
	setSize     = 10
	setData     = 12
	replyError  = 8
)

// Values of fields.
const (
	busUSB     = 3 // BUS_USB of linux/input.h
	kindOutput = 1 // UHID_OUTPUT_REPORT

	errNone = 0
	errIO   = 5 // EIO
)

// descriptor is the report descriptor of CTAP 2.3 §11.2.8: page 0xF1D0, usage 1,
// and size bytes in and out.
func descriptor(size int) []byte {
	return []byte{
		0x06, 0xD0, 0xF1, 0x09, 0x01, 0xA1, 0x01,
		0x09, 0x20, 0x15, 0x00, 0x26, 0xFF, 0x00, 0x75, 0x08, 0x95, byte(size), 0x81, 0x02,
		0x09, 0x21, 0x15, 0x00, 0x26, 0xFF, 0x00, 0x75, 0x08, 0x95, byte(size), 0x91, 0x02,
		0xC0,
	}
}

// createEvent is UHID_CREATE2. A text ends with a zero byte.
func createEvent(cfg Config) []byte {
	report := descriptor(cfg.ReportSize)
	b := make([]byte, createDescriptor, createDescriptor+len(report))
	order := binary.NativeEndian
	order.PutUint32(b, typeCreate2)
	copy(b[createName:], cfg.Name)
	copy(b[createSerial:], cfg.Serial)
	order.PutUint16(b[createSize:], uint16(len(report)))
	order.PutUint16(b[createBus:], busUSB)
	order.PutUint32(b[createVendor:], uint32(cfg.VendorID))
	order.PutUint32(b[createProduct:], uint32(cfg.ProductID))
	order.PutUint32(b[createVersion:], uint32(cfg.Release))
	return append(b, report...)
}

// appendInput appends UHID_INPUT2 with one report.
func appendInput(b, report []byte) []byte {
	b = binary.NativeEndian.AppendUint32(b, typeInput2)
	b = binary.NativeEndian.AppendUint16(b, uint16(len(report)))
	return append(b, report...)
}

// replyEvent answers a GET_REPORT, without a report, or a SET_REPORT.
func replyEvent(kind, id uint32, code uint16) []byte {
	b := binary.NativeEndian.AppendUint32(nil, kind)
	b = binary.NativeEndian.AppendUint32(b, id)
	return binary.NativeEndian.AppendUint16(b, code)
}

// event is what the kernel says.
type event struct {
	kind   uint32
	id     uint32 // of a GET_REPORT or SET_REPORT
	output bool   // data are an output report
	data   []byte // of an OUTPUT or SET_REPORT, within what was parsed
}

// parseEvent reads one event. The kernel may leave zeros at the end out. Events
// that have no use here, and ones of later kernels, are a kind and nothing more.
func parseEvent(b []byte) (event, error) {
	if len(b) < 4 || len(b) > eventSize {
		return event{}, fmt.Errorf("%w: event of %d bytes", ErrProtocol, len(b))
	}
	var full [eventSize]byte
	copy(full[:], b)
	order := binary.NativeEndian
	e := event{kind: order.Uint32(full[:])}
	var at, n int
	switch e.kind {
	case typeOutput:
		at, n = outputData, int(order.Uint16(full[outputSize:]))
		e.output = full[outputKind] == kindOutput
	case typeSetReport:
		at, n = setData, int(order.Uint16(full[setSize:]))
		e.output = full[requestKind] == kindOutput
		e.id = order.Uint32(full[requestID:])
	case typeGetReport:
		e.id = order.Uint32(full[requestID:])
	}
	if n > dataSize {
		return event{}, fmt.Errorf("%w: report of %d bytes", ErrProtocol, n)
	}
	e.data = full[at : at+n : at+n]
	return e, nil
}
