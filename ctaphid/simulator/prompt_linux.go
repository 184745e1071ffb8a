package simulator

import (
	"net"

	"golang.org/x/sys/unix"
)

// promptly returns what acknowledges at once what came over TCP. The kernel
// forgets the option as it likes, so that it has to be set for every read.
func promptly(sock net.Conn) (acknowledge func()) {
	if tcp, ok := sock.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			return func() { _ = raw.Control(quickly) }
		}
	}
	return func() {}
}

func quickly(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) }
