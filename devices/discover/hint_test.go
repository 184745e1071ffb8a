package discover

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/touchstone-fido/touchstone/ctaphid/hidraw"
	"github.com/touchstone-fido/touchstone/ctaphid/usbhid"
	"github.com/touchstone-fido/touchstone/devices/holders"
	"github.com/touchstone-fido/touchstone/nfc/pcsc"
)

func TestHintForPermission(t *testing.T) {
	const rule = `KERNEL=="hidraw*", SUBSYSTEM=="hidraw", ATTRS{idVendor}=="1050", ATTRS{idProduct}=="0407", TAG+="uaccess"`
	tests := []struct {
		name string
		err  error
		want []string
	}{
		{"hidraw", &hidraw.PermissionError{Rule: rule, Err: syscall.EACCES},
			[]string{"echo '" + rule + "'", "/etc/udev/rules.d/70-", "udevadm control --reload", "udevadm trigger"}},
		{"usbhid", &usbhid.PermissionError{Rule: rule, Err: syscall.EACCES}, []string{rule, "udevadm trigger"}},
		{"wrapped", fmt.Errorf("open: %w", &hidraw.PermissionError{Rule: rule, Err: syscall.EACCES}), []string{rule}},
		{"sandbox", &hidraw.PermissionError{Rule: rule, Err: syscall.EPERM}, []string{"container", "--device"}},
		{"unknown device", &hidraw.PermissionError{Err: syscall.EACCES}, []string{"user"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Hint(tt.err)
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in %q", want, got)
				}
			}
		})
	}
}

func TestHintForUnbound(t *testing.T) {
	const command = "echo 1-1:1.0 | sudo tee /sys/bus/usb/drivers/usbhid/bind"
	err := fmt.Errorf("open: %w", &usbhid.UnboundError{Path: "1-1:1.0", Bind: command})
	want := "unplug the key and plug it in again, or give it its driver back: " + command
	if got := Hint(err); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestHint(t *testing.T) {
	for _, h := range hints {
		if got := nobody.hint(fmt.Errorf("backend: %w", h.err)); got != h.hint {
			t.Errorf("%v: got %q, want %q", h.err, got, h.hint)
		}
	}
	if got := Hint(errors.New("something else")); got != "" {
		t.Errorf("something else: %q", got)
	}
	if got := Hint(nil); got != "" {
		t.Errorf("no error: %q", got)
	}
}

// holds is a hinter of a machine on which programs hold every key.
func holds(f holders.Found, err error) hinter {
	return hinter{
		node: func(_ context.Context, _, path string) (holders.Found, error) {
			if path != "/dev/hidraw3" {
				return holders.Found{}, errors.New("asked for " + path)
			}
			return f, err
		},
		socket: func(_ context.Context, _, path string) (holders.Socket, error) {
			if path != holders.PCSCSocket {
				return holders.Socket{}, errors.New("asked for " + path)
			}
			return holders.Socket{Clients: f}, err
		},
	}
}

var nobody = holds(holders.Found{}, nil)

func TestHintNamesTheHolder(t *testing.T) {
	scdaemon := holders.Process{PID: 812, Name: "scdaemon", User: "anna"}
	other := holders.Process{PID: 90, Name: "fido2-token", User: "bert"}
	node := fmt.Errorf("open: %w", held(fmt.Errorf("hidraw: open: %w", hidraw.ErrInUse), "/dev/hidraw3"))
	card := &pcsc.Error{Op: "open", Reader: "ACS", Err: pcsc.ErrInUse}
	for _, tt := range []struct {
		name  string
		err   error
		found holders.Found
		fails error
		want  string
	}{
		{"node", node, holders.Found{Processes: []holders.Process{scdaemon}}, nil,
			"held by scdaemon (pid 812, user anna): gpgconf --kill scdaemon"},
		{"card", card, holders.Found{Processes: []holders.Process{scdaemon}}, nil,
			"held by scdaemon (pid 812, user anna): gpgconf --kill scdaemon"},
		{"several, and some out of sight", node, holders.Found{Processes: []holders.Process{other, scdaemon}, Unseen: 3}, nil,
			"held by fido2-token (pid 90, user bert): close it, or end it with kill 90; " +
				"held by scdaemon (pid 812, user anna): gpgconf --kill scdaemon; 3 processes of other users could not be looked at"},
		{"none to be seen", node, holders.Found{Unseen: 3}, nil,
			"close the other program, or wait until it is done (3 processes of other users could not be looked at)"},
		{"nobody any more", node, holders.Found{}, nil, "close the other program, or wait until it is done"},
		{"cannot look", card, holders.Found{}, errors.New("no /proc"), "close the other program; for GnuPG: gpgconf --kill scdaemon"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := holds(tt.found, tt.fails).hint(tt.err); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
	if err := held(hidraw.ErrNotFIDO, "/dev/hidraw3"); err != hidraw.ErrNotFIDO {
		t.Errorf("another failure became %#v", err)
	}
}
