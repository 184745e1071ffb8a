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
		seconds, size := g.order.Uint32(head), pcapRecordHeader+int(g.order.Uint32(head[8:]))
		if !g.pcapSound(head) || !near(g.seconds, seconds) && !g.pcapJumps(size) {
			if err := g.skip("no packet begins here", g.pcapResumes); err != nil {
				return nil, err
			}
			continue
		}
		g.seconds = seconds
		block, err := g.read(size)
		if readError(err) {
			return nil, err
		}
		if err != nil {
			g.cut("a packet", pcapRecordHeader)
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
	magic, ok := pcapMagics[binary.BigEndian.Uint32(head)]
	if !ok {
		return nil, ErrUnknown
	}
	g.order, g.fraction = magic.order, magic.fraction
	g.snap = min(max(int(g.order.Uint32(head[16:])), maxSnap), maxBlock)
	g.offset = pcapFileHeader
	return head, nil
}

// pcapSound says whether a record's header can be one.
func (g *guard) pcapSound(head []byte) bool {
	captured, length := g.order.Uint32(head[8:]), g.order.Uint32(head[12:])
	return g.order.Uint32(head[4:]) < g.fraction && int64(captured) <= int64(g.snap) && captured <= length && length > 0 && length <= 1<<30
}

// pcapJumps says whether a packet whose time is far from that of the one before
// is sound for all that: the next one, which begins behind its bytes, has its
// time too.
func (g *guard) pcapJumps(next int) bool {
	if next+pcapRecordHeader > g.in.Size() {
		return g.packets == 0
	}
	ahead, err := g.in.Peek(next + pcapRecordHeader)
	if err != nil {
		return len(ahead) == next || g.packets == 0
	}
	return g.pcapSound(ahead[next:]) && near(g.order.Uint32(ahead), g.order.Uint32(ahead[next:]))
}

// pcapResumes says whether packets go on at the beginning of ahead: two headers
// in a row are sound, and their times near those before.
func (g *guard) pcapResumes(ahead []byte) bool {
	if len(ahead) < pcapRecordHeader || !g.pcapSound(ahead) || g.packets > 0 && !near(g.seconds, g.order.Uint32(ahead)) {
		return false
	}
	second := pcapRecordHeader + int(g.order.Uint32(ahead[8:]))
	if len(ahead) < second+pcapRecordHeader {
		return len(ahead) == second
	}
	return g.pcapSound(ahead[second:]) && near(g.order.Uint32(ahead), g.order.Uint32(ahead[second:]))
}

// near says whether two times in seconds are of the same hours.
func near(a, b uint32) bool {
	const hours = 24 * 3600
	return a-b < hours || b-a < hours
}
