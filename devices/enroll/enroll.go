// Package enroll makes a passkey on an open key and asks it for assertions: the
// client's half of both WebAuthn ceremonies (WebAuthn L3 §5.1.3 and §5.1.4),
// from options to the response for the relying party. The key gets the requests
// that package ceremony builds, as a browser would send them; whether and how to
// verify the user is decided there, and the person is asked through [Ask].
//
//	created, err := enroll.Create(ctx, key, enroll.CreateOptions{...}, enroll.Ask{PIN: askPIN})
//	registration, err := party.Register(ceremony, user, created.Response)
package enroll

import (
	"context"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
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

// ErrUnsupported: the key cannot do what is required.
var ErrUnsupported = ctap2.ErrUnsupported

// known are the credentials of a list as WebAuthn has them.
func known(list []ctap2.Descriptor) []webauthn.Descriptor {
	var all []webauthn.Descriptor
	for _, d := range list {
		all = append(all, webauthn.Descriptor{Type: d.Type, ID: d.ID})
	}
	return all
}
