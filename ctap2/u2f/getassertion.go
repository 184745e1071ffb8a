package u2f

import (
	"context"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// assertion is what a bridge reads of getAssertion's parameters.
type assertion struct {
	RPID      string          `cbor:"1,keyasint"`
	Hash      []byte          `cbor:"2,keyasint"`
	AllowList []descriptor    `cbor:"3,keyasint"`
	Options   map[string]bool `cbor:"5,keyasint"`
	Param     *[]byte         `cbor:"6,keyasint"`
	Protocol  uint            `cbor:"7,keyasint"`
}

// getAssertion authenticates (CTAP 2.3 §10.3). An AppID in place of the relying
// party ID finds credentials that a site registered by U2F (WebAuthn L3
// §10.1.1).
func (b *Bridge) getAssertion(ctx context.Context, params []byte) ([]byte, error) {
	var r assertion
	if err := wire.Decode(params, &r); err != nil {
		return nil, ctap2.StatusInvalidCBOR
	}
	c := common{hash: r.Hash, options: r.Options, param: r.Param, protocol: r.Protocol}
	if c.probe() {
		return nil, b.touch(ctx)
	}
	if err := r.check(c); err != nil {
		return nil, err
	}
	app := application(r.RPID)
	known, err := b.first(ctx, app, r.AllowList)
	if err != nil {
		return nil, err
	}
	if known == nil {
		return nil, ctap2.StatusNoCredentials
	}
	auth, err := b.device.Authenticate(ctx, r.control(), r.Hash, app, known.ID)
	if err != nil {
		return nil, err
	}
	return auth.assertion(app, *known)
}

func (r *assertion) check(c common) error {
	_, rk := r.Options[ctap2.OptionRK]
	switch err := c.check(); {
	case err != nil:
		return err
	case r.RPID == "":
		return ctap2.StatusMissingParameter
	case rk:
		return ctap2.StatusUnsupportedOption
	}
	return nil
}

// control is to sign after a touch, unless the request does without.
func (r *assertion) control() Control {
	if up, sent := r.Options[ctap2.OptionUP]; sent && !up {
		return DontEnforce
	}
	return Enforce
}

// assertion is the answer to getAssertion for an authentication. What was signed
// is the authenticator data and the client data hash, byte for byte.
func (a *Authentication) assertion(application []byte, id descriptor) ([]byte, error) {
	if a.Flags&^FlagUserPresent != 0 {
		// They would be flags of CTAP2 that nobody meant, and left out they
		// would break the signature.
		return nil, fmt.Errorf("%w: reserved bits in the user presence byte 0x%02x", ErrMalformed, a.Flags)
	}
	data := authdata.Data{Flags: authdata.Flags(a.Flags), SignCount: a.Counter}
	copy(data.RPIDHash[:], application)
	raw, err := data.Bytes()
	if err != nil {
		return nil, err
	}
	return wire.Encode(map[int]any{1: id, 2: raw, 3: a.Signature})
}
