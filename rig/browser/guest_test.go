//go:build linux

package browser

import (
	"fmt"
	"os"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/ctaphid/usbip"
)

// inGuest is what scripts/rig's guest has in this variable.
const (
	rigEnvironment = "TOUCHSTONE_RIG"
	inGuest        = "guest"
)

// guest is a machine with a kernel of its own, into whose USB ports keys are
// plugged. It computes about twenty times slower than its host.
type guest struct{}

var _ machine = guest{}

// onUSB is a key as USB/IP wants it.
type onUSB func() ctaphid.ReportConn

// Connect opens the key.
func (open onUSB) Connect() ctaphid.ReportConn { return open() }

func (guest) plug(socket int, connect func() ctaphid.ReportConn) (func() error, error) {
	device, err := usbip.NewDevice(onUSB(connect), usbip.Config{
		VendorID: vendorID, ProductID: productID, Release: 0x0100,
		Manufacturer: "Touchstone", Product: "Software key", Serial: fmt.Sprintf("SOCKET%d", socket),
	})
	if err != nil {
		return nil, err
	}
	before, err := hidraws()
	if err != nil {
		return nil, err
	}
	plugged, err := usbip.Attach(device)
	if err != nil {
		return nil, err
	}
	pull := func() error {
		if err := plugged.Close(); err != nil {
			return err
		}
		return awaitHidraws(before)
	}
	return pull, awaitHidraws(before + 1)
}

// environ is empty: sysfs is the kernel's.
func (guest) environ() []string { return nil }

// hidraws counts the system's HID devices.
func hidraws() (int, error) {
	entries, err := os.ReadDir(classDir)
	return len(entries), err
}

// awaitHidraws waits until the system has so many.
func awaitHidraws(want int) error {
	for end := time.Now().Add(limit); ; time.Sleep(pause) {
		n, err := hidraws()
		if err != nil || n == want {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("the system has %d HID devices after %v, want %d", n, limit, want)
		}
	}
}
