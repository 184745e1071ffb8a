package manage

import (
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2"
)

// Setting names what a key's policy is made of, by the standard's names.
type Setting string

// Settings.
const (
	AlwaysUV              Setting = "alwaysUv"
	MinPINLength          Setting = "minPINLength"
	MinPINLengthRPIDs     Setting = "minPinLengthRPIDs"
	ForcePINChange        Setting = "forcePINChange"
	EnterpriseAttestation Setting = "enterpriseAttestation"
	LongTouchForReset     Setting = "longTouchForReset"
	PINComplexityPolicy   Setting = "pinComplexityPolicy"
)

// Policy is how strict a key is, as its getInfo tells (CTAP 2.3 §6.4). A member
// that is nil is something that the key does not have or does not tell.
type Policy struct {
	AlwaysUV              *bool // every use wants user verification
	MakeCredUVNotRqd      *bool // credentials that are not discoverable can be made without
	MinPINLength          *uint // code points
	MaxPINLength          *uint // code points
	MaxMinPINLengthRPIDs  *uint // how many relying parties may be told the minimum length
	ForcePINChange        *bool // the PIN has to be changed before its next use
	PINComplexityPolicy   *bool
	ComplexityURL         string // where the policy for PINs is described
	EnterpriseAttestation *bool
	LongTouchForReset     *bool

	// Changeable are the settings that the key's authenticatorConfig changes.
	Changeable []Setting
	// Vendor are the maker's own commands of authenticatorConfig.
	Vendor []uint64
}

// Policy is the policy that the key told of when it was opened.
func (k *Key) Policy() Policy {
	i := k.info
	p := Policy{
		AlwaysUV: tell(i.Option(ctap2.OptionAlwaysUV)), MakeCredUVNotRqd: tell(i.Option(ctap2.OptionMakeCredUVNotRqd)),
		EnterpriseAttestation: tell(i.Option(ctap2.OptionEP)),
		MinPINLength:          tell(i.MinPINLength, i.Has(ctap2.InfoMinPINLength)),
		MaxPINLength:          tell(i.MaxPINLength, i.Has(ctap2.InfoMaxPINLength)),
		MaxMinPINLengthRPIDs:  tell(i.MaxRPIDsForSetMinPINLength, i.Has(ctap2.InfoMaxRPIDsForSetMinPINLength)),
		ForcePINChange:        tell(i.ForcePINChange, i.Has(ctap2.InfoForcePINChange)),
		PINComplexityPolicy:   tell(i.PINComplexityPolicy, i.Has(ctap2.InfoPINComplexityPolicy)),
		LongTouchForReset:     tell(i.LongTouchForReset, i.Has(ctap2.InfoLongTouchForReset)),
		ComplexityURL:         i.PINComplexityPolicyURL, Vendor: i.VendorPrototypeConfigCommands,
	}
	for _, s := range settings {
		if s.by(k) {
			p.Changeable = append(p.Changeable, s.setting)
		}
	}
	return p
}

// tell is a pointer to what was told.
func tell[T any](v T, told bool) *T {
	if !told {
		return nil
	}
	return &v
}

// settings are all that a key may let be changed, and how its getInfo says so.
var settings = []struct {
	setting Setting
	by      func(*Key) bool
}{
	{AlwaysUV, func(k *Key) bool { return k.configures(ctap2.ConfigToggleAlwaysUV) && k.tells(ctap2.OptionAlwaysUV) }},
	{MinPINLength, (*Key).setsPINPolicy},
	{MinPINLengthRPIDs, func(k *Key) bool {
		tells := k.info.HasExtension(ctap2.ExtensionMinPINLength) || k.info.HasExtension(ctap2.ExtensionPINComplexityPolicy)
		return k.setsPINPolicy() && k.info.MaxRPIDsForSetMinPINLength > 0 && tells
	}},
	{ForcePINChange, (*Key).setsPINPolicy},
	{PINComplexityPolicy, func(k *Key) bool { return k.setsPINPolicy() && k.info.Has(ctap2.InfoPINComplexityPolicy) }},
	{EnterpriseAttestation, func(k *Key) bool { return k.configures(ctap2.ConfigEnableEP) && k.tells(ctap2.OptionEP) }},
	{LongTouchForReset, func(k *Key) bool {
		return k.configures(ctap2.ConfigEnableLongTouch) && k.info.Has(ctap2.InfoLongTouchForReset)
	}},
}

func (k *Key) setsPINPolicy() bool {
	return k.configures(ctap2.ConfigSetMinPINLength) && k.option(ctap2.OptionSetMinPINLength)
}

// tells reports whether the key has the option, with either value.
func (k *Key) tells(option string) bool {
	_, sent := k.info.Option(option)
	return sent
}

// configures reports whether the key has the subcommand of authenticatorConfig.
// Keys before CTAP 2.3 list none, and say so by their options alone.
func (k *Key) configures(s ctap2.ConfigSubcommand) bool {
	if !k.option(ctap2.OptionAuthnrCfg) {
		return false
	}
	return !k.info.Has(ctap2.InfoAuthenticatorConfigCommands) || slices.Contains(k.info.AuthenticatorConfigCommands, uint64(s))
}
