package virtual

import (
	"bytes"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// Members of the request of authenticatorConfig (CTAP 2.3 §6.11), and of its
// subCommandParams.
const (
	acSubcommand uint64 = 0x01
	acParams     uint64 = 0x02
	acProtocol   uint64 = 0x03
	acParam      uint64 = 0x04

	acNewMinPINLength uint64 = 0x01
	acRPIDs           uint64 = 0x02
	acForceChange     uint64 = 0x03
	acComplexity      uint64 = 0x04

	acVendorCommand uint64 = 0x01
)

// Subcommands of authenticatorConfig, which [Profile.ConfigCommands] lists.
const (
	ConfigEnableEnterpriseAttestation uint64 = 0x01
	ConfigToggleAlwaysUV              uint64 = 0x02
	ConfigSetMinPINLength             uint64 = 0x03
	ConfigEnableLongTouchForReset     uint64 = 0x04
	ConfigVendorPrototype             uint64 = 0xff
)

// configRequest is a request of authenticatorConfig.
type configRequest struct {
	params     *fields
	raw        wire.Raw // subCommandParams as they were sent
	subcommand uint64
	auth       pinAuth
}

var configSubcommands = map[uint64]func(*Authenticator, *configRequest) error{
	ConfigEnableEnterpriseAttestation: (*Authenticator).enableEnterpriseAttestation,
	ConfigToggleAlwaysUV:              (*Authenticator).toggleAlwaysUV,
	ConfigSetMinPINLength:             (*Authenticator).setMinPINLength,
	ConfigEnableLongTouchForReset:     (*Authenticator).enableLongTouchForReset,
	ConfigVendorPrototype:             (*Authenticator).vendorPrototype,
}

// authenticatorConfig is authenticatorConfig (CTAP 2.3 §6.11).
func (a *Authenticator) authenticatorConfig(c *call) (any, error) {
	f := newFields(c.params).require(acSubcommand)
	r := &configRequest{
		params:     f.sub(acParams),
		raw:        f.raw(acParams),
		subcommand: f.uint(acSubcommand),
		auth:       f.pinAuth(acParam, acProtocol),
	}
	if a.faulty(configSwapped) && r.auth.given {
		f.fail(ctap2.StatusCBORUnexpectedType)
	}
	if f.err != nil {
		return nil, f.err
	}
	run, ok := configSubcommands[r.subcommand]
	if !ok || !a.profile.config(r.subcommand) {
		return nil, or(a.profile.Choices.ConfigSubcommand, ctap2.StatusInvalidSubcommand)
	}
	if err := a.configGate(r); err != nil {
		return nil, err
	}
	return nil, run(a, r)
}

// configGate wants a token with the acfg permission, where there is anything to
// get one with. A key that has alwaysUv on and nothing to verify the user with
// can have it switched off.
func (a *Authenticator) configGate(r *configRequest) error {
	switch {
	case !a.protected() && !a.alwaysUV():
		return nil
	case !a.protected() && r.subcommand == ConfigToggleAlwaysUV:
		return nil
	case !r.auth.given && a.profile.hasPIN():
		return ctap2.StatusPUATRequired
	case !r.auth.given:
		return ctap2.StatusOperationDenied
	}
	prefix := managementPrefix
	if a.faulty(configPrefix) {
		prefix = nil
	}
	_, err := a.authorize(r.auth, ctap2.PermissionConfig, false,
		prefix, []byte{byte(ctap2.CommandConfig), byte(r.subcommand)}, r.raw)
	return err
}

// managementPrefix is what the messages that authorise authenticatorConfig and
// authenticatorLargeBlobs begin with.
var managementPrefix = bytes.Repeat([]byte{0xff}, 32)

// enableEnterpriseAttestation is subcommand 0x01 (CTAP 2.3 §6.11.1).
func (a *Authenticator) enableEnterpriseAttestation(*configRequest) error {
	if a.enterpriseEnabled() || a.faulty(enterpriseUnchanged) {
		return nil
	}
	next := a.state.settings
	next.Enterprise = true
	return a.saveSettings(next, change{})
}

// toggleAlwaysUV is subcommand 0x02 (CTAP 2.3 §6.11.2).
func (a *Authenticator) toggleAlwaysUV(*configRequest) error {
	if a.alwaysUV() && a.profile.AlwaysUVStays {
		return ctap2.StatusOperationDenied
	}
	if a.faulty(alwaysUVUnchanged) {
		return nil
	}
	next := a.state.settings
	next.AlwaysUVToggled = !next.AlwaysUVToggled
	return a.saveSettings(next, change{})
}

// enableLongTouchForReset is subcommand 0x04 (CTAP 2.3 §6.11.5).
func (a *Authenticator) enableLongTouchForReset(*configRequest) error {
	next := a.state.settings
	next.LongTouch = true
	return a.saveSettings(next, change{})
}

// vendorPrototype is subcommand 0xff (CTAP 2.3 §6.11.3). The commands do
// nothing here.
func (a *Authenticator) vendorPrototype(r *configRequest) error {
	id := r.params.require(acVendorCommand).uint(acVendorCommand)
	if r.params.err != nil {
		return r.params.err
	}
	if !slices.Contains(a.profile.VendorConfigCommands, id) {
		return ctap2.StatusInvalidParameter
	}
	return nil
}

// minPINRequest is what setMinPINLength is asked for.
type minPINRequest struct {
	length      uint64
	rpIDs       []string
	forceChange bool
	complexity  bool
}

// setMinPINLength is subcommand 0x03 (CTAP 2.3 §6.11.4). It changes all or
// nothing.
func (a *Authenticator) setMinPINLength(r *configRequest) error {
	q, err := a.parseMinPIN(r.params)
	if err != nil {
		return err
	}
	if err := a.checkMinPIN(q); err != nil {
		return err
	}
	next := a.state.settings
	next.MinPINLength = uint(q.length)
	next.Complexity = next.Complexity || q.complexity
	if len(q.rpIDs) > 0 {
		next.RPIDs = a.keptRPIDs(q.rpIDs)
	}
	var ch change
	if err := a.forceChange(&ch, q); err != nil {
		return err
	}
	return a.saveSettings(next, ch)
}

// keptRPIDs is what becomes of a list of relying parties.
func (a *Authenticator) keptRPIDs(given []string) []string {
	switch {
	case a.faulty(oneRPID):
		return given[:1]
	case a.faulty(rpIDsAdded):
		return slices.Concat(a.state.settings.RPIDs, given)
	}
	return given
}

func (a *Authenticator) parseMinPIN(f *fields) (minPINRequest, error) {
	q := minPINRequest{
		length:      uint64(a.minPINLength()),
		rpIDs:       f.texts(acRPIDs),
		forceChange: is(f.boolean(acForceChange), true),
	}
	if length := f.optionalUint(acNewMinPINLength); length != nil {
		q.length = *length
	}
	if a.profile.PIN.Complexity != nil {
		q.complexity = is(f.boolean(acComplexity), true)
	}
	return q, f.err
}

// checkMinPIN checks the request in the order of the standard.
func (a *Authenticator) checkMinPIN(q minPINRequest) error {
	tells := a.profile.extension(extMinPINLength) || a.profile.extension(extComplexity)
	longest := or(a.profile.PIN.MaxLength, pinuv.MaxPINBytes)
	switch {
	case len(q.rpIDs) > 0 && !tells:
		return ctap2.StatusInvalidParameter
	case q.forceChange && !a.pinSet() && a.faulty(noPINFirst):
		return ctap2.StatusPINNotSet
	case q.length < uint64(a.minPINLength()) && !a.faulty(minPINLowered), q.length > uint64(longest):
		return ctap2.StatusPINPolicyViolation
	case q.forceChange && !a.pinSet() && !a.faulty(forceWithoutPIN):
		return ctap2.StatusPINNotSet
	case len(q.rpIDs) > a.profile.PIN.MaxRPIDs:
		return ctap2.StatusKeyStoreFull
	}
	return nil
}

// forceChange has a change demand another PIN, when that was asked for or when
// the one there is does not keep to the rules that will be in force. All tokens
// end then.
func (a *Authenticator) forceChange(ch *change, q minPINRequest) error {
	pin := a.state.pin
	breaks := uint64(pin.Length) < q.length && !a.faulty(forceChangeMissed) || q.complexity && !pin.Complex
	if !a.pinSet() || !q.forceChange && !breaks {
		return nil
	}
	pin.Version, pin.ForceChange = recordVersion, true
	ch.put(pinName, pin)
	ch.after(func() {
		a.state.pin = pin
		a.volatile.token.stop()
	})
	return a.newPersistentToken(ch)
}
