package profiles

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
)

// file is a profile file as it is written. Its names are those of docs/profiles.md.
type file struct {
	Product string   `toml:"product"`
	Sources []string `toml:"sources"`

	GetInfo info `toml:"getInfo"` // what the key tells
	Untold  info `toml:"untold"`  // what it has and does not tell

	USB         usbSection         `toml:"usb"`
	HID         hidSection         `toml:"hid"`
	NFC         nfcSection         `toml:"nfc"`
	PIN         pinSection         `toml:"pin"`
	UV          uvSection          `toml:"uv"`
	Credentials credentialsSection `toml:"credentials"`
	Attestation attestationSection `toml:"attestation"`
	Config      configSection      `toml:"config"`
	Reset       resetSection       `toml:"reset"`
	U2F         u2fSection         `toml:"u2f"`
	Timers      timersSection      `toml:"timers"`
	Choices     choicesSection     `toml:"choices"`
	Quirks      quirksSection      `toml:"quirks"`
}

// info has the members of authenticatorGetInfo (CTAP 2.3 §6.4) by the standard's
// names, each with its number. What is nil is not there.
type info struct {
	Versions            []string          `toml:"versions" number:"1"`
	Extensions          []string          `toml:"extensions" number:"2"`
	AAGUID              *aaguid           `toml:"aaguid" number:"3"`
	Options             map[string]bool   `toml:"options" number:"4"`
	MaxMsgSize          *int              `toml:"maxMsgSize" number:"5"`
	PINProtocols        []uint            `toml:"pinUvAuthProtocols" number:"6"`
	MaxListLength       *int              `toml:"maxCredentialCountInList" number:"7"`
	MaxCredentialID     *int              `toml:"maxCredentialIdLength" number:"8"`
	Transports          []string          `toml:"transports" number:"9"`
	Algorithms          []int64           `toml:"algorithms" number:"10"`
	MaxLargeBlobs       *int              `toml:"maxSerializedLargeBlobArray" number:"11"`
	ForcePINChange      *bool             `toml:"forcePINChange" number:"12"`
	MinPINLength        *uint             `toml:"minPINLength" number:"13"`
	FirmwareVersion     *uint64           `toml:"firmwareVersion" number:"14"`
	MaxCredBlob         *int              `toml:"maxCredBlobLength" number:"15"`
	MaxRPIDs            *int              `toml:"maxRPIDsForSetMinPINLength" number:"16"`
	UVAttempts          *uint             `toml:"preferredPlatformUvAttempts" number:"17"`
	UVModality          *uint64           `toml:"uvModality" number:"18"`
	Certifications      map[string]uint64 `toml:"certifications" number:"19"`
	Remaining           *int              `toml:"remainingDiscoverableCredentials" number:"20"`
	VendorConfig        []uint64          `toml:"vendorPrototypeConfigCommands" number:"21"`
	AttestationFormats  []string          `toml:"attestationFormats" number:"22"`
	UVCountSincePIN     *uint             `toml:"uvCountSinceLastPinEntry" number:"23"`
	LongTouchForReset   *bool             `toml:"longTouchForReset" number:"24"`
	EncIdentifier       *bool             `toml:"encIdentifier" number:"25"`
	TransportsForReset  []string          `toml:"transportsForReset" number:"26"`
	PINComplexity       *bool             `toml:"pinComplexityPolicy" number:"27"`
	PINComplexityURL    *string           `toml:"pinComplexityPolicyURL" number:"28"`
	MaxPINLength        *uint             `toml:"maxPINLength" number:"29"`
	EncCredStoreState   *bool             `toml:"encCredStoreState" number:"30"`
	AuthenticatorConfig []uint64          `toml:"authenticatorConfigCommands" number:"31"`
}

type usbSection struct {
	VendorID     uint16 `toml:"vendorId"`
	ProductID    uint16 `toml:"productId"`
	Manufacturer string `toml:"manufacturer"`
	Product      string `toml:"product"`
	Keyboard     bool   `toml:"keyboard"`
}

type hidSection struct {
	Version      version `toml:"version"`
	Wink         bool    `toml:"wink"`
	Capabilities *uint8  `toml:"capabilities"`
}

type nfcSection struct {
	ShortOnly bool     `toml:"shortOnly"`
	NoCancel  *bool    `toml:"noCancel"`
	Fetched   bool     `toml:"fetched"`
	Presence  duration `toml:"presence"`
	Presences int      `toml:"presences"`
}

type pinSection struct {
	Retries *uint    `toml:"retries"`
	RPIDs   []string `toml:"rpIDs"`
}

type uvSection struct {
	Retries           uint   `toml:"retries"`
	InternalAttempts  uint   `toml:"internalAttempts"`
	KeyProtection     uint16 `toml:"keyProtection"`
	MatcherProtection uint16 `toml:"matcherProtection"`
	Fingers           int    `toml:"fingers"`
	Samples           uint   `toml:"samples"`
	Swipe             bool   `toml:"swipe"`
	MaxFingerName     int    `toml:"maxFingerName"`
}

type credentialsSection struct {
	IDLength    int    `toml:"idLength"`
	CredProtect uint8  `toml:"credProtect"`
	Counter     string `toml:"counter"`
}

type attestationSection struct {
	Kind         string            `toml:"kind"`
	Intermediate bool              `toml:"intermediate"`
	Enterprise   enterpriseSection `toml:"enterprise"`
}

type enterpriseSection struct {
	RPIDs           []string `toml:"rpIDs"`
	PlatformManaged bool     `toml:"platformManaged"`
	Serial          string   `toml:"serial"`
}

type configSection struct {
	AlwaysUVStays bool `toml:"alwaysUvStays"`
}

type resetSection struct {
	AnyTime bool `toml:"anyTime"`
}

type u2fSection struct {
	CTAP2Credentials *bool `toml:"ctap2Credentials"`
}

type timersSection struct {
	Action        duration `toml:"action"`
	TokenMaximum  duration `toml:"tokenMaximum"`
	TokenRolling  duration `toml:"tokenRolling"`
	InitialUsage  duration `toml:"initialUsage"`
	NextAssertion duration `toml:"nextAssertion"`
}

type choicesSection struct {
	ConfigSubcommand string `toml:"configSubcommand"`
	NoPIN            string `toml:"noPIN"`
	CredProtect      string `toml:"credProtect"`
	DeniedUV         bool   `toml:"deniedUV"`
	UVOutlivesPIN    bool   `toml:"uvOutlivesPIN"`
	OneSecret        bool   `toml:"oneSecret"`
	BoundEnumeration bool   `toml:"boundEnumeration"`
	BlobPermission   bool   `toml:"blobPermission"`
}

type quirksSection struct {
	OptionOrder   []string `toml:"optionOrder"`
	Unimplemented []string `toml:"unimplemented"`
}

// aaguid is written as a UUID.
type aaguid authdata.AAGUID

// UnmarshalText reads a UUID.
func (a *aaguid) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(strings.ReplaceAll(string(text), "-", ""))
	if err != nil || len(b) != len(a) || len(text) != 36 {
		return fmt.Errorf("%q is no UUID", text)
	}
	copy(a[:], b)
	return nil
}

// version is written as "5.4.3".
type version [3]byte

// UnmarshalText reads three numbers with dots between them.
func (v *version) UnmarshalText(text []byte) error {
	parts := strings.Split(string(text), ".")
	if len(parts) != len(v) {
		return fmt.Errorf("%q is not of three numbers, such as 5.4.3", text)
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil {
			return fmt.Errorf("%q is not of three numbers up to 255", text)
		}
		v[i] = byte(n)
	}
	return nil
}

// duration is written as "30s".
type duration time.Duration

// UnmarshalText reads a duration as Go writes them.
func (d *duration) UnmarshalText(text []byte) error {
	t, err := time.ParseDuration(string(text))
	if err != nil || t < 0 {
		return errors.New("not a duration such as 30s")
	}
	*d = duration(t)
	return nil
}
