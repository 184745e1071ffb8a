package usbip

import (
	"errors"
	"fmt"
)

var (
	// ErrUnsupported says that this operating system has no virtual host
	// controller to plug a device into.
	ErrUnsupported = fmt.Errorf("virtual USB ports are a part of Linux: %w", errors.ErrUnsupported)

	// ErrNoVHCI says that the kernel's virtual host controller is not loaded.
	ErrNoVHCI = errors.New("no virtual USB ports: load them as root with \"modprobe vhci-hcd\"")

	// ErrNoPort says that something is plugged into every virtual port.
	ErrNoPort = errors.New("no virtual USB port is free")
)

// Attachment is a device that is plugged into this machine.
type Attachment struct {
	port  int
	pull  func()
	ended chan struct{} // closed when Serve has returned
	err   error         // what it said, valid after ended
}

// Port returns the number of the virtual port, by which "usbip port" and "usbip
// detach" know it.
func (a *Attachment) Port() int { return a.port }

// Close pulls the device out and waits until it has left its end. It returns
// what went wrong meanwhile, as [Attachment.Wait]. Closing twice does nothing
// more.
func (a *Attachment) Close() error {
	a.pull()
	return a.Wait()
}

// Wait waits until the device is out: pulled out by Close, or by the other end
// (both nil), because the key left (an error that wraps ctaphid.ErrGone), or
// because the kernel broke the protocol (a [*ProtocolError]).
func (a *Attachment) Wait() error {
	<-a.ended
	return a.err
}
