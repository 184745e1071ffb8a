package usbhid

import (
	"errors"
	"strconv"
	"strings"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// settle makes sure of what was guessed of a device: it gives the interface the
// driver that it lacks, which shows what it is. A keyboard is then a keyboard
// again.
func (t tree) settle(d Device) error {
	if d.likely == nil {
		return nil
	}
	if err := t.restore(d.Path); err != nil {
		return err
	}
	raw := t.descriptor(d.Path)
	if raw == nil {
		return t.nameless(d.Path)
	}
	size, err := (*d.likely)(raw)
	if size == 0 && err == nil {
		return ErrNotFIDO
	}
	return err
}

// nameless says why an interface that has its driver shows no report descriptor.
func (t tree) nameless(name string) error {
	if !t.present(name) {
		return ctaphid.ErrGone
	}
	if err := t.taken(name); err != nil {
		return err
	}
	return ErrNotFIDO // that driver is another one
}

// restore has the kernel's driver take an interface that is there and has none.
func (t tree) restore(name string) error {
	if !t.present(name) || !errors.Is(t.taken(name), ErrUnbound) {
		return nil
	}
	err := t.bind(t.node(name), interfaceNumber(name))
	if err == nil && !errors.Is(t.taken(name), ErrUnbound) {
		return nil
	}
	return unbound(name, err)
}

func unbound(name string, err error) error {
	return &UnboundError{Path: name, Bind: "echo " + name + " | sudo tee /sys/bus/usb/drivers/usbhid/bind", Err: err}
}

// interfaceNumber is 1 for "1-1:1.1".
func interfaceNumber(name string) int {
	n, _ := strconv.Atoi(name[strings.LastIndexByte(name, '.')+1:])
	return n
}
