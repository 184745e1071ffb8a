package enroll

import (
	"context"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/ceremony"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
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
	Extensions       webauthn.ExtensionInputs

	// Silent asks for no touch, which no relying party does: it finds out whether
	// a credential is there. Keys refuse prf with it.
	Silent bool
}

// Got is one assertion.
type Got struct {
	// Response is for the relying party: its extension results are without
	// secrets.
	Response webauthn.AuthenticationResponse
	User     *ctap2.User   // of a discoverable credential, as far as the key tells
	Verified string        // how the user was verified: "", "pin" or "uv"
	Remarks  []wire.Remark // on the encoding of the key's answer

	// Extensions are all results. Those of prf are secrets of the user.
	Extensions webauthn.ExtensionOutputs

	// WriteError is why a large blob that was to be written was not, if the
	// client knows.
	WriteError error
}

// PRFResults are the secrets of prf, nil for none.
func (g *Got) PRFResults() *webauthn.PRFValues { return prfResults(g.Extensions) }

// Get asks for assertions: one, or without Allow one of each discoverable
// credential of the relying party, the newest first. It refuses an origin that
// may not use the relying party ID with [webauthn.ErrOrigin] before the key is
// asked for anything but its getInfo.
func Get(ctx context.Context, key *devices.Conn, o GetOptions, ask Ask) ([]Got, error) {
	if err := webauthn.CheckOrigin(o.Origin, o.RPID); err != nil {
		return nil, err
	}
	if id := o.Extensions.AppID; id != "" {
		if err := webauthn.CheckAppID(o.Origin, id); err != nil {
			return nil, err
		}
	}
	info, err := key.GetInfo(ctx)
	if err != nil {
		return nil, err
	}
	g := &getting{
		flow: &flow{key: key, info: info, ask: ask}, options: o,
		client: webauthn.ClientData{Type: webauthn.TypeGet, Challenge: o.Challenge, Origin: o.Origin},
	}
	if err := g.run(ctx, g.begin); err != nil {
		return nil, err
	}
	return g.got, nil
}

// getting is assertions under way.
type getting struct {
	*flow
	*ceremony.Assertion
	options GetOptions
	client  webauthn.ClientData
	got     []Got
}

func (g *getting) begin() (attempt, error) {
	o := &webauthn.RequestOptions{
		Challenge: g.options.Challenge, RPID: g.options.RPID, Allow: known(g.options.Allow),
		Verification: g.options.UserVerification, Extensions: g.options.Extensions,
	}
	assertion, err := ceremony.NewAssertion(g.info, o, g.options.RPID, g.client.Hash())
	if err != nil {
		return attempt{}, err
	}
	if g.options.Silent {
		assertion.Request.Options = map[string]bool{ctap2.OptionUP: false}
	}
	g.Assertion, g.got = assertion, nil
	return attempt{round: g, request: assertion.Request, send: g.send}, nil
}

// Prepare looks first whether the credential is one of the AppID: a key would
// want a touch before it tells that it has none of the relying party.
func (g *getting) Prepare(ctx context.Context, client *ctap2.Client, token *pinuv.Token) error {
	if appID := g.options.Extensions.AppID; appID != "" {
		old, err := g.onlyUnder(ctx, appID, token)
		if err != nil {
			return err
		}
		if old {
			g.UseAppID()
		}
	}
	return g.Assertion.Prepare(ctx, client, token)
}

// onlyUnder reports whether a credential of the allow list is on the key under
// the AppID, and none under the relying party ID.
func (g *getting) onlyUnder(ctx context.Context, appID string, token *pinuv.Token) (bool, error) {
	p := ceremony.Preflight{Client: g.key.Client, Info: g.info, RPID: g.options.RPID, Token: token}
	found, err := p.Find(ctx, g.Request.AllowList)
	if err != nil || found != nil {
		return false, err
	}
	p.RPID, p.Token = appID, nil
	found, err = p.Find(ctx, g.Request.AllowList)
	return found != nil, err
}

func (g *getting) send(ctx context.Context, token *pinuv.Token) error {
	assertions, err := g.key.GetAssertions(ctx, g.Request)
	if err != nil {
		return err
	}
	for _, a := range assertions {
		results, err := g.Results(ctx, g.key.Client, token, a)
		if err != nil {
			return err
		}
		g.got = append(g.got, g.one(a, results))
	}
	return nil
}

func (g *getting) one(a *ctap2.Assertion, results webauthn.ExtensionOutputs) Got {
	var handle []byte
	if a.User != nil {
		handle = a.User.ID
	}
	response := webauthn.NewAuthenticationResponse(a.Credential.ID, g.client.JSON(), a.RawAuthData, a.Signature, handle)
	response.ClientExtensionResults = results.WithoutSecrets().Results()
	return Got{
		Response: response, User: a.User, Verified: g.verified, Remarks: a.Remarks,
		Extensions: results, WriteError: g.WriteError,
	}
}
