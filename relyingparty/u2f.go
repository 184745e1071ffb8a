package relyingparty

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/u2f"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
)

// Schemas of what U2F keys made, without WebAuthn.
const (
	U2FRegistrationSchema   = "touchstone/u2f-registration/1"
	U2FAuthenticationSchema = "touchstone/u2f-authentication/1"
)

// Types of the client data of U2F.
const (
	typeU2FRegister     = "navigator.id.finishEnrollment"
	typeU2FAuthenticate = "navigator.id.getAssertion"
)

// FormatU2F is the attestation statement format of U2F keys (WebAuthn L3 §8.6).
const FormatU2F = string(protocol.AttestationFormatFIDOUniversalSecondFactor)

// u2fClientData is what a U2F client put under a key's signature (FIDO U2F Raw
// Message Formats 1.2 §7).
type u2fClientData struct {
	Type      string         `json:"typ"`
	Challenge webauthn.Bytes `json:"challenge"`
	Origin    string         `json:"origin"`
}

func (p Party) u2fClientData(kind string) ([]byte, error) {
	c, err := p.Begin(Policy{})
	if err != nil {
		return nil, err
	}
	return json.Marshal(u2fClientData{Type: kind, Challenge: c.Challenge, Origin: p.Origin})
}

// ForAppID is the relying party of WebAuthn that goes on where one of U2F was
// known by an AppID: the AppID's host.
func ForAppID(appID string) (Party, error) {
	u, err := url.Parse(appID)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return Party{}, fmt.Errorf("AppID: %w: %q is no https URL", webauthn.SecurityError, appID)
	}
	return Party{ID: u.Hostname(), Name: u.Hostname(), Origin: u.Scheme + "://" + u.Host}, nil
}

// parameter is the hash of 32 bytes that U2F has of client data and AppIDs.
func parameter(b []byte) []byte {
	h := sha256.Sum256(b)
	return h[:]
}

// U2FRegistration is a registration by a U2F key, of before WebAuthn. Nothing in
// it is secret.
type U2FRegistration struct {
	Schema   string `json:"schema"`
	Verified bool   `json:"verified"` // the attestation signature

	AppID       string         `json:"appId"`
	User        string         `json:"user,omitempty"`
	KeyHandle   webauthn.Bytes `json:"keyHandle"`
	PublicKey   webauthn.Bytes `json:"publicKey"`   // a point on P-256, uncompressed
	Certificate webauthn.Bytes `json:"certificate"` // of the attestation, X.509 in DER as it was sent
	Signature   webauthn.Bytes `json:"signature"`   // of the attestation, in DER
	ClientData  webauthn.Bytes `json:"clientData"`  // JSON with the challenge

	// AttestationSubject is whom the certificate is for, "" where it cannot be
	// read. Whether to believe the certificate is left open.
	AttestationSubject string `json:"attestationSubject,omitempty"`
}

// subject is whom the certificate is for.
func (r *U2FRegistration) subject() string {
	c, err := (&u2f.Registration{Certificate: r.Certificate}).X509()
	if err != nil {
		return ""
	}
	return c.Subject.String()
}

// BeginU2F makes the client data for a U2F registration, for an AppID. Its hash
// is the challenge parameter, that of the AppID the application parameter.
func BeginU2F(p Party, appID, user string) (*U2FRegistration, error) {
	data, err := p.u2fClientData(typeU2FRegister)
	if err != nil {
		return nil, err
	}
	return &U2FRegistration{Schema: U2FRegistrationSchema, AppID: appID, User: user, ClientData: data}, nil
}

// Parameters are the challenge and application parameters, 32 bytes each.
func (r *U2FRegistration) Parameters() (challenge, application []byte) {
	return parameter(r.ClientData), parameter([]byte(r.AppID))
}

// Finish verifies a key's answer and stores it. The error is a
// [*VerificationError].
func (r *U2FRegistration) Finish(answer *u2f.Registration) error {
	r.KeyHandle, r.PublicKey = answer.KeyHandle, answer.PublicKey
	r.Certificate, r.Signature = answer.Certificate, answer.Signature
	r.Verified, r.AttestationSubject = true, r.subject()
	return r.Check()
}

// Check verifies a stored registration again: the signature over all that is
// stored, and the client data. go-webauthn has no U2F, so that this is done by
// ctap2/u2f. The error is a [*VerificationError].
func (r *U2FRegistration) Check() error {
	answer := u2f.Registration{PublicKey: r.PublicKey, KeyHandle: r.KeyHandle, Certificate: r.Certificate, Signature: r.Signature}
	challenge, application := r.Parameters()
	err := answer.Verify(challenge, application)
	if err == nil {
		err = checkClientData(r.ClientData, typeU2FRegister, r.AppID)
	}
	if err == nil {
		err = unchanged("registered", []member{
			{"verified", r.Verified}, {"attestationSubject", r.AttestationSubject == r.subject()},
		})
	}
	if err != nil {
		return refused("U2F registration", err)
	}
	return nil
}

// checkClientData holds client data to its type and to the AppID, which its
// origin has to be allowed to use.
func checkClientData(data []byte, kind, appID string) error {
	var c u2fClientData
	if err := json.Unmarshal(data, &c); err != nil {
		return fmt.Errorf("client data: %w", err)
	}
	if c.Type != kind || len(c.Challenge) == 0 {
		return fmt.Errorf("client data: type %q with a challenge of %d bytes", c.Type, len(c.Challenge))
	}
	return webauthn.CheckAppID(c.Origin, appID)
}

// Key is the credential's public key.
func (r *U2FRegistration) Key() (cose.Key, error) {
	return (&u2f.Registration{PublicKey: r.PublicKey}).Key()
}

// Registration is the credential record with which a relying party of WebAuthn
// goes on using the key, by the extension appid. It has no response that could
// be checked again: that is this registration's.
func (r *U2FRegistration) Registration() (*Registration, error) {
	party, err := ForAppID(r.AppID)
	if err != nil {
		return nil, err
	}
	key, err := r.Key()
	if err != nil {
		return nil, err
	}
	public, err := key.MarshalCBOR()
	if err != nil {
		return nil, err
	}
	return &Registration{
		Schema: RegistrationSchema, Verified: r.Verified, RPID: party.ID, RPName: party.Name, Origin: party.Origin,
		User:         User{ID: parameter(r.KeyHandle), Name: r.User},
		CredentialID: r.KeyHandle, PublicKey: public, Algorithm: key.Alg.String(), AAGUID: aaguidOfU2F, Transports: []string{},
		AttestationFormat: FormatU2F, Gaps: []Gap{GapAttestation},
	}, nil
}

const aaguidOfU2F = "00000000-0000-0000-0000-000000000000" // such a key tells no model

// ParseU2FRegistration reads the JSON form of a U2F registration. Members it does
// not know are left out; another schema is an error.
func ParseU2FRegistration(text []byte) (*U2FRegistration, error) {
	r := &U2FRegistration{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("U2F registration: %w", err)
	}
	if r.Schema != U2FRegistrationSchema {
		return nil, fmt.Errorf("U2F registration: schema is %q, want %q", r.Schema, U2FRegistrationSchema)
	}
	return r, nil
}

// U2FAuthentication is an authentication by a U2F key. Nothing in it is secret.
type U2FAuthentication struct {
	Schema   string `json:"schema"`
	Verified bool   `json:"verified"`

	AppID       string         `json:"appId"`
	User        string         `json:"user,omitempty"`
	KeyHandle   webauthn.Bytes `json:"keyHandle"`
	UserPresent bool           `json:"userPresent"`
	Counter     uint32         `json:"counter"`
	Signature   webauthn.Bytes `json:"signature"`  // in DER
	ClientData  webauthn.Bytes `json:"clientData"` // JSON with the challenge
}

// Begin makes the client data for an authentication by the same key.
func (r *U2FRegistration) Begin(p Party) (*U2FAuthentication, error) {
	data, err := p.u2fClientData(typeU2FAuthenticate)
	if err != nil {
		return nil, err
	}
	return &U2FAuthentication{
		Schema: U2FAuthenticationSchema, AppID: r.AppID, User: r.User, KeyHandle: r.KeyHandle, ClientData: data,
	}, nil
}

// Parameters are the challenge and application parameters, 32 bytes each.
func (a *U2FAuthentication) Parameters() (challenge, application []byte) {
	return parameter(a.ClientData), parameter([]byte(a.AppID))
}

// errOtherKey: an authentication is of another registration.
var errOtherKey = errors.New("it is of another key handle or AppID")

// Finish verifies a key's answer against the registration and stores it. The
// error is a [*VerificationError].
func (a *U2FAuthentication) Finish(r *U2FRegistration, answer *u2f.Authentication) error {
	a.UserPresent, a.Counter, a.Signature = answer.Flags&u2f.FlagUserPresent != 0, answer.Counter, answer.Signature
	if a.AppID != r.AppID || !bytes.Equal(a.KeyHandle, r.KeyHandle) {
		return refused("U2F authentication", errOtherKey)
	}
	key, err := r.Key()
	if err == nil {
		challenge, application := a.Parameters()
		err = answer.Verify(key, challenge, application)
	}
	if err == nil {
		err = checkClientData(a.ClientData, typeU2FAuthenticate, a.AppID)
	}
	if err != nil {
		return refused("U2F authentication", err)
	}
	a.Verified = true
	return nil
}

// withPoint puts the bare point in the place of the COSE_Key of a U2F credential
// that was used by its AppID, which is how go-webauthn wants it there.
func withPoint(stored []*Registration, parsed *protocol.ParsedCredentialAssertionData) []*Registration {
	used := parsed.ClientExtensionResults.AppID
	r := find(stored, parsed.RawID)
	if used == nil || !*used || r == nil || r.AttestationFormat != FormatU2F {
		return stored
	}
	key, err := cose.Parse(r.PublicKey)
	if err != nil || key.Type != cose.TypeEC2 {
		return stored // for go-webauthn to refuse
	}
	return withKey(stored, r, append(append([]byte{4}, key.X...), key.Y...))
}
