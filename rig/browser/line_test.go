//go:build linux

package browser

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// pollFull is how often a line is asked whether the browser has read.
const pollFull = 200 * time.Microsecond

// line is a terminal that changes nothing of what passes. It is what the browser
// gets when it opens a device node.
type line struct {
	tty  *os.File // the browser's end, kept open so that ours outlives it
	ptmx *os.File // ours

	key   ctaphid.ReportConn // at the other end, nil while nobody has picked up
	stop  func()             // the key's answers
	ended chan error         // when the key has all that the browser wrote; its fault
}

func openLine() (*line, error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	l := &line{ptmx: os.NewFile(uintptr(fd), "/dev/ptmx")}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		l.tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err == nil {
		_, err = term.MakeRaw(int(l.tty.Fd()))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("terminal: %w", err), l.ptmx.Close(), l.tty.Close())
	}
	return l, nil
}

// carry carries reports between the browser and a key, until one of the two is
// gone.
func (l *line) carry(key ctaphid.ReportConn) {
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	l.key, l.ended, l.stop = key, make(chan error, 1), func() {
		cancel()
		<-stopped
	}
	go func() { l.ended <- l.toKey() }()
	go func() {
		defer close(stopped)
		l.toBrowser(ctx)
	}()
}

// browserGone ends a line that the browser has closed. What it wrote before still
// goes to the key.
func (l *line) browserGone() error {
	l.stop()
	err := l.tty.Close() // when that was read, our end ends
	return errors.Join(err, <-l.ended, l.ptmx.Close(), l.key.Close())
}

// keyGone ends a line that the browser may have open.
func (l *line) keyGone() error {
	if l.key == nil {
		return errors.Join(l.tty.Close(), l.ptmx.Close())
	}
	l.stop()
	err := errors.Join(l.tty.Close(), l.ptmx.Close())
	return errors.Join(err, <-l.ended, l.key.Close())
}

// toKey carries what the browser writes: a report ID of zero and a report. The
// error is what it writes that is no report.
func (l *line) toKey() error {
	report := make([]byte, 1+ctaphid.ReportSize)
	for {
		if _, err := io.ReadFull(l.ptmx, report); err != nil {
			return nil // one of the two is gone
		}
		if report[0] != 0 {
			return fmt.Errorf("the browser wrote a report that begins with %x", report[:8])
		}
		if err := l.key.WriteReport(context.Background(), report[1:]); err != nil {
			return nil
		}
	}
}

// toBrowser carries what the key says, one report at a time: a terminal does not
// keep them apart.
func (l *line) toBrowser(ctx context.Context) {
	report := make([]byte, ctaphid.ReportSize)
	for {
		if _, err := l.key.ReadReport(ctx, report); err != nil {
			return
		}
		if l.awaitRead(ctx) != nil {
			return
		}
		if _, err := l.ptmx.Write(report); err != nil {
			return
		}
	}
}

// awaitRead waits until the browser has read all that there was.
func (l *line) awaitRead(ctx context.Context) error {
	tick := time.NewTicker(pollFull)
	defer tick.Stop()
	for {
		waiting, err := unix.IoctlGetInt(int(l.tty.Fd()), unix.TIOCINQ)
		if err != nil || waiting == 0 {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
