package view

import (
	"fmt"
	"io"

	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/relyingparty"
)

// U2FVersion shows the version of U2F that a key says it has.
type U2FVersion struct {
	Device  devices.Info
	Version string
}

// Envelope is touchstone/u2f-version/1.
func (v U2FVersion) Envelope() any {
	return struct {
		Schema  string `json:"schema"`
		Device  Device `json:"device"`
		Version string `json:"version"`
	}{"touchstone/u2f-version/1", NewDevice(v.Device), v.Version}
}

// Text writes the version.
func (v U2FVersion) Text(w io.Writer) error {
	_, err := fmt.Fprintln(w, v.Version)
	return err
}

// U2FRegistration shows a registration by U2F.
type U2FRegistration struct{ *relyingparty.U2FRegistration }

// Envelope is touchstone/u2f-registration/1.
func (r U2FRegistration) Envelope() any { return r.U2FRegistration }

// Text writes the facts for people.
func (r U2FRegistration) Text(w io.Writer) error {
	return pairs(w, [][2]string{
		{"U2F registration", verdict(r.Verified)}, {"AppID", r.AppID}, {"User", r.User},
		{"Key handle", r.KeyHandle.String()}, {"Public key", r.PublicKey.String()}, {"Attested by", oneLine(r.AttestationSubject)},
	})
}

// U2FAuthentication shows an authentication by U2F.
type U2FAuthentication struct {
	*relyingparty.U2FAuthentication
}

// Envelope is touchstone/u2f-authentication/1.
func (a U2FAuthentication) Envelope() any { return a.U2FAuthentication }

// Text writes the facts for people.
func (a U2FAuthentication) Text(w io.Writer) error {
	return pairs(w, [][2]string{
		{"U2F authentication", verdict(a.Verified)}, {"AppID", a.AppID}, {"User", a.User},
		{"Key handle", a.KeyHandle.String()}, {"User present", yesNo(a.UserPresent)}, {"Signature counter", fmt.Sprint(a.Counter)},
	})
}

// U2FCheck tells that a key knows a key handle.
type U2FCheck struct {
	Device    devices.Info
	AppID     string
	KeyHandle webauthn.Bytes
}

// Envelope is touchstone/u2f-check/1.
func (c U2FCheck) Envelope() any {
	return struct {
		Schema    string         `json:"schema"`
		Device    Device         `json:"device"`
		AppID     string         `json:"appId"`
		KeyHandle webauthn.Bytes `json:"keyHandle"`
		Known     bool           `json:"known"`
	}{"touchstone/u2f-check/1", NewDevice(c.Device), c.AppID, c.KeyHandle, true}
}

// Text writes one line.
func (c U2FCheck) Text(w io.Writer) error {
	_, err := fmt.Fprintln(w, "The key handle is this key's, for this AppID.")
	return err
}
