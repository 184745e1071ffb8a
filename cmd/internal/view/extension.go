package view

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/relyingparty"
)

// creationResults are what came of the extensions of a registration.
func creationResults(r *relyingparty.Registration) [][2]string {
	told, results := signed(r.Extensions), clientResults(r.Response.ClientExtensionResults)
	facts := [][2]string{{"Protection", told.ProtectionPolicy}, {"Credential blob", either(told.CredBlob, "stored", "not stored")}}
	if results.PRF != nil {
		facts = append(facts, [2]string{"PRF", either(results.PRF.Enabled, "enabled", "not enabled")})
	}
	if results.LargeBlob != nil {
		facts = append(facts, [2]string{"Large blob", either(results.LargeBlob.Supported, "has room for one", "no room for one")})
	}
	return append(facts,
		[2]string{"Shortest PIN", number(told.MinPINLength, "characters")},
		[2]string{"PIN policy", either(told.PINComplexityPolicy, "on", "off")}, [2]string{"Verified by", uvm(told.UVM)})
}

// assertionResults are what came of the extensions of an assertion.
func assertionResults(a Assertion) [][2]string {
	told, results := signed(a.Extensions), clientResults(a.Response.ClientExtensionResults)
	facts := [][2]string{
		{"By AppID", either(results.AppID, "yes", "no")},
		{"For payments", either(told.ThirdPartyPayment, "yes", "no")}, {"Verified by", uvm(told.UVM)},
	}
	if told.GetCredBlob != nil {
		facts = append(facts, [2]string{"Credential blob", printable(*told.GetCredBlob)})
	}
	switch {
	case a.Blob != nil:
		facts = append(facts, [2]string{"Large blob", fmt.Sprintf("%d bytes, in %s", a.Blob.Size, a.Blob.File)})
	case results.LargeBlob != nil:
		facts = append(facts, [2]string{"Large blob", either(results.LargeBlob.Written, "written", "not written")})
	}
	return facts
}

// signed is what a key signed of extensions, or nothing.
func signed(t *relyingparty.Told) relyingparty.Told {
	if t == nil {
		return relyingparty.Told{}
	}
	return *t
}

// clientResults are a response's results of extensions as far as they can be
// read.
func clientResults(results map[string]any) webauthn.ExtensionOutputs {
	var out webauthn.ExtensionOutputs
	if text, err := json.Marshal(results); err == nil {
		_ = json.Unmarshal(text, &out) // what somebody else wrote there is not ours to judge
	}
	return out
}

// either is one of two words, or nothing for what was not told.
func either(b *bool, yes, no string) string {
	switch {
	case b == nil:
		return ""
	case *b:
		return yes
	}
	return no
}

// uvm names the methods by which a user was verified.
func uvm(entries [][]uint64) string {
	var texts []string
	for _, e := range entries {
		if len(e) == 3 {
			texts = append(texts, fmt.Sprintf("%v (key protection %#x, matcher protection %#x)", ctap2.UserVerify(e[0]), e[1], e[2]))
		}
	}
	return strings.Join(texts, ", ")
}

// printable is a blob as text if it is text, and else in base64url.
func printable(b webauthn.Bytes) string {
	switch {
	case len(b) == 0:
		return "none"
	case utf8.Valid(b) && oneLine(string(b)) == string(b):
		return fmt.Sprintf("%q", string(b))
	}
	return b.String()
}

// secrets are what prf gave.
func secrets(v *webauthn.PRFValues) [][2]string {
	if v == nil {
		return nil
	}
	return [][2]string{{"PRF first", v.First.String()}, {"PRF second", v.Second.String()}}
}

// PRFSchema names the form of a file with secrets of prf.
const PRFSchema = "touchstone/prf/1"

// PRF is a file with the secrets that prf gave, 32 bytes each.
type PRF struct {
	RPID         string
	CredentialID webauthn.Bytes
	Values       webauthn.PRFValues
}

// Envelope is touchstone/prf/1.
func (p PRF) Envelope() any {
	return struct {
		Schema       string         `json:"schema"`
		RPID         string         `json:"rpId"`
		CredentialID webauthn.Bytes `json:"credentialId"`
		First        webauthn.Bytes `json:"first"`
		Second       webauthn.Bytes `json:"second,omitempty"`
	}{PRFSchema, p.RPID, p.CredentialID, p.Values.First, p.Values.Second}
}

// Text writes the secrets.
func (p PRF) Text(w io.Writer) error { return pairs(w, secrets(&p.Values)) }
