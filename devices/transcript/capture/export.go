package capture

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// Exported is what [Export] wrote.
type Exported struct {
	Tape      string
	Transport transcript.Transport
	Link      string // type of the packets, as tcpdump names it
	Packets   int
	Crossings int // reports and APDUs among them
	// Remarks say what of the tape is not in the capture: at most 1000, and
	// MoreRemarks beyond those.
	Remarks     []Remark
	MoreRemarks int
}

// Export writes a tape as a pcapng capture that Wireshark opens. The reports of
// a HID key become transfers over USB (LINKTYPE_USB_LINUX_MMAPPED), with the
// key's descriptors before them, of which only the names are the key's own. The
// APDUs of a card become PDUs for Wireshark's dissector of ISO 7816
// (LINKTYPE_WIRESHARK_UPPER_PDU).
//
// Messages without their packets are cut into reports. What each packet is, in
// the words of [transcript.Describe], and the gaps and events of the tape are
// comments on the packets. [Import] reads such a capture. file is the tape's
// name, for errors.
func Export(w io.Writer, tape *transcript.Reader, file string) (Exported, error) {
	h := tape.Header()
	e := &exporter{header: h, start: h.Recorded, name: file}
	if e.start.IsZero() {
		e.start = time.Unix(0, 0)
	}
	var err error
	if h.Transport == transcript.NFC {
		err = e.begin(w, linkUpperPDU, &pduWriter{e: e})
	} else {
		err = e.begin(w, linkUSBLinuxMapped, &urbWriter{e: e})
	}
	if err == nil {
		err = e.records(tape)
	}
	if err != nil {
		return e.result, fmt.Errorf("export %s: %w", e.name, err)
	}
	for _, comment := range e.comments {
		e.remark(Place{Line: e.line}, "behind the last packet: "+comment)
	}
	return e.result, e.out.Flush()
}

// exportLink makes packets of the crossings of a tape.
type exportLink interface {
	// plug writes what comes before all crossings.
	plug() error
	// put writes a crossing.
	put(transcript.Record) error
}

type exporter struct {
	header   transcript.Header
	name     string
	start    time.Time
	now      time.Time // of the present record
	line     int       // and where it is
	out      *pcapgo.NgWriter
	link     exportLink
	comments []string // for the next packet
	result   Exported
}

func (e *exporter) begin(w io.Writer, link layers.LinkType, to exportLink) error {
	e.link, e.now = to, e.start
	e.result = Exported{Tape: e.name, Transport: e.header.Transport, Link: linkNames[link]}
	about := pcapgo.NgInterface{Name: "touchstone", Description: e.header.Device["product"], LinkType: link}
	var err error
	e.out, err = pcapgo.NewNgWriterInterface(w, about, pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{
		Application: "touchstone", Comment: "a tape of a session with a security key, written as a capture",
	}})
	if err != nil {
		return err
	}
	return to.plug()
}

// records writes all records that can be read.
func (e *exporter) records(tape *transcript.Reader) error {
	for {
		err := e.some(tape)
		if err == nil || !tape.Skip() {
			return err
		}
		line := 0
		if bad, ok := errors.AsType[*transcript.FormatError](err); ok {
			line = bad.Line
		}
		e.leaveOut(line, "no record")
	}
}

// some writes the records up to the first line that is none.
func (e *exporter) some(tape *transcript.Reader) error {
	for rec, err := range tape.Records() {
		if err != nil {
			return err
		}
		e.now, e.line = e.start.Add(rec.Time), rec.Line
		if err := e.record(rec); err != nil {
			return err
		}
	}
	return nil
}

func (e *exporter) record(rec transcript.Record) error {
	switch {
	case rec.Level == transcript.Gap:
		e.comment("something is missing before this: %s", rec.Cut)
		return nil
	case rec.Level == transcript.Mark:
		e.comment("before this: %v", rec.Event)
		return nil
	case rec.Partial && rec.Offset > 0:
		e.leaveOut(rec.Line, "its beginning is not on the tape")
		return nil
	}
	return e.link.put(rec)
}

// comment keeps a comment for the next packet, as far as one has room.
func (e *exporter) comment(format string, args ...any) {
	text := oneLine(fmt.Sprintf(format, args...))
	if len(text) > maxComment {
		text = strings.ToValidUTF8(text[:maxComment], "") + "…"
	}
	if len(e.comments) < maxComments {
		e.comments = append(e.comments, text)
	}
}

const (
	maxComment  = 1000 // bytes
	maxComments = 50   // of a packet
)

// leaveOut takes note of what is not in the capture.
func (e *exporter) leaveOut(line int, why string) {
	e.remark(Place{Line: line}, "left out: "+why)
	e.comment("something was left out before this: %s", why)
}

func (e *exporter) remark(place Place, text string) {
	if len(e.result.Remarks) == maxRemarks {
		e.result.MoreRemarks++
		return
	}
	e.result.Remarks = append(e.result.Remarks, Remark{place, oneLine(text)})
}

// packet writes a packet with the comments that wait for it, and one of its own
// if about is not empty.
func (e *exporter) packet(data []byte, about string) error {
	if about != "" {
		e.comment("%s", about)
	}
	comments := e.comments
	e.comments = nil
	e.result.Packets++
	ci := gopacket.CaptureInfo{Timestamp: e.now, CaptureLength: len(data), Length: len(data)}
	return e.out.WritePacketWithOptions(ci, data, pcapgo.NgPacketOptions{Comments: comments})
}
