// Package relyingparty is the server's side of a WebAuthn ceremony as a
// terminal tool needs it: it draws the challenge, has go-webauthn verify what
// the client sends back, and keeps the credential record that a relying party
// stores (WebAuthn L3 §4, §7).
//
//	party := relyingparty.Party{ID: "example.com", Origin: "https://example.com"}
//	ceremony, err := party.Begin(relyingparty.Policy{Algorithms: ...})
//	... the client makes a credential for ceremony.Challenge ...
//	registration, err := party.Register(ceremony, user, response)
//
// No check of an attestation or a signature is done by this package itself, but
// for what go-webauthn cannot do ([Gap]) and for U2F, which it does not have.
package relyingparty

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	lib "github.com/go-webauthn/webauthn/webauthn"

	"github.com/touchstone-fido/touchstone/ctap2/cose"
)

// ChallengeSize is the size of a challenge in bytes. WebAuthn L3 §13.4.3 asks
// for at least 16.
const ChallengeSize = 32

// Party is a relying party with one origin.
type Party struct {
	ID     string // relying party ID, a domain name
	Name   string
	Origin string    // the only one it accepts, such as https://example.com
	Rand   io.Reader // of challenges; crypto/rand when nil
}

// Policy is what a relying party demands of a ceremony.
type Policy struct {
	RequireUserVerification bool
	Algorithms              []cose.Algorithm // that it offered; registration only
	Asked                   *Asked           // the extensions that it asked for, nil for none

	// Silent lets an assertion be looked into that was made without a user. No
	// relying party accepts it, so that it is not [Assertion.Verified].
	Silent bool
}

// Ceremony is what a relying party remembers between the challenge it sends and
// the response to it. It is good for one response.
type Ceremony struct {
	Challenge []byte
	Policy    Policy
	used      bool
}

// ErrChallengeUsed: a second response came to one challenge.
var ErrChallengeUsed = errors.New("the challenge was used before")

// Begin draws a challenge.
func (p Party) Begin(policy Policy) (*Ceremony, error) {
	r := p.Rand
	if r == nil {
		r = rand.Reader
	}
	challenge := make([]byte, ChallengeSize)
	if _, err := io.ReadFull(r, challenge); err != nil {
		return nil, fmt.Errorf("challenge: %w", err)
	}
	return &Ceremony{Challenge: challenge, Policy: policy}, nil
}

func (c *Ceremony) take() error {
	if c.used {
		return ErrChallengeUsed
	}
	c.used = true
	return nil
}

// VerificationError is a response that go-webauthn did not accept.
type VerificationError struct {
	Ceremony string // "registration" or "assertion"
	Reason   string // what did not hold
	Err      error
}

// Error says what was refused and why.
func (e *VerificationError) Error() string {
	return fmt.Sprintf("the relying party refused the %s: %s", e.Ceremony, e.Reason)
}

// Unwrap returns go-webauthn's error.
func (e *VerificationError) Unwrap() error { return e.Err }

// refused describes an error of go-webauthn, whose text alone leaves out the
// details.
func refused(ceremony string, err error) error {
	reason := err.Error()
	var detailed *protocol.Error
	if errors.As(err, &detailed) && detailed.DevInfo != "" {
		reason += ": " + detailed.DevInfo
	}
	return &VerificationError{Ceremony: ceremony, Reason: reason, Err: err}
}

func (p Party) library() (*lib.WebAuthn, error) {
	w, err := lib.New(&lib.Config{RPID: p.ID, RPDisplayName: p.Name, RPOrigins: []string{p.Origin}})
	if err != nil {
		return nil, fmt.Errorf("relying party %s: %w", p.ID, err)
	}
	return w, nil
}

// session is the ceremony in go-webauthn's form. userID is nil for a login
// without a user name.
func (p Party) session(c *Ceremony, userID []byte) lib.SessionData {
	s := lib.SessionData{
		Challenge:        base64.RawURLEncoding.EncodeToString(c.Challenge),
		RelyingPartyID:   p.ID,
		UserID:           userID,
		UserVerification: protocol.VerificationPreferred,
		Extensions:       c.Policy.Asked.session(),
	}
	if c.Policy.RequireUserVerification {
		s.UserVerification = protocol.VerificationRequired
	}
	for _, a := range c.Policy.Algorithms {
		s.CredParams = append(s.CredParams, protocol.CredentialParameter{
			Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.COSEAlgorithmIdentifier(a),
		})
	}
	return s
}
