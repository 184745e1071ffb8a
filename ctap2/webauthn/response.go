package webauthn

import (
	"errors"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
)

// CrossPlatform is the attachment of roaming authenticators.
const CrossPlatform = "cross-platform"

// RegistrationResponse is a RegistrationResponseJSON (WebAuthn L3 §5.1), what a
// client sends to the relying party after makeCredential.
type RegistrationResponse struct {
	ID                      Bytes               `json:"id"`
	RawID                   Bytes               `json:"rawId"`
	Type                    string              `json:"type"`
	AuthenticatorAttachment string              `json:"authenticatorAttachment,omitempty"`
	ClientExtensionResults  map[string]any      `json:"clientExtensionResults"`
	Response                AttestationResponse `json:"response"`
}

// AttestationResponse is an AuthenticatorAttestationResponseJSON.
type AttestationResponse struct {
	ClientDataJSON     Bytes          `json:"clientDataJSON"`
	AuthenticatorData  Bytes          `json:"authenticatorData"`
	Transports         []string       `json:"transports"`
	PublicKey          Bytes          `json:"publicKey,omitempty"` // SubjectPublicKeyInfo, absent for unknown algorithms
	PublicKeyAlgorithm cose.Algorithm `json:"publicKeyAlgorithm"`
	AttestationObject  Bytes          `json:"attestationObject"`
}

// NewRegistrationResponse builds the response for a new credential. The
// transports are sorted and made unique, as §5.2.1 asks for.
func NewRegistrationResponse(clientDataJSON, attestationObject, authData []byte, transports []string) (RegistrationResponse, error) {
	d, err := authdata.Parse(authData)
	if err != nil {
		return RegistrationResponse{}, err
	}
	if d.Credential == nil {
		return RegistrationResponse{}, errors.New("registration response: authenticator data without attested credential data")
	}
	spki, err := d.Credential.Key.SPKI()
	if err != nil {
		spki = nil // the standard lets a client leave out what it has no form for
	}
	transports = slices.Compact(slices.Sorted(slices.Values(transports)))
	if transports == nil {
		transports = []string{}
	}
	return RegistrationResponse{
		ID: d.Credential.ID, RawID: d.Credential.ID, Type: "public-key",
		AuthenticatorAttachment: CrossPlatform, ClientExtensionResults: map[string]any{},
		Response: AttestationResponse{
			ClientDataJSON: clientDataJSON, AuthenticatorData: authData, Transports: transports,
			PublicKey: spki, PublicKeyAlgorithm: d.Credential.Key.Alg,
			AttestationObject: attestationObject,
		},
	}, nil
}

// AuthenticationResponse is an AuthenticationResponseJSON (WebAuthn L3 §5.1),
// what a client sends to the relying party after getAssertion.
type AuthenticationResponse struct {
	ID                      Bytes             `json:"id"`
	RawID                   Bytes             `json:"rawId"`
	Type                    string            `json:"type"`
	AuthenticatorAttachment string            `json:"authenticatorAttachment,omitempty"`
	ClientExtensionResults  map[string]any    `json:"clientExtensionResults"`
	Response                AssertionResponse `json:"response"`
}

// AssertionResponse is an AuthenticatorAssertionResponseJSON.
type AssertionResponse struct {
	ClientDataJSON    Bytes `json:"clientDataJSON"`
	AuthenticatorData Bytes `json:"authenticatorData"`
	Signature         Bytes `json:"signature"`
	UserHandle        Bytes `json:"userHandle,omitempty"`
}

// NewAuthenticationResponse builds the response for an assertion. userHandle is
// nil for credentials that are not discoverable.
func NewAuthenticationResponse(credentialID, clientDataJSON, authData, signature, userHandle []byte) AuthenticationResponse {
	return AuthenticationResponse{
		ID: credentialID, RawID: credentialID, Type: "public-key",
		AuthenticatorAttachment: CrossPlatform, ClientExtensionResults: map[string]any{},
		Response: AssertionResponse{
			ClientDataJSON: clientDataJSON, AuthenticatorData: authData,
			Signature: signature, UserHandle: userHandle,
		},
	}
}
