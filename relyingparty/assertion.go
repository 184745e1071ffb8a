package relyingparty

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-webauthn/webauthn/protocol"
	lib "github.com/go-webauthn/webauthn/webauthn"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
)

// AssertionSchema names the JSON form of an [Assertion].
const AssertionSchema = "touchstone/assertion/1"

// Assertion is a verified assertion, with all that is needed to verify it again
// against the registration. Nothing in it is secret.
type Assertion struct {
	Schema   string `json:"schema"`
	Verified bool   `json:"verified"`

	RPID         string         `json:"rpId"`
	Origin       string         `json:"origin"`
	User         User           `json:"user"`
	CredentialID webauthn.Bytes `json:"credentialId"`
	Algorithm    string         `json:"algorithm,omitempty"` // registered name, such as ES256
	SignCount    uint32         `json:"signCount"`
	UserPresent  bool           `json:"userPresent"`
	UserVerified bool           `json:"userVerified"`

	// CloneWarning says that the signature counter did not grow: there may be
	// two copies of the key (WebAuthn L3 §6.1.1).
	CloneWarning bool `json:"cloneWarning"`

	// Silent says that nobody was asked to be there. The rest was verified, and
	// Verified is false: every relying party refuses such an assertion.
	Silent bool `json:"silent,omitempty"`

	Extensions *Told `json:"extensions,omitempty"` // what the key signed of them

	// Gaps are what go-webauthn could not verify.
	Gaps []Gap `json:"gaps,omitempty"`

	UserVerificationRequired bool                            `json:"userVerificationRequired"`
	Asked                    *Asked                          `json:"asked,omitempty"`
	Challenge                webauthn.Bytes                  `json:"challenge"`
	Response                 webauthn.AuthenticationResponse `json:"response"`
}

// Authenticate verifies an assertion (WebAuthn L3 §7.2) against the stored
// registrations that were asked for. With byUserHandle the user is found by
// the response's user handle, as in a login without user name; else all
// registrations must be of one user. The error is a [*VerificationError] when
// it does not hold, and [ErrChallengeUsed] for a second response to one
// challenge.
func (p Party) Authenticate(c *Ceremony, stored []*Registration, r webauthn.AuthenticationResponse, byUserHandle bool) (*Assertion, error) {
	if err := c.take(); err != nil {
		return nil, err
	}
	w, err := p.library()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("authentication response: %w", err)
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(text)
	if err != nil {
		return nil, refused("assertion", err)
	}
	flags := authdata.Flags(parsed.Response.AuthenticatorData.Flags)
	if c.Policy.Silent {
		pretendPresence(parsed)
	}
	known, gaps, err := vouch(stored, parsed)
	if err != nil {
		return nil, refused("assertion", err)
	}
	credential, err := p.validate(w, c, withPoint(known, parsed), parsed, byUserHandle)
	if err != nil {
		return nil, refused("assertion", err)
	}
	a := p.assertion(c, find(stored, credential.ID), credential, flags)
	a.SignCount, a.Gaps, a.Response = parsed.Response.AuthenticatorData.Counter, gaps, r
	a.Extensions = told(r.Response.AuthenticatorData)
	return a, nil
}

// pretendPresence has go-webauthn, which has no way to say that nobody need be
// there, find the flag. In what was signed it stays as it is.
func pretendPresence(parsed *protocol.ParsedCredentialAssertionData) {
	parsed.Response.AuthenticatorData.Flags |= protocol.FlagUserPresent
}

func (p Party) validate(w *lib.WebAuthn, c *Ceremony, stored []*Registration, parsed *protocol.ParsedCredentialAssertionData, byUserHandle bool) (*lib.Credential, error) {
	if byUserHandle {
		_, credential, err := w.ValidatePasskeyLogin(func(_, handle []byte) (lib.User, error) {
			return ownerOf(stored, handle)
		}, p.session(c, nil), parsed)
		return credential, err
	}
	if len(stored) == 0 {
		return nil, errors.New("no registration is stored")
	}
	user, err := ownerOf(stored, stored[0].User.ID)
	if err != nil {
		return nil, err
	}
	session := p.session(c, stored[0].User.ID)
	for _, r := range stored {
		session.AllowedCredentialIDs = append(session.AllowedCredentialIDs, r.CredentialID)
	}
	return w.ValidateLogin(user, session, parsed)
}

// ownerOf finds the user with a handle and everything that user registered.
func ownerOf(stored []*Registration, handle []byte) (lib.User, error) {
	var a account
	for _, r := range stored {
		if bytes.Equal(r.User.ID, handle) {
			a.user = r.User
			a.registrations = append(a.registrations, r)
		}
	}
	if len(a.registrations) == 0 {
		return nil, fmt.Errorf("no stored registration has user handle %s", webauthn.Bytes(handle))
	}
	return a, nil
}

func (p Party) assertion(c *Ceremony, r *Registration, credential *lib.Credential, flags authdata.Flags) *Assertion {
	return &Assertion{
		Schema: AssertionSchema, Verified: !c.Policy.Silent, Silent: c.Policy.Silent,
		RPID: p.ID, Origin: p.Origin, User: r.User, CredentialID: credential.ID, Algorithm: r.Algorithm,
		UserPresent:  flags.Has(authdata.FlagUP),
		UserVerified: flags.Has(authdata.FlagUV),
		CloneWarning: credential.Authenticator.CloneWarning,

		UserVerificationRequired: c.Policy.RequireUserVerification,
		Asked:                    c.Policy.Asked, Challenge: c.Challenge,
	}
}

// Check verifies a stored assertion again against its registration, and holds
// what it says of itself against what that gives. The error is a
// [*VerificationError], or wraps [ErrRecord] and names the member.
func (a *Assertion) Check(r *Registration) error {
	party := Party{ID: a.RPID, Origin: a.Origin}
	if a.RPID != r.RPID || a.Origin != r.Origin {
		return &VerificationError{Ceremony: "assertion", Reason: fmt.Sprintf(
			"it is for %s at %s, the registration for %s at %s", a.RPID, a.Origin, r.RPID, r.Origin)}
	}
	c := &Ceremony{Challenge: a.Challenge, Policy: Policy{
		RequireUserVerification: a.UserVerificationRequired, Asked: a.Asked, Silent: a.Silent,
	}}
	told, err := party.Authenticate(c, []*Registration{r}, a.Response, false)
	if err != nil {
		return err
	}
	return unchanged("asserted", []member{
		{"verified", a.Verified == told.Verified},
		{"user", bytes.Equal(a.User.ID, told.User.ID) && a.User.Name == told.User.Name && a.User.DisplayName == told.User.DisplayName},
		{"credentialId", bytes.Equal(a.CredentialID, told.CredentialID)},
		{"signCount", a.SignCount == told.SignCount},
		{"userPresent", a.UserPresent == told.UserPresent},
		{"userVerified", a.UserVerified == told.UserVerified},
		{"cloneWarning", a.CloneWarning == told.CloneWarning},
		{"extensions", a.Extensions.same(told.Extensions)},
	})
}

// ParseAssertion reads the JSON form of an assertion. Members it does not know
// are left out; another schema is an error.
func ParseAssertion(text []byte) (*Assertion, error) {
	a := &Assertion{}
	if err := json.Unmarshal(text, a); err != nil {
		return nil, fmt.Errorf("assertion: %w", err)
	}
	if a.Schema != AssertionSchema {
		return nil, fmt.Errorf("assertion: schema is %q, want %q", a.Schema, AssertionSchema)
	}
	return a, nil
}
