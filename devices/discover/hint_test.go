package discover

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/touchstone-fido/touchstone/ctaphid/hidraw"
	"github.com/touchstone-fido/touchstone/ctaphid/usbhid"
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
		if got := Hint(fmt.Errorf("backend: %w", h.err)); got != h.hint {
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
