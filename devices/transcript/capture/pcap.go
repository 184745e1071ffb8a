package capture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// packets is what reads a capture packet by packet: pcapgo's readers.
type packets interface {
	ZeroCopyReadPacketData() ([]byte, gopacket.CaptureInfo, error)
}

// readPcap reads a capture in the pcap format.
func readPcap(c *collector, in *bufio.Reader, _ position) error {
	g := &guard{c: c, in: in, next: nextPcap}
	r, err := pcapgo.NewReader(g)
	if err != nil {
		return fmt.Errorf("%s: pcap: %w", c.result.File, err)
	}
	return readUSB(c, g, r, func(gopacket.CaptureInfo) layers.LinkType { return r.LinkType() })
}

// readPcapng reads a capture in the pcapng format.
func readPcapng(c *collector, in *bufio.Reader, _ position) error {
	g := &guard{c: c, in: in, next: nextNg}
	r, err := pcapgo.NewNgReader(g, pcapgo.NgReaderOptions{WantMixedLinkType: true, SkipUnknownVersion: true})
	if err != nil {
		return fmt.Errorf("%s: pcapng: %w", c.result.File, err)
	}
	return readUSB(c, g, r, func(ci gopacket.CaptureInfo) layers.LinkType { return ci.AncillaryData[0].(layers.LinkType) })
}

// readUSB reads the USB packets of a capture.
func readUSB(c *collector, g *guard, r packets, linkType func(gopacket.CaptureInfo) layers.LinkType) error {
	usb, card := newUSBTracker(c), newCards(c)
	others := map[layers.LinkType]int{}
	var err error
	for c.failed == nil {
		var packet []byte
		var ci gopacket.CaptureInfo
		if packet, ci, err = r.ZeroCopyReadPacketData(); err != nil {
			break
		}
		c.place = g.place()
		c.time = moment{Time: ci.Timestamp, known: !ci.Timestamp.IsZero(), absolute: true}
		link := linkType(ci)
		u, ok := decodeUSB(link, packet, g.order)
		switch {
		case ok:
			u.via = ci.InterfaceIndex
			usb.add(&u)
		case isUSB(link):
			usb.bad++
		case link == linkUpperPDU && upperCard(c, card, packet):
		default:
			others[link]++
		}
	}
	usb.finish()
	card.finish()
	for _, link := range slices.Sorted(maps.Keys(others)) {
		c.leaveOut(plural(others[link], "packet"), fmt.Sprintf("of link type %d, which is no USB capture that this program reads", int(link)))
	}
	if err == io.EOF || err == nil {
		return nil
	}
	return fmt.Errorf("%s: %v: %w", c.result.File, Place{Packet: g.packets + 1, Offset: g.offset}, err)
}

// upperCard takes a PDU for the dissector of ISO 7816, which is an APDU or a
// card's answer to reset.
func upperCard(c *collector, to *cards, packet []byte) bool {
	dissector, dir, data, ok := parseUpperPDU(packet)
	switch {
	case ok && dissector == pduATR:
		if on := to.of(""); on.tape.writer == nil {
			on.tape.device.ATR = bytes.Clone(data)
		}
		return true
	case !ok || dissector != pduAPDU || dir == 0:
		return false
	}
	to.apdu("", transcript.Record{Dir: dir, Data: bytes.Clone(data)})
	return true
}

func isUSB(link layers.LinkType) bool {
	return link == linkUSBLinux || link == linkUSBLinuxMapped || link == linkUSBPcap
}

func decodeUSB(link layers.LinkType, packet []byte, order binary.ByteOrder) (urb, bool) {
	switch link {
	case linkUSBLinux:
		return decodeUsbmon(packet, order, usbmonHeader)
	case linkUSBLinuxMapped:
		return decodeUsbmon(packet, order, usbmonMappedHeader)
	case linkUSBPcap:
		return decodeUSBPcap(packet)
	}
	return urb{}, false
}
