package manage

import (
	"context"
	"fmt"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// HasVendor is nil for a command of authenticatorConfig that the key's maker has
// given it, by its getInfo (vendorPrototypeConfigCommands, CTAP 2.3 §6.4 member
// 0x15), [ctap2.ErrUnsupported] for another. It asks for nothing.
func (k *Key) HasVendor(id uint64) error {
	if !k.option(ctap2.OptionAuthnrCfg) || !slices.Contains(k.info.VendorPrototypeConfigCommands, id) {
		return unsupported(fmt.Sprintf("the maker's command 0x%x", id))
	}
	return nil
}

// Vendor runs a command of the key's maker, with further parameters by number, of
// which 1 is the command's own (CTAP 2.3 §6.11.3). What it does and answers only
// the maker says; the answer is nil when there is none.
func (k *Key) Vendor(ctx context.Context, id uint64, params map[uint]wire.Raw) (wire.Raw, error) {
	if err := k.HasVendor(id); err != nil {
		return nil, err
	}
	token, err := k.authorize(ctx, ctap2.PermissionConfig)
	if err != nil {
		return nil, err
	}
	defer token.Wipe()
	all := map[uint]any{}
	for number, value := range params {
		all[number] = value
	}
	return k.conn.VendorPrototype(ctx, token, id, all)
}
