package usbhid

import (
	"context"
	"fmt"
	"runtime"
)

// library is what the C library and the system below it can do. Each build has
// one, builtin.
type library struct {
	missing error // why it can do nothing, nil if it can
	list    func(root string, describe func([]byte) (int, error)) ([]Device, error)
	open    func(path string) (handle, error)
	present func(path string) bool
	whyNot  func(path string) error // what stands against opening, nil if nothing is known to
}

func (l library) devices(root string, describe func([]byte) (int, error)) ([]Device, error) {
	if l.missing != nil {
		return nil, fmt.Errorf("usbhid: list: %w", l.missing)
	}
	found, err := l.list(root, describe)
	if err != nil {
		return nil, fmt.Errorf("usbhid: list: %w", err)
	}
	return found, nil
}

func (l library) openDevice(ctx context.Context, d Device) (*Conn, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	dev, err := l.handle(d)
	if err != nil {
		return nil, fmt.Errorf("usbhid: open %s: %w", d.Path, err)
	}
	present := func() bool { return l.present(d.Path) }
	return newConn(dev, d.Path, systemFor(runtime.GOOS), present), nil
}

// handle opens a listed device. The library's own error says nothing, so that
// whatever else is known comes first.
func (l library) handle(d Device) (handle, error) {
	switch {
	case l.missing != nil:
		return nil, l.missing
	case !d.listed:
		return nil, ErrNotListed
	case d.Err != nil:
		return nil, d.Err
	}
	dev, err := l.open(d.Path)
	if err == nil {
		return dev, nil
	}
	if reason := l.whyNot(d.Path); reason != nil {
		return nil, reason
	}
	return nil, err
}
