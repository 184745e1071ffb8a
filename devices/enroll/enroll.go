// Package enroll makes a passkey on an open key and asks it for assertions: the
// client's half of both WebAuthn ceremonies (WebAuthn L3 §5.1.3 and §5.1.4),
// from options to the response for the relying party. It decides whether and
// how to verify the user, and asks the person through [Ask].
//
//	created, err := enroll.Create(ctx, key, enroll.CreateOptions{...}, enroll.Ask{PIN: askPIN})
//	registration, err := party.Register(ceremony, user, created.Response)
package enroll

import (
	"context"
	"errors"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices"
)

// Requirement is how much a relying party wants something: residentKey and
// userVerification of WebAuthn L3 §5.4.6 and §5.8.6.
type Requirement = webauthn.Requirement

// Requirements.
const (
	Required    = webauthn.Required
	Preferred   = webauthn.Preferred
	Discouraged = webauthn.Discouraged
)

// Ask is how the flow asks the person at the terminal.
type Ask struct {
	// PIN returns the key's PIN. The flow wipes it. When nil, a key that needs
	// a PIN fails with [ErrNoPIN].
	PIN func(context.Context, PINRequest) ([]byte, error)
}

// PINRequest tells what a PIN is asked for.
type PINRequest struct {
	Key  devices.Info
	Left uint // tries left before the key locks its PIN
}

// CreateOptions are what a relying party asks a client to make
// (PublicKeyCredentialCreationOptions).
type CreateOptions struct {
	RP               ctap2.RelyingParty
	Origin           string
	Challenge        []byte
	User             ctap2.User
	Algorithms       []cose.Algorithm // in order of preference
	Exclude          []ctap2.Descriptor
	Discoverable     Requirement
	UserVerification Requirement
	Attestation      webauthn.Conveyance
}

// Created is a credential that was made.
type Created struct {
	Response     webauthn.RegistrationResponse
	Discoverable bool          // whether a discoverable credential was asked for
	Verified     string        // how the user was verified: "", "pin" or "uv"
	Remarks      []wire.Remark // on the encoding of the key's answer
}

// ErrUnsupported: the key cannot do what is required.
var ErrUnsupported = errors.New("the key does not support this")

// Create makes a credential. It refuses an origin that may not use the relying
// party ID with [webauthn.ErrOrigin] before the key is asked for anything but
// its getInfo.
func Create(ctx context.Context, key *devices.Conn, o CreateOptions, ask Ask) (*Created, error) {
	if err := webauthn.CheckOrigin(o.Origin, o.RP.ID); err != nil {
		return nil, err
	}
	info, err := key.GetInfo(ctx)
	if err != nil {
		return nil, err
	}
	rk, err := discoverable(info, o.Discoverable)
	if err != nil {
		return nil, err
	}
	client := webauthn.ClientData{Type: webauthn.TypeCreate, Challenge: o.Challenge, Origin: o.Origin}
	f := &flow{key: key, info: info, ask: ask, rpID: o.RP.ID, permission: ctap2.PermissionMakeCredential}
	resp, err := f.make(ctx, createRequest(info, o, rk, client.Hash()), o.UserVerification)
	if err != nil {
		return nil, err
	}
	object, err := webauthn.AttestationObject(o.Attestation, resp.Format, resp.Statement, resp.RawAuthData)
	if err != nil {
		return nil, err
	}
	response, err := webauthn.NewRegistrationResponse(client.JSON(), object, resp.RawAuthData, transports(key, info))
	if err != nil {
		return nil, err
	}
	return &Created{Response: response, Discoverable: rk, Verified: f.verified, Remarks: resp.Remarks}, nil
}

func discoverable(info *ctap2.Info, want Requirement) (bool, error) {
	can, _ := info.Option(ctap2.OptionRK)
	if want == Required && !can {
		return false, fmt.Errorf("%w: it stores no discoverable credentials", ErrUnsupported)
	}
	return can && want != Discouraged, nil
}

func createRequest(info *ctap2.Info, o CreateOptions, rk bool, hash []byte) *ctap2.MakeCredentialRequest {
	r := &ctap2.MakeCredentialRequest{
		ClientDataHash: hash, RP: o.RP, User: o.User,
		Parameters: ctap2.Parameters(o.Algorithms...), ExcludeList: o.Exclude,
		Options: map[string]bool{},
	}
	if rk {
		r.Options[ctap2.OptionRK] = true
	}
	if o.Attestation == webauthn.ConveyanceNone && info.Has(ctap2.InfoAttestationFormats) {
		r.AttestationFormats = []string{webauthn.FormatNone}
	}
	if ep, _ := info.Option(ctap2.OptionEP); ep && o.Attestation == webauthn.ConveyanceEnterprise {
		r.EnterpriseAttestation = ctap2.EnterpriseVendor
	}
	return r
}

// transports are those that the key tells of, or the one that it is on.
func transports(key *devices.Conn, info *ctap2.Info) []string {
	if len(info.Transports) > 0 {
		return info.Transports
	}
	return []string{string(key.Info.Transport)}
}

// make runs makeCredential, with user verification where it is needed.
func (f *flow) make(ctx context.Context, r *ctap2.MakeCredentialRequest, uv Requirement) (*ctap2.MakeCredentialResponse, error) {
	var resp *ctap2.MakeCredentialResponse
	err := f.run(ctx, uv, r.Options[ctap2.OptionRK], authorization{
		token:  r.Authorize,
		option: func() { r.Options[ctap2.OptionUV] = true },
		send: func() (err error) {
			resp, err = f.key.MakeCredential(ctx, r)
			return err
		},
	})
	return resp, err
}
