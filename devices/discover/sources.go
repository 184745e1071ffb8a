package discover

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/ctaphid/hidraw"
	"github.com/touchstone-fido/touchstone/ctaphid/usbhid"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/nfc"
	"github.com/touchstone-fido/touchstone/nfc/pcsc"
)

// Backends returns all backends, for a program to tell what is built in.
func Backends() []devices.Backend {
	var onLinux, withPCSC error
	if runtime.GOOS != "linux" {
		onLinux = hidraw.ErrUnsupported
	}
	if !pcsc.Built {
		withPCSC = pcsc.ErrNotBuilt
	}
	return []devices.Backend{backend(Hidraw, onLinux), backend(USBHID, usbhid.Available()), backend(PCSC, withPCSC)}
}

// backend describes a backend whose lack has a reason that says how to get it.
func backend(name string, missing error) devices.Backend {
	if missing != nil {
		return devices.Backend{Name: name, Hint: missing.Error()}
	}
	return devices.Backend{Name: name, Built: true}
}

// defaultHID is the HID backend for an operating system by its GOOS.
func defaultHID(goos string) string {
	if goos == "linux" {
		return Hidraw
	}
	return USBHID
}

func (o Options) realSources() []source {
	name := o.HIDBackend
	if name == "" {
		name = defaultHID(runtime.GOOS)
	}
	return []source{hidSource(name, o.Root), pcscSource(realPCSC)}
}

func hidSource(name, root string) source {
	switch name {
	case Hidraw:
		return hidrawSource(root)
	case USBHID:
		return usbhidSource(root)
	}
	return source{backend: name, poll: slowly, list: func(context.Context) ([]candidate, error) {
		return nil, fmt.Errorf("%w: %q", ErrBackend, name)
	}}
}

// How often a watch lists what cannot tell of changes: quickly enough for a
// person who plugs a key in, or slowly where it only waits for a service.
const (
	quickly = 500 * time.Millisecond
	slowly  = time.Second
)

func hidrawSource(root string) source {
	return source{
		backend: Hidraw,
		watch:   func(ctx context.Context, changed func()) error { return hidraw.Watch(ctx, root, changed) },
		poll:    slowly,
		list: func(context.Context) ([]candidate, error) {
			list, err := hidraw.List(root)
			found := make([]candidate, len(list))
			for i, d := range list {
				found[i] = candidate{err: d.Err, info: devices.Info{
					Transport: devices.USB, Backend: Hidraw, Path: d.Path, VendorID: d.VendorID, ProductID: d.ProductID,
					Manufacturer: d.Manufacturer, Product: d.Product, Serial: d.Serial, ReportSize: d.ReportSize,
				}}
			}
			return found, err
		},
		open: func(ctx context.Context, info devices.Info) (devices.Link, error) {
			conn, err := hidraw.Open(ctx, info.Path)
			if err != nil {
				return devices.Link{}, held(err, info.Path)
			}
			return devices.Link{Reports: conn}, nil
		},
	}
}

func usbhidSource(root string) source {
	return source{
		backend: USBHID,
		poll:    quickly,
		list: func(context.Context) ([]candidate, error) {
			list, err := usbhid.List(root, hidraw.ReportSize)
			found := make([]candidate, len(list))
			for i, d := range list {
				found[i] = candidate{err: d.Err, info: devices.Info{
					Transport: devices.USB, Backend: USBHID, Path: d.Path, VendorID: d.VendorID, ProductID: d.ProductID,
					Manufacturer: d.Manufacturer, Product: d.Product, Serial: d.Serial, ReportSize: d.ReportSize,
				}}
			}
			return found, err
		},
		open: func(ctx context.Context, info devices.Info) (devices.Link, error) {
			d, err := usbhidDevice(root, info.Path)
			if err != nil {
				return devices.Link{}, err
			}
			conn, err := usbhid.Open(ctx, d)
			if err != nil {
				return devices.Link{}, err
			}
			return devices.Link{Reports: conn}, nil
		},
	}
}

// usbhidDevice looks for a device again, as only what was listed may be opened.
func usbhidDevice(root, path string) (usbhid.Device, error) {
	list, err := usbhid.List(root, hidraw.ReportSize)
	for _, d := range list {
		if d.Path == path {
			return d, nil
		}
	}
	if err == nil {
		err = fmt.Errorf("open %s: %w", path, ctaphid.ErrGone)
	}
	return usbhid.Device{}, err
}

// service is a PC/SC service.
type service struct {
	list  func(ctx context.Context) ([]pcsc.Reader, error)
	open  func(ctx context.Context, name string) (nfc.Card, error)
	watch func(ctx context.Context, changed func()) error
}

var realPCSC = service{list: pcsc.List, open: pcsc.Open, watch: pcsc.Watch}

// pcscSource lists every card on a reader, also the one inside a USB key: with
// its CCID interface on, a YubiKey is /dev/hidraw3 and the reader "Yubico YubiKey
// OTP+FIDO+CCID 00 00" as well, which devices.Listing.One takes for one key.
// Whether such a card has the FIDO applet shows on SELECT: by contact, only newer
// ones do.
func pcscSource(s service) source {
	return source{
		backend: PCSC,
		watch:   s.watch,
		poll:    slowly,
		list: func(ctx context.Context) ([]candidate, error) {
			readers, err := s.list(ctx)
			found := make([]candidate, len(readers))
			for i, r := range readers {
				found[i] = candidate{info: devices.Info{Transport: devices.NFC, Backend: PCSC, Path: r.Name, ATR: r.ATR}, err: r.Err}
				if !r.CardPresent {
					found[i].err = pcsc.ErrNoCard
				}
			}
			return found, err
		},
		open: func(ctx context.Context, info devices.Info) (devices.Link, error) {
			card, err := s.open(ctx, info.Path)
			if err != nil {
				return devices.Link{}, err
			}
			return devices.Link{Card: card}, nil
		},
	}
}
