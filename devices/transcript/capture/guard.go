package capture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

const (
	// maxBlock bounds one packet. Linux's usbmon has at most 1.2 MB of one
	// transfer.
	maxBlock = 4 << 20

	// maxInterfaces bounds what a capture may declare.
	maxInterfaces = 1024

	// resumeAhead is how long a packet may be for reading to go on with it after
	// damage.
	resumeAhead = 64 << 10

	// maxPending bounds what is handed to the library without a packet in it.
	maxPending = 1 << 20
)

// guard stands between a capture and the library that reads it. It hands on
// what is well formed and passes over the rest with a remark, so that damage in
// the middle does not cost what comes after it, and no length that a file
// claims is believed. It knows which packet began where.
type guard struct {
	c       *collector
	in      *bufio.Reader
	next    func(*guard) ([]byte, error) // the next good part, or io.EOF
	order   binary.ByteOrder
	offset  int64 // of what is next in the file
	block   []byte
	part    []byte // of the block, not handed on yet
	places  []Place
	packets int
	damaged bool // the last part was
	pcapState
	ngState
}

// Read hands on the next good bytes.
func (g *guard) Read(p []byte) (int, error) {
	for len(g.part) == 0 {
		var err error
		if g.part, err = g.next(g); err != nil {
			return 0, err
		}
	}
	n := copy(p, g.part)
	g.part = g.part[n:]
	return n, nil
}

// packet takes note of where a packet begins that is handed on.
func (g *guard) packet() {
	g.packets++
	g.places = append(g.places, Place{Packet: g.packets, Offset: g.offset})
}

// place is where the packet was that the library has just returned.
func (g *guard) place() Place {
	if len(g.places) == 0 {
		return Place{Offset: g.offset}
	}
	p := g.places[0]
	g.places = g.places[1:]
	return p
}

// read reads a part of n bytes whole.
func (g *guard) read(n int) ([]byte, error) {
	if cap(g.block) < n {
		g.block = make([]byte, n, max(n, 64<<10))
	}
	g.block = g.block[:n]
	_, err := io.ReadFull(g.in, g.block)
	return g.block, err
}

// cut tells that the file ends inside something.
func (g *guard) cut(what string, have int) {
	g.c.remarkAt(Place{Packet: g.packets + 1, Offset: g.offset}, "the file ends inside %s, after %s of it", what, plural(have, "byte"))
}

// skip passes over bytes until what follows is sound, which is asked at each
// byte. It tells how many it passed over.
func (g *guard) skip(why string, sound func(ahead []byte) bool) error {
	from := g.offset
	for {
		ahead, err := g.in.Peek(g.in.Size())
		if len(ahead) == 0 {
			g.c.remarkAt(Place{Packet: g.packets + 1, Offset: from}, "%s; the rest of the file, %s, is left out", why, plural(int(g.offset-from), "byte"))
			if err == io.EOF {
				return io.EOF
			}
			return err
		}
		n, end := 1, len(ahead)
		if end == g.in.Size() {
			end -= resumeAhead // what begins there may end behind the buffer
		}
		for n < end && !sound(ahead[n:]) {
			n++
		}
		_, _ = g.in.Discard(n)
		g.offset += int64(n)
		if n < end {
			g.damaged = true
			g.c.remarkAt(Place{Packet: g.packets + 1, Offset: from}, "%s; %s are left out", why, plural(int(g.offset-from), "byte"))
			return nil
		}
	}
}

// readError is an error of reading the file that is no end of it.
func readError(err error) bool {
	return err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF)
}
