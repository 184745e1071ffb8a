package ceremony

import (
	"errors"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
)

// Method is a way to verify the user.
type Method int

// Methods, the best first.
const (
	None      Method = iota // there is no way
	UVToken                 // a token with permissions by built-in user verification
	LegacyUV                // a token by built-in user verification, as in FIDO_2_1_PRE
	UVOption                // the option "uv" on the request
	PINToken                // a token with permissions by PIN
	LegacyPIN               // a token by PIN, as in CTAP 2.0
)

var methodNames = map[Method]string{
	None: "none", UVToken: "built-in user verification with permissions",
	LegacyUV: "built-in user verification of FIDO_2_1_PRE", UVOption: "option uv",
	PINToken: "PIN with permissions", LegacyPIN: "PIN of CTAP 2.0",
}

// String describes the method.
func (m Method) String() string { return methodNames[m] }

// BuiltIn reports whether the authenticator verifies the user by its own means.
func (m Method) BuiltIn() bool { return m == UVToken || m == LegacyUV || m == UVOption }

// ByPIN reports whether the platform asks for the PIN.
func (m Method) ByPIN() bool { return m == PINToken || m == LegacyPIN }

// Reasons why there is no way to verify the user.
var (
	// ErrNotConfigured: neither a PIN nor anything else is set up.
	ErrNotConfigured = errors.New("no PIN is set, and no other user verification")
	// ErrNotGranted: what is set up does not authorise this, such as a PIN where
	// the authenticator wants a finger.
	ErrNotGranted = errors.New("the user verification that is set up does not authorise this")
	// ErrPINChange: the PIN is taken only to change it.
	ErrPINChange = errors.New("the PIN has to be changed first")
	// ErrProtocol: no PIN/UV auth protocol in common.
	ErrProtocol = errors.New("no PIN/UV auth protocol in common")
)

// Purpose is what a user may have to be verified for.
type Purpose struct {
	// Permissions are what a token has to authorise: the least that will do. One
	// of mc and ga makes it a ceremony, none of them the management of a key.
	Permissions ctap2.Permission

	// RPID is the relying party of a ceremony, and of credential management for
	// one. Other management has none.
	RPID string

	// Requirement is the relying party's wish, in a ceremony.
	Requirement webauthn.Requirement

	// Discoverable says that the credential to be made is.
	Discoverable bool
}

const ceremonial = ctap2.PermissionMakeCredential | ctap2.PermissionGetAssertion

// making reports whether the purpose is to make a credential, which may come
// with ga for a pre-flight.
func (p Purpose) making() bool { return p.Permissions.Has(ctap2.PermissionMakeCredential) }

func (p Purpose) ceremony() bool { return p.Permissions&ceremonial != 0 }

// Decision says whether and how to verify the user.
type Decision struct {
	// Verify: the user is to be verified. When Method is None then, it cannot be
	// done and Reason says why.
	Verify bool

	// Method is the best way that there is, needed or not: an authenticator may
	// ask for verification all the same, with PUAT_REQUIRED.
	Method Method

	// Fallback is the way that is left when Method is built in and does not know
	// the user; None for none.
	Fallback Method

	// Reason is why Method is None, nil when it is not.
	Reason error

	// Purpose is what the decision is for.
	Purpose Purpose
}

// Decide decides from getInfo whether and how to verify the user (CTAP 2.3
// §6.1.2, §6.2.2 and §6.5.5.7; WebAuthn L3 §5.1.3).
//
// Built-in verification goes before the PIN, of which it spends no try. A
// ceremony that prefers verification goes on without where nothing is set up, as
// browsers have it.
func Decide(info *ctap2.Info, p Purpose) Decision {
	o := read(info)
	d := Decision{Purpose: p, Method: o.builtIn(p.Permissions)}
	byPIN, reason := o.byPIN(p.Permissions)
	if d.Method == None {
		d.Method, d.Reason = byPIN, reason
	} else {
		d.Fallback = byPIN
	}
	d.Verify = o.needed(p, d.Method)
	return d
}

// options are what getInfo says of user verification.
type options struct {
	uv, tokens, uvToken           bool
	pin, pinGivesNoCredentials    bool
	always, makeWithout           bool
	credMgmt, largeBlobs, persist bool
	bioEnroll, uvBioEnroll        bool
	config, uvConfig              bool
	changePIN                     bool
	protocol                      bool
}

func read(info *ctap2.Info) options {
	on := func(name string) bool { v, _ := info.Option(name); return v }
	has := func(name string) bool { _, sent := info.Option(name); return sent }
	return options{
		uv: on(ctap2.OptionUV), tokens: on(ctap2.OptionPINUVAuthToken), uvToken: on(ctap2.OptionUVToken),
		pin: on(ctap2.OptionClientPIN), pinGivesNoCredentials: on(ctap2.OptionNoPermissionsWithPIN),
		always: on(ctap2.OptionAlwaysUV), makeWithout: on(ctap2.OptionMakeCredUVNotRqd),
		credMgmt:   on(ctap2.OptionCredMgmt) || on(ctap2.OptionCredentialMgmtPreview),
		largeBlobs: on(ctap2.OptionLargeBlobs), persist: on(ctap2.OptionPerCredMgmtRO),
		bioEnroll: has(ctap2.OptionBioEnroll) || has(ctap2.OptionUserVerificationMgmtPreview), uvBioEnroll: on(ctap2.OptionUVBioEnroll),
		config: on(ctap2.OptionAuthnrCfg), uvConfig: on(ctap2.OptionUVAcfg),
		changePIN: info.ForcePINChange, protocol: info.PINUVAuthProtocol() != 0,
	}
}

// builtIn is how built-in user verification authorises what the permissions say,
// or None.
func (o options) builtIn(perms ctap2.Permission) Method {
	switch {
	case !o.uv:
		return None
	case o.tokens && o.protocol && o.grantedByUV(perms):
		return UVToken
	case !o.tokens && o.uvToken && o.protocol:
		return LegacyUV
	case !o.tokens && perms&^ceremonial == 0:
		return UVOption
	}
	return None
}

// byPIN is how the PIN authorises what the permissions say, or None and why not.
func (o options) byPIN(perms ctap2.Permission) (Method, error) {
	switch {
	case !o.pin && !o.uv:
		return None, ErrNotConfigured
	case !o.pin || o.tokens && !o.grantedByPIN(perms):
		return None, ErrNotGranted
	case !o.protocol:
		return None, ErrProtocol
	case o.changePIN:
		return None, ErrPINChange
	case o.tokens:
		return PINToken, nil
	}
	return LegacyPIN, nil
}

// grantedByUV reports whether the authenticator grants the permissions for
// built-in verification (CTAP 2.3 §6.5.5.7.3).
func (o options) grantedByUV(perms ctap2.Permission) bool {
	return o.granted(perms) &&
		(!perms.Has(ctap2.PermissionBioEnrollment) || o.uvBioEnroll) &&
		(!perms.Has(ctap2.PermissionConfig) || o.uvConfig)
}

// grantedByPIN reports whether it grants them for the PIN (CTAP 2.3
// §6.5.5.7.2).
func (o options) grantedByPIN(perms ctap2.Permission) bool {
	return o.granted(perms) &&
		(perms&ceremonial == 0 || !o.pinGivesNoCredentials) &&
		(!perms.Has(ctap2.PermissionBioEnrollment) || o.bioEnroll) &&
		(!perms.Has(ctap2.PermissionConfig) || o.config)
}

// granted is what both ways have in common.
func (o options) granted(perms ctap2.Permission) bool {
	for permission, has := range map[ctap2.Permission]bool{
		ctap2.PermissionCredentialManagement: o.credMgmt,
		ctap2.PermissionLargeBlobWrite:       o.largeBlobs,
		ctap2.PermissionPersistentReadOnly:   o.persist && perms == ctap2.PermissionPersistentReadOnly,
	} {
		if perms.Has(permission) && !has {
			return false
		}
	}
	return true
}

// needed decides whether to verify the user at all.
func (o options) needed(p Purpose, m Method) bool {
	switch {
	case !p.ceremony():
		return o.managementNeeds(p.Permissions)
	case p.Requirement == webauthn.Required || o.always:
		return true
	case m == None:
		return false
	case p.Requirement != webauthn.Discouraged, p.Permissions&^ceremonial != 0:
		return true
	}
	// A key with verification set up makes no credential without, or no
	// discoverable one where makeCredUvNotRqd is on (CTAP 2.3 §6.1.2 steps 7 and 8).
	return p.making() && (p.Discoverable || !o.makeWithout)
}

// managementNeeds reports whether managing wants a token. Settings and large
// blobs are open on a key that nothing protects (CTAP 2.3 §6.10.2 and §6.11).
func (o options) managementNeeds(perms ctap2.Permission) bool {
	open := ctap2.PermissionConfig | ctap2.PermissionLargeBlobWrite
	return perms&^open != 0 || o.pin || o.uv || o.always
}

// Err is why the user cannot be verified though it is to be, nil otherwise.
func (d Decision) Err() error {
	if d.Verify && d.Method == None {
		return fmt.Errorf("user verification for %v: %w", d.Purpose.Permissions, d.Reason)
	}
	return nil
}
