package ctap2

import (
	"context"
	"errors"

	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

// Selection waits for a touch, so that a person can say which of several keys
// is meant (CTAP 2.3 §6.9, since CTAP 2.1). nil is a touch.
func (c *Client) Selection(ctx context.Context) error {
	_, err := c.do(ctx, call{command: CommandSelection})
	return err
}

// Touch waits for a touch on any CTAP2 authenticator: by [Client.Selection] on
// those that have it, and on older ones by a makeCredential with an empty
// pinUvAuthParam, which makes nothing (CTAP 2.3 §6.1.2 step 1). nil is a touch.
func (c *Client) Touch(ctx context.Context, info *Info) error {
	if info.Supports(Version21) || info.Supports(Version23) {
		return c.Selection(ctx)
	}
	_, err := c.MakeCredential(ctx, &MakeCredentialRequest{
		ClientDataHash: make([]byte, 32),
		RP:             RelyingParty{ID: "touch.invalid"},
		User:           User{ID: []byte{0}, Name: "touch"},
		Parameters:     Parameters(cose.ES256),
		PINUVAuthParam: []byte{}, PINUVAuthProtocol: pinuv.One,
	})
	// No PIN set, and a PIN set by CTAP 2.1 and by CTAP 2.0.
	for _, touched := range []Status{StatusPINNotSet, StatusPINInvalid, StatusPINAuthInvalid} {
		if errors.Is(err, touched) {
			return nil
		}
	}
	return err
}
