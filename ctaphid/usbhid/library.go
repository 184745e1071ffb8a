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
	list    func(root string, describe describer) ([]Device, error)
	open    func(path string) (handle, error)
	at      func(root string) surroundings
}

// surroundings is what the system knows and does about interfaces beside the
// library.
type surroundings interface {
	// settle makes sure before opening that a device is what it was listed as.
	settle(d Device) error
	// obstacle tells what stood against opening, nil if nothing is known to.
	obstacle(path string) error
	// present reports whether the system still lists an interface.
	present(path string) bool
	// restore gives an interface its driver back, if closing has not.
	restore(path string) error
}

func (l library) devices(root string, describe describer) ([]Device, error) {
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
	return newConn(dev, d.Path, systemFor(runtime.GOOS), l.at(d.root)), nil
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
	around := l.at(d.root)
	if err := around.settle(d); err != nil {
		return nil, err
	}
	dev, err := l.open(d.Path)
	if err == nil {
		return dev, nil
	}
	if reason := around.obstacle(d.Path); reason != nil {
		return nil, reason
	}
	return nil, systemFor(runtime.GOOS).unexplained(err)
}
