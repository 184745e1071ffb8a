package ctap2

import (
	"context"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// EnterpriseAttestation asks for an attestation that tells one authenticator
// from all others (CTAP 2.3 §7.1). Only authenticators with the option ep on
// take it; those that do not grant it attest as ever.
type EnterpriseAttestation uint

// Kinds of enterprise attestation.
const (
	EnterpriseVendor   EnterpriseAttestation = 1 // the authenticator has the list of relying parties
	EnterprisePlatform EnterpriseAttestation = 2 // the platform checked the relying party
)

// MakeCredentialRequest holds the parameters of authenticatorMakeCredential
// (CTAP 2.3 §6.1). Members that are empty are not sent.
type MakeCredentialRequest struct {
	ClientDataHash []byte          `cbor:"1,keyasint"` // SHA-256 of clientDataJSON, 32 bytes
	RP             RelyingParty    `cbor:"2,keyasint"`
	User           User            `cbor:"3,keyasint"`
	Parameters     []Parameter     `cbor:"4,keyasint"` // in order of preference
	ExcludeList    []Descriptor    `cbor:"5,keyasint,omitempty"`
	Extensions     map[string]any  `cbor:"6,keyasint,omitempty"`
	Options        map[string]bool `cbor:"7,keyasint,omitempty"`

	// PINUVAuthParam is made by [MakeCredentialRequest.Authorize]. A slice that
	// is not nil but empty is sent, and asks only for a touch.
	PINUVAuthParam    []byte         `cbor:"8,keyasint,omitzero"`
	PINUVAuthProtocol pinuv.Protocol `cbor:"9,keyasint,omitempty"`

	EnterpriseAttestation EnterpriseAttestation `cbor:"10,keyasint,omitempty"`
	AttestationFormats    []string              `cbor:"11,keyasint,omitempty"` // preferred first; exactly ["none"] for none
}

// Authorize sets PINUVAuthParam and PINUVAuthProtocol for the request's client
// data hash from a token with permission mc.
func (r *MakeCredentialRequest) Authorize(t *pinuv.Token) {
	r.PINUVAuthParam = t.Authenticate(r.ClientDataHash)
	r.PINUVAuthProtocol = t.Protocol()
}

// VerifyUser asks the authenticator to verify the user by its own means, where it
// has no tokens to [MakeCredentialRequest.Authorize] the request with.
func (r *MakeCredentialRequest) VerifyUser() { r.Options = withOption(r.Options, OptionUV, true) }

// MakeCredentialResponse is the answer to authenticatorMakeCredential.
type MakeCredentialResponse struct {
	Format                   string // attestation statement format, such as "packed"
	AuthData                 authdata.Data
	RawAuthData              []byte   // AuthData as it was sent and signed
	Statement                wire.Raw // attStmt, a CBOR map; nil when it was left out (CTAP 2.2)
	EnterpriseAttestation    bool     // epAtt: an enterprise attestation was granted
	LargeBlobKey             []byte   // 32 bytes or nil
	UnsignedExtensionOutputs map[string]wire.Raw
	Remarks                  []wire.Remark
}

type makeCredentialWire struct {
	Format                   string              `cbor:"1,keyasint"`
	AuthData                 []byte              `cbor:"2,keyasint"`
	Statement                wire.Raw            `cbor:"3,keyasint"`
	EnterpriseAttestation    bool                `cbor:"4,keyasint"`
	LargeBlobKey             []byte              `cbor:"5,keyasint"`
	UnsignedExtensionOutputs map[string]wire.Raw `cbor:"6,keyasint"`
}

// MakeCredential makes a credential (CTAP 2.3 §6.1). It waits for the user as
// long as the authenticator and ctx let it.
func (c *Client) MakeCredential(ctx context.Context, r *MakeCredentialRequest) (*MakeCredentialResponse, error) {
	var w makeCredentialWire
	k := call{command: CommandMakeCredential, params: r, result: &w}
	remarks, err := c.do(ctx, k)
	if err != nil {
		return nil, err
	}
	if w.Format == "" {
		return nil, k.missing("fmt")
	}
	data, err := authdata.Parse(w.AuthData)
	if err != nil {
		return nil, k.bad(err)
	}
	if data.Credential == nil {
		return nil, k.missing("attested credential data")
	}
	if err := checkLargeBlobKey(w.LargeBlobKey); err != nil {
		return nil, k.bad(err)
	}
	return &MakeCredentialResponse{
		Format: w.Format, AuthData: data, RawAuthData: w.AuthData, Statement: w.Statement,
		EnterpriseAttestation: w.EnterpriseAttestation, LargeBlobKey: w.LargeBlobKey,
		UnsignedExtensionOutputs: w.UnsignedExtensionOutputs, Remarks: remarks,
	}, nil
}
