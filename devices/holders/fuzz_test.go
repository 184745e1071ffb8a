//go:build linux

package holders

import (
	"encoding/binary"
	"errors"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"
)

// message is one message of the kernel's, with its body filled up to the next
// place where one can begin.
func message(kind uint16, body []byte) []byte {
	b := make([]byte, netlinkHeader)
	binary.NativeEndian.PutUint32(b, uint32(netlinkHeader+len(body)))
	binary.NativeEndian.PutUint16(b[4:], kind)
	b = append(b, body...)
	return append(b, make([]byte, align(uint64(len(b)))-uint64(len(b)))...)
}

func attribute(kind uint16, values ...uint32) []byte {
	b := make([]byte, 4)
	binary.NativeEndian.PutUint16(b, uint16(4+4*len(values)))
	binary.NativeEndian.PutUint16(b[2:], kind)
	for _, v := range values {
		b = binary.NativeEndian.AppendUint32(b, v)
	}
	return b
}

// described is what the kernel says of a socket.
func described(s socket) []byte {
	b := make([]byte, diagHeader)
	b[0], b[1], b[2] = unix.AF_UNIX, unix.SOCK_STREAM, s.state
	binary.NativeEndian.PutUint32(b[4:], s.inode)
	b = append(b, 6, 0, 0, 0, 'a', 0, 0, 0) // a name of two bytes, filled up
	b = append(b, attribute(attrPlace, s.place.inode, s.place.dev)...)
	return append(b, attribute(attrPeer, s.peer)...)
}

func TestParseDiag(t *testing.T) {
	one := socket{inode: 10, state: 1, place: here, peer: 20}
	two := socket{inode: 11, state: stateListen, place: elsewhere}
	answer := append(message(unix.SOCK_DIAG_BY_FAMILY, described(one)), message(unix.SOCK_DIAG_BY_FAMILY, described(two))...)
	got, done, err := parseDiag(answer)
	if want := []socket{one, two}; err != nil || done || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, %v", got, done, err)
	}
	if _, done, err := parseDiag(message(unix.NLMSG_DONE, make([]byte, 4))); !done || err != nil {
		t.Errorf("the end: %v, %v", done, err)
	}
	code := -int32(unix.ENOENT)
	refused := message(unix.NLMSG_ERROR, binary.NativeEndian.AppendUint32(nil, uint32(code)))
	if _, _, err := parseDiag(refused); !errors.Is(err, unix.ENOENT) {
		t.Errorf("a kernel without unix_diag: %v", err)
	}
}

// TestParseDiagCut: no prefix of a message is taken for the whole.
func TestParseDiagCut(t *testing.T) {
	whole := message(unix.SOCK_DIAG_BY_FAMILY, described(socket{inode: 10, place: here, peer: 20}))
	for n := 1; n < len(whole); n++ {
		if got, _, err := parseDiag(whole[:n]); err == nil {
			t.Errorf("%d bytes: %+v", n, got)
		}
	}
}

// FuzzParseDiag: whatever comes from the socket is read to its end or refused.
func FuzzParseDiag(f *testing.F) {
	f.Add(message(unix.SOCK_DIAG_BY_FAMILY, described(socket{inode: 10, state: 1, place: here, peer: 20})))
	f.Add(message(unix.NLMSG_DONE, nil))
	f.Add(message(unix.NLMSG_ERROR, []byte{0xfe, 0xff, 0xff, 0xff}))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		all, done, err := parseDiag(b)
		if len(all)*(netlinkHeader+diagHeader) > len(b) || done && err != nil {
			t.Errorf("%d sockets from %d bytes, %v, %v", len(all), len(b), done, err)
		}
	})
}

// FuzzWithoutFiles: a program can give itself any name, and cannot pass for a
// thread of the kernel by it.
func FuzzWithoutFiles(f *testing.F) {
	f.Add("scdaemon")
	f.Add(") Z 0 0 0 0 -1 2129984 (")
	f.Add(") S 0 0 0 0 -1 2129984 ")
	f.Fuzz(func(t *testing.T, name string) {
		if withoutFiles("812 (" + name + ") S 1 1 1 0 -1 4194304 119 0\n") {
			t.Errorf("%q", name)
		}
		withoutFiles(name)
		realUser(name)
	})
}
