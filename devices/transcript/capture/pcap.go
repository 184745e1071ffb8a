package capture

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
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
	usb := newUSBTracker(c)
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
		default:
			others[link]++
		}
	}
	usb.finish()
	for link, n := range others {
		c.leaveOut(plural(n, "packet"), fmt.Sprintf("of link type %d, which is no USB capture that this program reads", int(link)))
	}
	if err == io.EOF || err == nil {
		return nil
	}
	return fmt.Errorf("%s: %v: %w", c.result.File, Place{Packet: g.packets + 1, Offset: g.offset}, err)
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
