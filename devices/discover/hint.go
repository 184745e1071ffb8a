package discover

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/ctaphid/hidraw"
	"github.com/touchstone-fido/touchstone/ctaphid/usbhid"
	"github.com/touchstone-fido/touchstone/devices/holders"
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
// known to. If another program holds the key it is looked for and named.
func Hint(err error) string { return realHinter.hint(err) }

// hinter gives hints; what it looks at to do so is the machine's.
type hinter struct {
	node   func(ctx context.Context, root, path string) (holders.Found, error)
	socket func(ctx context.Context, root, path string) (holders.Socket, error)
}

var realHinter = hinter{node: holders.OfNode, socket: holders.OfSocket}

func (h hinter) hint(err error) string {
	known := knownHint(err)
	var held *heldError
	switch {
	case errors.As(err, &held):
		return h.heldHint(known, func(ctx context.Context) (holders.Found, error) { return h.node(ctx, "", held.path) })
	case errors.Is(err, pcsc.ErrInUse):
		return h.heldHint(known, func(ctx context.Context) (holders.Found, error) {
			s, err := h.socket(ctx, "", holders.PCSCSocket)
			return s.Clients, err
		})
	}
	return known
}

func knownHint(err error) string {
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

// heldError is a failure to open a node that another program holds.
type heldError struct {
	error
	path string
}

// Unwrap returns what the backend said.
func (e *heldError) Unwrap() error { return e.error }

// held notes which node could not be opened, so that a hint can name who has it.
func held(err error, path string) error {
	if !errors.Is(err, hidraw.ErrInUse) {
		return err
	}
	return &heldError{err, path}
}

// searching is how long a hint may take to find out who holds a key.
const searching = 2 * time.Second

// heldHint names the programs that hold a key and says how each lets go. What is
// known anyway is the hint where none can be seen.
func (h hinter) heldHint(known string, search func(context.Context) (holders.Found, error)) string {
	ctx, stop := context.WithTimeout(context.Background(), searching)
	defer stop()
	found, err := search(ctx)
	if err != nil {
		return known
	}
	unlooked := found.Unlooked()
	if len(found.Processes) == 0 {
		if unlooked != "" {
			known += " (" + unlooked + ")"
		}
		return known
	}
	var parts []string
	for _, p := range found.Processes {
		parts = append(parts, fmt.Sprintf("held by %v: %s", p, p.Remedy()))
	}
	if unlooked != "" {
		parts = append(parts, unlooked)
	}
	return strings.Join(parts, "; ")
}
