package vpcd

import (
	"io"
	"net"
	"syscall"
)

// prompt acknowledges what the reader sends at once. The driver sends length
// and body apart and the kernel holds the body back until the length is
// acknowledged, which takes 40 ms for each APDU unless one insists.
func prompt(conn io.Reader) io.Reader {
	if tcp, ok := conn.(*net.TCPConn); ok {
		return prompter{tcp}
	}
	return conn
}

type prompter struct{ conn *net.TCPConn }

// Read sets the option before every read: the kernel forgets it as it likes.
func (p prompter) Read(buf []byte) (int, error) {
	if raw, err := p.conn.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
		})
	}
	return p.conn.Read(buf)
}
