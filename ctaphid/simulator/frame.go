package simulator

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"time"
)

// carrier is how reports travel on a socket.
type carrier interface {
	// read reads one report into p, which has room for it. What has come of it
	// when ctx ends is kept for the next read.
	read(ctx context.Context, p []byte) (int, error)
	// frame is a report as it is sent, in one piece. It is valid until the next
	// call.
	frame(report []byte) []byte
}

// datagrams carries a report in each.
type datagrams struct {
	sock net.Conn
	size int
	end  func(time.Time) error // sock's read deadline
	buf  []byte
}

func newDatagrams(sock net.Conn, size int) *datagrams {
	return &datagrams{sock: sock, size: size, end: sock.SetReadDeadline, buf: make([]byte, maxDatagram)}
}

func (d *datagrams) read(ctx context.Context, p []byte) (int, error) {
	release := endWith(ctx, d.end)
	n, err := d.sock.Read(d.buf)
	release()
	switch {
	case err != nil:
		return 0, err
	case n != d.size:
		return 0, &FrameError{Got: n, Want: d.size}
	}
	return copy(p, d.buf[:n]), nil
}

func (d *datagrams) frame(report []byte) []byte { return report }

// lengthSize is the bytes of the length before a report.
const lengthSize = 2

// stream carries reports one after the other, each after its length.
type stream struct {
	size  int
	limit time.Duration         // for the rest of a frame
	end   func(time.Time) error // the socket's read deadline
	in    *bufio.Reader         // keeps what has come of a frame
	out   []byte

	// A peer that sends length and report apart, and does not insist on sending
	// small pieces, holds one back until the one before is acknowledged, which
	// takes 40 ms unless one is prompt. For one that sends whole frames that
	// would be a waste.
	apart       bool
	acknowledge func()
}

func newStream(sock net.Conn, size int, limit time.Duration) *stream {
	whole := lengthSize + size
	return &stream{
		size: size, limit: limit, end: sock.SetReadDeadline, acknowledge: promptly(sock),
		in:  bufio.NewReaderSize(sock, whole*max(1, 1<<12/whole)), // whole frames do not end in the middle
		out: make([]byte, 0, whole),
	}
}

func (s *stream) frame(report []byte) []byte {
	s.out = binary.BigEndian.AppendUint16(s.out[:0], uint16(len(report)))
	s.out = append(s.out, report...)
	return s.out
}

func (s *stream) read(ctx context.Context, p []byte) (int, error) {
	if err := s.fill(ctx, 1); err != nil {
		return 0, err
	}
	report, _, err := s.next()
	if report == nil && err == nil {
		report, err = s.rest(ctx)
	}
	if err != nil {
		return 0, err
	}
	n := copy(p, report)
	_, err = s.in.Discard(lengthSize + len(report))
	return n, err
}

// next is the report at the front of what has come, nil as long as more of it
// has to: then want is how many bytes to have before the next look.
func (s *stream) next() (report []byte, want int, err error) {
	here := s.in.Buffered()
	if here < lengthSize {
		return nil, lengthSize, nil
	}
	head, err := s.in.Peek(lengthSize)
	if err != nil {
		return nil, 0, err
	}
	n := int(binary.BigEndian.Uint16(head))
	if n == 0 || n > s.size {
		return nil, 0, &FrameError{Got: n, Want: s.size}
	}
	if here < lengthSize+n {
		return nil, lengthSize + n, nil
	}
	whole, err := s.in.Peek(lengthSize + n)
	return whole[lengthSize:], 0, err
}

// rest waits for the rest of a frame, which has a limit: it was sent in one go.
func (s *stream) rest(ctx context.Context) ([]byte, error) {
	limited, stop := context.WithTimeout(ctx, s.limit)
	defer stop()
	s.apart = true
	for {
		report, want, err := s.next()
		if report != nil || err != nil {
			return report, err
		}
		err = s.fill(limited, want)
		if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
			return nil, &FrameError{Got: s.in.Buffered(), Want: want, Waited: s.limit}
		}
		if err != nil {
			return nil, err
		}
	}
}

// fill waits until n bytes are here, or ctx ends.
func (s *stream) fill(ctx context.Context, n int) error {
	if s.in.Buffered() >= n {
		return nil
	}
	if s.apart {
		s.acknowledge()
	}
	release := endWith(ctx, s.end)
	_, err := s.in.Peek(n)
	release()
	return err
}

var longAgo = time.Unix(1, 0)

// endWith makes a read or write end when ctx does, by its deadline. The function
// that it returns must follow it, and leaves neither a goroutine nor a deadline
// behind.
func endWith(ctx context.Context, deadline func(time.Time) error) (release func()) {
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = deadline(longAgo) // of a closed socket, whose reads and writes end by themselves
		close(ended)
	})
	return func() {
		if !stop() {
			<-ended
			_ = deadline(time.Time{})
		}
	}
}
