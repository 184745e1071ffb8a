package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/relyingparty"
)

// Registration shows a registration; its JSON is what a relying party stores.
type Registration struct {
	*relyingparty.Registration

	// PRF are the secrets that prf gave, where they are to be shown; nil
	// otherwise. No relying party stores them.
	PRF *webauthn.PRFValues
}

// Envelope is touchstone/registration/1.
func (r Registration) Envelope() any {
	return struct {
		*relyingparty.Registration
		PRF *webauthn.PRFValues `json:"prf,omitempty"`
	}{r.Registration, r.PRF}
}

// Text writes the facts for people; the JSON form has the keys in full.
func (r Registration) Text(w io.Writer) error {
	facts := [][2]string{
		{"Registration", verdict(r.Verified)}, {"Not by go-webauthn", gaps(r.Gaps, r.Algorithm)},
		{"Relying party", r.RPID}, {"Origin", r.Origin},
		{"User", account(r.User)},
		{"Credential ID", r.CredentialID.String()}, {"Public key", r.PublicKey.String()},
		{"Algorithm", r.Algorithm}, {"Discoverable", yesNo(r.Discoverable)}, {"User verified", yesNo(r.UserVerified)},
		{"Signature counter", fmt.Sprint(r.SignCount)}, {"AAGUID", r.AAGUID}, {"Transports", list(r.Transports)},
		{"Attestation", attestation(r.Registration)},
	}
	facts = append(facts, creationResults(r.Registration)...)
	return pairs(w, append(facts, secrets(r.PRF)...))
}

func account(u relyingparty.User) string {
	return strings.TrimSpace(fmt.Sprintf("%s (handle %v)", u.Name, u.ID))
}

func attestation(r *relyingparty.Registration) string {
	text := r.AttestationFormat
	if r.AttestationType != "" {
		text += ", " + r.AttestationType
	}
	if r.EnterpriseAttestation {
		text += ", enterprise"
	}
	return text
}

func verdict(verified bool) string {
	if verified {
		return "verified"
	}
	return "not verified"
}

// gaps are what go-webauthn could not do.
func gaps(all []relyingparty.Gap, algorithm string) string {
	var texts []string
	for _, g := range all {
		texts = append(texts, map[relyingparty.Gap]string{
			relyingparty.GapAttestation: "the attestation", relyingparty.GapSignature: "the signature",
		}[g])
	}
	if len(texts) == 0 {
		return ""
	}
	return list(texts) + ", as it is built here it has no " + algorithm + ": verified by Touchstone"
}

// Assertion shows a verified assertion.
type Assertion struct {
	*relyingparty.Assertion
	PRF  *webauthn.PRFValues // as in [Registration]
	Blob *BlobFile           // the large blob that was read, nil for none
}

// BlobFile is a large blob that was read and where it was written.
type BlobFile struct {
	File string `json:"file"`
	Size int    `json:"size"` // bytes
}

// Envelope is touchstone/assertion/1.
func (a Assertion) Envelope() any {
	return struct {
		*relyingparty.Assertion
		PRF  *webauthn.PRFValues `json:"prf,omitempty"`
		Blob *BlobFile           `json:"largeBlob,omitempty"`
	}{a.Assertion, a.PRF, a.Blob}
}

// Text writes the facts for people.
func (a Assertion) Text(w io.Writer) error {
	state := verdict(a.Verified)
	if a.Silent {
		state = "not for a relying party, as nobody was asked to be there; all else verified"
	}
	facts := [][2]string{
		{"Assertion", state}, {"Not by go-webauthn", gaps(a.Gaps, a.Algorithm)},
		{"Relying party", a.RPID}, {"Origin", a.Origin},
		{"User", account(a.User)},
		{"Credential ID", a.CredentialID.String()}, {"User present", yesNo(a.UserPresent)},
		{"User verified", yesNo(a.UserVerified)}, {"Signature counter", fmt.Sprint(a.SignCount)},
		{"Counter did not grow", yesNo(a.CloneWarning)},
	}
	facts = append(facts, assertionResults(a)...)
	return pairs(w, append(facts, secrets(a.PRF)...))
}
