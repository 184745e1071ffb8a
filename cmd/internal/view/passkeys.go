package view

import (
	"encoding/hex"
	"fmt"
	"io"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/manage"
)

// Passkeys shows the discoverable credentials of a key, or of one relying party
// on it.
type Passkeys struct {
	Device   devices.Info
	All      []manage.Passkey
	Metadata ctap2.CredentialsMetadata
}

type passkeys struct {
	Schema    string    `json:"schema"`
	Device    Device    `json:"device"`
	Existing  uint      `json:"existing"`  // on the key, of all relying parties
	Remaining uint      `json:"remaining"` // that there is room for, at most
	Passkeys  []passkey `json:"passkeys"`
}

// passkey is a discoverable credential without its keys.
type passkey struct {
	ID                webauthn.Bytes `json:"id"`
	RP                passkeyRP      `json:"rp"`
	User              passkeyUser    `json:"user"`
	Algorithm         string         `json:"algorithm,omitempty"` // absent if the public key cannot be read
	CredProtect       string         `json:"credProtect,omitempty"`
	LargeBlobKey      bool           `json:"largeBlobKey"` // whether there is one
	ThirdPartyPayment *bool          `json:"thirdPartyPayment,omitempty"`
}

type passkeyRP struct {
	ID       string         `json:"id"` // as the key has it, perhaps cut short
	Name     string         `json:"name,omitempty"`
	IDHash   webauthn.Bytes `json:"idHash"` // SHA-256 of the whole ID
	Complete bool           `json:"complete"`
}

type passkeyUser struct {
	ID          webauthn.Bytes `json:"id"`
	Name        string         `json:"name,omitempty"`
	DisplayName string         `json:"displayName,omitempty"`
}

// protections are the policies by the names of WebAuthn's credProtect extension.
var protections = map[ctap2.CredProtect]string{
	ctap2.CredProtectOptional:     "userVerificationOptional",
	ctap2.CredProtectOptionalList: "userVerificationOptionalWithCredentialIDList",
	ctap2.CredProtectRequired:     "userVerificationRequired",
}

func newPasskey(p manage.Passkey) passkey {
	v := passkey{
		ID:           p.ID.ID,
		RP:           passkeyRP{ID: p.RP.ID, Name: p.RP.Name, IDHash: p.RP.IDHash, Complete: p.RP.Complete()},
		User:         passkeyUser{ID: p.User.ID, Name: p.User.Name, DisplayName: p.User.DisplayName},
		CredProtect:  protections[p.CredProtect],
		LargeBlobKey: len(p.LargeBlobKey) > 0, ThirdPartyPayment: p.ThirdPartyPayment,
	}
	if key, err := p.Key(); err == nil && key.Alg != 0 {
		v.Algorithm = key.Alg.String()
	}
	return v
}

// Envelope is touchstone/passkeys/1.
func (p Passkeys) Envelope() any {
	e := passkeys{
		Schema: "touchstone/passkeys/1", Device: NewDevice(p.Device),
		Existing: p.Metadata.Existing, Remaining: p.Metadata.Remaining, Passkeys: []passkey{},
	}
	for _, one := range p.All {
		e.Passkeys = append(e.Passkeys, newPasskey(one))
	}
	return e
}

// Text writes a row for each passkey, with as much of its ID as means it and of
// no other.
func (p Passkeys) Text(w io.Writer) error {
	if len(p.All) > 0 {
		if err := p.rows(w); err != nil {
			return err
		}
	}
	shown := ""
	if uint(len(p.All)) < p.Metadata.Existing {
		shown = fmt.Sprintf(", %d of them shown", len(p.All))
	}
	_, err := fmt.Fprintf(w, "%s on the key%s, room for %d more.\n", count(p.Metadata.Existing, "passkey"), shown, p.Metadata.Remaining)
	return err
}

// shortHandle is how many hex digits of a user handle a table shows.
const shortHandle = 8

func (p Passkeys) rows(w io.Writer) error {
	var rows [][]string
	cut := false
	for i, short := range shortIDs(p.All) {
		v := newPasskey(p.All[i])
		cut = cut || !v.RP.Complete
		handle := hex.EncodeToString(v.User.ID)
		rows = append(rows, []string{
			short, v.RP.label(), orDash(oneLine(v.User.Name)), orDash(oneLine(v.User.DisplayName)), orDash(handle[:min(len(handle), shortHandle)]),
			orDash(v.Algorithm), verification(p.All[i].CredProtect), yesOrDash(v.LargeBlobKey), orDash(flag(v.ThirdPartyPayment)),
		})
	}
	header := []string{"PASSKEY", "RELYING PARTY", "USER", "DISPLAY NAME", "HANDLE", "ALG", "VERIFY", "BLOB", "PAY"}
	if err := table(w, header, rows); err != nil || !cut {
		return err
	}
	_, err := fmt.Fprintln(w, cutText)
	return err
}

// cutMark stands behind a relying party ID that is not whole, and cutText says
// what it means.
const (
	cutMark = "[cut]"
	cutText = cutMark + ": the key keeps no more of this relying party's ID; --rp with the whole ID finds it."
)

func shortIDs(all []manage.Passkey) []string {
	var ids [][]byte
	for _, p := range all {
		ids = append(ids, p.ID.ID)
	}
	return manage.ShortIDs(ids)
}

// label names a relying party.
func (r passkeyRP) label() string {
	s := orDash(oneLine(r.ID))
	if !r.Complete {
		s += " " + cutMark
	}
	if r.Name != "" && r.Name != r.ID {
		s += " (" + oneLine(r.Name) + ")"
	}
	return s
}

// verification is how much a passkey wants its user verified, in a word.
func verification(p ctap2.CredProtect) string {
	switch p {
	case ctap2.CredProtectOptional:
		return "optional"
	case ctap2.CredProtectOptionalList:
		return "optional+list" // for a relying party that names its ID
	case ctap2.CredProtectRequired:
		return "required"
	}
	return "-"
}

func yesOrDash(b bool) string {
	if b {
		return "yes"
	}
	return "-"
}

// count is a number of things.
func count[N ~int | ~uint](n N, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
