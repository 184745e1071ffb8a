package discover

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/ctaphid/hidraw"
	"github.com/touchstone-fido/touchstone/ctaphid/usbhid"
	"github.com/touchstone-fido/touchstone/nfc/pcsc"
)

const replug = "unplug the key and plug it in again"

var hints = []struct {
	err  error
	hint string
}{
	{hidraw.ErrNoNode, "give the container or sandbox the device, as with docker run --device"},
	{hidraw.ErrNoClass, "the kernel needs CONFIG_HIDRAW, a container needs /sys; the backend usbhid does without the class"},
	{hidraw.ErrUnsupported, "use the backend usbhid"},
	{hidraw.ErrInUse, "close the other program, or wait until it is done"},
	{usbhid.ErrInUse, "close the other program, or wait until it is done"},
	{usbhid.ErrUnbound, replug},
	{usbhid.ErrUnexplained, replug + "; on Linux, the backend hidraw tells more"},
	{usbhid.ErrNoUSB, "a container needs /sys and /dev/bus/usb"},
	{usbhid.ErrNotBuilt, "install a C compiler and rebuild with CGO_ENABLED=1; on Linux the backend hidraw needs neither"},
	{usbhid.ErrElevation, "start the terminal with \"Run as administrator\""},
	{ctaphid.ErrBusy, "wait until the other program is done with the key"},
	{ErrTakesOver, "the backend hidraw does not"},
	{ErrBackend, "the HID backends are hidraw and usbhid"},
	{pcsc.ErrNoCard, "put the key on the reader"},
	{pcsc.ErrMute, "take the key off the reader and put it back"},
	{pcsc.ErrInUse, "close the other program; for GnuPG: gpgconf --kill scdaemon"},
	{pcsc.ErrNotBuilt, "keys on USB need no PC/SC; for NFC rebuild with it"},
	{pcsc.ErrNoService, "keys on USB need no PC/SC; for NFC start the service"},
	{pcsc.ErrDenied, "keys on USB need no PC/SC; for NFC get access to the service"},
	{ctap2.ErrTimeout, "if it stays so, unplug the key, or take the card off the reader, and put it back"},
}

// Hint says what would mend an error of [List] or [Open], empty if nothing is
// known to.
func Hint(err error) string {
	var node interface {
		error
		UdevRule() string
	}
	if errors.As(err, &node) {
		return permissionHint(node.UdevRule(), errors.Is(err, syscall.EPERM))
	}
	var unbound *usbhid.UnboundError
	if errors.As(err, &unbound) && unbound.Bind != "" {
		return replug + ", or give it its driver back: " + unbound.Bind
	}
	for _, h := range hints {
		if errors.Is(err, h.err) {
			return h.hint
		}
	}
	return ""
}

// permissionHint says how to come to a device node. The name of the file matters:
// rules with "uaccess" have to come before systemd's 73-seat-late.rules.
func permissionHint(rule string, sandboxed bool) string {
	switch {
	case sandboxed:
		return "a container or sandbox forbids it: give it the device, as with docker run --device"
	case rule == "":
		return "run as a user who may"
	}
	return fmt.Sprintf("let the person at the seat use it: echo '%s' | sudo tee -a /etc/udev/rules.d/70-touchstone.rules"+
		" && sudo udevadm control --reload && sudo udevadm trigger"+
		` (for use over ssh put MODE="0660", GROUP="<yours>" in the place of the TAG)`, rule)
}
