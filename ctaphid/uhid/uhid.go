// Package uhid puts a security key into the HID subsystem of Linux, by way of
// /dev/uhid: the kernel makes a hidraw node for it, as for one on USB, and every
// program that opens such a node finds the key. There is no USB device behind
// it, so that programs which go by the bus itself, such as those of libusb, do
// not; package usbip is for them. The protocol is that of
// Documentation/hid/uhid.rst in Linux.
//
// The kernel keeps 32 reports that programs have written, and loses what comes
// before some of them are read, without a word to anybody: on a busy machine a
// request of more than 32 packets, 1,886 bytes, may end with ERR_MSG_TIMEOUT.
// USB/IP loses nothing.
//
//	key := ctaphid.NewDevice(authenticator, ctaphid.DeviceConfig{})
//	plug, err := uhid.Attach(key, uhid.Config{Name: "Software key"})
//	if err != nil {
//		return err
//	}
//	...
//	err = plug.Close() // and out again
package uhid

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// Node is what the kernel speaks uhid on.
const Node = "/dev/uhid"

// Key is what is plugged in, such as [*ctaphid.Device]. One that also has the
// method PowerCycle() learns when it is plugged in and when it is pulled out.
type Key interface {
	// Connect opens the key for one attachment, which closes it at its end.
	Connect() ctaphid.ReportConn
}

// DefaultPace is the time from one input report to the next, as on full-speed
// USB. The kernel keeps 64 reports for each program, and loses the rest.
const DefaultPace = time.Millisecond

// Config is what the system sees of a key. The zero Config is a key without a
// name whose numbers belong to nobody.
type Config struct {
	VendorID, ProductID uint16
	Release             uint16 // version of the device, such as 0x0543 for 5.43

	Name   string // maker and product, at most [MaxName] bytes
	Serial string // HID_UNIQ, at most [MaxSerial] bytes

	// ReportSize is the bytes of a report, [ctaphid.MinReportSize] to 255, and 64
	// if zero. It must be the key's.
	ReportSize int

	// Pace is the least time between two input reports: [DefaultPace] if zero,
	// none if negative.
	Pace time.Duration
}

// The most bytes of texts that the kernel takes.
const (
	MaxName   = nameSize - 1
	MaxSerial = serialSize - 1
)

var (
	// ErrUnsupported says that this operating system has no uhid.
	ErrUnsupported = fmt.Errorf("uhid is a part of Linux: %w", errors.ErrUnsupported)

	// ErrNoUHID says that the kernel's uhid is not loaded.
	ErrNoUHID = errors.New("there is no " + Node + ": load it as root with \"modprobe uhid\"")

	// ErrProtocol says that what came was no event of uhid.
	ErrProtocol = errors.New("protocol error")
)

// Attach plugs the key in. Who may write [Node], which is root alone unless a
// udev rule says otherwise, may do so. It returns when the kernel has the key,
// some time before there is a hidraw node.
//
// The error wraps [ErrUnsupported], [ErrNoUHID], fs.ErrPermission, or says which
// text or size of cfg is too large.
func Attach(key Key, cfg Config) (*Attachment, error) {
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("uhid: %w", err)
	}
	node, err := openNode()
	if err != nil {
		return nil, fmt.Errorf("uhid: attach: %w", err)
	}
	return attach(node, key, cfg)
}

func (cfg *Config) complete() error {
	if cfg.ReportSize == 0 {
		cfg.ReportSize = ctaphid.ReportSize
	}
	if cfg.Pace == 0 {
		cfg.Pace = DefaultPace
	}
	switch {
	case cfg.ReportSize < ctaphid.MinReportSize || cfg.ReportSize > 255:
		return fmt.Errorf("reports of %d bytes, want %d to 255", cfg.ReportSize, ctaphid.MinReportSize)
	case len(cfg.Name) > MaxName:
		return fmt.Errorf("a name of %d bytes, at most %d fit", len(cfg.Name), MaxName)
	case len(cfg.Serial) > MaxSerial:
		return fmt.Errorf("a serial number of %d bytes, at most %d fit", len(cfg.Serial), MaxSerial)
	}
	return nil
}

// Attachment is a key that is plugged in.
type Attachment struct {
	node io.ReadWriteCloser
	conn ctaphid.ReportConn
	key  Key
	cfg  Config

	ctx   context.Context // ends, with the reason, when something pulls the key out
	end   context.CancelCauseFunc
	ended chan struct{} // closed when everything has returned
}

// errPulled is the end that Close gives.
var errPulled = errors.New("the key was pulled out")

// attach takes a complete cfg, and the node in any case.
func attach(node io.ReadWriteCloser, key Key, cfg Config) (*Attachment, error) {
	a := &Attachment{node: node, key: key, cfg: cfg, ended: make(chan struct{})}
	a.powerCycle()
	if _, err := node.Write(createEvent(cfg)); err != nil {
		return nil, errors.Join(fmt.Errorf("uhid: attach: %w", err), node.Close())
	}
	a.conn = key.Connect()
	a.ctx, a.end = context.WithCancelCause(context.Background())
	go a.work()
	return a, nil
}

func (a *Attachment) powerCycle() {
	if k, ok := a.key.(interface{ PowerCycle() }); ok {
		k.PowerCycle()
	}
}

// work carries reports until something ends the attachment.
func (a *Attachment) work() {
	defer close(a.ended)
	closed := make(chan struct{})
	context.AfterFunc(a.ctx, func() {
		a.node.Close() // which ends the read of it
		close(closed)
	})
	pumped := make(chan struct{})
	go func() {
		defer close(pumped)
		a.end(a.pump())
	}()
	a.end(a.listen())
	<-pumped
	<-closed
	a.conn.Close()
	a.powerCycle()
}

// Close pulls the key out and waits until it is. It returns what went wrong
// meanwhile, as [Attachment.Wait]. Closing twice does nothing more.
func (a *Attachment) Close() error {
	a.end(errPulled)
	return a.Wait()
}

// Wait waits until the key is out: pulled out by Close (nil), because it left
// (an error that wraps ctaphid.ErrGone), or because the kernel made no sense
// ([ErrProtocol]) or failed.
func (a *Attachment) Wait() error {
	<-a.ended
	if err := context.Cause(a.ctx); !errors.Is(err, errPulled) {
		return fmt.Errorf("uhid: %w", err)
	}
	return nil
}
