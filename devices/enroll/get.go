package enroll

import (
	"context"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices"
)

// GetOptions are what a relying party asks a client to assert
// (PublicKeyCredentialRequestOptions).
type GetOptions struct {
	RPID             string
	Origin           string
	Challenge        []byte
	Allow            []ctap2.Descriptor // none for a login without user name
	UserVerification Requirement
}

// Got is one assertion.
type Got struct {
	Response webauthn.AuthenticationResponse
	User     *ctap2.User   // of a discoverable credential, as far as the key tells
	Verified string        // how the user was verified: "", "pin" or "uv"
	Remarks  []wire.Remark // on the encoding of the key's answer
}

// Get asks for assertions: one, or without Allow one of each discoverable
// credential of the relying party, the newest first. It refuses an origin that
// may not use the relying party ID with [webauthn.ErrOrigin] before the key is
// asked for anything but its getInfo.
func Get(ctx context.Context, key *devices.Conn, o GetOptions, ask Ask) ([]Got, error) {
	if err := webauthn.CheckOrigin(o.Origin, o.RPID); err != nil {
		return nil, err
	}
	info, err := key.GetInfo(ctx)
	if err != nil {
		return nil, err
	}
	client := webauthn.ClientData{Type: webauthn.TypeGet, Challenge: o.Challenge, Origin: o.Origin}
	r := &ctap2.GetAssertionRequest{RPID: o.RPID, ClientDataHash: client.Hash(), AllowList: o.Allow, Options: map[string]bool{}}
	f := &flow{key: key, info: info, ask: ask, rpID: o.RPID, permission: ctap2.PermissionGetAssertion}
	assertions, err := f.get(ctx, r, o.UserVerification)
	if err != nil {
		return nil, err
	}
	var all []Got
	for _, a := range assertions {
		all = append(all, f.got(a, client))
	}
	return all, nil
}

func (f *flow) get(ctx context.Context, r *ctap2.GetAssertionRequest, uv Requirement) ([]*ctap2.Assertion, error) {
	var assertions []*ctap2.Assertion
	err := f.run(ctx, uv, false, authorization{
		token:  r.Authorize,
		option: func() { r.Options[ctap2.OptionUV] = true },
		send: func() (err error) {
			assertions, err = f.key.GetAssertions(ctx, r)
			return err
		},
	})
	return assertions, err
}

func (f *flow) got(a *ctap2.Assertion, client webauthn.ClientData) Got {
	var handle []byte
	if a.User != nil {
		handle = a.User.ID
	}
	return Got{
		Response: webauthn.NewAuthenticationResponse(a.Credential.ID, client.JSON(), a.RawAuthData, a.Signature, handle),
		User:     a.User, Verified: f.verified, Remarks: a.Remarks,
	}
}
