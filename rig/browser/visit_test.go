//go:build linux

package browser

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/relyingparty"
)

// visit is a person at the site, who may register and sign in there, and the
// site's relying party.
type visit struct {
	*tab
	party relyingparty.Party
	user  relyingparty.User
}

// newVisit opens the site in the browser.
func newVisit(t *testing.T) *visit {
	t.Helper()
	b := needBrowser(t)
	v := &visit{
		tab: b.open(t, b.site.party.Origin), party: b.site.party,
		user: relyingparty.User{ID: []byte{7, 7, 7}, Name: "alice", DisplayName: "Alice"},
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the browser shows %q", v.shows())
		}
	})
	return v
}

// registered are credentials to choose from.
type registered = []*relyingparty.Registration

type (
	creation = protocol.PublicKeyCredentialCreationOptions
	request  = protocol.PublicKeyCredentialRequestOptions
)

// ceremony runs in the page.
type ceremony struct {
	visit *visit
	party *relyingparty.Ceremony
	done  chan outcome

	nameless   bool                                           // a sign-in without a user name
	extensions protocol.AuthenticationExtensionsClientOutputs // what they came to
}

// outcome is what a ceremony came to: a credential or an error.
type outcome struct {
	Credential json.RawMessage `json:"credential"`
	Error      *struct {
		Name    string `json:"name"`
		Message string `json:"message"`
	} `json:"error"`
	failed error // to tell
}

func (v *visit) begin(uv protocol.UserVerificationRequirement) *ceremony {
	v.t.Helper()
	c, err := v.party.Begin(relyingparty.Policy{
		RequireUserVerification: uv == protocol.VerificationRequired, Algorithms: []cose.Algorithm{cose.ES256},
	})
	if err != nil {
		v.t.Fatal(err)
	}
	return &ceremony{visit: v, party: c, done: make(chan outcome, 1)}
}

func (c *ceremony) run(kind string, options any) *ceremony {
	go func() {
		result, err := call[outcome](c.visit.tab, "ceremony", kind, options)
		result.failed = err
		c.done <- result
	}()
	return c
}

// create begins to make a credential on a security key. Changes are applied to
// options that need neither click nor PIN.
func (v *visit) create(changes ...func(*creation)) *ceremony {
	v.t.Helper()
	o := creation{
		RelyingParty: protocol.RelyingPartyEntity{ID: v.party.ID, CredentialEntity: protocol.CredentialEntity{Name: v.party.Name}},
		User: protocol.UserEntity{
			ID: protocol.URLEncodedBase64(v.user.ID), DisplayName: v.user.DisplayName,
			CredentialEntity: protocol.CredentialEntity{Name: v.user.Name},
		},
		Parameters: []protocol.CredentialParameter{{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgES256}},
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			AuthenticatorAttachment: protocol.CrossPlatform,
			ResidentKey:             protocol.ResidentKeyRequirementDiscouraged, UserVerification: protocol.VerificationDiscouraged,
		},
		Hints: []protocol.PublicKeyCredentialHints{protocol.PublicKeyCredentialHintSecurityKey}, Attestation: protocol.PreferNoAttestation,
	}
	for _, change := range changes {
		change(&o)
	}
	c := v.begin(o.AuthenticatorSelection.UserVerification)
	o.Challenge = c.party.Challenge
	return c.run("create", o)
}

// get begins to sign in with a security key: with one of the credentials or, where
// there are none, without a user name.
func (v *visit) get(allow registered, changes ...func(*request)) *ceremony {
	v.t.Helper()
	o := request{
		RelyingPartyID: v.party.ID, UserVerification: protocol.VerificationDiscouraged, AllowedCredentials: descriptors(allow),
		Hints: []protocol.PublicKeyCredentialHints{protocol.PublicKeyCredentialHintSecurityKey},
	}
	for _, change := range changes {
		change(&o)
	}
	c := v.begin(o.UserVerification)
	o.Challenge, c.nameless = c.party.Challenge, len(allow) == 0
	return c.run("get", o)
}

// passkey asks for a credential that signs in without a user name.
func passkey(o *creation) {
	o.AuthenticatorSelection.ResidentKey = protocol.ResidentKeyRequirementRequired
	o.AuthenticatorSelection.UserVerification = protocol.VerificationRequired
}

func verified(o *request) { o.UserVerification = protocol.VerificationRequired }

func descriptors(all registered) (list []protocol.CredentialDescriptor) {
	for _, r := range all {
		list = append(list, protocol.CredentialDescriptor{
			Type: protocol.PublicKeyCredentialType, CredentialID: protocol.URLEncodedBase64(r.CredentialID),
			Transport: []protocol.AuthenticatorTransport{protocol.USB},
		})
	}
	return list
}

// outcome waits for the ceremony to end.
func (c *ceremony) outcome() outcome {
	t := c.visit.t
	t.Helper()
	o := receive(t, "the ceremony has ended", c.done)
	if o.failed != nil {
		t.Fatal(o.failed)
	}
	return o
}

// fails wants the ceremony to end with an error of the DOM.
func (c *ceremony) fails(name string) {
	t := c.visit.t
	t.Helper()
	switch o := c.outcome(); {
	case o.Error == nil:
		t.Errorf("the ceremony succeeded, want %s", name)
	case o.Error.Name != name:
		t.Errorf("the ceremony failed with %s (%s), want %s", o.Error.Name, o.Error.Message, name)
	}
}

// succeeds wants it to end with a credential.
func (c *ceremony) succeeds(response any) {
	t := c.visit.t
	t.Helper()
	o := c.outcome()
	if o.Error != nil {
		t.Fatalf("the ceremony failed with %s: %s", o.Error.Name, o.Error.Message)
	}
	extended := struct {
		Results *protocol.AuthenticationExtensionsClientOutputs `json:"clientExtensionResults"`
	}{&c.extensions}
	if err := errors.Join(json.Unmarshal(o.Credential, response), json.Unmarshal(o.Credential, &extended)); err != nil {
		t.Fatalf("%s: %v", o.Credential, err)
	}
}

// registers wants a credential that the relying party takes. What extensions came
// to is no part of what it is shown: nobody has signed that.
func (c *ceremony) registers() *relyingparty.Registration {
	t := c.visit.t
	t.Helper()
	var response webauthn.RegistrationResponse
	c.succeeds(&response)
	clear(response.ClientExtensionResults)
	r, err := c.visit.party.Register(c.party, c.visit.user, response)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// signsIn wants an assertion that the relying party takes from a user who has
// registered the credentials.
func (c *ceremony) signsIn(stored ...*relyingparty.Registration) *relyingparty.Assertion {
	t := c.visit.t
	t.Helper()
	a, err := c.authenticates(stored...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// authenticates wants an assertion, and returns what the relying party says of it.
func (c *ceremony) authenticates(stored ...*relyingparty.Registration) (*relyingparty.Assertion, error) {
	c.visit.t.Helper()
	var response webauthn.AuthenticationResponse
	c.succeeds(&response)
	clear(response.ClientExtensionResults)
	return c.visit.party.Authenticate(c.party, stored, response, c.nameless)
}
