// Package discover finds security keys on all backends, USB and NFC, and opens
// them. It tells "there is no key" from "I could not look", and says of
// everything that looks like a key and cannot be used why, and what to do.
//
//	found := discover.List(ctx, discover.Options{})
//	for _, f := range found.Failures {
//		log.Printf("%s: %v (%s)", f.Backend, f.Reason, f.Hint)
//	}
//	if len(found.Devices) == 1 {
//		link, err := discover.Open(ctx, found.Devices[0])
//		if err != nil {
//			return fmt.Errorf("%w (%s)", err, discover.Hint(err))
//		}
//		key, err := devices.Connect(ctx, link, devices.Options{})
//		...
//	}
//
// Listing opens nothing, so that it disturbs nobody. It follows that a card on
// a reader is only a candidate: whether it is a key shows when it answers the
// SELECT of the FIDO applet.
package discover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/touchstone-fido/touchstone/devices"
)

// Backends, as [devices.Info] names them.
const (
	Hidraw = "hidraw"
	USBHID = "usbhid"
	PCSC   = "pcsc"
)

// ErrBackend says that a backend is none of this package's.
var ErrBackend = errors.New("no such backend")

// Options say where to look. The zero value looks everywhere, the usual way.
type Options struct {
	// HIDBackend is [Hidraw] or [USBHID]. Empty is hidraw on Linux and usbhid
	// elsewhere.
	HIDBackend string
	// Root is where /sys and /dev are. Empty is the real ones.
	Root string

	sources []source // instead of the real ones
}

// source is a place to look for keys.
type source struct {
	backend string
	list    func(ctx context.Context) ([]candidate, error)
	open    func(ctx context.Context, info devices.Info) (devices.Link, error)

	// watch calls changed whenever list may have another answer, until ctx ends
	// or it cannot any longer. Without it, and then, poll is how often to list.
	watch func(ctx context.Context, changed func()) error
	poll  time.Duration
}

// candidate is what may be a key, with the reason why it cannot be used.
type candidate struct {
	info devices.Info
	err  error
}

// List looks on all backends at the same time. What one of them fails at, or
// is not ready with when ctx ends, is a [devices.Failure] and hides nothing of
// the others.
func List(ctx context.Context, o Options) devices.Listing {
	sources := o.places()
	answers := make([]<-chan answer, len(sources))
	for i, s := range sources {
		answers[i] = s.ask(ctx)
	}
	var l devices.Listing
	for i, s := range sources {
		a := await(ctx, answers[i])
		if a.err == nil {
			l.Looked = append(l.Looked, s.backend)
		} else {
			l.Failures = append(l.Failures, devices.Failure{Backend: s.backend, Reason: a.err, Hint: Hint(a.err)})
		}
		place(&l, a.found)
	}
	return l
}

// places are the sources to look at.
func (o Options) places() []source {
	if o.sources != nil {
		return o.sources
	}
	return o.realSources()
}

type answer struct {
	found []candidate
	err   error
}

// ask starts looking. The goroutine ends when the backend answers, even if
// nobody wants to know any more.
func (s source) ask(ctx context.Context) <-chan answer {
	c := make(chan answer, 1)
	go func() {
		found, err := s.list(ctx)
		c <- answer{found, err}
	}()
	return c
}

func await(ctx context.Context, c <-chan answer) answer {
	select {
	case a := <-c:
		return a
	case <-ctx.Done():
	}
	select {
	case a := <-c: // it had answered, too
		return a
	default:
		return answer{err: fmt.Errorf("no answer in time: %w", context.Cause(ctx))}
	}
}

// place puts every candidate where it belongs.
func place(l *devices.Listing, found []candidate) {
	for _, c := range found {
		if c.err == nil {
			l.Devices = append(l.Devices, c.info)
		} else {
			l.LeftOut = append(l.LeftOut, leftOut(c.info, c.err))
		}
	}
}

func leftOut(info devices.Info, err error) devices.LeftOut {
	return devices.LeftOut{Info: info, Reason: err, Hint: Hint(err)}
}

// Open opens a key that [List] found, or one of which the backend and the path
// are known. [Hint] says what to do about an error.
func Open(ctx context.Context, info devices.Info) (devices.Link, error) {
	return open(ctx, []source{hidrawSource(""), usbhidSource(""), pcscSource(realPCSC)}, info)
}

func open(ctx context.Context, sources []source, info devices.Info) (devices.Link, error) {
	for _, s := range sources {
		if s.backend != info.Backend {
			continue
		}
		link, err := s.open(ctx, info)
		if err != nil {
			return devices.Link{}, err
		}
		link.Info = info
		return link, nil
	}
	return devices.Link{}, fmt.Errorf("open %s: %w: %q", info.Path, ErrBackend, info.Backend)
}
