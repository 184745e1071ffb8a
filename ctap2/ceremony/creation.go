package ceremony

import (
	"context"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
)

// Creation is a makeCredential request for a relying party's options, and what
// its answer means.
type Creation struct {
	Request      *ctap2.MakeCredentialRequest
	Discoverable bool // whether a discoverable credential is asked for

	// Requirement is how much the user is to be verified: what the relying party
	// says, and no less than preferred where the secrets of prf depend on it.
	Requirement webauthn.Requirement

	info    *ctap2.Info
	inputs  webauthn.ExtensionInputs
	sent    ctap2.CreationExtensions
	salts   [][]byte // to be evaluated at creation, nil for none
	exclude []ctap2.Descriptor
}

// NewCreation builds the request for options, for the relying party rpID and the
// hash of the client data. Extensions that the authenticator does not have are
// left out where that is allowed; what is required and cannot be done is an error
// that matches [webauthn.ConstraintError] or [webauthn.NotSupportedError].
func NewCreation(info *ctap2.Info, o *webauthn.CreationOptions, rpID string, hash []byte) (*Creation, error) {
	if err := o.Extensions.CheckCreate(); err != nil {
		return nil, err
	}
	algorithms, err := o.Algorithms()
	if err != nil {
		return nil, err
	}
	c := &Creation{info: info, inputs: o.Extensions, Requirement: o.UserVerification(), exclude: descriptors(o.Excluded())}
	if c.Discoverable, err = discoverable(info, o.ResidentKey()); err != nil {
		return nil, err
	}
	if err := c.extend(); err != nil {
		return nil, err
	}
	c.Request = &ctap2.MakeCredentialRequest{
		ClientDataHash: hash, RP: ctap2.RelyingParty{ID: rpID, Name: o.RP.Name},
		User:       ctap2.User{ID: o.User.ID, Name: o.User.Name, DisplayName: o.User.DisplayName},
		Parameters: ctap2.Parameters(algorithms...), ExcludeList: c.exclude, Extensions: c.sent.Inputs(),
		EnterpriseAttestation: enterprise(info, o.Conveyance()), AttestationFormats: formats(info, o),
	}
	if c.Discoverable {
		c.Request.Options = map[string]bool{ctap2.OptionRK: true}
	}
	return c, nil
}

// descriptors are those of a request. Transports are for the client, which is
// past choosing an authenticator; they would only make the message longer.
func descriptors(list []webauthn.Descriptor) []ctap2.Descriptor {
	var all []ctap2.Descriptor
	for _, d := range list {
		all = append(all, ctap2.Descriptor{ID: d.ID, Type: d.Type})
	}
	return all
}

// discoverable decides whether to make a discoverable credential (WebAuthn L3
// §5.1.3).
func discoverable(info *ctap2.Info, want webauthn.Requirement) (bool, error) {
	can, _ := info.Option(ctap2.OptionRK)
	if want == webauthn.Required && !can {
		return false, fmt.Errorf("%w: %w: it stores no discoverable credentials", webauthn.ConstraintError, ctap2.ErrUnsupported)
	}
	return can && want != webauthn.Discouraged, nil
}

// enterprise asks for enterprise attestation of authenticators that have it on.
// The authenticator has the list of relying parties: this platform has none to
// check them by (CTAP 2.3 §7.1).
func enterprise(info *ctap2.Info, c webauthn.Conveyance) ctap2.EnterpriseAttestation {
	if on, _ := info.Option(ctap2.OptionEP); on && c == webauthn.ConveyanceEnterprise {
		return ctap2.EnterpriseVendor
	}
	return 0
}

// formats are the attestation formats to prefer, for authenticators that know
// the member (CTAP 2.2). No attestation is a format too.
func formats(info *ctap2.Info, o *webauthn.CreationOptions) []string {
	switch {
	case !info.Has(ctap2.InfoAttestationFormats):
		return nil
	case o.Conveyance() == webauthn.ConveyanceNone:
		return []string{webauthn.FormatNone}
	}
	return o.AttestationFormats
}

// Purpose is what the user may have to be verified for: to make the credential
// and, when credentials are excluded, to look for them.
func (c *Creation) Purpose() Purpose {
	perms := ctap2.PermissionMakeCredential
	if len(c.exclude) > 0 {
		perms |= ctap2.PermissionGetAssertion
	}
	return Purpose{Permissions: perms, RPID: c.Request.RP.ID, Requirement: c.Requirement, Discoverable: c.Discoverable}
}

// Prepare completes the request with what only the authenticator can tell: the
// key agreement for prf at creation, and an exclude list that it takes. It comes
// last, after the request was authorised; token is the one it was authorised
// with, or nil. Close the creation after its results.
func (c *Creation) Prepare(ctx context.Context, client *ctap2.Client, token *pinuv.Token) error {
	if len(c.salts) > 0 {
		h, err := hmacSecret(ctx, client, c.info, c.salts)
		if err != nil {
			return err
		}
		c.sent.HMACSecretMC = h
		c.Request.Extensions = c.sent.Inputs()
	}
	p := Preflight{Client: client, Info: c.info, RPID: c.Request.RP.ID, Token: token}
	return p.Exclude(ctx, c.Request)
}

// Close wipes the secrets of the extensions.
func (c *Creation) Close() {
	if c.sent.HMACSecretMC != nil {
		c.sent.HMACSecretMC.Close()
	}
}

// ExcludedByAppID reports whether the authenticator has one of the excluded
// credentials under the AppID of appidExclude (WebAuthn L3 §10.1.2). The caller
// has held the AppID to the origin, by [webauthn.CheckAppID], and waits for a
// touch before it tells.
func (c *Creation) ExcludedByAppID(ctx context.Context, client *ctap2.Client) (bool, error) {
	if c.inputs.AppIDExclude == "" {
		return false, nil
	}
	found, err := Preflight{Client: client, Info: c.info, RPID: c.inputs.AppIDExclude}.Find(ctx, c.exclude)
	return found != nil, err
}

// hmacSecret agrees on a key for one or two salts.
func hmacSecret(ctx context.Context, client *ctap2.Client, info *ctap2.Info, salts [][]byte) (*ctap2.HMACSecret, error) {
	protocol := info.PINUVAuthProtocol()
	if protocol == 0 {
		protocol = pinuv.One // a CTAP 2.0 key without a PIN says nothing of protocols
	}
	var second []byte
	if len(salts) > 1 {
		second = salts[1]
	}
	return client.HMACSecret(ctx, protocol, salts[0], second)
}
