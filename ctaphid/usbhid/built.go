//go:build cgo && ((linux && !android) || (darwin && !ios) || windows)

package usbhid

import (
	"github.com/karalabe/hid"

	"github.com/touchstone-fido/touchstone/ctaphid/internal/sysfs"
)

func openHandle(path string) (handle, error) {
	return hid.DeviceInfo{Path: path}.Open()
}

// FIDO's usage, CTAP 2.3 §11.2.8.1.
const (
	usagePageFIDO = 0xF1D0
	usageCTAPHID  = 0x01
)

// fromLibrary picks the FIDO interfaces where the library knows the usage.
// obstacle is what stands against opening any of them.
func fromLibrary(infos []hid.DeviceInfo, obstacle error) []Device {
	var found []Device
	for _, i := range infos {
		if i.UsagePage != usagePageFIDO || i.Usage != usageCTAPHID {
			continue
		}
		found = append(found, Device{
			Path: i.Path, VendorID: i.VendorID, ProductID: i.ProductID,
			Manufacturer: sysfs.Printable(i.Manufacturer), Product: sysfs.Printable(i.Product), Serial: sysfs.Printable(i.Serial),
			Err: obstacle, listed: true,
		})
	}
	return found
}
