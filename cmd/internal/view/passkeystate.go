package view

import (
	"fmt"
	"io"

	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/devices"
)

// PasskeyState tells which known key one is, and whether its passkeys have changed.
type PasskeyState struct {
	Device     devices.Info
	Known      bool
	Identifier []byte // of a known key
	StoreState []byte // what it calls its set of passkeys; nil if it does not tell
	Changed    *bool  // since they were last listed; nil if that cannot be told
}

// Envelope is touchstone/passkey-state/1.
func (p PasskeyState) Envelope() any {
	return struct {
		Schema     string         `json:"schema"`
		Device     Device         `json:"device"`
		Known      bool           `json:"known"`
		Identifier webauthn.Bytes `json:"deviceIdentifier,omitempty"`
		StoreState webauthn.Bytes `json:"storeState,omitempty"`
		Changed    *bool          `json:"changed,omitempty"`
	}{"touchstone/passkey-state/1", NewDevice(p.Device), p.Known, p.Identifier, p.StoreState, p.Changed}
}

// Text says it in sentences.
func (p PasskeyState) Text(w io.Writer) error {
	if !p.Known {
		_, err := fmt.Fprintln(w, "This key is not known, or its PIN was changed since: list its passkeys once with --known-keys.")
		return err
	}
	text := fmt.Sprintf("This is the known key %x.\n", p.Identifier)
	if len(p.StoreState) > 0 {
		text += fmt.Sprintf("It calls its set of passkeys %x.\n", p.StoreState)
	}
	switch {
	case p.Changed == nil:
		text += "It does not tell whether its passkeys have changed.\n"
	case *p.Changed:
		text += "Its passkeys have changed since they were last listed.\n"
	default:
		text += "Its passkeys are as they were when they were last listed.\n"
	}
	_, err := io.WriteString(w, text)
	return err
}
