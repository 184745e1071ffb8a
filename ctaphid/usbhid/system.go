package usbhid

import (
	"fmt"
	"sync"
	"time"
)

// system is how the library behaves on an operating system.
type system struct {
	reportID bool          // wants a report ID in front of each report
	oneCall  bool          // must not read and write at the same time
	mute     bool          // its errors all have the same text
	queue    int           // reports that wait in it at most; then the oldest is dropped
	slice    time.Duration // how long a read waits, and so the most that Close waits for one
}

// systemFor returns the ways of an operating system by its GOOS.
//
// Where a report ID is wanted it is dropped again if it is zero, so that a bare
// packet on a channel that begins with a zero byte would lose that byte. On
// Windows the library puts one in front by itself.
//
// On macOS and Windows hidapi frees and sets one error text per device in both
// directions, so that a read and a write that fail together, as when a key is
// pulled out, would free it twice. The slice is short there because a write
// waits for it to end.
func systemFor(goos string) system {
	switch goos {
	case "windows":
		return system{oneCall: true, queue: 64, slice: 4 * time.Millisecond}
	case "darwin":
		return system{oneCall: true, queue: 32, slice: 4 * time.Millisecond, reportID: true}
	}
	return system{queue: 32, slice: 10 * time.Millisecond, reportID: true, mute: true}
}

// unexplained makes an [ErrUnexplained] of an error of the library, with its
// text if that says something.
func (s system) unexplained(err error) error {
	if s.mute {
		return ErrUnexplained
	}
	return fmt.Errorf("%w: %w", ErrUnexplained, err)
}

// frame appends a report to b as the library wants it.
func (s system) frame(b, report []byte) []byte {
	if s.reportID {
		b = append(b, 0)
	}
	return append(b, report...)
}

// oneCall keeps the calls of a handle apart. A write gets its turn after a slice
// of reading or two: the mutex is handed to whom has waited for a millisecond.
type oneCall struct {
	handle
	mu sync.Mutex
}

// Write sends b when no read is under way.
func (o *oneCall) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.handle.Write(b)
}

// ReadTimeout reads when no write is under way.
func (o *oneCall) ReadTimeout(b []byte, milliseconds int) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.handle.ReadTimeout(b, milliseconds)
}
