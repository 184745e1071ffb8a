package virtual

import "github.com/touchstone-fido/touchstone/ctap2"

// The versions of CTAP differ in a few answers to the same request. A key is of
// CTAP 2.1 or later when it says so, and of 2.0 otherwise.

// since21 tells whether the key is of CTAP 2.1 or later.
func (p *Profile) since21() bool { return p.version(versionFIDO21) || p.version(versionFIDO23) }

// ctap2 tells whether the key has more than CTAP1.
func (p *Profile) ctap2() bool {
	return p.version(versionFIDO20) || p.version(versionFIDO21P) || p.since21()
}

// statusSince21 is the status of CTAP 2.1 and later, or that of CTAP 2.0.
func (p *Profile) statusSince21(since, before ctap2.Status) ctap2.Status {
	if p.since21() {
		return since
	}
	return before
}

// probedWithPIN answers an empty pinUvAuthParam where a PIN is set.
func (p *Profile) probedWithPIN() ctap2.Status {
	return p.statusSince21(ctap2.StatusPINInvalid, ctap2.StatusPINAuthInvalid)
}

// noBuiltInUV answers the option uv where there is nothing to verify with.
func (p *Profile) noBuiltInUV() ctap2.Status {
	return p.statusSince21(ctap2.StatusInvalidOption, ctap2.StatusUnsupportedOption)
}

// paddingWrong answers a new PIN that is not padded to 64 bytes.
func (p *Profile) paddingWrong() ctap2.Status {
	return p.statusSince21(ctap2.StatusInvalidParameter, ctap2.StatusPINPolicyViolation)
}

// unknownSubcommand answers a subcommand of clientPIN that the key does not
// have. CTAP 2.0 has no status of its own for that.
func (p *Profile) unknownSubcommand() ctap2.Status {
	return p.statusSince21(ctap2.StatusInvalidSubcommand, ctap2.StatusInvalidParameter)
}

// touchesInVain tells whether the user has to touch the key before the platform
// learns that there is no credential. From CTAP 2.1 on it learns at once.
func (p *Profile) touchesInVain() bool { return !p.since21() }

// assertsEach tells whether each credential of an allowList makes an assertion.
// From CTAP 2.1 on one of them does.
func (p *Profile) assertsEach() bool { return !p.since21() }
