//go:build cgo && ((darwin && !ios) || windows)

package usbhid

import (
	"github.com/karalabe/hid"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

var builtin = library{list: enumerate, open: openHandle, present: present, whyNot: whyNot}

func enumerate(string, func([]byte) (int, error)) ([]Device, error) {
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

func present(path string) bool {
	infos, err := hid.Enumerate(0, 0)
	for _, i := range infos {
		if i.Path == path {
			return true
		}
	}
	return err != nil
}

func whyNot(path string) error {
	if !present(path) {
		return ctaphid.ErrGone
	}
	return elevation()
}
