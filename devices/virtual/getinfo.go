package virtual

import (
	"maps"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// infoMember is one member of the answer of authenticatorGetInfo. Its value is
// nil when the key does not have it, and an error when it cannot be made.
type infoMember struct {
	number uint64
	value  func(*Authenticator) any
}

// infoMembers are the members of CTAP 2.3 §6.4.
var infoMembers = []infoMember{
	{0x01, func(a *Authenticator) any { return a.infoVersions() }},
	{0x02, func(a *Authenticator) any { return nonEmpty(a.profile.Extensions) }},
	{0x03, func(a *Authenticator) any { return a.state.identity.aaguid[:] }},
	{0x04, func(a *Authenticator) any { return a.infoOptions() }},
	{0x05, func(a *Authenticator) any { return a.profile.MaxMessage }},
	{0x06, func(a *Authenticator) any { return nonEmpty(a.profile.PINProtocols) }},
	{0x07, func(a *Authenticator) any { return nonZero(a.profile.MaxListLength) }},
	{0x08, func(a *Authenticator) any { return nonZero(a.profile.MaxCredentialID) }},
	{0x09, func(a *Authenticator) any { return nonEmpty(a.profile.Transports) }},
	{0x0a, func(a *Authenticator) any { return nonEmpty(a.infoAlgorithms()) }},
	{0x0b, func(a *Authenticator) any { return when(a.profile.is(optLargeBlobs), a.profile.LargeBlobs) }},
	{0x0c, func(a *Authenticator) any { return when(a.profile.hasPIN(), a.state.pin.ForceChange) }},
	{0x0d, func(a *Authenticator) any { return when(a.profile.hasPIN(), a.minPINLength()) }},
	{0x0e, func(a *Authenticator) any { return nonZero(a.profile.FirmwareVersion) }},
	{0x0f, func(a *Authenticator) any { return when(a.profile.extension(extCredBlob), a.profile.MaxCredBlob) }},
	{0x10, func(a *Authenticator) any { return when(a.profile.is(optSetMinPIN), a.profile.PIN.MaxRPIDs) }},
	{0x11, func(a *Authenticator) any { return nonZero(a.profile.UV.PreferredAttempts) }},
	{0x12, func(a *Authenticator) any { return nonZero(a.profile.UV.Modality) }},
	{0x13, func(a *Authenticator) any { return when(len(a.profile.Certifications) > 0, a.profile.Certifications) }},
	{0x14, func(a *Authenticator) any { return when(a.profile.is(optRK), a.room()) }},
	{0x15, func(a *Authenticator) any {
		return when(a.profile.VendorConfigCommands != nil, a.profile.VendorConfigCommands)
	}},
	{0x16, func(a *Authenticator) any { return nonEmpty(a.profile.Attestation.Formats) }},
	{0x17, func(a *Authenticator) any { return when(a.profile.UV.CountsSincePIN, a.state.uv.SincePIN) }},
	{0x18, func(a *Authenticator) any { return when(a.profile.Reset.LongTouch != nil, a.longTouchForReset()) }},
	{0x19, (*Authenticator).infoIdentifier},
	{0x1a, func(a *Authenticator) any { return nonEmpty(a.profile.Reset.Transports) }},
	{0x1b, func(a *Authenticator) any { return when(a.profile.PIN.Complexity != nil, a.complexityRequired()) }},
	{0x1c, (*Authenticator).infoComplexityURL},
	{0x1d, func(a *Authenticator) any { return nonZero(a.profile.PIN.MaxLength) }},
	{0x1e, (*Authenticator).infoStoreState},
	{0x1f, func(a *Authenticator) any { return when(a.profile.version(versionFIDO23), a.profile.ConfigCommands) }},
}

// getInfo is authenticatorGetInfo (CTAP 2.3 §6.4). It has the members that say
// something about the key, but for those that its model keeps silent about.
// Members of versions later than CTAP 2.0 are there whatever versions the key
// claims, as they are on shipped keys.
func (a *Authenticator) getInfo(*call) (any, error) {
	var items []wire.Raw
	for _, m := range infoMembers {
		if slices.Contains(a.profile.Silent, m.number) {
			continue
		}
		switch v := a.misinform(m.number, m.value(a)).(type) {
		case nil:
		case error:
			return nil, v
		default:
			pair, err := encodePair(m.number, v)
			if err != nil {
				return nil, err
			}
			items = append(items, pair...)
		}
	}
	return a.misencode(items), nil
}

// encodePair encodes a key and a value of a map. What is encoded stays as it is.
func encodePair(key, value any) ([]wire.Raw, error) {
	k, err := wire.Encode(key)
	if err != nil {
		return nil, err
	}
	if raw, ok := value.(wire.Raw); ok {
		return []wire.Raw{k, raw}, nil
	}
	v, err := wire.Encode(value)
	return []wire.Raw{k, v}, err
}

// nonEmpty is the list, or no member when there is nothing on it.
func nonEmpty[T any](list []T) any {
	if len(list) == 0 {
		return nil
	}
	return list
}

// nonZero is the number, or no member when it is 0.
func nonZero[T int | uint | uint64](n T) any {
	if n == 0 {
		return nil
	}
	return n
}

// when is a member of keys that have something.
func when(has bool, v any) any {
	if !has {
		return nil
	}
	return v
}

// infoVersions leaves U2F_V2 out while alwaysUv keeps CTAP1 from working.
func (a *Authenticator) infoVersions() []string {
	if a.u2fEnabled() || a.faulty(infoU2FStays) {
		return a.profile.Versions
	}
	return slices.DeleteFunc(slices.Clone(a.profile.Versions), func(v string) bool { return v == versionU2F })
}

// infoComplexityURL is a byte string, as the standard has it.
func (a *Authenticator) infoComplexityURL() any {
	url := a.profile.PIN.ComplexityURL
	return when(url != "" && a.profile.PIN.Complexity != nil, []byte(url))
}

func (a *Authenticator) infoIdentifier() any {
	return a.encrypted(a.profile.EncIdentifier, labelIdentifier, a.state.persistent.DeviceID)
}

func (a *Authenticator) infoStoreState() any {
	return a.encrypted(a.profile.EncStoreState, labelStoreState, a.state.persistent.StoreState)
}

// optionsNow are the options that change, with what they are at the time.
var optionsNow = map[string]func(*Authenticator) bool{
	optClientPIN:     (*Authenticator).pinSet,
	optUV:            (*Authenticator).uvConfigured,
	optBioEnroll:     (*Authenticator).fingersEnrolled,
	optBioPreview:    (*Authenticator).fingersEnrolled,
	optEnterprise:    (*Authenticator).enterpriseEnabled,
	optAlwaysUV:      (*Authenticator).alwaysUV,
	optUVNotRequired: (*Authenticator).uvNotRequired,
}

// infoOptions are the model's options with what they are now.
func (a *Authenticator) infoOptions() any {
	if len(a.profile.Options) == 0 {
		return nil
	}
	options := maps.Clone(a.profile.Options)
	for id, now := range optionsNow {
		if a.profile.has(id) {
			options[id] = now(a)
		}
	}
	return inOrder(options, a.profile.OptionOrder)
}

// inOrder is the options in the order of their IDs, or in canonical order when
// that is none.
func inOrder(options map[string]bool, ids []string) any {
	if len(ids) == 0 {
		return options
	}
	var items []wire.Raw
	for _, id := range ids {
		pair, err := encodePair(id, options[id])
		if err != nil {
			return err
		}
		items = append(items, pair...)
	}
	return wire.Map(items...)
}

// algorithmInfo is a PublicKeyCredentialParameters.
type algorithmInfo struct {
	Algorithm cose.Algorithm `cbor:"alg"`
	Type      string         `cbor:"type"`
}

func (a *Authenticator) infoAlgorithms() []algorithmInfo {
	var list []algorithmInfo
	for _, algorithm := range a.profile.Algorithms {
		list = append(list, algorithmInfo{Algorithm: algorithm, Type: publicKeyType})
	}
	return list
}

// pinSet tells whether there is a PIN.
func (a *Authenticator) pinSet() bool { return a.state.pin.set() }

// protected tells whether some form of user verification protects the key (CTAP
// 2.3 §5). Before CTAP 2.1 it is the PIN that does.
func (a *Authenticator) protected() bool {
	if !a.profile.since21() {
		return a.pinSet() || a.profile.is(optUVToken) && a.uvConfigured()
	}
	return a.profile.is(optTokens) && (a.pinSet() || a.uvConfigured())
}

// room is how many more discoverable credentials can be stored at least.
func (a *Authenticator) room() int {
	return max(0, a.profile.MaxCredentials-len(a.state.credentials.byID))
}
