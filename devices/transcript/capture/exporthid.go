package capture

import (
	"encoding/binary"
	"strconv"
	"unicode/utf16"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// What an exported key is on its bus.
const (
	exportBus = 1
	exportDev = 2
	exportIn  = 0x81 // endpoints
	exportOut = 0x01

	// exportChannel is the channel of messages that a tape has without one.
	exportChannel ctaphid.ChannelID = 1

	urbInProgress = ^uint32(114) // -EINPROGRESS, of a URB that was submitted
)

// urbWriter writes reports as the URBs that carry them.
type urbWriter struct {
	e       *exporter
	size    int               // of reports
	channel ctaphid.ChannelID // of messages
	asked   byte              // CTAPHID command of the last request
}

// transfer is a URB.
type transfer struct {
	kind, endpoint byte
	setup          []byte
	data           []byte
	length         int // of the data, of which some may not be known
}

// write writes both events of a URB. The one that has the data is commented.
func (w *urbWriter) write(t transfer, about string) error {
	submitted, completed := about, ""
	if t.inward() {
		submitted, completed = "", about
	}
	if err := w.e.packet(w.event(urbSubmit, t), submitted); err != nil {
		return err
	}
	return w.e.packet(w.event(urbComplete, t), completed)
}

func (t transfer) inward() bool { return t.endpoint&0x80 != 0 }

// event is an event of a URB as usbmon has it (Documentation/usb/usbmon.rst):
// data that goes out is in the first, data that comes in is in the second.
func (w *urbWriter) event(event byte, t transfer) []byte {
	order := binary.LittleEndian
	p := make([]byte, usbmonMappedHeader, usbmonMappedHeader+len(t.data))
	order.PutUint64(p, uint64(t.kind)<<8|uint64(t.endpoint)) // one URB for each endpoint, used again and again
	p[8], p[9], p[10], p[11] = event, t.kind, t.endpoint, exportDev
	order.PutUint16(p[12:], exportBus)
	p[14] = '-'
	order.PutUint64(p[16:], uint64(w.e.now.Unix()))
	order.PutUint32(p[24:], uint32(w.e.now.Nanosecond()/1000))
	order.PutUint32(p[32:], uint32(t.length))
	if event == urbSubmit {
		order.PutUint32(p[28:], urbInProgress)
	}
	if event == urbSubmit && t.setup != nil {
		p[14] = 0
		copy(p[40:], t.setup)
	}
	switch {
	case t.inward() == (event == urbComplete):
		order.PutUint32(p[36:], uint32(len(t.data)))
		return append(p, t.data...)
	case t.inward():
		p[15] = '<' // no data yet
	default:
		p[15] = '>' // no data any more
	}
	return p
}

// plug writes how the host asks the key what it is.
func (w *urbWriter) plug() error {
	if w.size = w.e.header.ReportSize; w.size == 0 {
		w.size = ctaphid.ReportSize
	}
	w.channel = exportChannel
	facts := w.e.header.Device
	names := []string{facts["manufacturer"], facts["product"], facts["serial"]}
	if err := w.describe(0x80, usbDeviceDescriptor, 0, deviceDescriptor(facts["vendor_id"], facts["product_id"], names)); err != nil {
		return err
	}
	report := fidoReportDescriptor(w.size)
	if err := w.describe(0x80, usbConfigDescriptor, 0, fidoConfiguration(w.size, len(report))); err != nil {
		return err
	}
	for i, name := range names {
		if name == "" {
			continue
		}
		if err := w.describe(0x80, usbStringDescriptor, byte(i+1), stringDescriptor(name)); err != nil {
			return err
		}
	}
	return w.describe(0x81, hidReportDescriptor, 0, report)
}

// describe writes a request for a descriptor of the device (0x80) or of the
// interface (0x81), and the answer.
func (w *urbWriter) describe(of, kind, index byte, data []byte) error {
	setup := []byte{of, usbGetDescriptor, index, kind, 0, 0, byte(len(data)), byte(len(data) >> 8)}
	if kind == usbStringDescriptor {
		binary.LittleEndian.PutUint16(setup[4:], usbEnglish)
	}
	return w.write(transfer{kind: usbControl, endpoint: 0x80, setup: setup, data: data, length: len(data)}, "")
}

// put writes a report, or a message as the reports that would carry it.
func (w *urbWriter) put(rec transcript.Record) error {
	if rec.Level == transcript.Message {
		return w.message(rec)
	}
	w.e.result.Crossings++
	w.learn(rec)
	t := transfer{kind: usbInterrupt, endpoint: exportOut, data: rec.Data, length: len(rec.Data)}
	if rec.Dir == in {
		t.endpoint = exportIn
	}
	if rec.Partial {
		t.length = max(t.length, rec.Length, w.size)
	}
	return w.write(t, transcript.Describe(rec))
}

// learn takes note of the channel of a session, for messages without one.
func (w *urbWriter) learn(rec transcript.Record) {
	p, err := ctaphid.ParsePacket(rec.Data)
	if err != nil {
		return
	}
	if given, ok := channelGiven(p); ok {
		w.channel = given
	} else if p.CID != ctaphid.BroadcastCID {
		w.channel = p.CID
	}
}

func (w *urbWriter) message(rec transcript.Record) error {
	if rec.Partial {
		w.e.leaveOut(rec.Line, "a message of which only a part is known")
		return nil
	}
	command := rec.Command
	switch {
	case rec.Dir == in && command == 0:
		command = w.asked
	case rec.Dir == out && ctaphid.Command(command) != ctaphid.CommandCancel:
		w.asked = command
	}
	if command == 0 {
		command = byte(ctaphid.CommandCBOR)
		w.e.comment("the tape does not say of which command this is")
	}
	m := ctaphid.Message{CID: w.channel, Command: ctaphid.Command(command), Payload: rec.Data}
	if m.Command == ctaphid.CommandInit && (rec.Dir == out || len(rec.Data) >= ctaphid.InitAnswerSize) {
		m.CID = ctaphid.BroadcastCID
	}
	cutter, err := ctaphid.NewFragmenter(m, w.size)
	if err != nil {
		w.e.leaveOut(rec.Line, err.Error())
		return nil
	}
	w.e.comment("the tape has this message without its packets")
	if m.CID == exportChannel {
		w.e.comment("and without its channel; this one is made up")
	}
	for report := make([]byte, w.size); cutter.Next(report); report = make([]byte, w.size) {
		if err := w.put(transcript.Record{Level: transcript.Report, Dir: rec.Dir, Data: report}); err != nil {
			return err
		}
	}
	return nil
}

// usbEnglish is the language of string descriptors.
const usbEnglish = 0x0409

// deviceDescriptor is that of a full-speed device (USB 2.0 §9.6.1) with strings
// for its names that are not empty.
func deviceDescriptor(vendor, product string, names []string) []byte {
	d := []byte{18, usbDeviceDescriptor, 0, 2, 0, 0, 0, 64, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1}
	for i, id := range []string{vendor, product} {
		n, _ := strconv.ParseUint(id, 16, 16) // 0 where the tape has none
		binary.LittleEndian.PutUint16(d[8+2*i:], uint16(n))
	}
	for i, name := range names {
		if name != "" {
			d[14+i] = byte(i + 1)
		}
	}
	return d
}

// fidoConfiguration is a configuration with one HID interface (USB 2.0 §9.6.3,
// HID 1.11 §6.2.1) of two interrupt endpoints.
func fidoConfiguration(size, report int) []byte {
	low, high := byte(size), byte(size>>8)
	d := []byte{
		9, usbConfigDescriptor, 0, 0, 1, 1, 0, 0x80, 50,
		9, usbInterfaceDescriptor, 0, 0, 2, usbClassHID, 0, 0, 0,
		9, hidDescriptor, 0x11, 1, 0, 1, hidReportDescriptor, byte(report), 0,
		7, usbEndpointDescriptor, exportIn, usbInterruptEndpoint, low, high, 5,
		7, usbEndpointDescriptor, exportOut, usbInterruptEndpoint, low, high, 5,
	}
	d[2] = byte(len(d))
	return d
}

// fidoReportDescriptor is that of CTAP 2.3 §11.2.8.2, for reports of a size.
func fidoReportDescriptor(size int) []byte {
	low, high := byte(size), byte(size>>8)
	d := append([]byte{}, fidoUsagePage...)
	d = append(d, 0x09, 0x01, 0xa1, 0x01) // usage CTAPHID, an application
	for _, way := range []struct{ usage, item byte }{{0x20, 0x81}, {0x21, 0x91}} {
		d = append(d, 0x09, way.usage, 0x15, 0, 0x26, 0xff, 0, 0x75, 8, 0x96, low, high, way.item, 2)
	}
	return append(d, 0xc0)
}

// stringDescriptor is a text of at most 126 units of UTF-16 (USB 2.0 §9.6.7).
func stringDescriptor(text string) []byte {
	units := utf16.Encode([]rune(text))
	units = units[:min(len(units), 126)]
	d := []byte{byte(2 + 2*len(units)), usbStringDescriptor}
	for _, unit := range units {
		d = binary.LittleEndian.AppendUint16(d, unit)
	}
	return d
}
