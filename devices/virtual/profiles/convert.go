package profiles

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// What a key has of which its file says nothing.
const (
	defaultRoom       = 100 // discoverable credentials
	defaultPINRetries = 8
	versionCancel     = "FIDO_2_3" // has a poll that cancels over NFC
)

// members is the getInfo of a profile file: what is told and what is not in one,
// and the numbers of what is not told.
func (f *file) members() (all info, silent []uint64, err error) {
	all = f.GetInfo
	told, untold := reflect.ValueOf(&all).Elem(), reflect.ValueOf(f.Untold)
	for i := range told.NumField() {
		field := told.Type().Field(i)
		number, err := strconv.ParseUint(field.Tag.Get("number"), 10, 8)
		if err != nil {
			return all, nil, err
		}
		if told.Field(i).IsNil() {
			silent = append(silent, number)
			told.Field(i).Set(untold.Field(i))
		} else if !untold.Field(i).IsNil() {
			return all, nil, fmt.Errorf("%s is both in getInfo and in untold", field.Tag.Get("toml"))
		}
	}
	return all, silent, nil
}

// profile is what the file says, checked.
func (f *file) profile() (*virtual.Profile, error) {
	m, silent, err := f.members()
	if err != nil {
		return nil, err
	}
	p := &virtual.Profile{
		Silent: silent, Unimplemented: f.Quirks.Unimplemented, OptionOrder: f.Quirks.OptionOrder,
		AlwaysUVStays: f.Config.AlwaysUVStays,
	}
	m.describe(p)
	m.limit(p)
	m.verify(p, f)
	f.transports(p)
	for _, set := range []func(*virtual.Profile, *info) error{f.constant, f.credentials, f.attestation, f.choices} {
		if err := set(p, &m); err != nil {
			return nil, err
		}
	}
	return p, p.Check()
}

// describe is what says what kind of key it is.
func (m *info) describe(p *virtual.Profile) {
	p.Versions, p.Extensions, p.Options, p.Transports = m.Versions, m.Extensions, m.Options, m.Transports
	p.Certifications = m.Certifications
	if m.AAGUID != nil {
		p.AAGUID = [16]byte(*m.AAGUID)
	}
	for _, n := range m.PINProtocols {
		p.PINProtocols = append(p.PINProtocols, pinuv.Protocol(n))
	}
	for _, n := range m.Algorithms {
		p.Algorithms = append(p.Algorithms, cose.Algorithm(n))
	}
	if m.Algorithms == nil {
		p.Algorithms = []cose.Algorithm{cose.ES256}
	}
	p.ConfigCommands, p.VendorConfigCommands = m.AuthenticatorConfig, m.VendorConfig
	if m.AuthenticatorConfig == nil {
		p.ConfigCommands = m.configCommands()
	}
}

// configCommands follow from the rest of getInfo, which older keys tell instead.
func (m *info) configCommands() (list []uint64) {
	_, enterprise := m.Options["ep"]
	_, alwaysUV := m.Options["alwaysUv"]
	for _, command := range []struct {
		there  bool
		number uint64
	}{
		{enterprise, virtual.ConfigEnableEnterpriseAttestation},
		{alwaysUV, virtual.ConfigToggleAlwaysUV},
		{m.Options["setMinPINLength"], virtual.ConfigSetMinPINLength},
		{m.LongTouchForReset != nil, virtual.ConfigEnableLongTouchForReset},
		{m.VendorConfig != nil, virtual.ConfigVendorPrototype},
	} {
		if m.Options["authnrCfg"] && command.there {
			list = append(list, command.number)
		}
	}
	return list
}

// limit is how much of everything the key takes.
func (m *info) limit(p *virtual.Profile) {
	p.MaxMessage = valueOr(m.MaxMsgSize, virtual.MinMessage)
	p.MaxListLength, p.MaxCredentialID = valueOr(m.MaxListLength, 0), valueOr(m.MaxCredentialID, 0)
	p.LargeBlobs, p.MaxCredBlob = valueOr(m.MaxLargeBlobs, 0), valueOr(m.MaxCredBlob, 0)
	p.FirmwareVersion = valueOr(m.FirmwareVersion, 0)
	p.MaxCredentials = valueOr(m.Remaining, defaultRoom)
	p.EncIdentifier, p.EncStoreState = valueOr(m.EncIdentifier, false), valueOr(m.EncCredStoreState, false)
}

// verify is how users are verified.
func (m *info) verify(p *virtual.Profile, f *file) {
	p.PIN = virtual.PINProfile{
		MinLength: valueOr(m.MinPINLength, pinuv.MinPINLength), MaxLength: valueOr(m.MaxPINLength, 0),
		Retries: valueOr(f.PIN.Retries, defaultPINRetries), Complexity: m.PINComplexity,
		ComplexityURL: valueOr(m.PINComplexityURL, ""), MaxRPIDs: valueOr(m.MaxRPIDs, 0), RPIDs: f.PIN.RPIDs,
	}
	uv := f.UV
	p.UV = virtual.UVProfile{
		Retries: uv.Retries, InternalAttempts: uv.InternalAttempts, PreferredAttempts: valueOr(m.UVAttempts, 0),
		Modality: valueOr(m.UVModality, 0), CountsSincePIN: m.UVCountSincePIN != nil,
		KeyProtection: uv.KeyProtection, MatcherProtection: uv.MatcherProtection,
		Fingers: uv.Fingers, Samples: uv.Samples, Swipe: uv.Swipe, MaxFingerName: uv.MaxFingerName,
	}
}

// transports is how the key behaves on what it is plugged into.
func (f *file) transports(p *virtual.Profile) {
	p.USB = virtual.USBProfile(f.USB)
	p.HID = virtual.HIDProfile{Version: f.HID.Version, Wink: f.HID.Wink, Capabilities: f.HID.Capabilities}
	p.NFC = virtual.NFCProfile{
		ShortOnly: f.NFC.ShortOnly, Fetched: f.NFC.Fetched,
		NoCancel: valueOr(f.NFC.NoCancel, !slices.Contains(p.Versions, versionCancel)),
	}
	p.Field = virtual.FieldProfile{Window: time.Duration(f.NFC.Presence), Uses: f.NFC.Presences}
	p.Timers = virtual.TimerProfile{
		Action: time.Duration(f.Timers.Action), TokenMaximum: time.Duration(f.Timers.TokenMaximum),
		TokenRolling: time.Duration(f.Timers.TokenRolling), InitialUsage: time.Duration(f.Timers.InitialUsage),
		NextAssertion: time.Duration(f.Timers.NextAssertion),
	}
}

// constant wants what is the same on each factory-new key to be so.
func (f *file) constant(_ *virtual.Profile, m *info) error {
	switch {
	case valueOr(m.ForcePINChange, false):
		return errors.New("forcePINChange cannot be true on a key without a PIN")
	case valueOr(m.UVCountSincePIN, 0) != 0:
		return errors.New("uvCountSinceLastPinEntry cannot be more than 0 on an unused key")
	case m.EncIdentifier != nil && !*m.EncIdentifier, m.EncCredStoreState != nil && !*m.EncCredStoreState:
		return errors.New("encIdentifier and encCredStoreState are true, for a value of the key's own, or absent")
	}
	return nil
}

func (f *file) credentials(p *virtual.Profile, _ *info) error {
	p.CredentialIDLength, p.CredProtect = f.Credentials.IDLength, f.Credentials.CredProtect
	p.U2F.CTAP2Credentials = valueOr(f.U2F.CTAP2Credentials, true)
	return choose("credentials.counter", f.Credentials.Counter, &p.Counter, map[string]virtual.CounterPolicy{
		"": virtual.CounterGlobal, "global": virtual.CounterGlobal,
		"per-credential": virtual.CounterPerCredential, "none": virtual.CounterNone,
	})
}

func (f *file) attestation(p *virtual.Profile, m *info) error {
	a := f.Attestation
	p.Attestation = virtual.AttestationProfile{
		Formats: m.AttestationFormats, Intermediate: a.Intermediate,
		Enterprise: virtual.EnterpriseProfile{RPIDs: a.Enterprise.RPIDs, PlatformManaged: a.Enterprise.PlatformManaged, Serial: a.Enterprise.Serial},
	}
	p.Reset = virtual.ResetProfile{LongTouch: m.LongTouchForReset, Transports: m.TransportsForReset, AnyTime: f.Reset.AnyTime}
	return choose("attestation.kind", a.Kind, &p.Attestation.Kind, map[string]virtual.Attestation{
		"": virtual.AttestationBasic, "basic": virtual.AttestationBasic,
		"self": virtual.AttestationSelf, "none": virtual.AttestationNone,
	})
}

func (f *file) choices(p *virtual.Profile, _ *info) error {
	c := f.Choices
	p.Choices = virtual.Choices{
		DeniedUV: c.DeniedUV, UVOutlivesPIN: c.UVOutlivesPIN, OneSecret: c.OneSecret,
		BoundEnumeration: c.BoundEnumeration, BlobPermission: c.BlobPermission,
	}
	return errors.Join(
		choose("choices.configSubcommand", c.ConfigSubcommand, &p.Choices.ConfigSubcommand, map[string]ctap2.Status{
			"": 0, "INVALID_SUBCOMMAND": ctap2.StatusInvalidSubcommand, "INVALID_PARAMETER": ctap2.StatusInvalidParameter,
		}),
		choose("choices.noPIN", c.NoPIN, &p.Choices.NoPIN, map[string]ctap2.Status{
			"": 0, "PIN_NOT_SET": ctap2.StatusPINNotSet, "PUAT_REQUIRED": ctap2.StatusPUATRequired,
		}),
		choose("choices.credProtect", c.CredProtect, &p.Choices.CredProtect, map[string]ctap2.Status{
			"": 0, "INVALID_OPTION": ctap2.StatusInvalidOption, "INVALID_PARAMETER": ctap2.StatusInvalidParameter,
		}),
	)
}

// choose reads one of a few words.
func choose[T any](what, word string, into *T, words map[string]T) error {
	value, ok := words[word]
	if !ok {
		return fmt.Errorf("%s: %q is none of its words", what, word)
	}
	*into = value
	return nil
}

// valueOr is what a file says, or otherwise.
func valueOr[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
