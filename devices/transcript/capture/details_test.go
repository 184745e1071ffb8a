package capture

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// wiresharkDetails is an event as Wireshark prints the details of its packet.
func wiresharkDetails(n int, e usbEvent, dataWord string) []string {
	event, way := "URB_SUBMIT ('S')", "OUT"
	if e.event == urbComplete {
		event = "URB_COMPLETE ('C')"
	}
	if e.endpoint&0x80 != 0 {
		way = "IN"
	}
	lines := []string{
		fmt.Sprintf("Frame %d: 128 bytes on wire (1024 bits), 128 bytes captured (1024 bits) on interface usbmon1, id 0", n),
		fmt.Sprintf("    Epoch Arrival Time: %d.%09d", captureBegan.Add(e.at).Unix(), captureBegan.Add(e.at).Nanosecond()),
		"USB URB",
		"    [Source: host]",
		fmt.Sprintf("    URB id: 0x%016x", e.id),
		"    URB type: " + event,
		"    URB transfer type: URB_INTERRUPT (0x01)",
		fmt.Sprintf("    Endpoint: 0x%02x, Direction: %s", e.endpoint, way),
		fmt.Sprintf("    Device: %d", e.dev),
		fmt.Sprintf("    URB bus id: %d", e.bus),
		"    URB status: Success (0)",
		"    URB length [bytes]: 64",
	}
	if len(e.data) > 0 {
		lines = append(lines, fmt.Sprintf("%s: %x", dataWord, e.data))
	}
	return append(lines, "")
}

// The details of packets, as Wireshark prints them in its versions, are those
// packets.
func TestWiresharkDetails(t *testing.T) {
	session := hidSession(t)
	for _, word := range []string{"Leftover Capture Data", "HID Data"} {
		var lines []string
		for i, e := range usbEvents(session, 1, 2, 0x84, 0x04) {
			lines = append(lines, wiresharkDetails(i+1, e, word)...)
		}
		result, got := importBytes(t, text(lines...))
		sameLines(t, word, crossings(got...), crossings(session))
		if result.Form != Wireshark || result.Tapes[0].Key != "usb 1.2" || len(result.Remarks) > 0 {
			t.Errorf("%s: %+v, remarks:\n%s", word, result.Tapes, remarks(result))
		}
		if h := got[0].Header; h.Recorded.Sub(captureBegan).Abs() > 1e9 {
			t.Errorf("%s: recorded %v", word, h.Recorded)
		}
	}
}

// What tshark prints of a capture, with the bytes of its packets and without the
// details of them, is that capture.
func TestWhatTsharkPrints(t *testing.T) {
	session := hidSession(t)
	file := pcapngFile(t, packetsOf(usbEvents(session, 1, 2, 0x84, 0x04), linkUSBLinuxMapped, testOrder), linkUSBLinuxMapped)
	for name, args := range map[string][]string{"details and bytes": {"-V", "-x"}, "bytes": {"-x"}} {
		result, got := importBytes(t, []byte(tshark(t, file, args...)))
		sameLines(t, name, crossings(got...), crossings(session))
		if len(result.Remarks) > 0 {
			t.Errorf("%s: remarks:\n%s", name, remarks(result))
		}
	}
}

// Windows tells of a message on three levels; what it puts around one is taken
// off, and what the API does not have is put before.
func TestWindowsLevels(t *testing.T) {
	body, answer := "a1016b6578616d706c652e6f7267", "a10341ff"
	around := "a1" + "67" + fmt.Sprintf("%x", "request") + "4f" + "02" + body
	devices := func(n int) string {
		one := "a168" + fmt.Sprintf("%x", "response") + "45" + "00" + answer
		return fmt.Sprintf("%02x", 0x80+n) + strings.Repeat(one, n)
	}
	type event struct {
		id          int
		name, value string
	}
	for name, c := range map[string]struct {
		events []event
		want   []string
		told   string
	}{
		"the API":               {[]event{{1103, "Request", body}, {1104, "Response", answer}}, []string{"out msg 10 02" + body, "in msg 10 00" + answer}, ""},
		"the API, a credential": {[]event{{1101, "Request", body}}, []string{"out msg 10 01" + body}, ""},
		"the service":           {[]event{{2100, "Request", "02" + body}, {2102, "Response", devices(1)}}, []string{"out msg 10 02" + body, "in msg 10 00" + answer}, ""},
		"a request with more":   {[]event{{2100, "Request", around}}, []string{"out msg 10 02" + body}, ""},
		"two devices":           {[]event{{2100, "Request", "02" + body}, {2102, "Response", devices(2)}}, []string{"out msg 10 02" + body, "in msg 10 00" + answer}, "the answers of 2 devices; only the first is taken"},
		"both levels":           {[]event{{1103, "Request", body}, {2100, "Request", "02" + body}}, []string{"out msg 10 02" + body}, ""},
		"no form that is known": {[]event{{2100, "Request", "04"}, {2100, "Request", "ff00"}}, []string{"out msg 10 04"}, "the request of event 2100 has a form that is not known"},
		"fewer bytes":           {[]event{{2100, "RequestLength: 90\nRequest", "02" + body}}, []string{"out msg 10 02" + body + " partial from 0"}, "only 15 of the 90 bytes of the event are there"},
	} {
		t.Run(name, func(t *testing.T) {
			lines := []string{"Microsoft-Windows-WebAuthN/Operational"}
			for _, e := range c.events {
				lines = append(lines, fmt.Sprintf("Event ID: %d\n%s: %s", e.id, e.name, e.value))
			}
			result, got := importBytes(t, text(lines...))
			sameLines(t, name, crossings(got...), c.want)
			if !strings.Contains(remarks(result), c.told) {
				t.Errorf("remarks:\n%s\nwant: %s", remarks(result), c.told)
			}
		})
	}
}

// A capture of one direction without the beginning of the session has a key by
// the look of its packets alone, which is told.
func TestUSBKeyByItsLook(t *testing.T) {
	session := withoutKeepalives(t, hidSession(t))
	session.Records = slices.DeleteFunc(session.Records[2:], func(rec transcript.Record) bool { return rec.Dir == out })
	result, got := importBytes(t, pcapngFile(t, packetsOf(usbEvents(session, 1, 2, 0x84, 0x04), linkUSBLinuxMapped, binary.LittleEndian), linkUSBLinuxMapped))
	sameLines(t, "tape", crossings(got...), crossings(session))
	if !strings.Contains(remarks(result), "usb 1.2 is taken for a key by the look of its packets alone") {
		t.Errorf("remarks:\n%s", remarks(result))
	}
	session.Records[3].Data[4] ^= 0x55 // one packet that fits nowhere
	if _, _, err := tryImport(t, pcapngFile(t, packetsOf(usbEvents(session, 1, 2, 0x84, 0x04), linkUSBLinuxMapped, binary.LittleEndian), linkUSBLinuxMapped)); err == nil {
		t.Error("packets that fit nowhere are taken for a key")
	}
}

// Two keys of one model that are open at the same time are two; one that is
// opened again under another handle, after the first was done, is one.
func TestKeysOfOneModelInALog(t *testing.T) {
	session := hidSession(t)
	twin := withChannel(session, 0x0a0b0c0d)
	one := libfido2Writer{prefix: "host fido2-token[123]: "}.write(t, session)
	two := libfido2Writer{prefix: "host fido2-token[124]: ", handle: "0x7f0011223344"}.write(t, twin)
	want := [][]string{rebuiltRequests(t, session), rebuiltRequests(t, twin)}
	_, got := importBytes(t, text(alternating(one, two)...))
	if len(got) != 2 {
		t.Fatalf("at the same time: %d tapes", len(got))
	}
	for i, tape := range got {
		sameLines(t, fmt.Sprintf("tape %d", i+1), crossings(tape), want[i])
	}
	_, got = importBytes(t, text(slices.Concat(one, two)...))
	if len(got) != 1 {
		t.Fatalf("one after the other: %d tapes", len(got))
	}
	sameLines(t, "tape", crossings(got...), slices.Concat(want...))
}

// A message that is longer than any can be is kept as a message.
func TestMessageTooLongForReports(t *testing.T) {
	c := newCollector("log", (&tapes{}).open)
	s := newSessions(c, Device{Transport: transcript.HID})
	s.learn(s.of(""), 7)
	s.message("", transcript.Record{Dir: out, Command: byte(ctaphid.CommandPing), Data: make([]byte, ctaphid.MaxMessage+1)})
	s.flush()
	if len(c.result.Remarks) != 1 || len(c.tapes) != 1 || c.tapes[0].counter.Summary().Lines.Messages != 1 {
		t.Errorf("remarks: %v", c.result.Remarks)
	}
}
