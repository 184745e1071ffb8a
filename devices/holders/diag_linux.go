package holders

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// The kernel's messages about unix sockets: linux/netlink.h, linux/sock_diag.h
// and linux/unix_diag.h. Numbers are in the machine's own order.
const (
	netlinkHeader = 16 // length, type, flags, sequence, port
	diagHeader    = 16 // family, type, state, padding, inode, cookie
	diagRequested = 24 // family, protocol, padding, states, inode, show, cookie

	showPlace = 2 // UDIAG_SHOW_VFS
	showPeer  = 4 // UDIAG_SHOW_PEER
	attrPlace = 1 // UNIX_DIAG_VFS: inode, device
	attrPeer  = 2 // UNIX_DIAG_PEER: inode

	stateListen = 10 // TCP_LISTEN, which is every protocol's
)

// socket is a unix socket as the kernel describes it.
type socket struct {
	inode uint32
	state uint8
	place place  // of its file; a socket that was accepted has its listener's
	peer  uint32 // the inode of the other end, 0 if there is none
}

// place is where a socket's file is: a device and an inode on it.
type place struct{ dev, inode uint32 }

var errDiag = errors.New("the kernel's answer makes no sense")

// diagRequest asks for all unix sockets.
func diagRequest() []byte {
	b := make([]byte, netlinkHeader+diagRequested)
	n := binary.NativeEndian
	n.PutUint32(b, uint32(len(b)))
	n.PutUint16(b[4:], unix.SOCK_DIAG_BY_FAMILY)
	n.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	body := b[netlinkHeader:]
	body[0] = unix.AF_UNIX
	n.PutUint32(body[4:], ^uint32(0)) // sockets in every state
	n.PutUint32(body[12:], showPlace|showPeer)
	return b
}

// parseDiag reads one datagram of the kernel's answer, and tells whether it was
// the last one.
func parseDiag(b []byte) (all []socket, done bool, err error) {
	n := binary.NativeEndian
	for len(b) > 0 {
		if len(b) < netlinkHeader {
			return all, false, errDiag
		}
		size := uint64(n.Uint32(b))
		if size < netlinkHeader || size > uint64(len(b)) {
			return all, false, errDiag
		}
		body := b[netlinkHeader:size]
		switch n.Uint16(b[4:]) {
		case unix.NLMSG_DONE:
			return all, true, nil
		case unix.NLMSG_ERROR:
			return all, false, diagError(body)
		case unix.SOCK_DIAG_BY_FAMILY:
			s, err := parseSocket(body)
			if err != nil {
				return all, false, err
			}
			all = append(all, s)
		}
		b = b[min(align(size), uint64(len(b))):]
	}
	return all, false, nil
}

// align is where the next of netlink's pieces begins.
func align(n uint64) uint64 { return (n + 3) &^ 3 }

// diagError is the refusal in a message of type NLMSG_ERROR.
func diagError(body []byte) error {
	if len(body) < 4 {
		return errDiag
	}
	code := int32(binary.NativeEndian.Uint32(body))
	if code >= 0 {
		return errDiag
	}
	return fmt.Errorf("refused: %w", unix.Errno(-int64(code)))
}

func parseSocket(body []byte) (socket, error) {
	if len(body) < diagHeader {
		return socket{}, errDiag
	}
	n := binary.NativeEndian
	s := socket{state: body[2], inode: n.Uint32(body[4:])}
	for rest := body[diagHeader:]; len(rest) > 0; {
		if len(rest) < 4 {
			return socket{}, errDiag
		}
		size := uint64(n.Uint16(rest))
		if size < 4 || size > uint64(len(rest)) {
			return socket{}, errDiag
		}
		value := rest[4:size]
		switch kind := n.Uint16(rest[2:]); {
		case kind == attrPlace && len(value) >= 8:
			s.place = place{inode: n.Uint32(value), dev: n.Uint32(value[4:])}
		case kind == attrPeer && len(value) >= 4:
			s.peer = n.Uint32(value)
		}
		rest = rest[min(align(size), uint64(len(rest))):]
	}
	return s, nil
}
