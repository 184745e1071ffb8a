package virtual

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

// Versions of getInfo. There is no FIDO_2_2.
const (
	versionU2F     = "U2F_V2"
	versionFIDO20  = "FIDO_2_0"
	versionFIDO21P = "FIDO_2_1_PRE"
	versionFIDO21  = "FIDO_2_1"
	versionFIDO23  = "FIDO_2_3"
)

// Option IDs of getInfo (CTAP 2.3 §6.4).
const (
	optPlatform      = "plat"
	optRK            = "rk"
	optClientPIN     = "clientPin"
	optUP            = "up"
	optUV            = "uv"
	optTokens        = "pinUvAuthToken"
	optNoMcGaByPIN   = "noMcGaPermissionsWithClientPin"
	optLargeBlobs    = "largeBlobs"
	optEnterprise    = "ep"
	optBioEnroll     = "bioEnroll"
	optBioPreview    = "userVerificationMgmtPreview"
	optBioByUV       = "uvBioEnroll"
	optConfig        = "authnrCfg"
	optConfigByUV    = "uvAcfg"
	optCredMgmt      = "credMgmt"
	optCredPreview   = "credentialMgmtPreview"
	optPersistent    = "perCredMgmtRO"
	optSetMinPIN     = "setMinPINLength"
	optUVNotRequired = "makeCredUvNotRqd"
	optAlwaysUV      = "alwaysUv"
	optUVToken       = "uvToken"
)

var knownVersions = []string{versionU2F, versionFIDO20, versionFIDO21P, versionFIDO21, versionFIDO23}

var knownOptions = []string{
	optPlatform, optRK, optClientPIN, optUP, optUV, optTokens, optNoMcGaByPIN, optLargeBlobs, optEnterprise,
	optBioEnroll, optBioPreview, optBioByUV, optConfig, optConfigByUV, optCredMgmt, optCredPreview,
	optPersistent, optSetMinPIN, optUVNotRequired, optAlwaysUV, optUVToken,
}

// Check refuses a profile that the key cannot be. Whether the standard allows
// the combination is not looked at: shipped keys break its rules, and so must a
// profile be able to.
func (p *Profile) Check() error {
	for _, check := range []func(*Profile) error{
		(*Profile).checkNames, (*Profile).checkSizes, (*Profile).checkVerification, (*Profile).checkAttestation,
	} {
		if err := check(p); err != nil {
			return fmt.Errorf("profile: %w", err)
		}
	}
	return nil
}

func (p *Profile) checkNames() error {
	for _, list := range []struct {
		what         string
		have, within []string
	}{
		{"version", p.Versions, knownVersions},
		{"extension", p.Extensions, append(extensionIDs(), p.Unimplemented...)},
		{"option", slices.Sorted(maps.Keys(p.Options)), knownOptions},
		{"attestation format", p.Attestation.Formats, []string{formatPacked, formatU2F, formatNone}},
	} {
		for _, name := range list.have {
			if !slices.Contains(list.within, name) {
				return fmt.Errorf("the software key has no %s %q", list.what, name)
			}
		}
	}
	for _, algorithm := range p.Algorithms {
		if schemeOf(algorithm) == nil {
			return fmt.Errorf("the software key has no algorithm %v", algorithm)
		}
	}
	if len(p.Versions) == 0 {
		return errors.New("no version")
	}
	return p.checkOptionOrder()
}

// checkOptionOrder wants all options in the order, each once.
func (p *Profile) checkOptionOrder() error {
	if len(p.OptionOrder) == 0 {
		return nil
	}
	if !slices.Equal(slices.Sorted(slices.Values(p.OptionOrder)), slices.Sorted(maps.Keys(p.Options))) {
		return errors.New("the order of options does not have each option once")
	}
	return nil
}

// within is a number with its limits.
type within struct {
	what           string
	have, min, max int
}

func checkAll(list []within) error {
	for _, w := range list {
		if w.have < w.min || w.have > w.max {
			return fmt.Errorf("%s is %d, not within %d and %d", w.what, w.have, w.min, w.max)
		}
	}
	return nil
}

func (p *Profile) checkSizes() error {
	const many = 1 << 24
	longestID := authdata.MaxCredentialID
	if p.version(versionU2F) {
		longestID = maxKeyHandle
	}
	return checkAll([]within{
		{"largest message in bytes", p.MaxMessage, MinMessage, MaxMessage},
		{"longest list of credentials", p.MaxListLength, 0, many},
		{"credential ID in bytes", or(p.CredentialIDLength, wrappedSize), wrappedSize, longestID},
		{"room for large blobs in bytes", or(p.LargeBlobs, MinLargeBlobs), MinLargeBlobs, many},
		{"room for a credBlob in bytes", p.MaxCredBlob, 0, many},
		{"room for discoverable credentials", p.MaxCredentials, 0, many},
		{"default level of credProtect", int(p.CredProtect), 0, protectRequired},
		{"number of times of being in the field", p.Field.Uses, 0, many},
		{"shortest wait in ns", int(min(p.Timers.Action, p.Timers.TokenMaximum, p.Timers.TokenRolling,
			p.Timers.InitialUsage, p.Timers.NextAssertion, p.Field.Window, 0)), 0, 0},
	})
}

func (p *Profile) checkVerification() error {
	for _, protocol := range p.PINProtocols {
		if !protocol.Valid() {
			return fmt.Errorf("the software key has no %v", protocol)
		}
	}
	checks := []within{
		{"room for RP IDs", p.PIN.MaxRPIDs, len(p.PIN.RPIDs), 1 << 16},
	}
	if p.has(optClientPIN) {
		checks = append(checks,
			within{"shortest PIN", int(p.PIN.MinLength), pinuv.MinPINLength, pinuv.MaxPINBytes},
			within{"longest PIN", int(or(p.PIN.MaxLength, pinuv.MaxPINBytes)), int(p.PIN.MinLength), pinuv.MaxPINBytes},
			within{"PIN retries", int(p.PIN.Retries), 1, maxPINRetries})
	}
	if p.has(optUV) {
		checks = append(checks,
			within{"uv retries", int(p.UV.Retries), 1, maxUVRetries},
			within{"uv tries within a command", int(p.UV.InternalAttempts), 1, maxUVTries})
	}
	if p.has(optBioEnroll) || p.has(optBioPreview) {
		checks = append(checks,
			within{"room for fingerprints", p.UV.Fingers, 1, 1000},
			within{"samples of a fingerprint", int(p.UV.Samples), 1, 100},
			within{"name of a fingerprint in bytes", p.UV.MaxFingerName, 1, 1000})
	}
	return checkAll(checks)
}

func (p *Profile) checkAttestation() error {
	if p.Attestation.Kind > AttestationNone || p.Counter > CounterNone {
		return errors.New("unknown kind of attestation or of counter")
	}
	return nil
}
