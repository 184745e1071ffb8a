//go:build cgo && ((linux && !android) || (darwin && !ios) || windows)

package usbhid

import (
	"errors"
	"slices"
	"testing"

	"github.com/karalabe/hid"
)

func TestTheLibraryIsThere(t *testing.T) {
	if !hid.Supported() || Available() != nil {
		t.Fatalf("supported %v, available %v", hid.Supported(), Available())
	}
}

func TestOpenNothing(t *testing.T) {
	d := Device{Path: "99-99:1.0", listed: true}
	if _, err := Open(t.Context(), d); err == nil {
		t.Error("opened a device that is not there")
	}
	if _, err := Open(t.Context(), Device{Path: "1-1:1.0"}); !errors.Is(err, ErrNotListed) {
		t.Errorf("not listed: %v", err)
	}
}

func TestFromLibrary(t *testing.T) {
	infos := []hid.DeviceInfo{
		{Path: "keyboard", UsagePage: 1, Usage: 6},
		{Path: "key", VendorID: 0x1050, ProductID: 0x0407, Manufacturer: "Yubico", Product: "YubiKey\x1b", Serial: "1", UsagePage: 0xF1D0, Usage: 1},
		{Path: "other usage", UsagePage: 0xF1D0, Usage: 2},
	}
	want := []Device{{
		Path: "key", VendorID: 0x1050, ProductID: 0x0407, Manufacturer: "Yubico", Product: "YubiKey\uFFFD", Serial: "1",
		Err: ErrElevation, listed: true,
	}}
	if got := fromLibrary(infos, ErrElevation); !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
