package capture

import (
	"encoding/binary"
	"io"
)

const (
	pcapFileHeader   = 24
	pcapRecordHeader = 16

	// maxSnap is what libpcap takes for the greatest packet where a file says
	// less than its packets have.
	maxSnap = 256 << 10
)

// pcapState is what a guard knows of a pcap file (draft-ietf-opsawg-pcap).
type pcapState struct {
	snap     int
	fraction uint32 // of a second, that the time of a packet counts
	seconds  uint32 // of the packet before
}

var pcapMagics = map[uint32]struct {
	order    binary.ByteOrder
	fraction uint32
}{
	0xa1b2c3d4: {binary.BigEndian, 1e6},
	0xd4c3b2a1: {binary.LittleEndian, 1e6},
	0xa1b23c4d: {binary.BigEndian, 1e9},
	0x4d3cb2a1: {binary.LittleEndian, 1e9},
}

// nextPcap hands on the header of the file, then packet by packet.
func nextPcap(g *guard) ([]byte, error) {
	if g.order == nil {
		return g.pcapHeader()
	}
	for {
		head, err := g.in.Peek(pcapRecordHeader)
		if len(head) == 0 {
			return nil, err
		}
		if len(head) < pcapRecordHeader {
			g.cut("a packet's header", len(head))
			return nil, io.EOF
		}
		if !g.pcapSound(head) {
			if err := g.skip("no packet begins here", g.pcapResumes); err != nil {
				return nil, err
			}
			continue
		}
		size := pcapRecordHeader + int(g.order.Uint32(head[8:]))
		g.seconds = g.order.Uint32(head)
		block, err := g.read(size)
		if readError(err) {
			return nil, err
		}
		if err != nil {
			g.cut("a packet", len(head))
			return nil, io.EOF
		}
		g.packet()
		g.offset += int64(size)
		return block, nil
	}
}

func (g *guard) pcapHeader() ([]byte, error) {
	head, err := g.read(pcapFileHeader)
	if err != nil {
		return nil, err
	}
	magic := pcapMagics[binary.BigEndian.Uint32(head)]
	g.order, g.fraction = magic.order, magic.fraction
	g.snap = min(max(int(g.order.Uint32(head[16:])), maxSnap), maxBlock)
	g.offset = pcapFileHeader
	return head, nil
}

// pcapSound says whether a record's header can be one.
func (g *guard) pcapSound(head []byte) bool {
	captured, length := g.order.Uint32(head[8:]), g.order.Uint32(head[12:])
	return g.order.Uint32(head[4:]) < g.fraction && int64(captured) <= int64(g.snap) && captured <= length && length <= 1<<30
}

// pcapResumes says whether packets go on at the beginning of ahead: two headers
// in a row are sound, and their times near those before.
func (g *guard) pcapResumes(ahead []byte) bool {
	if len(ahead) < pcapRecordHeader || !g.pcapSound(ahead) || !g.near(ahead) || g.order.Uint32(ahead[12:]) == 0 {
		return false
	}
	second := pcapRecordHeader + int(g.order.Uint32(ahead[8:]))
	if len(ahead) < second+pcapRecordHeader {
		return len(ahead) == second
	}
	return g.pcapSound(ahead[second:]) && g.near(ahead[second:])
}

// near says whether a record is of the same hours as the one before.
func (g *guard) near(head []byte) bool {
	const hours = 24 * 3600
	at := g.order.Uint32(head)
	return g.seconds == 0 || at-g.seconds < hours || g.seconds-at < hours
}
