package view

import (
	"fmt"
	"io"

	"github.com/touchstone-fido/touchstone/relyingparty"
)

// Registration shows a registration; its JSON is what a relying party stores.
type Registration struct{ *relyingparty.Registration }

// Envelope is touchstone/registration/1.
func (r Registration) Envelope() any { return r.Registration }

// Text writes the facts for people; the JSON form has the keys in full.
func (r Registration) Text(w io.Writer) error {
	return pairs(w, [][2]string{
		{"Registration", verdict(r.Verified)}, {"Relying party", r.RPID}, {"Origin", r.Origin},
		{"User", fmt.Sprintf("%s (handle %v)", r.User.Name, r.User.ID)},
		{"Credential ID", r.CredentialID.String()}, {"Public key", r.PublicKey.String()},
		{"Algorithm", r.Algorithm}, {"Discoverable", yesNo(r.Discoverable)}, {"User verified", yesNo(r.UserVerified)},
		{"Signature counter", fmt.Sprint(r.SignCount)}, {"AAGUID", r.AAGUID}, {"Transports", list(r.Transports)},
		{"Attestation", attestation(r.AttestationFormat, r.AttestationType)},
	})
}

func attestation(format, kind string) string {
	if kind == "" {
		return format
	}
	return format + ", " + kind
}

func verdict(verified bool) string {
	if verified {
		return "verified"
	}
	return "not verified"
}

// Assertion shows a verified assertion.
type Assertion struct{ *relyingparty.Assertion }

// Envelope is touchstone/assertion/1.
func (a Assertion) Envelope() any { return a.Assertion }

// Text writes the facts for people.
func (a Assertion) Text(w io.Writer) error {
	return pairs(w, [][2]string{
		{"Assertion", verdict(a.Verified)}, {"Relying party", a.RPID}, {"Origin", a.Origin},
		{"User", fmt.Sprintf("%s (handle %v)", a.User.Name, a.User.ID)},
		{"Credential ID", a.CredentialID.String()}, {"User present", yesNo(a.UserPresent)},
		{"User verified", yesNo(a.UserVerified)}, {"Signature counter", fmt.Sprint(a.SignCount)},
		{"Counter did not grow", yesNo(a.CloneWarning)},
	})
}
