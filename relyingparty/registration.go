package relyingparty

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	lib "github.com/go-webauthn/webauthn/webauthn"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
)

// RegistrationSchema names the JSON form of a [Registration].
const RegistrationSchema = "touchstone/registration/1"

// User is the account that a credential is for.
type User struct {
	ID          webauthn.Bytes `json:"id"` // the user handle, 1 to 64 bytes
	Name        string         `json:"name"`
	DisplayName string         `json:"displayName,omitempty"`
}

// Registration is all that a relying party stores of a registration: the
// credential record of WebAuthn L3 §4, and the response with its challenge, so
// that the registration can be verified again at any time. Nothing in it is
// secret.
type Registration struct {
	Schema   string `json:"schema"`
	Verified bool   `json:"verified"`

	RPID   string `json:"rpId"`
	RPName string `json:"rpName,omitempty"`
	Origin string `json:"origin"`
	User   User   `json:"user"`

	CredentialID   webauthn.Bytes `json:"credentialId"`
	PublicKey      webauthn.Bytes `json:"publicKey"` // COSE_Key
	Algorithm      string         `json:"algorithm"` // registered name, such as ES256
	SignCount      uint32         `json:"signCount"`
	AAGUID         string         `json:"aaguid"`
	Transports     []string       `json:"transports"`
	Discoverable   bool           `json:"discoverable"` // whether a discoverable credential was asked for
	UserVerified   bool           `json:"userVerified"`
	BackupEligible bool           `json:"backupEligible"`
	BackupState    bool           `json:"backupState"`

	AttestationFormat string `json:"attestationFormat"`         // such as "packed"
	AttestationType   string `json:"attestationType,omitempty"` // such as "basic_full"

	// EnterpriseAttestation is what the key said of its attestation, which
	// nobody signed.
	EnterpriseAttestation bool `json:"enterpriseAttestation,omitempty"`

	Extensions *Told `json:"extensions,omitempty"` // what the key signed of them

	// Gaps are what go-webauthn could not verify.
	Gaps []Gap `json:"gaps,omitempty"`

	UserVerificationRequired bool                          `json:"userVerificationRequired"`
	Asked                    *Asked                        `json:"asked,omitempty"`
	Challenge                webauthn.Bytes                `json:"challenge"`
	Response                 webauthn.RegistrationResponse `json:"response"`
}

// Register verifies a registration response (WebAuthn L3 §7.1) and returns the
// record to store. The error is a [*VerificationError] when it does not hold,
// and [ErrChallengeUsed] for a second response to one challenge.
func (p Party) Register(c *Ceremony, user User, r webauthn.RegistrationResponse) (*Registration, error) {
	if err := c.take(); err != nil {
		return nil, err
	}
	credential, gaps, err := p.verifyRegistration(c, user, r)
	if err != nil {
		return nil, err
	}
	key, err := cose.Parse(credential.PublicKey)
	if err != nil {
		return nil, refused("registration", err)
	}
	_, _, authData, err := webauthn.ParseAttestationObject(r.Response.AttestationObject)
	if err != nil {
		return nil, refused("registration", err)
	}
	return &Registration{
		Schema: RegistrationSchema, Verified: true,
		RPID: p.ID, RPName: p.Name, Origin: p.Origin, User: user,
		CredentialID: credential.ID, PublicKey: credential.PublicKey, Algorithm: key.Alg.String(),
		SignCount: credential.Authenticator.SignCount, AAGUID: aaguid(credential).String(),
		Transports:   r.Response.Transports,
		UserVerified: credential.Flags.UserVerified, BackupEligible: credential.Flags.BackupEligible, BackupState: credential.Flags.BackupState,
		AttestationFormat: credential.AttestationFormat, AttestationType: credential.AttestationType,
		Extensions: told(authData), Gaps: gaps,
		UserVerificationRequired: c.Policy.RequireUserVerification, Asked: c.Policy.Asked, Challenge: c.Challenge, Response: r,
	}, nil
}

func aaguid(c *lib.Credential) authdata.AAGUID {
	var a authdata.AAGUID
	copy(a[:], c.Authenticator.AAGUID)
	return a
}

func (p Party) verifyRegistration(c *Ceremony, user User, r webauthn.RegistrationResponse) (*lib.Credential, []Gap, error) {
	w, err := p.library()
	if err != nil {
		return nil, nil, err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return nil, nil, fmt.Errorf("registration response: %w", err)
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(text)
	if err != nil {
		return nil, nil, refused("registration", err)
	}
	mend, err := selfAttestation(parsed)
	if err != nil {
		return nil, nil, refused("registration", err)
	}
	credential, err := w.CreateCredential(account{user: user}, p.session(c, user.ID), parsed)
	if err != nil {
		return nil, nil, refused("registration", err)
	}
	if mend == nil {
		return credential, nil, nil
	}
	mend(credential)
	return credential, []Gap{GapAttestation}, nil
}

// Check verifies a stored registration again, as [Party.Register] did, and
// holds the record against what the response says. Names, which nobody signed,
// and what a relying party may bring up to date (a greater signature counter,
// the backup state) are not held against anything. The error is a
// [*VerificationError], or wraps [ErrRecord] and names the member.
func (r *Registration) Check() error {
	algorithm, ok := cose.AlgorithmByName(r.Algorithm)
	if !ok {
		return fmt.Errorf("%w: algorithm %q is unknown", ErrRecord, r.Algorithm)
	}
	c := &Ceremony{Challenge: r.Challenge, Policy: Policy{
		RequireUserVerification: r.UserVerificationRequired, Algorithms: []cose.Algorithm{algorithm}, Asked: r.Asked,
	}}
	told, err := r.Party().Register(c, r.User, r.Response)
	if err != nil {
		return err
	}
	return unchanged("registered", []member{
		{"verified", r.Verified},
		{"credentialId", bytes.Equal(r.CredentialID, told.CredentialID)},
		{"publicKey", bytes.Equal(r.PublicKey, told.PublicKey)},
		{"aaguid", r.AAGUID == told.AAGUID},
		{"signCount", r.SignCount >= told.SignCount},
		{"transports", slices.Equal(r.Transports, told.Transports)},
		{"userVerified", r.UserVerified == told.UserVerified},
		{"backupEligible", r.BackupEligible == told.BackupEligible},
		{"attestationFormat", r.AttestationFormat == told.AttestationFormat},
		{"extensions", r.Extensions.same(told.Extensions)},
	})
}

// Party is the relying party that the registration belongs to.
func (r *Registration) Party() Party {
	return Party{ID: r.RPID, Name: r.RPName, Origin: r.Origin}
}

// ParseRegistration reads the JSON form of a registration. Members it does not
// know are left out; another schema, or a missing member, is an error.
func ParseRegistration(text []byte) (*Registration, error) {
	r := &Registration{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("registration: %w", err)
	}
	if r.Schema != RegistrationSchema {
		return nil, fmt.Errorf("registration: schema is %q, want %q", r.Schema, RegistrationSchema)
	}
	for _, m := range []struct {
		name string
		size int
	}{
		{"rpId", len(r.RPID)}, {"origin", len(r.Origin)}, {"user.id", len(r.User.ID)},
		{"credentialId", len(r.CredentialID)}, {"publicKey", len(r.PublicKey)},
	} {
		if m.size == 0 {
			return nil, fmt.Errorf("registration: %s is missing", m.name)
		}
	}
	return r, nil
}

// account is a user and what it registered, in go-webauthn's form.
type account struct {
	user          User
	registrations []*Registration
}

// WebAuthnID is the user handle.
func (a account) WebAuthnID() []byte { return a.user.ID }

// WebAuthnName is the user name.
func (a account) WebAuthnName() string { return a.user.Name }

// WebAuthnDisplayName is the user's name for people.
func (a account) WebAuthnDisplayName() string { return a.user.DisplayName }

// WebAuthnCredentials are the credentials that the user registered.
func (a account) WebAuthnCredentials() []lib.Credential {
	var all []lib.Credential
	for _, r := range a.registrations {
		all = append(all, r.credential())
	}
	return all
}

func (r *Registration) credential() lib.Credential {
	return lib.Credential{
		ID: r.CredentialID, PublicKey: r.PublicKey, AttestationFormat: r.AttestationFormat,
		Flags:         lib.CredentialFlags{UserVerified: r.UserVerified, BackupEligible: r.BackupEligible, BackupState: r.BackupState},
		Authenticator: lib.Authenticator{SignCount: r.SignCount},
	}
}

// find returns the registration of a credential, or nil.
func find(all []*Registration, credentialID []byte) *Registration {
	i := slices.IndexFunc(all, func(r *Registration) bool { return bytes.Equal(r.CredentialID, credentialID) })
	if i < 0 {
		return nil
	}
	return all[i]
}
