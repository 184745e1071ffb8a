package view

import (
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices"
)

// DeviceInfo shows what a key says of itself.
type DeviceInfo struct {
	Device   devices.Info
	Protocol devices.Protocol
	Info     *ctap2.Info
	Model    string // the product that the AAGUID stands for, empty if not known
}

type deviceInfo struct {
	Schema   string            `json:"schema"`
	Device   Device            `json:"device"`
	Protocol protocol          `json:"protocol"`
	Model    string            `json:"model,omitempty"` // the product that the AAGUID stands for
	Info     info              `json:"info"`
	Unknown  map[string]string `json:"unknown,omitempty"` // member number to CBOR in hex
	Problems []problem         `json:"problems"`

	// Canonical says whether the answer was canonical CBOR; Remarks says where
	// not.
	Canonical bool     `json:"canonical"`
	Remarks   []remark `json:"remarks"`
}

type protocol struct {
	CTAPHID      uint8    `json:"ctaphid,omitempty"`       // version of the HID framing
	Version      string   `json:"deviceVersion,omitempty"` // as INIT tells it
	Capabilities []string `json:"capabilities,omitempty"`  // as INIT tells them
	Applet       string   `json:"applet,omitempty"`        // what SELECT answered
}

// info has the members of getInfo by the standard's names. Absent members are
// left out.
type info struct {
	Versions                         []string          `json:"versions"`
	Extensions                       []string          `json:"extensions,omitempty"`
	AAGUID                           string            `json:"aaguid"`
	Options                          map[string]bool   `json:"options,omitempty"`
	MaxMsgSize                       *uint             `json:"maxMsgSize,omitempty"`
	PINUVAuthProtocols               []uint            `json:"pinUvAuthProtocols,omitempty"`
	MaxCredentialCountInList         *uint             `json:"maxCredentialCountInList,omitempty"`
	MaxCredentialIDLength            *uint             `json:"maxCredentialIdLength,omitempty"`
	Transports                       []string          `json:"transports,omitempty"`
	Algorithms                       []algorithm       `json:"algorithms,omitempty"`
	MaxSerializedLargeBlobArray      *uint             `json:"maxSerializedLargeBlobArray,omitempty"`
	ForcePINChange                   *bool             `json:"forcePINChange,omitempty"`
	MinPINLength                     *uint             `json:"minPINLength,omitempty"`
	FirmwareVersion                  *uint64           `json:"firmwareVersion,omitempty"`
	MaxCredBlobLength                *uint             `json:"maxCredBlobLength,omitempty"`
	MaxRPIDsForSetMinPINLength       *uint             `json:"maxRPIDsForSetMinPINLength,omitempty"`
	PreferredPlatformUVAttempts      *uint             `json:"preferredPlatformUvAttempts,omitempty"`
	UVModality                       *uint64           `json:"uvModality,omitempty"`
	Certifications                   map[string]uint64 `json:"certifications,omitempty"`
	RemainingDiscoverableCredentials *uint             `json:"remainingDiscoverableCredentials,omitempty"`
	VendorPrototypeConfigCommands    []uint64          `json:"vendorPrototypeConfigCommands,omitempty"`
	AttestationFormats               []string          `json:"attestationFormats,omitempty"`
	UVCountSinceLastPINEntry         *uint             `json:"uvCountSinceLastPinEntry,omitempty"`
	LongTouchForReset                *bool             `json:"longTouchForReset,omitempty"`
	EncIdentifier                    webauthn.Bytes    `json:"encIdentifier,omitempty"`
	TransportsForReset               []string          `json:"transportsForReset,omitempty"`
	PINComplexityPolicy              *bool             `json:"pinComplexityPolicy,omitempty"`
	PINComplexityPolicyURL           string            `json:"pinComplexityPolicyURL,omitempty"`
	MaxPINLength                     *uint             `json:"maxPINLength,omitempty"`
	EncCredStoreState                webauthn.Bytes    `json:"encCredStoreState,omitempty"`
	AuthenticatorConfigCommands      []uint64          `json:"authenticatorConfigCommands,omitempty"`
}

type algorithm struct {
	Algorithm int64  `json:"alg"`
	Type      string `json:"type"`
	Name      string `json:"name"`
}

type problem struct {
	Member string `json:"member"`
	Error  string `json:"error"`
}

type remark struct {
	Offset int    `json:"offset"`
	Path   string `json:"path"`
	Rule   string `json:"rule"`
	Detail string `json:"detail,omitempty"`
	Text   string `json:"text"`
}

func remarks(all []wire.Remark) []remark {
	out := []remark{}
	for _, r := range all {
		out = append(out, remark{r.Offset, r.Path, string(r.Rule), r.Detail, r.String()})
	}
	return out
}

// sent is a pointer to v when the authenticator sent the member, else nil.
func sent[T any](i *ctap2.Info, m ctap2.InfoMember, v T) *T {
	if !i.Has(m) {
		return nil
	}
	return &v
}

// Envelope is touchstone/device-info/1.
func (d DeviceInfo) Envelope() any {
	i := d.Info
	e := deviceInfo{
		Schema: "touchstone/device-info/1", Device: NewDevice(d.Device), Protocol: newProtocol(d.Protocol), Model: d.Model, Info: newInfo(i),
		Problems: []problem{}, Canonical: len(i.Remarks) == 0, Remarks: remarks(i.Remarks),
	}
	for _, n := range i.Unknown() {
		if e.Unknown == nil {
			e.Unknown = map[string]string{}
		}
		e.Unknown[fmt.Sprintf("0x%02x", n)] = hex.EncodeToString(i.Members[n])
	}
	for _, p := range i.Problems {
		e.Problems = append(e.Problems, problem{p.Member.String(), p.Err.Error()})
	}
	return e
}

func newProtocol(p devices.Protocol) protocol {
	return protocol{CTAPHID: p.CTAPHID, Version: p.DeviceVersion, Capabilities: p.Capabilities, Applet: p.Applet}
}

func newInfo(i *ctap2.Info) info {
	out := info{
		Versions: i.Versions, Extensions: i.Extensions, AAGUID: i.AAGUID.String(), Options: i.Options,
		MaxMsgSize:                       sent(i, ctap2.InfoMaxMsgSize, i.MaxMsgSize),
		MaxCredentialCountInList:         sent(i, ctap2.InfoMaxCredentialCountInList, i.MaxCredentialCountInList),
		MaxCredentialIDLength:            sent(i, ctap2.InfoMaxCredentialIDLength, i.MaxCredentialIDLength),
		Transports:                       i.Transports,
		MaxSerializedLargeBlobArray:      sent(i, ctap2.InfoMaxSerializedLargeBlobArray, i.MaxSerializedLargeBlobArray),
		ForcePINChange:                   sent(i, ctap2.InfoForcePINChange, i.ForcePINChange),
		MinPINLength:                     sent(i, ctap2.InfoMinPINLength, i.MinPINLength),
		FirmwareVersion:                  sent(i, ctap2.InfoFirmwareVersion, i.FirmwareVersion),
		MaxCredBlobLength:                sent(i, ctap2.InfoMaxCredBlobLength, i.MaxCredBlobLength),
		MaxRPIDsForSetMinPINLength:       sent(i, ctap2.InfoMaxRPIDsForSetMinPINLength, i.MaxRPIDsForSetMinPINLength),
		PreferredPlatformUVAttempts:      sent(i, ctap2.InfoPreferredPlatformUVAttempts, i.PreferredPlatformUVAttempts),
		UVModality:                       sent(i, ctap2.InfoUVModality, i.UVModality),
		Certifications:                   i.Certifications,
		RemainingDiscoverableCredentials: sent(i, ctap2.InfoRemainingDiscoverableCredentials, i.RemainingDiscoverableCredentials),
		VendorPrototypeConfigCommands:    i.VendorPrototypeConfigCommands,
		AttestationFormats:               i.AttestationFormats,
		UVCountSinceLastPINEntry:         sent(i, ctap2.InfoUVCountSinceLastPINEntry, i.UVCountSinceLastPINEntry),
		LongTouchForReset:                sent(i, ctap2.InfoLongTouchForReset, i.LongTouchForReset),
		EncIdentifier:                    i.EncIdentifier,
		TransportsForReset:               i.TransportsForReset,
		PINComplexityPolicy:              sent(i, ctap2.InfoPINComplexityPolicy, i.PINComplexityPolicy),
		PINComplexityPolicyURL:           i.PINComplexityPolicyURL,
		MaxPINLength:                     sent(i, ctap2.InfoMaxPINLength, i.MaxPINLength),
		EncCredStoreState:                i.EncCredStoreState,
		AuthenticatorConfigCommands:      i.AuthenticatorConfigCommands,
	}
	for _, p := range i.PINUVAuthProtocols {
		out.PINUVAuthProtocols = append(out.PINUVAuthProtocols, uint(p))
	}
	for _, a := range i.Algorithms {
		out.Algorithms = append(out.Algorithms, algorithm{int64(a.Algorithm), a.Type, a.Algorithm.String()})
	}
	return out
}

// Text writes the members that were sent, one on a line.
func (d DeviceInfo) Text(w io.Writer) error {
	dev, i := NewDevice(d.Device), d.Info
	facts := [][2]string{
		{"Device", strings.TrimSpace(dev.Manufacturer + " " + dev.Product)}, {"Path", dev.Path}, {"Serial", dev.Serial},
		{"Applet", d.Protocol.Applet}, {"Device version", d.Protocol.DeviceVersion}, {"Capabilities", list(d.Protocol.Capabilities)},
		{"Model", d.Model}, {"AAGUID", i.AAGUID.String()}, {"Versions", list(i.Versions)}, {"Extensions", list(i.Extensions)},
		{"Options", optionList(i.Options)}, {"Algorithms", algorithmList(i.Algorithms)},
		{"PIN/UV protocols", list(numbers(i.PINUVAuthProtocols))}, {"Transports", list(i.Transports)},
		{"Attestation formats", list(i.AttestationFormats)}, {"Certifications", certificationList(i.Certifications)},
	}
	if err := pairs(w, append(facts, d.limits()...)); err != nil {
		return err
	}
	return d.notes(w)
}

// limits are the members that are numbers, flags and opaque bytes.
func (d DeviceInfo) limits() [][2]string {
	i := newInfo(d.Info)
	return [][2]string{
		{"Longest message", number(i.MaxMsgSize, "bytes")},
		{"Credentials in a list", number(i.MaxCredentialCountInList, "")},
		{"Longest credential ID", number(i.MaxCredentialIDLength, "bytes")},
		{"Room for credentials", number(i.RemainingDiscoverableCredentials, "more")},
		{"Large blob array", number(i.MaxSerializedLargeBlobArray, "bytes")},
		{"Credential blob", number(i.MaxCredBlobLength, "bytes")},
		{"Shortest PIN", number(i.MinPINLength, "characters")},
		{"Longest PIN", number(i.MaxPINLength, "characters")},
		{"PIN must be changed", flag(i.ForcePINChange)},
		{"PIN complexity policy", flag(i.PINComplexityPolicy)},
		{"PIN policy is at", i.PINComplexityPolicyURL},
		{"RP IDs for PIN length", number(i.MaxRPIDsForSetMinPINLength, "")},
		{"UV tries preferred", number(i.PreferredPlatformUVAttempts, "")},
		{"UV modality", number(i.UVModality, "")},
		{"UV since last PIN", number(i.UVCountSinceLastPINEntry, "")},
		{"Reset wants a long touch", flag(i.LongTouchForReset)},
		{"Reset over", list(i.TransportsForReset)},
		{"Firmware", number(i.FirmwareVersion, "")},
		{"Config commands", list(i.AuthenticatorConfigCommands)},
		{"Vendor config commands", list(i.VendorPrototypeConfigCommands)},
		{"Encrypted identifier", hex.EncodeToString(i.EncIdentifier)},
		{"Encrypted store state", hex.EncodeToString(i.EncCredStoreState)},
	}
}

func (d DeviceInfo) notes(w io.Writer) error {
	for _, n := range d.Info.Unknown() {
		fmt.Fprintf(w, "Unknown member 0x%02x: %x\n", n, []byte(d.Info.Members[n]))
	}
	for _, p := range d.Info.Problems {
		fmt.Fprintf(w, "Problem: %v\n", p)
	}
	for _, r := range d.Info.Remarks {
		if _, err := fmt.Fprintf(w, "Not canonical CBOR: %v\n", r); err != nil {
			return err
		}
	}
	return nil
}

func number[T any](n *T, unit string) string {
	if n == nil {
		return ""
	}
	return strings.TrimSpace(fmt.Sprint(*n, " ", unit))
}

func flag(b *bool) string {
	if b == nil {
		return ""
	}
	return yesNo(*b)
}

func numbers[T ~uint](in []T) []uint {
	out := make([]uint, len(in))
	for i, n := range in {
		out[i] = uint(n)
	}
	return out
}

func optionList(options map[string]bool) string {
	var s []string
	for _, name := range slices.Sorted(maps.Keys(options)) {
		s = append(s, fmt.Sprintf("%s=%s", name, yesNo(options[name])))
	}
	return strings.Join(s, " ")
}

func algorithmList(algs []ctap2.Parameter) string {
	var s []string
	for _, a := range algs {
		s = append(s, a.Algorithm.String())
	}
	return strings.Join(s, ", ")
}

func certificationList(c map[string]uint64) string {
	var s []string
	for _, name := range slices.Sorted(maps.Keys(c)) {
		s = append(s, fmt.Sprintf("%s level %d", name, c[name]))
	}
	return strings.Join(s, ", ")
}
