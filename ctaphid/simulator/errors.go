package simulator

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// kind is a way for the other end not to be there: a [ctaphid.ErrGone].
type kind string

// Error is the text.
func (k kind) Error() string { return string(k) }

// Is makes every kind a [ctaphid.ErrGone].
func (k kind) Is(target error) bool { return target == ctaphid.ErrGone }

// Kinds of failure, for errors.Is, beside those of ctaphid. Both are a
// [ctaphid.ErrGone] too.
var (
	// ErrNotRunning says that nobody listens at the address. Over TCP [Dial]
	// finds out, over UDP the first read.
	ErrNotRunning error = kind("could not connect: is the simulator running?")
	// ErrGone says that the other end was there and hung up.
	ErrGone error = kind("the simulator is gone")
)

// Error is every error of this package but a context's cause, which is returned
// as it is.
type Error struct {
	Op      string // "dial", "read", "write" or "serve"
	Network string // "udp" or "tcp"
	Address string // of the other end; of "serve", one's own
	Err     error  // wraps a kind, a [FrameError], or what the system said
}

// Error says what was being done, where, and the reason.
func (e *Error) Error() string {
	return fmt.Sprintf("simulator: %s %s %s: %v", e.Op, e.Network, e.Address, e.Err)
}

// Unwrap gives the reason.
func (e *Error) Unwrap() error { return e.Err }

// FrameError says that what came is no report: a datagram that is not of its
// size, a TCP frame whose length is 0 or more than it, or a frame that began and
// does not end. It is a [ctaphid.ErrProtocol].
type FrameError struct {
	// Got and Want are bytes: of the report; of a frame that does not end, with
	// the bytes of its length.
	Got, Want int
	// Waited is how long the rest of a frame did not come, zero if the size is
	// what is wrong.
	Waited time.Duration
}

// Error says what is wrong and by how much.
func (e *FrameError) Error() string {
	if e.Waited > 0 {
		return fmt.Sprintf("report breaks off: %d of %d bytes, and no more in %v", e.Got, e.Want, e.Waited)
	}
	return fmt.Sprintf("report of %d bytes, want %d", e.Got, e.Want)
}

// Unwrap makes it a [ctaphid.ErrProtocol].
func (e *FrameError) Unwrap() error { return ctaphid.ErrProtocol }

// isGone tells the errors that mean a peer that hung up or is not there, or a
// connection given up in the middle of a report.
func isGone(err error) bool {
	return isAny(err, lost) || isRefused(err) || isAny(err, []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed})
}

// isRefused tells the errors that mean a port without anybody behind it.
func isRefused(err error) bool { return isAny(err, refused) }

func isAny(err error, of []error) bool {
	return slices.ContainsFunc(of, func(e error) bool { return errors.Is(err, e) })
}

// bare takes away what the system's error says of the socket; [Error] says it.
func bare(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
