package virtual

import (
	"maps"
	"slices"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

// Profile is a model of security key: what its getInfo says (CTAP 2.3 §6.4),
// and everything else that its keys have in common. What a key does follows from
// it: a command, subcommand, extension or algorithm that is not in the profile
// is not there. The zero Profile is no key; begin with [DefaultProfile].
type Profile struct {
	// AAGUID of a factory-new key. A key that is loaded keeps its own, and New
	// fails when this names another; zero names none and is [DefaultAAGUID] for
	// a new key.
	AAGUID     authdata.AAGUID
	Versions   []string        // such as "FIDO_2_1"; "U2F_V2" alone is a key without CTAP2
	Extensions []string        // by identifier (§12)
	Options    map[string]bool // option IDs of §6.4 with the values of a factory-new key

	MaxMessage         int              // maxMsgSize in bytes, MinMessage..MaxMessage
	PINProtocols       []pinuv.Protocol // the preferred first
	MaxListLength      int              // maxCredentialCountInList; 0: not told, and no limit
	MaxCredentialID    int              // maxCredentialIdLength in bytes; 0: not told
	CredentialIDLength int              // bytes of a new credential's ID; 0: 64, and 32 of a discoverable one's
	Transports         []string
	Algorithms         []cose.Algorithm // the preferred first
	LargeBlobs         int              // maxSerializedLargeBlobArray, and room for blobs of the largeBlob extension, in bytes
	FirmwareVersion    uint64           // 0: not told
	MaxCredBlob        int              // maxCredBlobLength in bytes
	MaxCredentials     int              // room for discoverable credentials
	Certifications     map[string]uint64
	EncIdentifier      bool // the key has encIdentifier (CTAP 2.2)
	EncStoreState      bool // the key has encCredStoreState (CTAP 2.3)

	// ConfigCommands are the subcommands of authenticatorConfig (§6.11).
	ConfigCommands []uint64
	// VendorConfigCommands are the vendorCommandIds of its subcommand 0xff; nil
	// is no such list, not an empty one.
	VendorConfigCommands []uint64
	// AlwaysUVStays has toggleAlwaysUv refuse to switch alwaysUv off.
	AlwaysUVStays bool

	CredProtect uint8 // level of a credential that asks for none, 1 to 3; 0: 1
	Counter     CounterPolicy
	PIN         PINProfile
	UV          UVProfile
	Attestation AttestationProfile
	Reset       ResetProfile
	U2F         U2FProfile
	USB         USBProfile
	HID         HIDProfile
	NFC         NFCProfile
	Timers      TimerProfile
	Field       FieldProfile
	Choices     Choices

	// Silent are the numbers of getInfo members that the model does not tell
	// although it could.
	Silent []uint64
	// Unimplemented are those of the Extensions that the model lists and the
	// software key does not have: it ignores them as any that it does not know.
	Unimplemented []string
	// OptionOrder has getInfo give the options in this order, of all of them, and
	// not in that of canonical CBOR, as some shipped keys do.
	OptionOrder []string
}

// CounterPolicy is how signature counters count (WebAuthn L3 §6.1.1).
type CounterPolicy uint8

// Counter policies.
const (
	// CounterGlobal: one for all credentials.
	CounterGlobal CounterPolicy = iota
	// CounterPerCredential: one for each discoverable credential; the others,
	// of which nothing is stored, share one.
	CounterPerCredential
	// CounterNone: it is always 0.
	CounterNone
)

// PINProfile is what PINs of a model are like (CTAP 2.3 §6.5.1).
type PINProfile struct {
	MinLength     uint     // minPINLength in code points
	MaxLength     uint     // maxPINLength in code points; 0: not told, and 63
	Retries       uint     // 1 to 8
	Complexity    *bool    // pinComplexityPolicy of a factory-new key; nil: there is none
	ComplexityURL string   // pinComplexityPolicyURL; empty: not told
	MaxRPIDs      int      // maxRPIDsForSetMinPINLength
	RPIDs         []string // who may learn the length before setMinPINLength says so
}

// UVProfile is a model's built-in user verification (CTAP 2.3 §6.5.2.3, §6.7).
// It is there when the option uv is.
type UVProfile struct {
	Retries           uint   // 1 to 25
	InternalAttempts  uint   // tries within one command, 1 to 5
	PreferredAttempts uint   // preferredPlatformUvAttempts; 0: not told
	Modality          uint64 // USER_VERIFY bits of the FIDO registry; 0: not told
	CountsSincePIN    bool   // the key has uvCountSinceLastPinEntry
	KeyProtection     uint16 // KEY_PROTECTION bits of the FIDO registry, for the uvm extension
	MatcherProtection uint16 // MATCHER_PROTECTION bits of the same

	Fingers       int  // room for fingerprints
	Samples       uint // maxCaptureSamplesRequiredForEnroll
	Swipe         bool // the sensor is one to swipe over
	MaxFingerName int  // maxTemplateFriendlyName in bytes
}

// AttestationProfile is how a model vouches for new credentials.
type AttestationProfile struct {
	Kind Attestation
	// Formats is attestationFormats, the preferred first: "packed", "fido-u2f",
	// and "none", which some keys list although it is none to list.
	// When empty it is not told, attestationFormatsPreference is not known, and
	// statements are "packed".
	Formats []string
	// Intermediate has the root issue through an authority in between.
	Intermediate bool
	Enterprise   EnterpriseProfile
}

// EnterpriseProfile is a model's enterprise attestation (CTAP 2.3 §7.1). It is
// there when the option ep is.
type EnterpriseProfile struct {
	RPIDs           []string // of vendor-facilitated attestation; none: there is no such thing
	PlatformManaged bool
	Serial          string // of this key, in the certificate
}

// ResetProfile is when a model may be reset (CTAP 2.3 §6.6).
type ResetProfile struct {
	LongTouch  *bool    // longTouchForReset of a factory-new key; nil: there is no such thing
	Transports []string // transportsForReset; none: not told, and any
	AnyTime    bool     // also later than ten seconds after power-up, as for keys with a display
}

// U2FProfile is a model's CTAP1 (CTAP 2.3 §10). It is there when U2F_V2 is among
// the versions.
type U2FProfile struct {
	// CTAP2Credentials lets CTAP1 use the credentials of CTAP2 that are not
	// discoverable, have ES256 and do not need user verification.
	CTAP2Credentials bool
}

// USBProfile is how a model shows itself to a computer that it is plugged into.
// The zero value is not told of the model.
type USBProfile struct {
	VendorID, ProductID   uint16
	Manufacturer, Product string
	// Keyboard is a second interface, for one-time passwords, before the one for
	// FIDO.
	Keyboard bool
}

// HIDProfile is what a model says in its answer to CTAPHID_INIT (§11.2.9.1.3).
type HIDProfile struct {
	Version      [3]byte // major, minor, build
	Wink         bool
	Capabilities *byte // nil: what follows from the profile
}

// NFCProfile is how the card of a model takes APDUs (§11.3), where it is not as
// the standard has it.
type NFCProfile struct {
	ShortOnly bool // extended lengths are refused with 6700
	NoCancel  bool // a poll that cancels is refused, as before CTAP 2.3
	Fetched   bool // every answer to a command with data is offered with 61xx and has to be fetched
}

// TimerProfile is how long a model waits.
type TimerProfile struct {
	Action        time.Duration // for a user's action; 0: 30 s
	TokenMaximum  time.Duration // life of a pinUvAuthToken (§6.5.2.1); 0: 10 min
	TokenRolling  time.Duration // and since its last use; 0: no limit
	InitialUsage  time.Duration // for a token's first use; 0: 30 s on USB, 19.8 s on NFC
	NextAssertion time.Duration // between two assertions, or two steps of an enumeration; 0: 30 s
}

// FieldProfile is how a model over NFC takes being placed in the field for user
// presence (CTAP 2.3 §11.3). The zero value wants a touch as over USB; a CTAP1
// request never does.
type FieldProfile struct {
	Window time.Duration // how long after being placed; 0: being placed is no presence
	Uses   int           // how many times in the window; 0: any number
}

// Choices answer what the standard leaves open, or what implementations of it
// answer differently. A status that is zero is the first of the named ones.
type Choices struct {
	// ConfigSubcommand is for an unknown subcommand of authenticatorConfig:
	// INVALID_SUBCOMMAND (§8.1) or INVALID_PARAMETER (§6.11 step 2).
	ConfigSubcommand ctap2.Status
	// NoPIN is for clientPIN subcommands that want a PIN where none is set:
	// PIN_NOT_SET, or PUAT_REQUIRED as OpenSK has it.
	NoPIN ctap2.Status
	// CredProtect is for a level that is not defined: INVALID_OPTION as OpenSK
	// has it, or INVALID_PARAMETER.
	CredProtect ctap2.Status
	// DeniedUV has makeCredential answer OPERATION_DENIED when built-in user
	// verification fails although a PIN could be used. Else it answers
	// PUAT_REQUIRED, as getAssertion does, and platforms go on with the PIN.
	DeniedUV bool
	// UVOutlivesPIN keeps built-in user verification working when the PIN is
	// blocked. Else the end of the PIN retries is the end of the uvRetries.
	UVOutlivesPIN bool
	// OneSecret has getNextAssertion leave hmac-secret out. Else it uses the
	// salts of the getAssertion before.
	OneSecret bool
	// BoundEnumeration lets credential management enumerate the credentials of
	// the relying party that the token is bound to, as one reading of CTAP 2.1
	// has it. Else a bound token enumerates nothing.
	BoundEnumeration bool
	// BlobPermission has the largeBlob extension write only with a token that
	// has the lbw permission, where a token is needed at all.
	BlobPermission bool
}

// DefaultAAGUID is the model of key that a new key belongs to unless its
// [Profile] says otherwise: a random UUID of Touchstone's own,
// 61c5e308-878a-4352-b3a5-54aead6cc6ea.
var DefaultAAGUID = authdata.AAGUID{
	0x61, 0xc5, 0xe3, 0x08, 0x87, 0x8a, 0x43, 0x52,
	0xb3, 0xa5, 0x54, 0xae, 0xad, 0x6c, 0xc6, 0xea,
}

// Limits of a [Profile].
const (
	DefaultMessage = 1200 // bytes of the default profile's largest message
	MinMessage     = 1024 // bytes that every authenticator must take (CTAP 2.3 §6.4)
	MaxMessage     = 7609 // bytes that fit CTAPHID (CTAP 2.3 §11.2.4)

	defaultAction        = 30 * time.Second
	defaultNextAssertion = 30 * time.Second
)

// DefaultProfile is Touchstone's own model: a key of CTAP 2.3 and U2F with a PIN,
// all extensions but largeBlob, which excludes largeBlobKey, and no built-in
// user verification. The caller may change what it gets.
func DefaultProfile() *Profile {
	off := false
	return &Profile{
		AAGUID:   DefaultAAGUID,
		Versions: []string{versionU2F, versionFIDO20, versionFIDO21, versionFIDO23},
		Extensions: []string{
			extCredBlob, extCredProtect, extHMACSecret, extHMACSecretMC, extLargeBlobKey,
			extMinPINLength, extComplexity, extThirdPartyPayment, extUVM,
		},
		Options: map[string]bool{
			optRK: true, optUP: true, optPlatform: false, optClientPIN: false, optTokens: true,
			optUVNotRequired: true, optCredMgmt: true, optPersistent: true, optLargeBlobs: true,
			optConfig: true, optSetMinPIN: true, optAlwaysUV: false, optEnterprise: false,
		},
		MaxMessage:      DefaultMessage,
		PINProtocols:    []pinuv.Protocol{pinuv.Two, pinuv.One},
		MaxListLength:   8,
		MaxCredentialID: wrappedSize,
		Transports:      []string{"nfc", "usb"},
		Algorithms:      []cose.Algorithm{cose.ES256, cose.EdDSA, cose.ES384, cose.ES512},
		LargeBlobs:      4096,
		FirmwareVersion: 2,
		MaxCredBlob:     64,
		MaxCredentials:  100,
		EncIdentifier:   true,
		EncStoreState:   true,
		ConfigCommands: []uint64{
			ConfigEnableEnterpriseAttestation, ConfigToggleAlwaysUV, ConfigSetMinPINLength, ConfigEnableLongTouchForReset,
		},
		PIN: PINProfile{
			MinLength: pinuv.MinPINLength, MaxLength: pinuv.MaxPINBytes, Retries: 8, Complexity: &off, MaxRPIDs: 8,
		},
		Attestation: AttestationProfile{
			Formats:    []string{formatPacked},
			Enterprise: EnterpriseProfile{RPIDs: []string{"enterprise.example"}, PlatformManaged: true, Serial: "1"},
		},
		Reset: ResetProfile{LongTouch: &off, Transports: []string{"nfc", "usb"}},
		U2F:   U2FProfile{CTAP2Credentials: true},
		USB:   USBProfile{VendorID: 0x1209, ProductID: 0xF1D0, Manufacturer: "Touchstone", Product: "Software key"},
		HID:   HIDProfile{Version: [3]byte{0, 2, 0}, Wink: true},
	}
}

// FingerprintAAGUID is the model of [FingerprintProfile]: a random UUID of
// Touchstone's own, 4a417783-4fd3-4e43-a661-4c6736cb52de.
var FingerprintAAGUID = authdata.AAGUID{
	0x4a, 0x41, 0x77, 0x83, 0x4f, 0xd3, 0x4e, 0x43,
	0xa6, 0x61, 0x4c, 0x67, 0x36, 0xcb, 0x52, 0xde,
}

// FingerprintProfile is Touchstone's other model: the default one and a
// fingerprint sensor.
func FingerprintProfile() *Profile {
	p := DefaultProfile()
	p.AAGUID = FingerprintAAGUID
	for _, id := range []string{optUV, optBioEnroll} {
		p.Options[id] = false
	}
	for _, id := range []string{optBioByUV, optConfigByUV} {
		p.Options[id] = true
	}
	p.UV = UVProfile{
		Retries: 5, InternalAttempts: 3, PreferredAttempts: 3, Modality: verifyFingerprint, CountsSincePIN: true,
		Fingers: 5, Samples: 4, MaxFingerName: 64,
	}
	return p
}

// clone is a copy that shares nothing with the original.
func (p *Profile) clone() *Profile {
	c := *p
	for _, list := range []*[]string{
		&c.Versions, &c.Extensions, &c.Transports, &c.PIN.RPIDs,
		&c.Attestation.Formats, &c.Attestation.Enterprise.RPIDs, &c.Reset.Transports, &c.Unimplemented, &c.OptionOrder,
	} {
		*list = slices.Clone(*list)
	}
	for _, list := range []*[]uint64{&c.ConfigCommands, &c.VendorConfigCommands, &c.Silent} {
		*list = slices.Clone(*list)
	}
	c.Options, c.Certifications = maps.Clone(c.Options), maps.Clone(c.Certifications)
	c.PINProtocols, c.Algorithms = slices.Clone(c.PINProtocols), slices.Clone(c.Algorithms)
	for _, flag := range []**bool{&c.PIN.Complexity, &c.Reset.LongTouch} {
		*flag = copied(*flag)
	}
	c.HID.Capabilities = copied(c.HID.Capabilities)
	return &c
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

// has tells whether the model has the option ID, with either value.
func (p *Profile) has(option string) bool {
	_, ok := p.Options[option]
	return ok
}

// is tells whether the option is true on a factory-new key.
func (p *Profile) is(option string) bool { return p.Options[option] }

func (p *Profile) version(v string) bool      { return slices.Contains(p.Versions, v) }
func (p *Profile) extension(id string) bool   { return slices.Contains(p.Extensions, id) }
func (p *Profile) config(command uint64) bool { return slices.Contains(p.ConfigCommands, command) }

// or is the first value unless it is zero.
func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}
