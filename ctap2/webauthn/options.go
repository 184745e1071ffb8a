package webauthn

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2/cose"
)

// PublicKey is the only type of credential (WebAuthn L3 §5.8.2).
const PublicKey = "public-key"

// MaxUserID is the longest user handle in bytes (WebAuthn L3 §5.4.3).
const MaxUserID = 64

// Requirement is how much a relying party wants something: residentKey and
// userVerification of WebAuthn L3 §5.4.6 and §5.8.6.
type Requirement string

// Requirements.
const (
	Required    Requirement = "required"
	Preferred   Requirement = "preferred"
	Discouraged Requirement = "discouraged"
)

// Valid reports whether the requirement is one of the three.
func (r Requirement) Valid() bool { return r == Required || r == Preferred || r == Discouraged }

// or is the requirement, or another for one that is absent or that this level of
// the standard does not know.
func (r Requirement) or(other Requirement) Requirement {
	if r.Valid() {
		return r
	}
	return other
}

// RelyingParty is a PublicKeyCredentialRpEntity. An ID that is empty means the
// host of the origin.
type RelyingParty struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name"`
}

// User is a PublicKeyCredentialUserEntityJSON.
type User struct {
	ID          Bytes  `json:"id"` // the user handle, 1 to 64 bytes
	Name        string `json:"name"`
	DisplayName string `json:"displayName"`
}

// Parameter is a PublicKeyCredentialParameters.
type Parameter struct {
	Type      string         `json:"type"`
	Algorithm cose.Algorithm `json:"alg"`
}

// Descriptor is a PublicKeyCredentialDescriptorJSON.
type Descriptor struct {
	Type       string   `json:"type"`
	ID         Bytes    `json:"id"`
	Transports []string `json:"transports,omitempty"`
}

// AuthenticatorSelection is what a relying party wants of the authenticator
// (WebAuthn L3 §5.4.4).
type AuthenticatorSelection struct {
	Attachment         string      `json:"authenticatorAttachment,omitempty"`
	ResidentKey        Requirement `json:"residentKey,omitempty"`
	RequireResidentKey bool        `json:"requireResidentKey,omitempty"`
	UserVerification   Requirement `json:"userVerification,omitempty"`
}

// CreationOptions is a PublicKeyCredentialCreationOptionsJSON (WebAuthn L3
// §5.1.9), what a relying party asks a client to make. Its methods give what
// members mean, with the standard's defaults.
type CreationOptions struct {
	RP                 RelyingParty           `json:"rp"`
	User               User                   `json:"user"`
	Challenge          Bytes                  `json:"challenge"`
	Parameters         []Parameter            `json:"pubKeyCredParams"`
	TimeoutMS          uint32                 `json:"timeout,omitempty"`
	Exclude            []Descriptor           `json:"excludeCredentials,omitempty"`
	Selection          AuthenticatorSelection `json:"authenticatorSelection,omitzero"`
	Hints              []string               `json:"hints,omitempty"`
	Attestation        Conveyance             `json:"attestation,omitempty"`
	AttestationFormats []string               `json:"attestationFormats,omitempty"`
	Extensions         ExtensionInputs        `json:"extensions,omitzero"`
}

// ParseCreationOptions reads the JSON form: members must have their types, those
// that the standard requires must be there, and those that it does not have are
// left out. Binary members may be padded. Errors match [TypeError].
func ParseCreationOptions(text []byte) (*CreationOptions, error) {
	o := parseObject("creation options", text)
	o.require("rp", "user", "challenge", "pubKeyCredParams")
	options := &CreationOptions{
		RP: o.object("rp").relyingParty(), User: o.object("user").user(),
		Challenge: o.bytes("challenge"), Parameters: o.parameters(), TimeoutMS: o.timeout(),
		Exclude: o.descriptors("excludeCredentials"), Selection: o.object("authenticatorSelection").selection(),
		Hints: o.texts("hints"), Attestation: Conveyance(o.text("attestation")),
		AttestationFormats: o.texts("attestationFormats"), Extensions: o.object("extensions").extensions(),
	}
	if *o.err != nil {
		return nil, *o.err
	}
	return options, nil
}

// UnmarshalJSON is [ParseCreationOptions].
func (o *CreationOptions) UnmarshalJSON(text []byte) error {
	options, err := ParseCreationOptions(text)
	if err == nil {
		*o = *options
	}
	return err
}

func (o *object) relyingParty() RelyingParty {
	o.require("name")
	return RelyingParty{ID: o.text("id"), Name: o.text("name")}
}

func (o *object) user() User {
	o.require("id", "name", "displayName")
	u := User{ID: o.bytes("id"), Name: o.text("name"), DisplayName: o.text("displayName")}
	if n := len(u.ID); n == 0 || n > MaxUserID {
		o.fail(TypeError, "id of %d bytes, want 1 to %d", n, MaxUserID)
	}
	return u
}

func (o *object) parameters() []Parameter {
	all := []Parameter{} // written as an empty list, not as null
	for _, p := range o.objects("pubKeyCredParams") {
		p.require("type", "alg")
		all = append(all, Parameter{Type: p.text("type"), Algorithm: cose.Algorithm(p.number("alg"))})
	}
	return all
}

func (o *object) descriptors(name string) []Descriptor {
	var all []Descriptor
	for _, d := range o.objects(name) {
		d.require("type", "id")
		all = append(all, Descriptor{Type: d.text("type"), ID: d.bytes("id"), Transports: d.texts("transports")})
	}
	return all
}

func (o *object) selection() AuthenticatorSelection {
	return AuthenticatorSelection{
		Attachment: o.text("authenticatorAttachment"), ResidentKey: Requirement(o.text("residentKey")),
		RequireResidentKey: o.flag("requireResidentKey"), UserVerification: Requirement(o.text("userVerification")),
	}
}

func (o *object) timeout() uint32 {
	n := o.number("timeout")
	if n < 0 || n > math.MaxUint32 {
		o.fail(TypeError, "timeout of %d ms", n)
	}
	return uint32(n)
}

// Timeout is how long the relying party would have the client wait, 0 when it
// does not say. It is a hint.
func (o *CreationOptions) Timeout() time.Duration { return milliseconds(o.TimeoutMS) }

func milliseconds(n uint32) time.Duration { return time.Duration(n) * time.Millisecond }

// Algorithms are the algorithms that the relying party takes, in order of
// preference: ES256 and RS256 when it names none, and a [NotSupportedError] when
// it names none for public keys (WebAuthn L3 §5.1.3 steps 10 and 11).
func (o *CreationOptions) Algorithms() ([]cose.Algorithm, error) {
	if len(o.Parameters) == 0 {
		return []cose.Algorithm{cose.ES256, cose.RS256}, nil
	}
	var all []cose.Algorithm
	for _, p := range o.Parameters {
		if p.Type == PublicKey {
			all = append(all, p.Algorithm)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: no parameters for public keys", NotSupportedError)
	}
	return all, nil
}

// UserVerification is how much the user is to be verified; preferred when the
// relying party does not say.
func (o *CreationOptions) UserVerification() Requirement {
	return o.Selection.UserVerification.or(Preferred)
}

// ResidentKey is how much the credential is to be discoverable. When the relying
// party does not say, requireResidentKey of Level 1 decides (WebAuthn L3
// §5.4.6).
func (o *CreationOptions) ResidentKey() Requirement {
	if o.Selection.RequireResidentKey {
		return o.Selection.ResidentKey.or(Required)
	}
	return o.Selection.ResidentKey.or(Discouraged)
}

// Conveyance is the preference for attestation; none when the relying party does
// not say, or says what this level of the standard does not know.
func (o *CreationOptions) Conveyance() Conveyance {
	known := []Conveyance{ConveyanceIndirect, ConveyanceDirect, ConveyanceEnterprise}
	if slices.Contains(known, o.Attestation) {
		return o.Attestation
	}
	return ConveyanceNone
}

// Excluded are the credentials that must not be on the authenticator, those of
// types that this level of the standard does not know left out.
func (o *CreationOptions) Excluded() []Descriptor { return publicKeys(o.Exclude) }

func publicKeys(all []Descriptor) []Descriptor {
	return slices.DeleteFunc(slices.Clone(all), func(d Descriptor) bool { return d.Type != PublicKey })
}

// RequestOptions is a PublicKeyCredentialRequestOptionsJSON (WebAuthn L3
// §5.1.10), what a relying party asks a client to assert. Its methods give what
// members mean, with the standard's defaults.
type RequestOptions struct {
	Challenge    Bytes           `json:"challenge"`
	TimeoutMS    uint32          `json:"timeout,omitempty"`
	RPID         string          `json:"rpId,omitempty"` // "" for the host of the origin
	Allow        []Descriptor    `json:"allowCredentials,omitempty"`
	Verification Requirement     `json:"userVerification,omitempty"`
	Hints        []string        `json:"hints,omitempty"`
	Extensions   ExtensionInputs `json:"extensions,omitzero"`
}

// ParseRequestOptions reads the JSON form, in the way of [ParseCreationOptions].
func ParseRequestOptions(text []byte) (*RequestOptions, error) {
	o := parseObject("request options", text)
	o.require("challenge")
	options := &RequestOptions{
		Challenge: o.bytes("challenge"), TimeoutMS: o.timeout(), RPID: o.text("rpId"),
		Allow: o.descriptors("allowCredentials"), Verification: Requirement(o.text("userVerification")),
		Hints: o.texts("hints"), Extensions: o.object("extensions").extensions(),
	}
	if *o.err != nil {
		return nil, *o.err
	}
	return options, nil
}

// UnmarshalJSON is [ParseRequestOptions].
func (o *RequestOptions) UnmarshalJSON(text []byte) error {
	options, err := ParseRequestOptions(text)
	if err == nil {
		*o = *options
	}
	return err
}

// Timeout is as [CreationOptions.Timeout].
func (o *RequestOptions) Timeout() time.Duration { return milliseconds(o.TimeoutMS) }

// UserVerification is how much the user is to be verified; preferred when the
// relying party does not say.
func (o *RequestOptions) UserVerification() Requirement { return o.Verification.or(Preferred) }

// Allowed are the credentials that may be used, those of types that this level
// of the standard does not know left out. None of a list that had some is a
// [NotAllowedError]: to take it for a list of none would allow all (WebAuthn L3
// §5.1.4.2).
func (o *RequestOptions) Allowed() ([]Descriptor, error) {
	known := publicKeys(o.Allow)
	if len(known) == 0 && len(o.Allow) > 0 {
		return nil, fmt.Errorf("%w: no credential of a known type is allowed", NotAllowedError)
	}
	return known, nil
}
