package ctap2

import (
	"context"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// GetAssertionRequest holds the parameters of authenticatorGetAssertion (CTAP
// 2.3 §6.2). Members that are empty are not sent.
type GetAssertionRequest struct {
	RPID           string          `cbor:"1,keyasint"`
	ClientDataHash []byte          `cbor:"2,keyasint"` // SHA-256 of clientDataJSON, 32 bytes
	AllowList      []Descriptor    `cbor:"3,keyasint,omitempty"`
	Extensions     map[string]any  `cbor:"4,keyasint,omitempty"`
	Options        map[string]bool `cbor:"5,keyasint,omitempty"`

	// PINUVAuthParam is made by [GetAssertionRequest.Authorize]. A slice that is
	// not nil but empty is sent, and asks only for a touch.
	PINUVAuthParam    []byte         `cbor:"6,keyasint,omitzero"`
	PINUVAuthProtocol pinuv.Protocol `cbor:"7,keyasint,omitempty"`
}

// Authorize sets PINUVAuthParam and PINUVAuthProtocol for the request's client
// data hash from a token with permission ga.
func (r *GetAssertionRequest) Authorize(t *pinuv.Token) {
	r.PINUVAuthParam = t.Authenticate(r.ClientDataHash)
	r.PINUVAuthProtocol = t.Protocol()
}

// VerifyUser asks the authenticator to verify the user by its own means, where it
// has no tokens to [GetAssertionRequest.Authorize] the request with.
func (r *GetAssertionRequest) VerifyUser() { r.Options = withOption(r.Options, OptionUV, true) }

// Assertion is the answer to authenticatorGetAssertion and
// authenticatorGetNextAssertion.
type Assertion struct {
	Credential  Descriptor // empty where CTAP 2.0 lets it out: one entry in the allow list
	AuthData    authdata.Data
	RawAuthData []byte // AuthData as it was sent and signed
	Signature   []byte
	User        *User // of a discoverable credential, else nil

	// NumberOfCredentials is how many credentials there are for the relying
	// party when there is more than one, in the first answer only.
	NumberOfCredentials      uint
	UserSelected             bool
	LargeBlobKey             []byte // 32 bytes or nil
	UnsignedExtensionOutputs map[string]wire.Raw
	Remarks                  []wire.Remark
}

type assertionWire struct {
	Credential               *Descriptor         `cbor:"1,keyasint"`
	AuthData                 []byte              `cbor:"2,keyasint"`
	Signature                []byte              `cbor:"3,keyasint"`
	User                     *User               `cbor:"4,keyasint"`
	NumberOfCredentials      uint                `cbor:"5,keyasint"`
	UserSelected             bool                `cbor:"6,keyasint"`
	LargeBlobKey             []byte              `cbor:"7,keyasint"`
	UnsignedExtensionOutputs map[string]wire.Raw `cbor:"8,keyasint"`
}

// GetAssertion asks for one assertion (CTAP 2.3 §6.2). It waits for the user as
// long as the authenticator and ctx let it.
func (c *Client) GetAssertion(ctx context.Context, r *GetAssertionRequest) (*Assertion, error) {
	a, err := c.assertion(ctx, CommandGetAssertion, r)
	if err != nil {
		return nil, err
	}
	if len(a.Credential.ID) == 0 && len(r.AllowList) == 1 {
		a.Credential = r.AllowList[0] // CTAP 2.0 leaves out what the platform knows
	}
	return a, nil
}

// GetNextAssertion asks for the next assertion of the [Client.GetAssertion]
// before it (CTAP 2.3 §6.3), within 30 seconds and with no other command
// between.
func (c *Client) GetNextAssertion(ctx context.Context) (*Assertion, error) {
	return c.assertion(ctx, CommandGetNextAssertion, nil)
}

// maxAssertions bounds what a hostile numberOfCredentials can make a platform
// ask for; no key stores as many credentials.
const maxAssertions = 1 << 12

// GetAssertions asks for the assertions of all credentials that match: one
// [Client.GetAssertion] and as many [Client.GetNextAssertion] as it announces.
func (c *Client) GetAssertions(ctx context.Context, r *GetAssertionRequest) ([]*Assertion, error) {
	first, err := c.GetAssertion(ctx, r)
	if err != nil {
		return nil, err
	}
	if first.NumberOfCredentials > maxAssertions {
		k := call{command: CommandGetAssertion}
		return nil, k.bad(fmt.Errorf("numberOfCredentials is %d", first.NumberOfCredentials))
	}
	all := []*Assertion{first}
	for uint(len(all)) < first.NumberOfCredentials {
		next, err := c.GetNextAssertion(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, next)
	}
	return all, nil
}

func (c *Client) assertion(ctx context.Context, cmd Command, params *GetAssertionRequest) (*Assertion, error) {
	var w assertionWire
	k := call{command: cmd, result: &w}
	if params != nil {
		k.params = params
	}
	remarks, err := c.do(ctx, k)
	if err != nil {
		return nil, err
	}
	if len(w.Signature) == 0 {
		return nil, k.missing("signature")
	}
	data, err := authdata.Parse(w.AuthData)
	if err != nil {
		return nil, k.bad(err)
	}
	if err := checkLargeBlobKey(w.LargeBlobKey); err != nil {
		return nil, k.bad(err)
	}
	a := &Assertion{
		AuthData: data, RawAuthData: w.AuthData, Signature: w.Signature, User: w.User,
		NumberOfCredentials: w.NumberOfCredentials, UserSelected: w.UserSelected,
		LargeBlobKey: w.LargeBlobKey, UnsignedExtensionOutputs: w.UnsignedExtensionOutputs,
		Remarks: remarks,
	}
	if w.Credential != nil {
		a.Credential = *w.Credential
	}
	return a, nil
}
