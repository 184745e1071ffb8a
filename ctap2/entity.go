package ctap2

import (
	"github.com/touchstone-fido/touchstone/ctap2/cose"
)

// PublicKeyType is the only credential type there is (WebAuthn L3 §5.8.2).
const PublicKeyType = "public-key"

// RelyingParty is a PublicKeyCredentialRpEntity (CTAP 2.3 §6.1).
type RelyingParty struct {
	ID   string `cbor:"id"`
	Name string `cbor:"name,omitempty"`
	Icon string `cbor:"icon,omitempty"` // URL; CTAP 2.0 only, later keys leave it unread
}

// User is a PublicKeyCredentialUserEntity (CTAP 2.3 §6.1). Answers carry Name
// and DisplayName only after user verification, and may cut them short in the
// middle of a character.
type User struct {
	ID          []byte `cbor:"id"` // the user handle, 1 to 64 bytes
	Name        string `cbor:"name,omitempty"`
	DisplayName string `cbor:"displayName,omitempty"`
	Icon        string `cbor:"icon,omitempty"` // URL; CTAP 2.0 only, later keys leave it unread
}

// Parameter names an algorithm and the type of credential to make with it, a
// PublicKeyCredentialParameters.
type Parameter struct {
	Algorithm cose.Algorithm `cbor:"alg"`
	Type      string         `cbor:"type"`
}

// Parameters lists public-key parameters for algorithms, in order of
// preference.
func Parameters(algs ...cose.Algorithm) []Parameter {
	p := make([]Parameter, len(algs))
	for i, a := range algs {
		p[i] = Parameter{Algorithm: a, Type: PublicKeyType}
	}
	return p
}

// Descriptor is a PublicKeyCredentialDescriptor, naming one credential.
type Descriptor struct {
	ID         []byte   `cbor:"id"`
	Type       string   `cbor:"type"`
	Transports []string `cbor:"transports,omitempty"`
}

// Descriptors lists public-key descriptors for credential IDs.
func Descriptors(ids ...[]byte) []Descriptor {
	d := make([]Descriptor, len(ids))
	for i, id := range ids {
		d[i] = Descriptor{ID: id, Type: PublicKeyType}
	}
	return d
}

// Names of the options of makeCredential and getAssertion.
const (
	OptionRK = "rk" // make a discoverable credential
	OptionUP = "up" // ask for user presence
	OptionUV = "uv" // verify the user by the authenticator's own means
)

// withOption is a copy of options with one more.
func withOption(options map[string]bool, name string, value bool) map[string]bool {
	all := map[string]bool{name: value}
	for n, v := range options {
		if n != name {
			all[n] = v
		}
	}
	return all
}
