// Package faulty has the bugs of what carries a key's messages: of CTAPHID and of
// the NFC framing. It stands between the sound framing and whoever speaks to it,
// at the report seam and at the APDU seam, and spoils what goes by.
//
//	device := ctaphid.NewDevice(key, ctaphid.DeviceConfig{})
//	conn := faulty.Reports(device.Connect(), []virtual.FaultID{"hid-cancel-ignored"})
//
// [Faults] lists them together with those of the key itself, and [Parse] reads
// their names.
package faulty

import (
	"fmt"
	"slices"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// Faults are all faults there are, by area: of the key, of CTAPHID and of NFC.
func Faults() []virtual.Fault {
	all := virtual.Faults()
	for _, f := range hidFaults {
		all = append(all, f.Fault)
	}
	for _, f := range nfcFaults {
		all = append(all, f.Fault)
	}
	return all
}

// UnknownError names a fault that there is not. It is a [virtual.ErrFault].
type UnknownError struct{ Name string }

// Error names it.
func (e *UnknownError) Error() string { return fmt.Sprintf("%v: %q", virtual.ErrFault, e.Name) }

// Is tells whether target is [virtual.ErrFault].
func (e *UnknownError) Is(target error) bool { return target == virtual.ErrFault }

// Parse reads names of faults. The error is an [*UnknownError] for the first that
// there is not.
func Parse(names []string) ([]virtual.FaultID, error) {
	all := Faults()
	var ids []virtual.FaultID
	for _, name := range names {
		id := virtual.FaultID(name)
		if !slices.ContainsFunc(all, func(f virtual.Fault) bool { return f.ID == id }) {
			return nil, &UnknownError{name}
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// OfKey are those of the faults that [virtual.Config] takes; the others are what
// [Reports] and [Card] are for.
func OfKey(ids []virtual.FaultID) (list []virtual.FaultID) {
	for _, f := range virtual.Faults() {
		if slices.Contains(ids, f.ID) {
			list = append(list, f.ID)
		}
	}
	return list
}
