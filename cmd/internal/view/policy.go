package view

import (
	"fmt"
	"io"
	"slices"

	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/manage"
)

// Policy shows how strict a key is, and what of that it lets be changed.
type Policy struct {
	Device devices.Info
	Policy manage.Policy
}

// policy has the settings by the standard's names. What the key does not have or
// does not tell is absent.
type policy struct {
	AlwaysUV              *bool            `json:"alwaysUv,omitempty"`
	MakeCredUVNotRqd      *bool            `json:"makeCredUvNotRqd,omitempty"`
	MinPINLength          *uint            `json:"minPINLength,omitempty"` // code points
	MaxPINLength          *uint            `json:"maxPINLength,omitempty"` // code points
	MaxMinPINLengthRPIDs  *uint            `json:"maxRPIDsForSetMinPINLength,omitempty"`
	ForcePINChange        *bool            `json:"forcePINChange,omitempty"`
	PINComplexityPolicy   *bool            `json:"pinComplexityPolicy,omitempty"`
	ComplexityURL         string           `json:"pinComplexityPolicyURL,omitempty"`
	EnterpriseAttestation *bool            `json:"enterpriseAttestation,omitempty"`
	LongTouchForReset     *bool            `json:"longTouchForReset,omitempty"`
	Changeable            []manage.Setting `json:"changeable"`
	Vendor                []string         `json:"vendorCommands,omitempty"` // as 0x1234
}

func newPolicy(p manage.Policy) policy {
	v := policy{
		AlwaysUV: p.AlwaysUV, MakeCredUVNotRqd: p.MakeCredUVNotRqd, MinPINLength: p.MinPINLength, MaxPINLength: p.MaxPINLength,
		MaxMinPINLengthRPIDs: p.MaxMinPINLengthRPIDs, ForcePINChange: p.ForcePINChange, PINComplexityPolicy: p.PINComplexityPolicy,
		ComplexityURL: p.ComplexityURL, EnterpriseAttestation: p.EnterpriseAttestation, LongTouchForReset: p.LongTouchForReset,
		Changeable: append([]manage.Setting{}, p.Changeable...),
	}
	for _, id := range p.Vendor {
		v.Vendor = append(v.Vendor, fmt.Sprintf("0x%x", id))
	}
	return v
}

// Envelope is touchstone/policy/1.
func (p Policy) Envelope() any {
	return struct {
		Schema string `json:"schema"`
		Device Device `json:"device"`
		Policy policy `json:"policy"`
	}{"touchstone/policy/1", NewDevice(p.Device), newPolicy(p.Policy)}
}

// Text writes a row for each setting that the key has.
func (p Policy) Text(w io.Writer) error {
	v := newPolicy(p.Policy)
	var rows [][]string
	row := func(setting manage.Setting, value, way, meaning string) {
		can := slices.Contains(v.Changeable, setting)
		if !can {
			way = "-"
		}
		if value != "" || can {
			rows = append(rows, []string{string(setting), orElse(value, "not told"), way, meaning})
		}
	}
	row(manage.AlwaysUV, flag(v.AlwaysUV), "on, off", "every use verifies the user")
	row("makeCredUvNotRqd", flag(v.MakeCredUVNotRqd), "-", "what is not stored on the key is made without verification")
	row(manage.MinPINLength, number(v.MinPINLength, ""), "up", "characters of a PIN at least")
	row("maxPINLength", number(v.MaxPINLength, ""), "-", "characters of a PIN at most")
	row(manage.MinPINLengthRPIDs, "", "up to "+number(v.MaxMinPINLengthRPIDs, ""), "relying parties that may learn the minimum")
	row(manage.ForcePINChange, flag(v.ForcePINChange), "on", "the PIN has to be changed before its next use")
	row(manage.PINComplexityPolicy, flag(v.PINComplexityPolicy), "on", "PINs keep to a policy "+oneLine(v.ComplexityURL))
	row(manage.EnterpriseAttestation, flag(v.EnterpriseAttestation), "on", "relying parties may be told which key this is")
	row(manage.LongTouchForReset, flag(v.LongTouchForReset), "on", "a reset wants a long touch")
	row("vendorPrototype", list(v.Vendor), "-", "commands of the maker")
	if len(rows) == 0 {
		_, err := fmt.Fprintln(w, "The key tells of no policy.")
		return err
	}
	return table(w, []string{"SETTING", "IS", "CHANGES", "MEANING"}, rows)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// PolicyChanged tells what of a policy was changed, and what it is now.
type PolicyChanged struct {
	Device  devices.Info
	Changes []manage.Change
	Policy  manage.Policy // as it is now
}

type policyChange struct {
	Setting manage.Setting `json:"setting"`
	Before  any            `json:"before,omitempty"` // absent if the key did not tell
	After   any            `json:"after"`
	Final   bool           `json:"final"` // only a reset takes it back
}

// Envelope is touchstone/policy-change/1.
func (p PolicyChanged) Envelope() any {
	e := struct {
		Schema  string         `json:"schema"`
		Device  Device         `json:"device"`
		Changed bool           `json:"changed"`
		Changes []policyChange `json:"changes"`
		Policy  policy         `json:"policy"`
	}{"touchstone/policy-change/1", NewDevice(p.Device), len(p.Changes) > 0, []policyChange{}, newPolicy(p.Policy)}
	for _, c := range p.Changes {
		e.Changes = append(e.Changes, policyChange(c))
	}
	return e
}

// Text writes a line for each change.
func (p PolicyChanged) Text(w io.Writer) error {
	if len(p.Changes) == 0 {
		_, err := fmt.Fprintln(w, "The policy is so already; nothing was sent.")
		return err
	}
	for _, c := range p.Changes {
		if _, err := fmt.Fprintln(w, changeText(c)); err != nil {
			return err
		}
	}
	if must := p.Policy.ForcePINChange; must != nil && *must {
		_, err := fmt.Fprintln(w, "The PIN has to be changed before its next use: \"touchstone pin change\".")
		return err
	}
	return nil
}

// changeText is a change from one value to another.
func changeText(c manage.Change) string {
	before := "not told"
	if c.Before != nil {
		before = settingText(c.Before)
	}
	return fmt.Sprintf("%s: %s -> %s", c.Setting, before, settingText(c.After))
}

func settingText(v any) string {
	switch v := v.(type) {
	case bool:
		return yesNo(v)
	case []string:
		return oneLine(list(v))
	}
	return fmt.Sprint(v)
}
