package capture

import (
	"bytes"
	"encoding/binary"
	"io"
)

// The blocks of a pcapng file that matter (draft-ietf-opsawg-pcapng §4).
const (
	ngSection    = 0x0a0d0d0a
	ngInterface  = 1
	ngPacket     = 2 // of early files
	ngSimple     = 3
	ngStatistics = 5 // of an interface
	ngEnhanced   = 6

	ngResolution = 9 // option of an interface: the unit of its times
	ngDropped    = 5 // options of statistics: packets lost by the interface
	ngLost       = 7 // and by the system

	ngMagic    = 0x1a2b3c4d
	ngOverhead = 12 // type and length before, length behind
)

// ngState is what a guard knows of a pcapng file.
type ngState struct {
	interfaces int // of the present section
	firstSnap  int // the most of a packet that the first of them keeps, 0 for all
	pending    int // bytes handed on since the last packet
}

// nextNg hands on block by block, of those that matter.
func nextNg(g *guard) ([]byte, error) {
	for {
		head, err := g.in.Peek(ngOverhead)
		if len(head) == 0 {
			return nil, err
		}
		if len(head) < ngOverhead {
			g.cut("a block", len(head))
			return nil, io.EOF
		}
		if order := ngOrder(head); order != nil {
			g.order = order
		} else if g.order == nil {
			return nil, ErrUnknown
		}
		kind, size := g.order.Uint32(head), int64(g.order.Uint32(head[4:]))
		switch {
		case size < ngOverhead || size%4 != 0:
			err = g.skip("no block begins here", g.ngResumes)
		case !g.ngMatters(kind):
			err = g.ngPass(size)
		case size > maxBlock:
			err = g.skip("the block is too long", g.ngResumes)
		default:
			block, err := g.ngBlock(kind, int(size))
			if err != nil || block != nil {
				return block, err
			}
		}
		if err != nil {
			return nil, err
		}
	}
}

// ngOrder is the byte order that a section header states, nil for what is none.
func ngOrder(head []byte) binary.ByteOrder {
	switch {
	case binary.BigEndian.Uint32(head) != ngSection:
	case binary.BigEndian.Uint32(head[8:]) == ngMagic:
		return binary.BigEndian
	case binary.LittleEndian.Uint32(head[8:]) == ngMagic:
		return binary.LittleEndian
	}
	return nil
}

func (g *guard) ngMatters(kind uint32) bool {
	switch kind {
	case ngSection, ngInterface, ngPacket, ngSimple, ngEnhanced:
		return true
	}
	return false
}

// ngPass passes over a block that does not matter, which may be long. Only one
// that ends where it says is one.
func (g *guard) ngPass(size int64) error {
	if size <= int64(g.in.Size()) {
		block, err := g.in.Peek(int(size))
		if err == nil && int64(g.order.Uint32(block[size-4:])) != size {
			return g.skip("no block begins here", g.ngResumes)
		}
		if err == nil && g.order.Uint32(block) == ngStatistics && size >= 24 {
			g.ngDrops(block[20 : size-4])
		}
	}
	n, err := io.CopyN(io.Discard, g.in, size)
	if err == io.EOF {
		g.cut("a block", int(n))
	}
	g.offset += n
	return err
}

// ngDrops tells what the capturing program says that it missed.
func (g *guard) ngDrops(options []byte) {
	for len(options) >= 4 {
		code, size := g.order.Uint16(options), int(g.order.Uint16(options[2:]))
		padded := (size + 3) &^ 3
		if code == 0 || len(options) < 4+padded {
			return
		}
		if n := options[4:]; (code == ngDropped || code == ngLost) && size == 8 && g.order.Uint64(n) > 0 {
			g.c.remarkAt(Place{Packet: g.packets + 1, Offset: g.offset}, "the capture says that it lacks %d packets, which were dropped", g.order.Uint64(n))
		}
		options = options[4+padded:]
	}
}

// ngBlock reads a block that matters, nil if it is not sound.
func (g *guard) ngBlock(kind uint32, size int) ([]byte, error) {
	if size <= g.in.Size() {
		if ahead, err := g.in.Peek(size); err == nil && !g.ngSound(kind, ahead) {
			return nil, g.skip("the block is damaged", g.ngResumes)
		}
	}
	block, err := g.read(size)
	if readError(err) {
		return nil, err
	}
	if err != nil {
		g.cut("a block", ngOverhead)
		return nil, io.EOF
	}
	at := g.offset
	g.offset += int64(size)
	if !g.ngSound(kind, block) {
		g.c.remarkAt(Place{Packet: g.packets + 1, Offset: at}, "the block is damaged and is left out")
		return nil, nil
	}
	g.offset = at
	block = g.ngCount(kind, block)
	g.offset += int64(size)
	return block, g.ngLimits(kind)
}

// ngCount takes note of a block, and returns what of it is handed on.
func (g *guard) ngCount(kind uint32, block []byte) []byte {
	g.pending += len(block)
	switch kind {
	case ngSection:
		g.interfaces = 0
		block[14], block[15] = 0, 0 // minor versions say nothing, and the library knows only 0
	case ngInterface:
		if g.interfaces++; g.interfaces == 1 {
			g.firstSnap = int(g.order.Uint32(block[12:]))
		}
		return g.ngPlain(block)
	default:
		g.pending = 0
		g.packet()
	}
	return block
}

// ngPlain takes options that are damaged off the description of an interface.
// Without the rest of it all its packets were lost.
func (g *guard) ngPlain(block []byte) []byte {
	if soundOptions(g.order, block[16:len(block)-4]) {
		return block
	}
	g.c.remarkAt(Place{Packet: g.packets + 1, Offset: g.offset}, "the options of an interface are damaged and are left out; times may be wrong")
	block = block[:20]
	g.order.PutUint32(block[4:], 20)
	g.order.PutUint32(block[16:], 20)
	return block
}

// ngLimits ends a file that declares without end.
func (g *guard) ngLimits(kind uint32) error {
	if g.interfaces > maxInterfaces || g.pending > maxPending && kind != ngSection {
		g.c.remarkAt(Place{Packet: g.packets + 1, Offset: g.offset}, "the file declares more than a capture can have; the rest is left out")
		return io.EOF
	}
	return nil
}

// ngSound says whether a block is what it says.
func (g *guard) ngSound(kind uint32, block []byte) bool {
	size := len(block)
	if int(g.order.Uint32(block[size-4:])) != size {
		return false
	}
	switch kind {
	case ngSection:
		return size >= 28 && ngOrder(block) != nil && g.order.Uint16(block[12:]) == 1
	case ngInterface:
		return size >= 20
	case ngSimple:
		return size >= 16 && g.interfaces > 0 && g.ngSimpleSound(block)
	case ngPacket:
		return g.ngPacketSound(block, int(g.order.Uint16(block[8:])))
	}
	return g.ngPacketSound(block, int(g.order.Uint32(block[8:])))
}

// ngSimpleSound says whether a block that does not say how much of its packet
// it keeps has room for what it must keep.
func (g *guard) ngSimpleSound(block []byte) bool {
	kept := int64(g.order.Uint32(block[8:]))
	if g.firstSnap > 0 {
		kept = min(kept, int64(g.firstSnap))
	}
	return kept <= int64(len(block)-16)
}

func (g *guard) ngPacketSound(block []byte, on int) bool {
	if len(block) < 32 || on < 0 || on >= g.interfaces {
		return false
	}
	captured := int64(g.order.Uint32(block[20:]))
	end := 28 + (captured+3)&^3
	return end <= int64(len(block)-4) && soundOptions(g.order, block[end:len(block)-4])
}

// soundOptions says whether the options at the end of a block fit into it.
func soundOptions(order binary.ByteOrder, options []byte) bool {
	for len(options) >= 4 {
		code, size := order.Uint16(options), (int(order.Uint16(options[2:]))+3)&^3
		if code == 0 {
			return size == 0
		}
		if len(options) < 4+size || code == ngResolution && size > 0 && !soundResolution(options[4]) {
			return false
		}
		options = options[4+size:]
	}
	return len(options) == 0
}

// soundResolution says whether a unit of time is one that the library can count
// in: 10^-n seconds, or with the upper bit 2^-n.
func soundResolution(b byte) bool { return b <= 18 || b >= 0x80 && b <= 0x80+63 }

// ngResumes says whether a sound block begins at the beginning of ahead.
func (g *guard) ngResumes(ahead []byte) bool {
	if len(ahead) < ngOverhead {
		return false
	}
	if order := ngOrder(ahead); order != nil {
		size := int64(order.Uint32(ahead[4:]))
		return size >= 28 && size <= int64(len(ahead)) && bytes.Equal(ahead[size-4:size], ahead[4:8])
	}
	kind, size := g.order.Uint32(ahead), int64(g.order.Uint32(ahead[4:]))
	return g.ngMatters(kind) && size >= ngOverhead && size%4 == 0 && size <= int64(len(ahead)) && g.ngSound(kind, ahead[:size])
}
