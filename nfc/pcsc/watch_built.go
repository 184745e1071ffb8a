//go:build windows || (cgo && darwin) || (cgo && pcsc && (linux || freebsd))

package pcsc

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/ebfe/scard"
)

var newWatcher = watchService

// serviceWatcher is a context of the service that does nothing but wait.
type serviceWatcher struct {
	ctx   *scard.Context
	mark  string
	known []scard.ReaderState
}

// newReaders is the reader that is none: its state counts the readers.
const newReaders = `\\?PnP?\Notification`

var watchers atomic.Uint64

func watchService() (watcher, error) {
	if runtime.GOOS == "darwin" {
		return nil, fmt.Errorf("new readers on macOS: %w", errors.ErrUnsupported)
	}
	ctx, err := scard.EstablishContext()
	if err != nil {
		return nil, kind(err)
	}
	w := &serviceWatcher{ctx: ctx, mark: markOf(runtime.GOOS, watchers.Add(1))}
	if err := w.learn(); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// markOf is what the names of readers get at their end in a watcher's calls.
// The binding keeps the C string of one call alive for each name, so that a
// call on the same reader elsewhere would free the string of one that waits;
// after a zero byte C does not look at it. Windows has read the name when it
// begins to wait.
func markOf(goos string, watcher uint64) string {
	if goos == "windows" {
		return ""
	}
	return fmt.Sprintf("\x00%d", watcher)
}

// learn takes note of the readers and their states.
func (w *serviceWatcher) learn() error {
	list, err := names(w.ctx)
	if err != nil {
		return err
	}
	w.known = nil
	for _, name := range list {
		w.known = append(w.known, scard.ReaderState{Reader: name + w.mark, CurrentState: scard.StateUnaware})
	}
	if len(list) > 0 {
		err = w.ctx.GetStatusChange(w.known, 0)
	}
	if err != nil && !errors.Is(err, scard.ErrTimeout) {
		return kind(err)
	}
	for i := range w.known {
		w.known[i].CurrentState = w.known[i].EventState &^ scard.StateChanged
	}
	count := scard.StateFlag(len(list)) << 16
	w.known = append(w.known, scard.ReaderState{Reader: newReaders + w.mark, CurrentState: count})
	return nil
}

func (w *serviceWatcher) next() error {
	const forEver = -1
	err := w.ctx.GetStatusChange(w.known, forEver)
	switch {
	case err == nil, errors.Is(err, scard.ErrTimeout), errors.Is(err, scard.ErrUnknownReader):
		return w.learn()
	case errors.Is(err, scard.ErrCommError):
		return fmt.Errorf("%w (%w)", ErrNoService, err) // it stopped: no card is in play
	}
	return kind(err)
}

func (w *serviceWatcher) cancel() { _ = w.ctx.Cancel() }

func (w *serviceWatcher) close() { _ = w.ctx.Release() }
