package capture

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// desk is a bus with two keys in use, a mouse and a disk.
func desk(session *transcript.Tape, descriptors bool) []usbEvent {
	var plugged []usbEvent
	if descriptors {
		plugged = interleavedEvents(
			described(1, 2, 0x1050, 0x0407, "Key one", true), described(1, 3, 0x1209, 0xbeee, "Key two", true),
			described(1, 4, 0x046d, 0xc077, "Mouse", false),
		)
	}
	return append(plugged, interleavedEvents(
		usbEvents(session, 1, 2, 0x84, 0x04), usbEvents(session, 1, 3, 0x84, 0x04), mouse(1, 4, 60), disk(1, 5, 40),
	)...)
}

// Every format, byte order, resolution and link type of USB captures says the
// same.
func TestUSBCapturesComeBack(t *testing.T) {
	session := hidSession(t)
	events := desk(session, true)
	for _, f := range []struct {
		name string
		form Form
		file []byte
	}{
		{"pcap", PCAP, pcapFile(packetsOf(events, linkUSBLinuxMapped, binary.LittleEndian), linkUSBLinuxMapped, 65535, binary.LittleEndian, false)},
		{"pcap, big endian", PCAP, pcapFile(packetsOf(events, linkUSBLinux, binary.BigEndian), linkUSBLinux, 65535, binary.BigEndian, false)},
		{"pcap, nanoseconds", PCAP, pcapFile(packetsOf(events, linkUSBPcap, nil), linkUSBPcap, 65535, binary.LittleEndian, true)},
		{"pcap, nanoseconds, big endian", PCAP, pcapFile(packetsOf(events, linkUSBLinuxMapped, binary.BigEndian), linkUSBLinuxMapped, 0, binary.BigEndian, true)},
		{"pcapng", PCAPNG, pcapngFile(t, packetsOf(events, linkUSBLinuxMapped, binary.LittleEndian), linkUSBLinuxMapped)},
		{"pcapng of the older usbmon", PCAPNG, pcapngFile(t, packetsOf(events, linkUSBLinux, binary.LittleEndian), linkUSBLinux)},
		{"pcapng of USBPcap", PCAPNG, pcapngFile(t, packetsOf(events, linkUSBPcap, nil), linkUSBPcap)},
		{"pcapng, big endian", PCAPNG, bigEndianNg(packetsOf(events, linkUSBLinuxMapped, binary.BigEndian), linkUSBLinuxMapped)},
	} {
		t.Run(f.name, func(t *testing.T) {
			checkDesk(t, f.form, f.file, session)
		})
		t.Run(f.name+", packed", func(t *testing.T) {
			var packed bytes.Buffer
			w := gzip.NewWriter(&packed)
			if _, err := w.Write(f.file); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			checkDesk(t, f.form, packed.Bytes(), session)
		})
	}
}

// checkDesk imports the capture of a desk with descriptors.
func checkDesk(t *testing.T, form Form, file []byte, session *transcript.Tape) {
	t.Helper()
	result, got := importBytes(t, file)
	if result.Form != form || len(result.Remarks) > 0 {
		t.Errorf("%s, remarks:\n%s", result.Form, remarks(result))
	}
	if len(got) != 2 {
		t.Fatalf("%d tapes", len(got))
	}
	for i, want := range []Device{
		{Key: "usb 1.2 interface 1", Facts: map[string]string{"vendor_id": "1050", "product_id": "0407", "product": "Key one"}},
		{Key: "usb 1.3 interface 1", Facts: map[string]string{"vendor_id": "1209", "product_id": "beee", "product": "Key two"}},
	} {
		sameLines(t, want.Key, crossings(got[i]), crossings(session))
		d := result.Tapes[i].Device
		if d.Key != want.Key || fmt.Sprint(d.Facts) != fmt.Sprint(want.Facts) || d.ReportSize != 64 || d.Transport != transcript.HID {
			t.Errorf("device %+v", d)
		}
		first, last := got[i].Records[0].Time, got[i].Records[len(got[i].Records)-1].Time
		if wait := session.Records[len(session.Records)-1].Time - session.Records[0].Time; (last - first - wait).Abs() > time.Millisecond {
			t.Errorf("it lasts %v, not %v", last-first, wait)
		}
		if at := got[i].Header.Recorded; at.Before(captureBegan) || at.After(captureBegan.Add(time.Second)) {
			t.Errorf("recorded %v", at)
		}
	}
	for _, other := range []string{"usb 1.4 (046d:c077 Mouse): no FIDO interface", "usb 1.5: no FIDO interface"} {
		if !slices.ContainsFunc(result.LeftOut, func(l LeftOut) bool { return strings.HasPrefix(l.String(), other) }) {
			t.Errorf("left out: %v", result.LeftOut)
		}
	}
}

// Without descriptors a key is known by what crosses. A disk that has INIT
// packets in a file, and a mouse, are none.
func TestUSBKeysWithoutDescriptors(t *testing.T) {
	session := hidSession(t)
	result, got := importBytes(t, pcapngFile(t, packetsOf(desk(session, false), linkUSBLinuxMapped, binary.LittleEndian), linkUSBLinuxMapped))
	if len(got) != 2 || len(result.Remarks) > 0 || result.Tapes[0].Key != "usb 1.2" {
		t.Fatalf("%d tapes, %+v, remarks:\n%s", len(got), result.Tapes, remarks(result))
	}
	for _, tape := range got {
		sameLines(t, "tape", crossings(tape), crossings(session))
	}
}

// A capture that begins in the middle of a session has no INIT: packets of one
// channel in both directions show what it is.
func TestUSBCaptureBeginsInTheMiddle(t *testing.T) {
	session := hidSession(t)
	session.Records = session.Records[4:]
	result, got := importBytes(t, pcapFile(packetsOf(usbEvents(session, 1, 2, 0x81, 1), linkUSBLinux, binary.LittleEndian), linkUSBLinux, 65535, binary.LittleEndian, false))
	sameLines(t, "tape", crossings(got...), crossings(session))
	if len(result.Tapes) != 1 || len(result.Remarks) > 1 {
		t.Errorf("remarks:\n%s", remarks(result))
	}
}

// What was captured on usbmon0 and on the bus's own usbmon1 is taken once, as is
// what one interface has twice.
func TestUSBCaptureTwiceIsTakenOnce(t *testing.T) {
	session := hidSession(t)
	var both, twice []usbEvent
	for _, e := range desk(session, true) {
		other := e
		other.via, other.at = 1, e.at+3*time.Microsecond
		both = append(both, e, other)
		other.via = 0
		twice = append(twice, e, other)
	}
	for name, file := range map[string][]byte{
		"two interfaces": pcapngFile(t, packetsOf(both, linkUSBLinuxMapped, binary.LittleEndian), linkUSBLinuxMapped, linkUSBLinuxMapped),
		"one interface":  pcapngFile(t, packetsOf(twice, linkUSBLinuxMapped, binary.LittleEndian), linkUSBLinuxMapped),
	} {
		result, got := importBytes(t, file)
		if len(got) != 2 {
			t.Fatalf("%s: %d tapes", name, len(got))
		}
		for _, tape := range got {
			sameLines(t, name, crossings(tape), crossings(session))
		}
		if !slices.ContainsFunc(result.LeftOut, func(l LeftOut) bool { return strings.Contains(l.Why, "captured twice") }) {
			t.Errorf("%s: left out: %v", name, result.LeftOut)
		}
	}
}

// Keepalives and polls that are the same again and again are not taken for
// doubles: each URB comes back before it is used again.
func TestUSBSameReportsAreKept(t *testing.T) {
	session := hidSession(t)
	same := &transcript.Tape{Header: session.Header, Records: slices.Clone(session.Records[:2])}
	for range 9 {
		same.Records = append(same.Records, transcript.Record{
			Level: transcript.Report, Dir: in, Data: append([]byte{1, 2, 3, 4, 0xbb, 0, 1, 2}, make([]byte, 56)...), Time: same.Records[1].Time,
		})
	}
	events := usbEvents(same, 1, 2, 0x81, 1)
	for i := range events {
		events[i].id = 0xffff888000000040
	}
	_, got := importBytes(t, pcapngFile(t, packetsOf(events, linkUSBLinuxMapped, binary.LittleEndian), linkUSBLinuxMapped))
	sameLines(t, "tape", crossings(got...), crossings(same))
}

// A capture that keeps too little of its packets has reports in part, and says
// how much it has of each.
func TestUSBCaptureKeepsTooLittle(t *testing.T) {
	session := hidSession(t)
	packets := packetsOf(usbEvents(session, 1, 2, 0x81, 1), linkUSBLinuxMapped, binary.LittleEndian)
	result, got := importBytes(t, pcapFile(packets, linkUSBLinuxMapped, usbmonMappedHeader+20, binary.LittleEndian, false))
	if len(got) != 1 || len(got[0].Records) != len(session.Records) {
		t.Fatalf("%d tapes", len(got))
	}
	for i, rec := range got[0].Records {
		if !rec.Partial || !bytes.Equal(rec.Data, session.Records[i].Data[:20]) {
			t.Fatalf("record %d: %+v", i, rec)
		}
	}
	if m := result.Tapes[0].Summary.Messages; m.Cut == 0 || m.Malformed != 0 {
		t.Errorf("%+v", m)
	}
	if !strings.Contains(remarks(result), "the capture keeps 20 of the 64 bytes") {
		t.Errorf("remarks:\n%s", remarks(result))
	}
}

// A host may send reports over the control endpoint.
func TestUSBReportsBySetReport(t *testing.T) {
	session := hidSession(t)
	events := described(1, 2, 0x1050, 0x0407, "Key", true)
	for _, e := range usbEvents(session, 1, 2, 0x84, 4) {
		if e.endpoint == 4 {
			e.kind, e.endpoint = usbControl, 0
			if e.event == urbSubmit {
				e.setup = []byte{0x21, 9, 0, 2, 1, 0, 64, 0}
			}
		}
		events = append(events, e)
	}
	for _, link := range []int{linkUSBLinuxMapped, linkUSBPcap} {
		_, got := importBytes(t, pcapngFile(t, packetsOf(events, link, binary.LittleEndian), link))
		sameLines(t, fmt.Sprint(link), crossings(got...), crossings(session))
	}
}

// A key that is unplugged leaves an event on the tape. What the host takes back
// when it closes the key does not.
func TestUSBTransfersThatFail(t *testing.T) {
	session := hidSession(t)
	events := append(described(1, 2, 0x1050, 0x0407, "Key", true), usbEvents(session, 1, 2, 0x84, 4)...)
	for _, status := range []int32{-2, -104, -108} {
		u := urb{id: 7, event: urbComplete, kind: usbInterrupt, bus: 1, dev: 2, endpoint: 0x84, status: status}
		events = append(events, usbEvent{u, time.Second})
	}
	result, got := importBytes(t, pcapngFile(t, packetsOf(events, linkUSBLinuxMapped, binary.LittleEndian), linkUSBLinuxMapped))
	sameLines(t, "tape", crossings(got...), crossings(session))
	last := got[0].Records[len(got[0].Records)-1]
	if last.Level != transcript.Mark || !strings.Contains(last.Event.Text, "unplugged") || len(got[0].Records) != len(session.Records)+1 {
		t.Errorf("%+v", last)
	}
	if !strings.Contains(remarks(result), "status -108") {
		t.Errorf("remarks:\n%s", remarks(result))
	}
}

// A key that is plugged in anew, at an address that another one had, is another
// key.
func TestUSBAddressIsGivenAnew(t *testing.T) {
	session := hidSession(t)
	var events []usbEvent
	for i, name := range []string{"Key one", "Key two"} {
		events = append(events, control(1, 0, []byte{0, usbSetAddress, 2, 0, 0, 0, 0, 0}, nil)...)
		events = append(events, described(1, 2, 0x1050, 0x0407+uint16(i), name, true)...)
		events = append(events, usbEvents(session, 1, 2, 0x84, 4)...)
	}
	result, got := importBytes(t, pcapngFile(t, packetsOf(events, linkUSBLinuxMapped, binary.LittleEndian), linkUSBLinuxMapped))
	if len(got) != 2 || result.Tapes[0].Facts["product"] != "Key one" || result.Tapes[1].Facts["product"] != "Key two" {
		t.Fatalf("%+v", result.Tapes)
	}
	for _, tape := range got {
		sameLines(t, "tape", crossings(tape), crossings(session))
	}
}

// Packets that are no USB are left out.
func TestOtherLinkTypesAreLeftOut(t *testing.T) {
	session := hidSession(t)
	packets := packetsOf(usbEvents(session, 1, 2, 0x81, 1), linkUSBLinuxMapped, binary.LittleEndian)
	packets = append(packets, capturedPacket{data: bytes.Repeat([]byte{1}, 60), via: 1}, capturedPacket{data: []byte{1, 2, 3}, via: 0})
	result, got := importBytes(t, pcapngFile(t, packets, linkUSBLinuxMapped, 1))
	sameLines(t, "tape", crossings(got...), crossings(session))
	all := fmt.Sprint(result.LeftOut)
	if !strings.Contains(all, "1 packet: of link type 1") || !strings.Contains(all, "1 packet: no USB request") {
		t.Errorf("left out: %v", result.LeftOut)
	}
}

// usbmon's text has at most 32 bytes of each transfer.
func TestUsbmonText(t *testing.T) {
	session := hidSession(t)
	var text strings.Builder
	for _, e := range desk(session, true) {
		text.WriteString(usbmonTextLine(e, 32) + "\n")
	}
	result, got := importBytes(t, []byte(text.String()))
	if result.Form != UsbmonText || len(got) != 2 || result.Tapes[0].Facts["vendor_id"] != "1050" {
		t.Fatalf("%s, %+v", result.Form, result.Tapes)
	}
	for i, rec := range got[1].Records {
		if !rec.Partial || !bytes.Equal(rec.Data, session.Records[i].Data[:32]) || rec.Dir != session.Records[i].Dir {
			t.Fatalf("record %d: %+v", i, rec)
		}
	}
	if !strings.Contains(remarks(result), "the capture keeps 32 of the 64 bytes") {
		t.Errorf("remarks:\n%s", remarks(result))
	}
}

// usbmonTextLine is an event in usbmon's text, with so many bytes at most.
func usbmonTextLine(e usbEvent, most int) string {
	way := "o"
	if e.inward() {
		way = "i"
	}
	line := fmt.Sprintf("%016x %d %c %c%s:%d:%03d:%d", e.id, (e.at + 3600*time.Second).Microseconds(), e.event, "ZICB"[e.kind], way, e.bus, e.dev, e.endpoint&0x0f)
	if e.setup != nil {
		s := e.setup
		line += fmt.Sprintf(" s %02x %02x %02x%02x %02x%02x %02x%02x", s[0], s[1], s[3], s[2], s[5], s[4], s[7], s[6])
	} else {
		line += fmt.Sprintf(" %d", e.status)
		if e.kind == usbInterrupt {
			line += ":4"
		}
	}
	line += fmt.Sprintf(" %d", e.length)
	switch {
	case len(e.data) > 0:
		line += " ="
		for data := e.data[:min(len(e.data), most)]; len(data) > 0; data = data[min(4, len(data)):] {
			line += fmt.Sprintf(" %x", data[:min(4, len(data))])
		}
	case e.inward():
		line += " <"
	}
	return line
}
