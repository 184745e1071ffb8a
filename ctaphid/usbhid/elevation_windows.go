package usbhid

import "golang.org/x/sys/windows"

// elevation returns [ErrElevation] if this program does not run as
// administrator. Windows 10 version 1903 and later then keep FIDO interfaces
// from it: they are not listed as such, or they open and every read fails.
func elevation() error {
	if windows.GetCurrentProcessToken().IsElevated() {
		return nil
	}
	return ErrElevation
}
