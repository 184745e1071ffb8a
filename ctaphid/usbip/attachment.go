package usbip

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// maxWaiting is how many transfers may wait on one endpoint for something to
// report. Linux's HID driver has one under way.
const maxWaiting = 64

// Serve plugs the device into the host at the other end of stream, where a
// handshake has been, and works it until the host hangs up (nil), ctx ends (its
// cause), the key leaves (an error that wraps [ctaphid.ErrGone]) or the bytes
// make no sense (a [*ProtocolError]). It closes stream, which pulls the device
// out. [ErrBusy] says that it is plugged in elsewhere.
//
// The key's PowerCycle is called before and after. A host that stops reading
// holds Serve up, and costs no more memory than one that does not.
func (d *Device) Serve(ctx context.Context, stream io.ReadWriteCloser) error {
	if !d.claim() {
		return errors.Join(fmt.Errorf("usbip: %w", ErrBusy), stream.Close())
	}
	return d.serve(ctx, stream)
}

// serve is Serve by who has claimed the device.
func (d *Device) serve(ctx context.Context, stream io.ReadWriteCloser) error {
	defer d.attached.Store(false)
	d.powerCycle()
	defer d.powerCycle()
	conn := d.key.Connect()
	defer conn.Close()
	a := newAttachment(ctx, d, conn, stream)
	defer a.end(nil)
	stop := context.AfterFunc(a.ctx, func() { stream.Close() })
	defer stop()

	pumped := make(chan struct{})
	go func() {
		defer close(pumped)
		a.end(a.pump())
	}()
	a.end(a.listen())
	<-pumped
	return a.verdict(ctx)
}

// attachment is a device in a host's port.
type attachment struct {
	device *Device
	conn   ctaphid.ReportConn
	stream io.ReadWriteCloser
	ctx    context.Context // ends, with the reason, when something ends the attachment
	end    context.CancelCauseFunc

	// What control requests set. The goroutine that listens owns it.
	configured byte
	idle       [2]byte // by interface
	protocol   byte    // of the keyboard: 0 boot, 1 report

	mu      sync.Mutex    // also held while a message is written, so that they keep their order
	waiting [3][]urb      // transfers IN, by endpoint
	arrived chan struct{} // tells the pump of one on the FIDO endpoint
	out     []byte        // one message
}

func newAttachment(ctx context.Context, d *Device, conn ctaphid.ReportConn, stream io.ReadWriteCloser) *attachment {
	a := &attachment{device: d, conn: conn, stream: stream, protocol: 1, arrived: make(chan struct{}, 1)}
	a.ctx, a.end = context.WithCancelCause(ctx)
	return a
}

// errHungUp is the end that the host gave.
var errHungUp = errors.New("the host hung up")

// hungUp tells a host that hung up, between two commands or while it was
// written to, from other failures.
func hungUp(err error) error {
	for _, e := range []error{io.EOF, io.ErrClosedPipe, syscall.EPIPE, syscall.ECONNRESET} {
		if errors.Is(err, e) {
			return errHungUp
		}
	}
	return err
}

// verdict is what Serve says, after all goroutines have said why they ended.
func (a *attachment) verdict(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := context.Cause(a.ctx); !errors.Is(err, errHungUp) {
		return err
	}
	return nil
}

// listen deals with what the host sends, one command after the other.
func (a *attachment) listen() error {
	in := &urbReader{r: bufio.NewReader(a.stream)}
	for a.ctx.Err() == nil {
		u, err := in.next()
		if err == nil {
			err = a.take(u)
		}
		if err != nil {
			return hungUp(err)
		}
	}
	return nil
}

func (a *attachment) take(u urb) error {
	switch {
	case u.unlink:
		a.unlink(u)
	case u.endpoint == endpointControl:
		a.control(u)
	case u.endpoint >= uint32(len(a.waiting)), !a.device.hasEndpoint(u.address()):
		return &ProtocolError{Fault: FaultEndpoint, Seq: u.seq, Got: u.address()}
	case u.in:
		a.wait(u)
	default:
		a.outputs(u)
	}
	return nil
}

// outputs hands the key the packets of a transfer OUT.
func (a *attachment) outputs(u urb) {
	for rest := u.data; len(rest) > 0; {
		n := min(len(rest), a.device.size)
		a.output(rest[:n])
		rest = rest[n:]
	}
	a.finish(u, statusDone, len(u.data), nil)
}

// output hands the key a report. A packet of another size is lost, as in keys
// that count what they get.
func (a *attachment) output(packet []byte) {
	if len(packet) != a.device.size {
		return
	}
	if err := a.conn.WriteReport(a.ctx, packet); err != nil {
		a.end(err)
	}
}

// wait keeps a transfer until there is something to report.
func (a *attachment) wait(u urb) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting[u.endpoint]) == maxWaiting {
		a.write(appendSubmitted(a.out[:0], u, statusNoMemory, 0, nil))
		return
	}
	a.waiting[u.endpoint] = append(a.waiting[u.endpoint], u)
	if u.endpoint == endpointFIDO {
		select {
		case a.arrived <- struct{}{}:
		default:
		}
	}
}

// unlink takes a transfer back. One that is done has had its message before, and
// this says so by a status of 0.
func (a *attachment) unlink(u urb) {
	a.mu.Lock()
	defer a.mu.Unlock()
	status := statusDone
	for endpoint, list := range a.waiting {
		for i, w := range list {
			if w.seq == u.victim {
				a.waiting[endpoint] = append(list[:i], list[i+1:]...)
				status = statusUnlinked
				break
			}
		}
	}
	a.write(appendUnlinked(a.out[:0], u, status))
}

// finish tells the host that a transfer is done.
func (a *attachment) finish(u urb, status int32, moved int, data []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.write(appendSubmitted(a.out[:0], u, status, moved, data))
}

// write sends one message, in one piece. The caller holds the mutex.
func (a *attachment) write(message []byte) {
	a.out = message
	if _, err := a.stream.Write(message); err != nil {
		a.end(hungUp(err))
	}
}

// pump carries the key's reports to the host, no faster than the pace.
func (a *attachment) pump() error {
	report := make([]byte, a.device.size)
	for {
		n, err := a.conn.ReadReport(a.ctx, report)
		if err == nil {
			err = a.deliver(report[:n])
		}
		if err == nil {
			err = a.pause()
		}
		if err != nil {
			return err
		}
	}
}

// deliver ends the oldest transfer that waits on the FIDO endpoint with a
// report, and waits for one if need be.
func (a *attachment) deliver(report []byte) error {
	for !a.delivered(report) {
		select {
		case <-a.arrived:
		case <-a.ctx.Done():
			return context.Cause(a.ctx)
		}
	}
	return nil
}

// delivered reports whether there was a transfer to end. A buffer too small for
// the packet gets none of it: that is babble on a bus.
func (a *attachment) delivered(report []byte) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.waiting[endpointFIDO]
	if len(list) == 0 {
		return false
	}
	u := list[0]
	a.waiting[endpointFIDO] = append(list[:0], list[1:]...)
	if u.length < len(report) {
		a.write(appendSubmitted(a.out[:0], u, statusOverflow, 0, nil))
		return true
	}
	a.write(appendSubmitted(a.out[:0], u, statusDone, len(report), report))
	return true
}

func (a *attachment) pause() error {
	if a.device.pace < 0 {
		return nil
	}
	timer := time.NewTimer(a.device.pace)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-a.ctx.Done():
		return context.Cause(a.ctx)
	}
}
