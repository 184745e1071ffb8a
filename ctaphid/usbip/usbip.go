// Package usbip is the device's end of USB/IP, version 1.1.1, for a full-speed
// USB security key: whoever speaks the host's end, Linux's vhci_hcd above all,
// finds a USB device there, and behind it what a [Key] makes of the reports. The
// protocol is that of Documentation/usb/usbip_protocol.rst in Linux; the device
// follows USB 2.0 §9, HID 1.11 and CTAP 2.3 §11.2.8.
//
//	key := ctaphid.NewDevice(authenticator, ctaphid.DeviceConfig{})
//	device, err := usbip.NewDevice(key, usbip.Config{Product: "Software key"})
//	if err != nil {
//		return err
//	}
//	plug, err := usbip.Attach(device) // into this machine, as root on Linux
//	...
//	err = plug.Close() // and out again
//
// A [Server] offers devices to the usbip program of other machines instead. The
// protocol asks nobody who he is: let it listen on loopback only, or where only
// friends are.
package usbip

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// Key is what the device is made of, such as [*ctaphid.Device]. One that also
// has the method PowerCycle() learns when it is plugged in and when it is
// pulled out.
type Key interface {
	// Connect opens the key for one attachment, which closes it at its end.
	Connect() ctaphid.ReportConn
}

// DefaultPace is the time from one input report to the next: at full speed a
// frame takes a millisecond and has one transaction of an interrupt endpoint
// (USB 2.0 §5.7.4). The queues of hosts are as long as that wants, hidapi's 30
// reports and hidraw's 64.
const DefaultPace = time.Millisecond

// Config is what a host sees of a device. The zero Config is a key without
// names whose numbers belong to nobody.
type Config struct {
	VendorID, ProductID uint16 // idVendor and idProduct
	Release             uint16 // bcdDevice, such as 0x0543 for 5.43

	// What the device calls itself, each at most [MaxText] UTF-16 units and
	// none if empty.
	Manufacturer, Product, Serial string

	// ReportSize is the bytes of a report, [ctaphid.MinReportSize] to 64, and 64
	// if zero. It must be the key's.
	ReportSize int

	// Keyboard puts a boot keyboard, on which nobody ever types, before the FIDO
	// interface, as keys with one-time passwords have it.
	Keyboard bool

	// Pace is the least time between two input reports: [DefaultPace] if zero,
	// none if negative.
	Pace time.Duration
}

// MaxText is the most UTF-16 units that a string descriptor holds.
const MaxText = (255 - 2) / 2

var (
	// ErrBusy says that the device is attached already. A key has one plug.
	ErrBusy = errors.New("device is attached already")

	// ErrProtocol says that the other end broke the protocol; every
	// [ProtocolError] is this kind.
	ErrProtocol = errors.New("protocol error")
)

// Device is a USB security key that can be plugged in, once at a time: by
// [Device.Serve], by [Attach] or at a [Server].
type Device struct {
	key        Key
	cfg        Config
	size       int // bytes of a report
	pace       time.Duration
	interfaces []iface // by their numbers
	attached   atomic.Bool
}

// NewDevice describes a key as a USB device. It fails if cfg has a text or a
// report that no full-speed device can have.
func NewDevice(key Key, cfg Config) (*Device, error) {
	d := &Device{key: key, cfg: cfg, size: cfg.ReportSize, pace: cfg.Pace}
	if d.size == 0 {
		d.size = ctaphid.ReportSize
	}
	if d.pace == 0 {
		d.pace = DefaultPace
	}
	if d.size < ctaphid.MinReportSize || d.size > maxPacket {
		return nil, fmt.Errorf("usbip: reports of %d bytes, a full-speed key has %d to %d", d.size, ctaphid.MinReportSize, maxPacket)
	}
	for _, s := range d.texts() {
		if n := len(descriptorOfText(s)); n > 2+2*MaxText {
			return nil, fmt.Errorf("usbip: a text of %d UTF-16 units, at most %d fit a descriptor", (n-2)/2, MaxText)
		}
	}
	if cfg.Keyboard {
		d.interfaces = append(d.interfaces, keyboardInterface())
	}
	d.interfaces = append(d.interfaces, fidoInterface(d.size))
	return d, nil
}

// texts are the strings that descriptors name by number, the first is 1.
func (d *Device) texts() []string {
	return []string{d.cfg.Manufacturer, d.cfg.Product, d.cfg.Serial}
}

// claim takes the plug, false if it is in a socket already.
func (d *Device) claim() bool { return d.attached.CompareAndSwap(false, true) }

func (d *Device) powerCycle() {
	if k, ok := d.key.(interface{ PowerCycle() }); ok {
		k.PowerCycle()
	}
}
