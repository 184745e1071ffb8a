package devices_test

import (
	"errors"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/ceremony"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// setting is a key in some state of user verification.
type setting struct {
	name    string
	profile func() *virtual.Profile
	change  func(*virtual.Profile)
	setUp   func(*bench)

	// What comes of makeCredential by requirement: discouraged, preferred and
	// required, for what is not discoverable and for what is, and of
	// getAssertion. A method is how the user was verified; None that it was not;
	// an error that nothing comes of it.
	create, passkey, get [3]any
}

var requirements = []webauthn.Requirement{webauthn.Discouraged, webauthn.Preferred, webauthn.Required}

func noSetUp(*bench) {}

func withPIN(b *bench) { b.setPIN() }

func withFinger(b *bench) {
	b.setPIN()
	b.enrolThumb()
}

func withOptions(options map[string]bool) func(*virtual.Profile) {
	return func(p *virtual.Profile) {
		for name, v := range options {
			p.Options[name] = v
		}
	}
}

// before21 is CTAP 2.0 with built-in user verification or without, and with the
// options of FIDO_2_1_PRE.
func before21(uv bool, options map[string]bool) func(*virtual.Profile) {
	return func(p *virtual.Profile) {
		prototypes(p)
		if uv {
			p.Options[ctap2.OptionUV] = true
			p.UV = virtual.UVProfile{Retries: 5, InternalAttempts: 1}
		}
		withOptions(options)(p)
	}
}

func all3(v any) [3]any { return [3]any{v, v, v} }

// settings are the rows of the decision table (CTAP 2.3 §6.1.2, §6.2.2,
// §6.5.5.7; WebAuthn L3 §5.1.3).
var settings = []setting{
	{
		name: "nothing set up", profile: virtual.DefaultProfile, change: defaultModel, setUp: noSetUp,
		create:  [3]any{ceremony.None, ceremony.None, ceremony.ErrNotConfigured},
		passkey: [3]any{ceremony.None, ceremony.None, ceremony.ErrNotConfigured},
		get:     [3]any{ceremony.None, ceremony.None, ceremony.ErrNotConfigured},
	},
	{
		name: "PIN, makeCredUvNotRqd", profile: virtual.DefaultProfile, change: defaultModel, setUp: withPIN,
		create:  [3]any{ceremony.None, ceremony.PINToken, ceremony.PINToken},
		passkey: all3(ceremony.PINToken),
		get:     [3]any{ceremony.None, ceremony.PINToken, ceremony.PINToken},
	},
	{
		name: "PIN, without makeCredUvNotRqd", profile: virtual.DefaultProfile,
		change: withOptions(map[string]bool{ctap2.OptionMakeCredUVNotRqd: false}), setUp: withPIN,
		create: all3(ceremony.PINToken), passkey: all3(ceremony.PINToken),
		get: [3]any{ceremony.None, ceremony.PINToken, ceremony.PINToken},
	},
	{
		name: "PIN, alwaysUv", profile: virtual.DefaultProfile,
		change: withOptions(map[string]bool{ctap2.OptionAlwaysUV: true}), setUp: withPIN,
		create: all3(ceremony.PINToken), passkey: all3(ceremony.PINToken), get: all3(ceremony.PINToken),
	},
	{
		name: "alwaysUv and nothing set up", profile: virtual.DefaultProfile,
		change: withOptions(map[string]bool{ctap2.OptionAlwaysUV: true}), setUp: noSetUp,
		create: all3(ceremony.ErrNotConfigured), passkey: all3(ceremony.ErrNotConfigured), get: all3(ceremony.ErrNotConfigured),
	},
	{
		name: "PIN that has to be changed", profile: virtual.DefaultProfile, change: defaultModel,
		setUp: func(b *bench) {
			b.setPIN()
			b.must(b.SetMinPINLength(b.Context(), b.configuration(), ctap2.MinPINLength{ForceChange: true}))
		},
		create:  [3]any{ceremony.None, ceremony.None, ceremony.ErrPINChange},
		passkey: [3]any{ctap2.StatusPUATRequired, ctap2.StatusPUATRequired, ceremony.ErrPINChange},
		get:     [3]any{ceremony.None, ceremony.None, ceremony.ErrPINChange},
	},
	{
		name: "finger and PIN", profile: virtual.FingerprintProfile, change: defaultModel, setUp: withFinger,
		create:  [3]any{ceremony.None, ceremony.UVToken, ceremony.UVToken},
		passkey: all3(ceremony.UVToken),
		get:     [3]any{ceremony.None, ceremony.UVToken, ceremony.UVToken},
	},
	{
		name: "finger and PIN, alwaysUv", profile: virtual.FingerprintProfile,
		change: withOptions(map[string]bool{ctap2.OptionAlwaysUV: true}), setUp: withFinger,
		create: all3(ceremony.UVToken), passkey: all3(ceremony.UVToken), get: all3(ceremony.UVToken),
	},
	{
		name: "finger that is not known, and PIN", profile: virtual.FingerprintProfile, change: defaultModel,
		setUp: func(b *bench) {
			withFinger(b)
			b.finger(virtual.Sample{Finger: "stranger"})
		},
		create:  [3]any{ceremony.None, ceremony.PINToken, ceremony.PINToken},
		passkey: all3(ceremony.PINToken),
		get:     [3]any{ceremony.None, ceremony.PINToken, ceremony.PINToken},
	},
	{
		name: "PIN that is not for credentials", profile: virtual.DefaultProfile,
		change: withOptions(map[string]bool{ctap2.OptionNoPermissionsWithPIN: true}), setUp: withPIN,
		create:  [3]any{ceremony.None, ceremony.None, ceremony.ErrNotGranted},
		passkey: [3]any{ctap2.StatusOperationDenied, ctap2.StatusOperationDenied, ceremony.ErrNotGranted},
		get:     [3]any{ceremony.None, ceremony.None, ceremony.ErrNotGranted},
	},
	{
		name: "CTAP 2.0 with a PIN", profile: virtual.DefaultProfile, change: before21(false, nil), setUp: withPIN,
		create: all3(ceremony.LegacyPIN), passkey: all3(ceremony.LegacyPIN),
		get: [3]any{ceremony.None, ceremony.LegacyPIN, ceremony.LegacyPIN},
	},
	{
		name: "CTAP 2.0 with built-in verification", profile: virtual.DefaultProfile, change: before21(true, nil), setUp: noSetUp,
		create: all3(ceremony.UVOption), passkey: all3(ceremony.UVOption),
		get: [3]any{ceremony.None, ceremony.UVOption, ceremony.UVOption},
	},
	{
		name: "FIDO_2_1_PRE with uvToken", profile: virtual.DefaultProfile,
		change: func(p *virtual.Profile) {
			before21(true, map[string]bool{ctap2.OptionUVToken: true})(p)
			p.PINProtocols = []pinuv.Protocol{pinuv.One} // such keys had no other
		},
		setUp:  noSetUp,
		create: all3(ceremony.LegacyUV), passkey: all3(ceremony.LegacyUV),
		get: [3]any{ceremony.None, ceremony.LegacyUV, ceremony.LegacyUV},
	},
}

// matrixDecisions holds what the client decides, and what the key makes of it, to
// the table.
func matrixDecisions(b *bench) {
	for _, s := range settings {
		k := b.cell.benchOf(b.T, s.profile(), s.change)
		s.setUp(k)
		for i, requirement := range requirements {
			what := fmt.Sprintf("%s, user verification %s", s.name, requirement)
			k.creates(what+", makeCredential", s.create[i], creationOptions(matrixRP, "alice"), requirement)
			k.creates(what+", makeCredential, discoverable", s.passkey[i], discoverable(matrixRP, "bob"), requirement)
			k.asserts(what+", getAssertion", s.get[i], requirement)
		}
	}
}

func (b *bench) creates(what string, want any, o *webauthn.CreationOptions, requirement webauthn.Requirement) {
	b.Helper()
	o.Selection.UserVerification = requirement
	m, err := b.create(o)
	if b.decided(what, want, m.method, err) {
		b.equal(what+": user verified", m.uv(), m.method != ceremony.None)
	}
}

// asserts gets an assertion with the credential that was made last; without one
// there is none to get.
func (b *bench) asserts(what string, want any, requirement webauthn.Requirement) {
	b.Helper()
	o := requestOptions(matrixRP)
	if len(b.keys) == 0 { // nothing could be made
		o.Allow = []webauthn.Descriptor{{Type: webauthn.PublicKey, ID: noise(64)}}
	}
	for id := range b.keys {
		o.Allow = append(o.Allow, webauthn.Descriptor{Type: webauthn.PublicKey, ID: webauthn.Bytes(id)})
	}
	o.Verification = requirement
	g, err := b.get(o)
	if b.decided(what, want, g.method, err) {
		b.equal(what+": user verified", g.uv(), g.method != ceremony.None)
	}
}

// decided compares how the user was verified, or why not. It reports whether
// something came of it.
func (b *bench) decided(what string, want any, method ceremony.Method, err error) bool {
	b.Helper()
	if refusal, ok := want.(error); ok {
		if !errors.Is(err, refusal) {
			b.Errorf("%s: %v, want %v", what, err, refusal)
		}
		return false
	}
	if err != nil {
		b.Errorf("%s: %v", what, err)
		return false
	}
	b.equal(what, method, want)
	return true
}
