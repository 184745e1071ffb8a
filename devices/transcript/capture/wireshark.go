package capture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"strconv"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// wireshark reads what Wireshark and tshark export as text: the details of
// packets, their bytes in hex, or both. The bytes are taken where they are
// there, since the details shorten them.
type wireshark struct {
	c      *collector
	usb    *usbTracker
	frame  int
	place  Place
	u      urb
	data   []byte // of the details
	packet []byte // in hex
	named  bool   // the details say what the packet is
}

var (
	wiresharkFrame = pattern(`^Frame (\d+): `)
	wiresharkEpoch = pattern(`^ *Epoch (?:Arrival )?Time: (\d+)\.(\d{9})`)
	wiresharkField = pattern(`^ *(URB id|URB type|URB transfer type|Endpoint|Device|URB bus id|URB status|URB length \[bytes\]|Leftover Capture Data|HID Data)(?: \[[^\]]*\])?: (.*)$`)
	wiresharkRow   = pattern(`^([0-9a-f]{4,8})  ((?:[0-9a-f]{2} ?){1,16})`)
	wiresharkPlain = pattern(`(?:^|\s)(host|\d+\.\d+\.\d+)\s(?:.*\s)?((?:[0-9a-f]{2}:?)+)\s*$`)
	parenthesized  = pattern(`\((-?\w+)\)\s*$`)
)

func wiresharkEvidence(line []byte) (Form, int) {
	switch {
	case wiresharkFrame().Match(line), bytes.Contains(line, []byte("URB transfer type: ")):
		return Wireshark, 10
	case wiresharkRow().Match(line):
		return Wireshark, 3
	}
	if m := wiresharkFields(line); m != nil && len(m[2]) >= 2*ctaphid.MinReportSize {
		return Wireshark, 3
	}
	return Wireshark, 0
}

// wiresharkFields are the source and the bytes of a line as tshark -T fields
// prints it, nil for any other line.
func wiresharkFields(line []byte) [][]byte {
	if n := len(line); n < 2*ctaphid.MinReportSize || !isHex(line[n-1]) && line[n-1] != ' ' {
		return nil
	}
	if !bytes.Contains(line, []byte("host")) && bytes.Count(line, []byte(".")) < 2 {
		return nil // there is no address in it
	}
	return wiresharkPlain().FindSubmatch(line)
}

func readWireshark(c *collector, in *bufio.Reader, skipped position) error {
	w := &wireshark{c: c, usb: newUSBTracker(c)}
	lines := newLines(c, in, skipped)
	for lines.next() {
		w.line(lines.text)
	}
	w.end()
	w.usb.finish()
	return lines.err
}

func (w *wireshark) line(text []byte) {
	if m := wiresharkRow().FindSubmatch(text); m != nil {
		w.row(m)
		return
	}
	if m := wiresharkFrame().FindSubmatch(text); m != nil {
		w.end()
		w.frame, w.place = number(m[1]), w.c.place
		return
	}
	if m := wiresharkEpoch().FindSubmatch(text); m != nil {
		seconds, _ := strconv.ParseInt(string(m[1]), 10, 64)
		w.c.time = moment{time.Unix(seconds, int64(number(m[2]))).UTC(), true, true}
		return
	}
	if m := wiresharkField().FindSubmatch(text); m != nil {
		w.field(string(m[1]), m[2])
		return
	}
	if m := wiresharkFields(text); m != nil {
		w.end()
		w.plain(m)
	}
}

// row takes a row of a packet's bytes. A row with offset 0 begins a packet.
func (w *wireshark) row(m [][]byte) {
	offset, _ := strconv.ParseUint(string(m[1]), 16, 32)
	if offset == 0 && len(w.packet) > 0 {
		w.end()
	}
	if len(w.packet) == 0 {
		w.place = w.c.place
	}
	if int(offset) != len(w.packet) || len(w.packet) > maxBytes {
		if len(w.packet) > 0 {
			w.c.remark("a row of the packet is missing")
		}
		return
	}
	data, _, _ := hexRun(bytes.TrimSpace(m[2]))
	w.packet = append(w.packet, data...)
}

func (w *wireshark) field(name string, value []byte) {
	last := value
	if m := parenthesized().FindSubmatch(value); m != nil {
		last = m[1]
	}
	n, _ := strconv.ParseInt(string(last), 0, 64)
	switch name {
	case "URB id":
		w.u.id, _ = strconv.ParseUint(string(value), 0, 64)
	case "URB type":
		w.u.event = map[bool]byte{true: urbSubmit, false: urbComplete}[bytes.Contains(value, []byte("SUBMIT"))]
	case "URB transfer type":
		w.u.kind, w.named = byte(n), true
	case "Endpoint":
		word, _, _ := bytes.Cut(value, []byte(","))
		endpoint, _ := strconv.ParseUint(string(word), 0, 8)
		w.u.endpoint = byte(endpoint)
	case "Device":
		w.u.dev = int(n)
	case "URB bus id":
		w.u.bus = int(n)
	case "URB status":
		w.u.status = int32(n)
	case "URB length [bytes]":
		w.u.length = int(n)
	case "Leftover Capture Data", "HID Data":
		w.data, _, _ = hexRun(value)
	}
}

// end takes the packet that was described.
func (w *wireshark) end() {
	u, ok := w.u, w.named
	u.data = w.data
	if len(w.packet) > 0 {
		u, ok = wiresharkPacket(w.packet)
		if !ok {
			w.usb.bad++
		}
	}
	if ok && u.length == 0 {
		u.length = len(u.data)
	}
	if ok {
		w.c.at(point{w.place, w.c.time}, func() { w.usb.add(&u) })
	}
	*w = wireshark{c: w.c, usb: w.usb}
}

// wiresharkPacket finds out which kind of USB capture a packet is from. usbmon
// has the event and kind of transfer where USBPcap has others.
func wiresharkPacket(packet []byte) (urb, bool) {
	if len(packet) >= usbpcapHeader && packet[1] == 0 && (packet[0] == usbpcapHeader || packet[0] == usbpcapHeader+1) {
		if u, ok := decodeUSBPcap(packet); ok {
			return u, true
		}
	}
	for _, header := range []int{usbmonMappedHeader, usbmonHeader} {
		u, ok := decodeUsbmon(packet, binary.LittleEndian, header)
		if ok && (len(u.data) == 0 || len(u.data) == int(binary.LittleEndian.Uint32(packet[36:]))) {
			return u, true
		}
	}
	return urb{}, false
}

// plain takes a line with a source and bytes, as tshark -T fields prints.
func (w *wireshark) plain(m [][]byte) {
	data, _, _ := hexRun(m[2])
	u := urb{event: urbComplete, kind: usbInterrupt, endpoint: 0x81, data: data, length: len(data)}
	if u.length > ctaphid.MinReportSize {
		u.length = max(u.length, ctaphid.ReportSize)
	}
	if string(m[1]) == "host" {
		u.event, u.endpoint = urbSubmit, 0x01
	}
	w.usb.add(&u)
}
