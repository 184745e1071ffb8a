package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// usbEvent is one packet of a USB capture to be written.
type usbEvent struct {
	urb
	at time.Duration
}

// usbEvents are the URBs that carry a session: each report is submitted and
// comes back.
func usbEvents(tape *transcript.Tape, bus, dev int, epIn, epOut byte) []usbEvent {
	var all []usbEvent
	for i, rec := range tape.Records {
		id := uint64(0xffff888000000000) + uint64(i%4)*0x40 + uint64(dev)<<20
		u := urb{id: id, kind: usbInterrupt, bus: bus, dev: dev, endpoint: epIn, length: len(rec.Data), status: -115}
		if rec.Dir == out {
			u.endpoint = epOut
		}
		submit, complete := u, u
		submit.event, complete.event, complete.status = urbSubmit, urbComplete, 0
		if rec.Dir == out {
			submit.data = rec.Data
		} else {
			complete.data = rec.Data
		}
		all = append(all, usbEvent{submit, rec.Time}, usbEvent{complete, rec.Time + 50*time.Microsecond})
	}
	return all
}

// control is a control transfer from the device, both events of it.
func control(bus, dev int, setup, data []byte) []usbEvent {
	u := urb{id: 0xffff888100000000 + uint64(dev), kind: usbControl, bus: bus, dev: dev, endpoint: 0x80}
	submit, complete := u, u
	submit.event, submit.setup, submit.length, submit.status = urbSubmit, setup, len(data), -115
	complete.event, complete.data, complete.length = urbComplete, data, len(data)
	return []usbEvent{{submit, 0}, {complete, 0}}
}

// described are the descriptors of a device whose interface 1 is a key's.
func described(bus, dev int, vendor, product uint16, name string, fido bool) []usbEvent {
	device := []byte{18, 1, 0, 2, 0, 0, 0, 64, 0, 0, 0, 0, 0, 1, 1, 2, 0, 1}
	binary.LittleEndian.PutUint16(device[8:], vendor)
	binary.LittleEndian.PutUint16(device[10:], product)
	config := []byte{
		9, 2, 0, 0, 2, 1, 0, 0x80, 50,
		9, 4, 0, 0, 1, 3, 1, 1, 0, 9, 0x21, 0x11, 1, 0, 1, 0x22, 71, 0, 7, 5, 0x81, 3, 8, 0, 10,
		9, 4, 1, 0, 2, 3, 0, 0, 0, 9, 0x21, 0x11, 1, 0, 1, 0x22, 34, 0, 7, 5, 0x84, 3, 64, 0, 2, 7, 5, 4, 3, 64, 0, 2,
	}
	config[2] = byte(len(config))
	text := []byte{byte(2 + 2*len(name)), 3}
	for _, r := range name {
		text = append(text, byte(r), 0)
	}
	report := []byte{0x06, 0xd0, 0xf1, 0x09, 0x01, 0xa1, 0x01}
	if !fido {
		report = []byte{0x05, 0x01, 0x09, 0x02, 0xa1, 0x01}
	}
	var all []usbEvent
	all = append(all, control(bus, dev, []byte{0x80, 6, 0, 1, 0, 0, 18, 0}, device)...)
	all = append(all, control(bus, dev, []byte{0x80, 6, 0, 2, 0, 0, 9, 0}, config[:9])...)
	all = append(all, control(bus, dev, []byte{0x80, 6, 0, 2, 0, 0, 255, 0}, config)...)
	all = append(all, control(bus, dev, []byte{0x80, 6, 2, 3, 9, 4, 255, 0}, text)...)
	all = append(all, control(bus, dev, []byte{0x81, 6, 0, 0x22, 0, 0, 71, 0}, []byte{0x05, 0x01, 0x09, 0x06})...)
	return append(all, control(bus, dev, []byte{0x81, 6, 0, 0x22, 1, 0, 34, 0}, report)...)
}

// mouse is a mouse being moved, and disk a disk at work.
func mouse(bus, dev, n int) []usbEvent {
	var all []usbEvent
	for i := range n {
		u := urb{id: 0xffff888200000000, event: urbSubmit, kind: usbInterrupt, bus: bus, dev: dev, endpoint: 0x81, length: 4, status: -115}
		done := u
		done.event, done.status, done.data = urbComplete, 0, []byte{0, byte(i), 0xff, 0}
		all = append(all, usbEvent{u, time.Duration(i) * time.Millisecond}, usbEvent{done, time.Duration(i) * time.Millisecond})
	}
	return all
}

func disk(bus, dev, n int) []usbEvent {
	var all []usbEvent
	for i := range n {
		u := urb{id: 0xffff888300000000, event: urbComplete, kind: usbBulk, bus: bus, dev: dev, endpoint: 0x82, length: 512, data: bytes.Repeat([]byte{0xff, 0xff, 0xff, 0xff, 0x86, 0, 8, byte(i)}, 64)}
		all = append(all, usbEvent{u, time.Duration(i) * time.Millisecond})
	}
	return all
}

// interleavedEvents mixes captures as one bus carries them.
func interleavedEvents(streams ...[]usbEvent) []usbEvent {
	var all []usbEvent
	for i := 0; ; i++ {
		more := false
		for _, s := range streams {
			if i < len(s) {
				all = append(all, s[i])
				more = true
			}
		}
		if !more {
			return all
		}
	}
}

// usbmonPacket is an event as usbmon has it.
func (e usbEvent) usbmonPacket(order binary.ByteOrder, header int) []byte {
	p := make([]byte, header, header+len(e.data))
	order.PutUint64(p, e.id)
	p[8], p[9], p[10], p[11] = e.event, e.kind, e.endpoint, byte(e.dev)
	order.PutUint16(p[12:], uint16(e.bus))
	p[14], p[15] = '-', 0
	if len(e.data) == 0 {
		p[15] = '<'
	}
	order.PutUint64(p[16:], 1795291935)
	order.PutUint32(p[24:], uint32(e.at.Microseconds()))
	order.PutUint32(p[28:], uint32(e.status))
	order.PutUint32(p[32:], uint32(e.length))
	order.PutUint32(p[36:], uint32(len(e.data)))
	if e.setup != nil {
		p[14] = 0
		copy(p[40:], e.setup)
	}
	return append(p, e.data...)
}

// usbpcapPacket is an event as USBPcap has it, nil for one that it has not.
func (e usbEvent) usbpcapPacket() []byte {
	header, data := usbpcapHeader, e.data
	if e.kind == usbControl {
		header++
		if e.event == urbSubmit {
			data = append(bytes.Clone(e.setup), data...)
		}
	}
	p := make([]byte, header, header+len(data))
	binary.LittleEndian.PutUint16(p, uint16(header))
	binary.LittleEndian.PutUint64(p[2:], e.id)
	if e.event == urbComplete {
		p[16] = 1
	}
	binary.LittleEndian.PutUint16(p[17:], uint16(e.bus))
	binary.LittleEndian.PutUint16(p[19:], uint16(e.dev))
	p[21], p[22] = e.endpoint, e.kind
	binary.LittleEndian.PutUint32(p[23:], uint32(len(data)))
	if e.kind == usbControl && e.event == urbComplete {
		p[27] = usbpcapComplete
	}
	return append(p, data...)
}

func usbmonPackets(tape *transcript.Tape, bus, dev int, epIn, epOut byte) [][]byte {
	var all [][]byte
	for _, e := range usbEvents(tape, bus, dev, epIn, epOut) {
		all = append(all, e.usbmonPacket(binary.LittleEndian, usbmonMappedHeader))
	}
	return all
}

// capturedPacket is a packet with its time and interface.
type capturedPacket struct {
	data []byte
	at   time.Duration
	via  int
}

func packetsOf(events []usbEvent, link int, order binary.ByteOrder) []capturedPacket {
	var all []capturedPacket
	for _, e := range events {
		p := capturedPacket{at: e.at, via: e.via}
		switch link {
		case linkUSBPcap:
			p.data = e.usbpcapPacket()
		case linkUSBLinux:
			p.data = e.usbmonPacket(order, usbmonHeader)
		default:
			p.data = e.usbmonPacket(order, usbmonMappedHeader)
		}
		all = append(all, p)
	}
	return all
}

var captureBegan = time.Date(2026, 11, 21, 20, 12, 15, 0, time.UTC)

// pcapFile is a file in the pcap format.
func pcapFile(packets []capturedPacket, link, snap int, order binary.ByteOrder, nanoseconds bool) []byte {
	magic, unit := uint32(0xa1b2c3d4), time.Microsecond
	if nanoseconds {
		magic, unit = 0xa1b23c4d, time.Nanosecond
	}
	file := make([]byte, 24)
	order.PutUint32(file, magic)
	order.PutUint16(file[4:], 2)
	order.PutUint16(file[6:], 4)
	order.PutUint32(file[16:], uint32(snap))
	order.PutUint32(file[20:], uint32(link))
	for _, p := range packets {
		at := captureBegan.Add(p.at)
		kept := p.data
		if snap > 0 {
			kept = kept[:min(len(kept), snap)]
		}
		head := make([]byte, 16)
		order.PutUint32(head, uint32(at.Unix()))
		order.PutUint32(head[4:], uint32(time.Duration(at.Nanosecond())/unit))
		order.PutUint32(head[8:], uint32(len(kept)))
		order.PutUint32(head[12:], uint32(len(p.data)))
		file = append(append(file, head...), kept...)
	}
	return file
}

// pcapngFile is a file in the pcapng format, by the library's own writer.
func pcapngFile(t testing.TB, packets []capturedPacket, links ...int) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := pcapgo.NewNgWriterInterface(&file, pcapgo.NgInterface{Name: "usbmon0", LinkType: layers.LinkType(links[0])}, pcapgo.NgWriterOptions{
		SectionInfo: pcapgo.NgSectionInfo{Application: "a test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, link := range links[1:] {
		if _, err := w.AddInterface(pcapgo.NgInterface{Name: fmt.Sprintf("usbmon%d", i+1), LinkType: layers.LinkType(link)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range packets {
		ci := gopacket.CaptureInfo{Timestamp: captureBegan.Add(p.at), Length: len(p.data), CaptureLength: len(p.data), InterfaceIndex: p.via}
		if err := w.WritePacket(ci, p.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// bigEndianNg is a pcapng file of the other byte order, with microseconds.
func bigEndianNg(packets []capturedPacket, link int) []byte {
	order := binary.BigEndian
	block := func(kind uint32, body []byte) []byte {
		for len(body)%4 != 0 {
			body = append(body, 0)
		}
		size := uint32(len(body) + 12)
		b := order.AppendUint32(order.AppendUint32(nil, kind), size)
		return order.AppendUint32(append(b, body...), size)
	}
	file := block(ngSection, append(order.AppendUint32(nil, ngMagic), 0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff))
	file = append(file, block(ngInterface, order.AppendUint32([]byte{byte(link >> 8), byte(link), 0, 0}, 0))...)
	file = append(file, block(4, []byte{0, 0, 0, 0})...) // name resolution, which does not matter
	for _, p := range packets {
		us := uint64(captureBegan.Add(p.at).UnixMicro())
		body := order.AppendUint32(nil, 0)
		body = order.AppendUint32(order.AppendUint32(body, uint32(us>>32)), uint32(us))
		body = order.AppendUint32(order.AppendUint32(body, uint32(len(p.data))), uint32(len(p.data)))
		file = append(file, block(ngEnhanced, append(body, p.data...))...)
	}
	return file
}
