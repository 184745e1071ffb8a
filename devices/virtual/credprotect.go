package virtual

import "github.com/touchstone-fido/touchstone/ctap2"

// extCredProtect is the extension by which a relying party says when a
// credential may be used (CTAP 2.3 §12.1).
const extCredProtect = "credProtect"

// Levels of credProtect.
const (
	protectOptional = 1 // userVerificationOptional, also without the extension
	protectWithList = 2 // userVerificationOptionalWithCredentialIDList
	protectRequired = 3 // userVerificationRequired
)

func readCredProtect(r *creationRequest, inputs *fields) {
	r.inputs.protect = inputs.optionalUint(extCredProtect)
}

// prepareCredProtect gives the credential the level that was asked for. The
// standard names no status for one that is not defined.
func prepareCredProtect(m *making) error {
	level := *m.req.inputs.protect
	if (level < protectOptional || level > protectRequired) && m.key.faulty(protectAny) {
		level = protectOptional
	}
	if m.key.faulty(protectRaised) {
		level = protectRequired
	}
	if level < protectOptional || level > protectRequired {
		return or(m.key.profile.Choices.CredProtect, ctap2.StatusInvalidOption)
	}
	m.credential.protect = uint8(level)
	return nil
}

func madeCredProtect(m *making) (any, error) { return m.credential.protect, nil }

// defaultProtection is the level of a credential that asks for none.
func (a *Authenticator) defaultProtection() uint8 {
	return or(a.profile.CredProtect, protectOptional)
}
