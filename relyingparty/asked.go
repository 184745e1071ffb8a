package relyingparty

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
)

// Asked is what a relying party remembers of the extensions that it asked for,
// to hold a response against (WebAuthn L3 §7.1 and §7.2: an output that nobody
// asked for, or one that is missing, is refused). Of inputs that are nobody
// else's business, such as blobs and salts, only that there was one is kept.
type Asked struct {
	Extensions []string `json:"extensions"` // members of the inputs, sorted

	ProtectionPolicy        string `json:"credentialProtectionPolicy,omitempty"`
	EnforceProtectionPolicy bool   `json:"enforceCredentialProtectionPolicy,omitempty"`
	AppID                   string `json:"appid,omitempty"`
	CredBlob                bool   `json:"credBlob,omitempty"`         // a blob to be stored
	LargeBlobSupport        string `json:"largeBlobSupport,omitempty"` // "required" or "preferred"
	LargeBlobWrite          bool   `json:"largeBlobWrite,omitempty"`
}

// Ask is what to remember of extension inputs; nil for none.
func Ask(in webauthn.ExtensionInputs) *Asked {
	names := members(in)
	if len(names) == 0 {
		return nil
	}
	a := &Asked{
		Extensions: names, AppID: in.AppID, CredBlob: len(in.CredBlob) > 0,
		ProtectionPolicy: in.ProtectionPolicy, EnforceProtectionPolicy: in.EnforceProtectionPolicy,
	}
	if in.LargeBlob != nil {
		a.LargeBlobSupport, a.LargeBlobWrite = in.LargeBlob.Support, in.LargeBlob.Write != nil
	}
	return a
}

// members are the names of the extensions as JSON has them.
func members(in webauthn.ExtensionInputs) []string {
	text, err := json.Marshal(in)
	var object map[string]json.RawMessage
	if err == nil {
		err = json.Unmarshal(text, &object)
	}
	if err != nil {
		panic(err) // of texts, numbers and booleans there is nothing to fail
	}
	return slices.Sorted(maps.Keys(object))
}

// session is the same in go-webauthn's form.
func (a *Asked) session() protocol.SessionExtensions {
	if a == nil {
		return protocol.SessionExtensions{}
	}
	return protocol.SessionExtensions{
		Requested: a.Extensions, AppID: a.AppID, CredBlob: a.CredBlob,
		CredentialProtectionPolicy:        protocol.CredentialProtectionPolicy(a.ProtectionPolicy),
		EnforceCredentialProtectionPolicy: a.EnforceProtectionPolicy,
		LargeBlob:                         protocol.LargeBlobSupport(a.LargeBlobSupport), LargeBlobWrite: a.LargeBlobWrite,
	}
}
