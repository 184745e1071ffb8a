package usbip

import (
	"encoding/binary"
	"io"
)

// Commands of an attached stream.
const (
	cmdSubmit = 1
	cmdUnlink = 2
	retSubmit = 3
	retUnlink = 4
)

const (
	headerSize  = 48
	maxTransfer = 1<<16 - 1 // bytes; a control request can have as many

	// What a transfer without packets says of their number: Linux 0, the
	// protocol's description -1.
	noPackets = 0xffffffff
)

// Statuses of a transfer, the negative error numbers of Linux.
const (
	statusDone     int32 = 0
	statusNoMemory int32 = -12
	statusStall    int32 = -32
	statusOverflow int32 = -75
	statusUnlinked int32 = -104
)

// urb is what the host sends, one transfer or its end.
type urb struct {
	seq      uint32
	unlink   bool
	victim   uint32 // the transfer to unlink
	in       bool
	endpoint uint32
	length   int // bytes of the host's buffer
	setup    [8]byte
	data     []byte // of a transfer OUT, until the next one is read
}

// address is the endpoint's address as in its descriptor.
func (u urb) address() uint32 {
	if u.in {
		return u.endpoint | directionIn
	}
	return u.endpoint
}

// urbReader reads the host's half of a stream.
type urbReader struct {
	r      io.Reader
	header [headerSize]byte
	data   [maxTransfer]byte
}

// next reads one command. io.EOF is the end between two. All errors of the
// protocol's own are a [*ProtocolError].
func (r *urbReader) next() (urb, error) {
	h := r.header[:]
	if _, err := io.ReadFull(r.r, h); err != nil {
		return urb{}, err
	}
	u := urb{
		seq:      binary.BigEndian.Uint32(h[4:]),
		in:       binary.BigEndian.Uint32(h[12:]) == 1,
		endpoint: binary.BigEndian.Uint32(h[16:]),
	}
	switch command := binary.BigEndian.Uint32(h); command {
	case cmdUnlink:
		u.unlink, u.victim = true, binary.BigEndian.Uint32(h[20:])
		return u, nil
	case cmdSubmit:
		return r.submit(u)
	default:
		return u, &ProtocolError{Fault: FaultCommand, Seq: u.seq, Got: command}
	}
}

// submit reads what is peculiar to CMD_SUBMIT.
func (r *urbReader) submit(u urb) (urb, error) {
	length := binary.BigEndian.Uint32(r.header[24:])
	packets := binary.BigEndian.Uint32(r.header[32:])
	switch {
	case packets != 0 && packets != noPackets:
		return u, &ProtocolError{Fault: FaultIsochronous, Seq: u.seq, Got: packets}
	case length > maxTransfer:
		return u, &ProtocolError{Fault: FaultLength, Seq: u.seq, Got: length}
	}
	u.length = int(length)
	copy(u.setup[:], r.header[40:])
	if u.in {
		return u, nil
	}
	u.data = r.data[:length]
	if _, err := io.ReadFull(r.r, u.data); err != nil {
		return u, noEOF(err)
	}
	return u, nil
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// appendSubmitted appends the end of a transfer: how many bytes were moved, and
// those themselves if they go to the host.
func appendSubmitted(b []byte, u urb, status int32, moved int, data []byte) []byte {
	b = appendHeader(b, retSubmit, u.seq, status)
	binary.BigEndian.PutUint32(b[len(b)-headerSize+24:], uint32(moved))
	return append(b, data...)
}

func appendUnlinked(b []byte, u urb, status int32) []byte {
	return appendHeader(b, retUnlink, u.seq, status)
}

func appendHeader(b []byte, command, seq uint32, status int32) []byte {
	var h [headerSize]byte
	binary.BigEndian.PutUint32(h[0:], command)
	binary.BigEndian.PutUint32(h[4:], seq)
	binary.BigEndian.PutUint32(h[20:], uint32(status))
	return append(b, h[:]...)
}
