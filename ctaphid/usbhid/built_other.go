//go:build cgo && ((darwin && !ios) || windows)

package usbhid

import (
	"github.com/karalabe/hid"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

var builtin = library{
	list: enumerate,
	open: openHandle,
	at:   func(string) surroundings { return registry{} },
}

func enumerate(string, describer) ([]Device, error) {
	infos, err := hid.Enumerate(0, 0)
	if err != nil {
		return nil, err
	}
	obstacle := elevation()
	found := fromLibrary(infos, obstacle)
	if len(found) == 0 && obstacle != nil {
		return nil, obstacle
	}
	return found, nil
}

// registry is what the library itself tells of devices.
type registry struct{}

func (registry) settle(Device) error { return nil }

func (registry) present(path string) bool {
	infos, err := hid.Enumerate(0, 0)
	for _, i := range infos {
		if i.Path == path {
			return true
		}
	}
	return err != nil
}

func (r registry) obstacle(path string) error {
	if !r.present(path) {
		return ctaphid.ErrGone
	}
	return elevation()
}

func (registry) restore(string) error { return nil }
