package manage_test

import (
	"errors"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices/manage"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// vendored is a model with two commands of its maker.
func vendored() *virtual.Profile {
	p := virtual.DefaultProfile()
	p.VendorConfigCommands = []uint64{7, 1 << 63}
	p.ConfigCommands = append(p.ConfigCommands, 0xff)
	return p
}

func TestVendor(t *testing.T) {
	r := protected(t, vendored(), nil)
	var params map[any]any
	r.answer = func(msg []byte) ([]byte, bool) {
		if nameOf(t, msg) != "vendorPrototype" {
			return nil, false
		}
		var m map[any]any
		if err := wire.Decode(msg[1:], &m); err != nil {
			t.Fatal(err)
		}
		params, _ = m[uint64(2)].(map[any]any)
		if params[uint64(1)] == uint64(7) {
			return []byte{0, 0xa1, 1, 2}, true
		}
		return nil, false
	}
	answer, err := r.open().Vendor(t.Context(), 7, map[uint]wire.Raw{2: {0x61, 'x'}})
	if err != nil || text(answer) != text(wire.Raw{0xa1, 1, 2}) {
		t.Errorf("%x, %v", answer, err)
	}
	is(t, "parameters", params, map[any]any{uint64(1): uint64(7), uint64(2): "x"})
	is(t, "asked", r.asked, 1)
	r.wantSent("getPinUvAuthTokenUsingPinWithPermissions", "vendorPrototype")

	// The software key itself takes it and answers nothing.
	answer, err = r.open().Vendor(t.Context(), 1<<63, nil)
	if err != nil || answer != nil {
		t.Errorf("%x, %v", answer, err)
	}
	is(t, "without parameters", params, map[any]any{uint64(1): uint64(1 << 63)})
	is(t, "told", r.open().Policy().Vendor, []uint64{7, 1 << 63})
}

func TestNoSuchVendorCommand(t *testing.T) {
	plain, none := virtual.DefaultProfile(), vendored()
	delete(none.Options, "authnrCfg")
	delete(none.Options, "setMinPINLength")
	none.ConfigCommands = nil
	for name, profile := range map[string]*virtual.Profile{"no such": vendored(), "none": plain, "no settings": none} {
		r := protected(t, profile, nil)
		id := uint64(7)
		if name == "no such" {
			id = 8
		}
		if _, err := r.open().Vendor(t.Context(), id, nil); !errors.Is(err, ctap2.ErrUnsupported) || r.asked != 0 {
			t.Errorf("%s: %v, asked %d times", name, err, r.asked)
		}
		r.wantSent()
	}
	r := protected(t, vendored(), nil)
	r.refusing("vendorPrototype", ctap2.StatusOperationDenied)
	if _, err := r.open().Vendor(t.Context(), 7, nil); !errors.Is(err, ctap2.StatusOperationDenied) {
		t.Error(err)
	}
	if _, err := newRig(t, vendored(), nil).open().Vendor(t.Context(), 7, nil); err != nil {
		t.Errorf("nothing protects the key: %v", err)
	}
	always := vendored()
	always.Options["alwaysUv"] = true
	if _, err := newRig(t, always, nil).open().Vendor(t.Context(), 7, nil); !errors.Is(err, manage.ErrUnprotected) {
		t.Errorf("alwaysUv and no PIN: %v", err)
	}
}
