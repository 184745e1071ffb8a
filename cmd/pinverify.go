package cmd

import (
	"context"
	"errors"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/devices/enroll"
)

// pinVerify spends one PIN try and tells what is left.
func (a *app) pinVerify(ctx context.Context, s *session) (view.Result, error) {
	key, err := newPINKey(ctx, s)
	switch {
	case err != nil:
		return nil, err
	case !key.set:
		return nil, errPINNotSet
	case key.info.ForcePINChange:
		return nil, enroll.ErrPINChange
	}
	grant, err := key.least()
	if err != nil {
		return nil, err
	}
	left, err := enroll.Retries(ctx, s.Conn)
	if err != nil {
		return nil, err
	}
	pin, err := a.askPIN(ctx, "PIN of "+keyName(s.Info)+": ", left)
	if err != nil {
		return nil, err
	}
	defer clear(pin)
	token, err := grant.token(ctx, s, key.protocol, pin)
	if err != nil {
		return nil, err
	}
	token.Wipe()
	after, err := s.PINRetries(ctx)
	if err != nil {
		return nil, err
	}
	return view.PINChanged{Device: s.Info, Action: view.PINVerified, Left: &after.Left}, nil
}

// grant is what a token authorises.
type grant struct {
	permissions ctap2.Permission // 0 for a token without any
	rpID        string
}

// nobody is a relying party that there is not, and never will be (RFC 2606).
const nobody = "touchstone.invalid"

// errNoGrant: the key gives no tokens for its PIN.
var errNoGrant = errors.New("this key grants nothing for its PIN")

// least is the least that the key grants for its PIN: to sign in where nobody
// can, or to manage the passkeys of nobody. Keys that bind neither to a relying
// party get a token for what they have, which is dropped as well.
func (k pinKey) least() (grant, error) {
	on := func(name string) bool { v, _ := k.info.Option(name); return v }
	has := func(name string) bool { _, sent := k.info.Option(name); return sent }
	switch {
	case !on(ctap2.OptionPINUVAuthToken):
		return grant{}, nil // CTAP 2.0: a token is a token
	case !on(ctap2.OptionNoPermissionsWithPIN):
		return grant{ctap2.PermissionGetAssertion, nobody}, nil
	case on(ctap2.OptionCredMgmt):
		return grant{ctap2.PermissionCredentialManagement, nobody}, nil
	case has(ctap2.OptionBioEnroll):
		return grant{permissions: ctap2.PermissionBioEnrollment}, nil
	case on(ctap2.OptionLargeBlobs):
		return grant{permissions: ctap2.PermissionLargeBlobWrite}, nil
	case on(ctap2.OptionAuthnrCfg):
		return grant{permissions: ctap2.PermissionConfig}, nil
	}
	return grant{}, errNoGrant
}

// token has the key verify the PIN and give the token.
func (g grant) token(ctx context.Context, s *session, p pinuv.Protocol, pin []byte) (*pinuv.Token, error) {
	if g.permissions == 0 {
		return s.PINToken(ctx, p, pin)
	}
	return s.PINTokenWithPermissions(ctx, p, pin, g.permissions, g.rpID)
}
