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

// Passkey shows all that a key tells of one passkey.
type Passkey struct {
	Device  devices.Info
	Passkey manage.Passkey
}

// Envelope is touchstone/passkey/1.
func (p Passkey) Envelope() any {
	return struct {
		Schema    string         `json:"schema"`
		Device    Device         `json:"device"`
		Passkey   passkey        `json:"passkey"`
		PublicKey webauthn.Bytes `json:"publicKey,omitempty"` // COSE_Key
	}{"touchstone/passkey/1", NewDevice(p.Device), newPasskey(p.Passkey), webauthn.Bytes(p.Passkey.PublicKey)}
}

// Text writes a fact on each line.
func (p Passkey) Text(w io.Writer) error {
	v := newPasskey(p.Passkey)
	return pairs(w, [][2]string{
		{"Passkey ID", hex.EncodeToString(v.ID)}, {"Relying party", v.RP.label()}, {"SHA-256 of its ID", hex.EncodeToString(v.RP.IDHash)},
		{"User", oneLine(v.User.Name)}, {"Display name", oneLine(v.User.DisplayName)}, {"User handle", hex.EncodeToString(v.User.ID)},
		{"Algorithm", v.Algorithm}, {"Public key", webauthn.Bytes(p.Passkey.PublicKey).String()}, {"Verification", v.CredProtect},
		{"Key for a large blob", yesNo(v.LargeBlobKey)}, {"Third-party payment", flag(v.ThirdPartyPayment)},
	})
}

// PasskeyRenamed tells that the names of a passkey's user were changed, or were as
// they were to be.
type PasskeyRenamed struct {
	Device  devices.Info
	Passkey manage.Passkey // as it is now
	Before  ctap2.User
	Changed bool
	Cut     bool // the key has kept less of the names than it was given
}

// Envelope is touchstone/passkey-rename/1.
func (p PasskeyRenamed) Envelope() any {
	return struct {
		Schema  string      `json:"schema"`
		Device  Device      `json:"device"`
		Changed bool        `json:"changed"`
		Cut     bool        `json:"cut"`
		Before  passkeyUser `json:"before"`
		Passkey passkey     `json:"passkey"`
	}{
		"touchstone/passkey-rename/1", NewDevice(p.Device), p.Changed, p.Cut,
		passkeyUser{p.Before.ID, p.Before.Name, p.Before.DisplayName}, newPasskey(p.Passkey),
	}
}

// Text writes what it was and what it is.
func (p PasskeyRenamed) Text(w io.Writer) error {
	now, before := userLabel(p.Passkey.User), userLabel(p.Before)
	text := fmt.Sprintf("The passkey at %s was of %s and is now of %s.\n", newPasskey(p.Passkey).RP.label(), before, now)
	if !p.Changed {
		text = fmt.Sprintf("The passkey at %s is of %s already; nothing was sent.\n", newPasskey(p.Passkey).RP.label(), now)
	}
	if p.Cut {
		text += "The key has cut a name short.\n"
	}
	_, err := io.WriteString(w, text)
	return err
}

// userLabel names a user, by the handle if there is no name.
func userLabel(u ctap2.User) string {
	name := oneLine(u.Name)
	if name == "" {
		name = "user " + hex.EncodeToString(u.ID)
	}
	if u.DisplayName != "" && u.DisplayName != u.Name {
		name += " (" + oneLine(u.DisplayName) + ")"
	}
	return name
}

// PasskeyDeleted tells that a passkey was deleted, and is no longer listed.
type PasskeyDeleted struct {
	Device   devices.Info
	Passkey  manage.Passkey
	Metadata ctap2.CredentialsMetadata // as it is now
	BlobLeft uint                      // bytes of its large blob, which stay on the key
}

// Envelope is touchstone/passkey-delete/1.
func (p PasskeyDeleted) Envelope() any {
	return struct {
		Schema    string  `json:"schema"`
		Device    Device  `json:"device"`
		Passkey   passkey `json:"passkey"`
		BlobLeft  uint    `json:"blobLeft"` // bytes
		Existing  uint    `json:"existing"`
		Remaining uint    `json:"remaining"`
	}{
		"touchstone/passkey-delete/1", NewDevice(p.Device), newPasskey(p.Passkey), p.BlobLeft, p.Metadata.Existing, p.Metadata.Remaining,
	}
}

// Text writes what is gone and what is left.
func (p PasskeyDeleted) Text(w io.Writer) error {
	text := fmt.Sprintf("Deleted %s.\n", passkeyLabel(p.Passkey))
	if p.BlobLeft > 0 {
		text += fmt.Sprintf("Its large blob of %s is left on the key; \"touchstone blob collect\" deletes it.\n", count(p.BlobLeft, "byte"))
	}
	_, err := fmt.Fprintf(w, "%s%s on the key, room for %d more.\n", text, count(p.Metadata.Existing, "passkey"), p.Metadata.Remaining)
	return err
}

// passkeyLabel names a passkey in a sentence.
func passkeyLabel(p manage.Passkey) string {
	return fmt.Sprintf("the passkey %s of %s at %s", manage.ShortIDs([][]byte{p.ID.ID})[0], userLabel(p.User), newPasskey(p).RP.label())
}
