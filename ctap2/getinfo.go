package ctap2

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// Version strings of getInfo member 0x01. There is no FIDO_2_2.
const (
	VersionU2F   = "U2F_V2"
	Version20    = "FIDO_2_0"
	Version21Pre = "FIDO_2_1_PRE"
	Version21    = "FIDO_2_1"
	Version23    = "FIDO_2_3"
)

// Option IDs of getInfo member 0x04, besides those that requests have too:
// [OptionRK], [OptionUP] and [OptionUV]. Where an option says whether something
// is set up, such as clientPin, false means that it can be.
const (
	OptionPlat                 = "plat"                           // part of the computer, not to be carried
	OptionClientPIN            = "clientPin"                      // a PIN is set, or can be
	OptionPINUVAuthToken       = "pinUvAuthToken"                 // tokens with permissions
	OptionNoPermissionsWithPIN = "noMcGaPermissionsWithClientPin" // a PIN is not enough to make or use credentials
	OptionLargeBlobs           = "largeBlobs"                     // authenticatorLargeBlobs
	OptionEP                   = "ep"                             // enterprise attestation is on, or can be
	OptionBioEnroll            = "bioEnroll"                      // a fingerprint is enrolled, or can be
	OptionUVBioEnroll          = "uvBioEnroll"                    // built-in user verification is enough to enrol
	OptionAuthnrCfg            = "authnrCfg"                      // authenticatorConfig
	OptionUVAcfg               = "uvAcfg"                         // built-in user verification is enough for it
	OptionCredMgmt             = "credMgmt"                       // authenticatorCredentialManagement
	OptionPerCredMgmtRO        = "perCredMgmtRO"                  // persistent tokens that list credentials
	OptionSetMinPINLength      = "setMinPINLength"                // the subcommand of authenticatorConfig
	OptionMakeCredUVNotRqd     = "makeCredUvNotRqd"               // credentials that are not discoverable need no user verification
	OptionAlwaysUV             = "alwaysUv"                       // every use needs user verification

	// Of FIDO_2_1_PRE.
	OptionUVToken                     = "uvToken"                     // tokens by built-in user verification
	OptionCredentialMgmtPreview       = "credentialMgmtPreview"       // the prototype of credential management
	OptionUserVerificationMgmtPreview = "userVerificationMgmtPreview" // the prototype of bio enrolment, as bioEnroll
)

// DefaultMaxMsgSize is the message size in bytes that every authenticator takes
// and that counts when getInfo names none.
const DefaultMaxMsgSize = 1024

// Info is the answer to authenticatorGetInfo (CTAP 2.3 §6.4). A member that was
// not sent is zero; [Info.Has] tells absent from zero.
type Info struct {
	Versions                         []string
	Extensions                       []string
	AAGUID                           authdata.AAGUID
	Options                          map[string]bool
	MaxMsgSize                       uint // bytes; see [Info.MaxMessage]
	PINUVAuthProtocols               []pinuv.Protocol
	MaxCredentialCountInList         uint
	MaxCredentialIDLength            uint // bytes
	Transports                       []string
	Algorithms                       []Parameter
	MaxSerializedLargeBlobArray      uint // bytes
	ForcePINChange                   bool
	MinPINLength                     uint // code points
	FirmwareVersion                  uint64
	MaxCredBlobLength                uint // bytes
	MaxRPIDsForSetMinPINLength       uint
	PreferredPlatformUVAttempts      uint
	UVModality                       uint64 // USER_VERIFY bits of the FIDO registry
	Certifications                   map[string]uint64
	RemainingDiscoverableCredentials uint
	VendorPrototypeConfigCommands    []uint64
	AttestationFormats               []string
	UVCountSinceLastPINEntry         uint
	LongTouchForReset                bool
	EncIdentifier                    []byte // IV and AES-128-CBC of the device identifier, 32 bytes
	TransportsForReset               []string
	PINComplexityPolicy              bool
	PINComplexityPolicyURL           string
	MaxPINLength                     uint   // code points
	EncCredStoreState                []byte // as EncIdentifier, of the credential store state
	AuthenticatorConfigCommands      []uint64

	// Members holds every member as it was sent, by number, those that this
	// package does not know among them.
	Members map[uint64]wire.Raw

	// Problems lists members that could not be read and were left zero.
	Problems []InfoProblem

	Remarks []wire.Remark
}

// InfoProblem is a member of getInfo that is not what the standard says.
type InfoProblem struct {
	Member InfoMember
	Err    error
}

// String names the member and what is wrong with it.
func (p InfoProblem) String() string { return fmt.Sprintf("%v: %v", p.Member, p.Err) }

// InfoMember is the number of a member of getInfo.
type InfoMember uint64

// Members of getInfo (CTAP 2.3 §6.4).
const (
	InfoVersions                         InfoMember = 0x01
	InfoExtensions                       InfoMember = 0x02
	InfoAAGUID                           InfoMember = 0x03
	InfoOptions                          InfoMember = 0x04
	InfoMaxMsgSize                       InfoMember = 0x05
	InfoPINUVAuthProtocols               InfoMember = 0x06
	InfoMaxCredentialCountInList         InfoMember = 0x07
	InfoMaxCredentialIDLength            InfoMember = 0x08
	InfoTransports                       InfoMember = 0x09
	InfoAlgorithms                       InfoMember = 0x0a
	InfoMaxSerializedLargeBlobArray      InfoMember = 0x0b
	InfoForcePINChange                   InfoMember = 0x0c
	InfoMinPINLength                     InfoMember = 0x0d
	InfoFirmwareVersion                  InfoMember = 0x0e
	InfoMaxCredBlobLength                InfoMember = 0x0f
	InfoMaxRPIDsForSetMinPINLength       InfoMember = 0x10
	InfoPreferredPlatformUVAttempts      InfoMember = 0x11
	InfoUVModality                       InfoMember = 0x12
	InfoCertifications                   InfoMember = 0x13
	InfoRemainingDiscoverableCredentials InfoMember = 0x14
	InfoVendorPrototypeConfigCommands    InfoMember = 0x15
	InfoAttestationFormats               InfoMember = 0x16
	InfoUVCountSinceLastPINEntry         InfoMember = 0x17
	InfoLongTouchForReset                InfoMember = 0x18
	InfoEncIdentifier                    InfoMember = 0x19
	InfoTransportsForReset               InfoMember = 0x1a
	InfoPINComplexityPolicy              InfoMember = 0x1b
	InfoPINComplexityPolicyURL           InfoMember = 0x1c
	InfoMaxPINLength                     InfoMember = 0x1d
	InfoEncCredStoreState                InfoMember = 0x1e
	InfoAuthenticatorConfigCommands      InfoMember = 0x1f
)

// infoField ties a member to its name in the standard and its place in Info.
type infoField struct {
	member InfoMember
	name   string
	into   func(*Info) any
}

var infoFields = []infoField{
	{InfoVersions, "versions", func(i *Info) any { return &i.Versions }},
	{InfoExtensions, "extensions", func(i *Info) any { return &i.Extensions }},
	{InfoAAGUID, "aaguid", func(i *Info) any { return (*aaguidBytes)(&i.AAGUID) }},
	{InfoOptions, "options", func(i *Info) any { return &i.Options }},
	{InfoMaxMsgSize, "maxMsgSize", func(i *Info) any { return &i.MaxMsgSize }},
	{InfoPINUVAuthProtocols, "pinUvAuthProtocols", func(i *Info) any { return &i.PINUVAuthProtocols }},
	{InfoMaxCredentialCountInList, "maxCredentialCountInList", func(i *Info) any { return &i.MaxCredentialCountInList }},
	{InfoMaxCredentialIDLength, "maxCredentialIdLength", func(i *Info) any { return &i.MaxCredentialIDLength }},
	{InfoTransports, "transports", func(i *Info) any { return &i.Transports }},
	{InfoAlgorithms, "algorithms", func(i *Info) any { return &i.Algorithms }},
	{InfoMaxSerializedLargeBlobArray, "maxSerializedLargeBlobArray", func(i *Info) any { return &i.MaxSerializedLargeBlobArray }},
	{InfoForcePINChange, "forcePINChange", func(i *Info) any { return &i.ForcePINChange }},
	{InfoMinPINLength, "minPINLength", func(i *Info) any { return &i.MinPINLength }},
	{InfoFirmwareVersion, "firmwareVersion", func(i *Info) any { return &i.FirmwareVersion }},
	{InfoMaxCredBlobLength, "maxCredBlobLength", func(i *Info) any { return &i.MaxCredBlobLength }},
	{InfoMaxRPIDsForSetMinPINLength, "maxRPIDsForSetMinPINLength", func(i *Info) any { return &i.MaxRPIDsForSetMinPINLength }},
	{InfoPreferredPlatformUVAttempts, "preferredPlatformUvAttempts", func(i *Info) any { return &i.PreferredPlatformUVAttempts }},
	{InfoUVModality, "uvModality", func(i *Info) any { return &i.UVModality }},
	{InfoCertifications, "certifications", func(i *Info) any { return &i.Certifications }},
	{InfoRemainingDiscoverableCredentials, "remainingDiscoverableCredentials", func(i *Info) any { return &i.RemainingDiscoverableCredentials }},
	{InfoVendorPrototypeConfigCommands, "vendorPrototypeConfigCommands", func(i *Info) any { return &i.VendorPrototypeConfigCommands }},
	{InfoAttestationFormats, "attestationFormats", func(i *Info) any { return &i.AttestationFormats }},
	{InfoUVCountSinceLastPINEntry, "uvCountSinceLastPinEntry", func(i *Info) any { return &i.UVCountSinceLastPINEntry }},
	{InfoLongTouchForReset, "longTouchForReset", func(i *Info) any { return &i.LongTouchForReset }},
	{InfoEncIdentifier, "encIdentifier", func(i *Info) any { return &i.EncIdentifier }},
	{InfoTransportsForReset, "transportsForReset", func(i *Info) any { return &i.TransportsForReset }},
	{InfoPINComplexityPolicy, "pinComplexityPolicy", func(i *Info) any { return &i.PINComplexityPolicy }},
	{InfoPINComplexityPolicyURL, "pinComplexityPolicyURL", func(i *Info) any { return (*textOrBytes)(&i.PINComplexityPolicyURL) }},
	{InfoMaxPINLength, "maxPINLength", func(i *Info) any { return &i.MaxPINLength }},
	{InfoEncCredStoreState, "encCredStoreState", func(i *Info) any { return &i.EncCredStoreState }},
	{InfoAuthenticatorConfigCommands, "authenticatorConfigCommands", func(i *Info) any { return &i.AuthenticatorConfigCommands }},
}

// String is the standard's name of the member and its number.
func (m InfoMember) String() string {
	for _, f := range infoFields {
		if f.member == m {
			return fmt.Sprintf("%s (0x%02x)", f.name, uint64(m))
		}
	}
	return fmt.Sprintf("member 0x%02x", uint64(m))
}

// GetInfo asks the authenticator what it is and can do (CTAP 2.3 §6.4).
// Requests that follow are checked against its maxMsgSize, new PINs against its
// minPINLength and maxPINLength.
func (c *Client) GetInfo(ctx context.Context) (*Info, error) {
	var body wire.Raw
	k := call{command: CommandGetInfo, result: &body}
	if _, err := c.do(ctx, k); err != nil {
		return nil, err
	}
	info, err := ParseInfo(body)
	if err != nil {
		return nil, k.bad(err)
	}
	c.limits.Store(&limits{message: info.MaxMessage(), minPIN: info.MinPINLength, maxPIN: info.MaxPINLength})
	return info, nil
}

// ParseInfo reads a getInfo answer without its status byte. Members of a wrong
// type become Problems; the error is for data that is no CBOR map with integer
// keys at all.
func ParseInfo(body []byte) (*Info, error) {
	remarks, err := wire.Inspect(body)
	if err != nil {
		return nil, err
	}
	info := &Info{Remarks: remarks}
	if err := wire.Decode(body, &info.Members); err != nil {
		return nil, err
	}
	for _, f := range infoFields {
		info.read(f)
	}
	return info, nil
}

func (i *Info) read(f infoField) {
	raw, ok := i.Members[uint64(f.member)]
	if !ok {
		if f.member == InfoVersions || f.member == InfoAAGUID {
			i.Problems = append(i.Problems, InfoProblem{f.member, ErrMissingMember})
		}
		return
	}
	into := f.into(i)
	if err := wire.Decode(raw, into); err != nil {
		reflect.ValueOf(into).Elem().SetZero() // what was read before the fault
		i.Problems = append(i.Problems, InfoProblem{f.member, err})
	}
}

// Has reports whether the authenticator sent the member, and sent it as the
// standard has it.
func (i *Info) Has(m InfoMember) bool {
	_, ok := i.Members[uint64(m)]
	return ok && !slices.ContainsFunc(i.Problems, func(p InfoProblem) bool { return p.Member == m })
}

// Unknown lists the numbers of members that this package has no name for, in
// order.
func (i *Info) Unknown() []uint64 {
	var unknown []uint64
	for n := range i.Members {
		if !slices.ContainsFunc(infoFields, func(f infoField) bool { return uint64(f.member) == n }) {
			unknown = append(unknown, n)
		}
	}
	slices.Sort(unknown)
	return unknown
}

// MaxMessage is the longest request in bytes that the authenticator takes,
// command byte included: maxMsgSize, or 1024 when it names none.
func (i *Info) MaxMessage() uint {
	if i.MaxMsgSize == 0 {
		return DefaultMaxMsgSize
	}
	return i.MaxMsgSize
}

// Option returns an option's value and whether the authenticator sent it.
// Absent options mean false, but for "up".
func (i *Info) Option(name string) (value, sent bool) {
	value, sent = i.Options[name]
	if !sent && name == OptionUP {
		return true, false
	}
	return value, sent
}

// Supports reports whether the version string is in the list of versions.
func (i *Info) Supports(version string) bool { return slices.Contains(i.Versions, version) }

// HasExtension reports whether the extension is in the list of extensions.
func (i *Info) HasExtension(name string) bool { return slices.Contains(i.Extensions, name) }

// PINUVAuthProtocol picks the protocol to use: the first of the authenticator's
// list that this package implements, or protocol one when the authenticator
// has PINs and no list, as CTAP 2.0 keys do. It is 0 when there is none.
func (i *Info) PINUVAuthProtocol() pinuv.Protocol {
	for _, p := range i.PINUVAuthProtocols {
		if p.Valid() {
			return p
		}
	}
	if _, pin := i.Options[OptionClientPIN]; pin && len(i.PINUVAuthProtocols) == 0 {
		return pinuv.One
	}
	return 0
}

// aaguidBytes reads exactly 16 bytes; a Go array would take fewer in silence.
type aaguidBytes authdata.AAGUID

// UnmarshalCBOR reads a byte string of 16 bytes.
func (a *aaguidBytes) UnmarshalCBOR(b []byte) error {
	var s []byte
	if err := wire.Decode(b, &s); err != nil {
		return err
	}
	if len(s) != len(a) {
		return fmt.Errorf("AAGUID of %d bytes, want %d", len(s), len(a))
	}
	copy(a[:], s)
	return nil
}

// textOrBytes reads a URL. CTAP 2.2 makes it a byte string; keys that send text
// mean the same.
type textOrBytes string

// UnmarshalCBOR reads a byte string or a text string.
func (t *textOrBytes) UnmarshalCBOR(b []byte) error {
	var s []byte
	if wire.Decode(b, &s) == nil {
		*t = textOrBytes(s)
		return nil
	}
	return wire.Decode(b, (*string)(t))
}
