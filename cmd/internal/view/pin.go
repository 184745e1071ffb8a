package view

import (
	"fmt"
	"io"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/devices"
)

// PINStatus shows a key's PIN and how many tries are left.
type PINStatus struct {
	Device    devices.Info
	Info      *ctap2.Info
	Retries   *ctap2.PINRetries // nil for a key without PINs
	UVRetries *uint             // nil where the key does not tell
}

type pinStatus struct {
	Schema           string `json:"schema"`
	Device           Device `json:"device"`
	Supported        bool   `json:"supported"`
	PINSet           bool   `json:"pinSet"`
	Retries          *uint  `json:"retries,omitempty"`
	PowerCycleNeeded bool   `json:"powerCycleNeeded"`
	ForcePINChange   bool   `json:"forcePINChange"`
	MinPINLength     uint   `json:"minPINLength"`
	MaxPINLength     uint   `json:"maxPINLength"`
	UVRetries        *uint  `json:"uvRetries,omitempty"`
}

func (p PINStatus) facts() pinStatus {
	set, supported := p.Info.Option(ctap2.OptionClientPIN)
	s := pinStatus{
		Schema: "touchstone/pin-status/1", Device: NewDevice(p.Device), Supported: supported, PINSet: set,
		ForcePINChange: p.Info.ForcePINChange, MinPINLength: pinuv.MinPINLength, MaxPINLength: pinuv.MaxPINBytes, UVRetries: p.UVRetries,
	}
	if p.Info.MinPINLength > 0 {
		s.MinPINLength = p.Info.MinPINLength
	}
	if p.Info.MaxPINLength > 0 {
		s.MaxPINLength = p.Info.MaxPINLength
	}
	if p.Retries != nil {
		s.Retries, s.PowerCycleNeeded = &p.Retries.Left, p.Retries.PowerCycle
	}
	return s
}

// Envelope is touchstone/pin-status/1.
func (p PINStatus) Envelope() any { return p.facts() }

// Text writes a fact on each line.
func (p PINStatus) Text(w io.Writer) error {
	s := p.facts()
	if !s.Supported {
		_, err := fmt.Fprintln(w, "This key has no PIN.")
		return err
	}
	return pairs(w, [][2]string{
		{"PIN set", yesNo(s.PINSet)}, {"PIN tries left", number(s.Retries, "")},
		{"Power cycle needed", yesNo(s.PowerCycleNeeded)}, {"PIN must be changed", yesNo(s.ForcePINChange)},
		{"Shortest PIN", fmt.Sprint(s.MinPINLength, " characters")}, {"Longest PIN", fmt.Sprint(s.MaxPINLength, " characters")},
		{"UV tries left", number(s.UVRetries, "")},
	})
}

// PINAction is what was done to a PIN.
type PINAction string

// PIN actions.
const (
	PINWasSet     PINAction = "set"
	PINWasChanged PINAction = "changed"
	PINVerified   PINAction = "verified"
)

// PINChanged tells that a PIN was set, changed or verified.
type PINChanged struct {
	Device devices.Info
	Action PINAction
	Left   *uint // tries left after it was verified, else nil
}

// Envelope is touchstone/pin/1.
func (p PINChanged) Envelope() any {
	return struct {
		Schema  string    `json:"schema"`
		Device  Device    `json:"device"`
		Action  PINAction `json:"action"`
		Retries *uint     `json:"retries,omitempty"`
	}{"touchstone/pin/1", NewDevice(p.Device), p.Action, p.Left}
}

// Text writes one line.
func (p PINChanged) Text(w io.Writer) error {
	text := fmt.Sprintf("The PIN was %s.", p.Action)
	if p.Left != nil {
		text += fmt.Sprintf(" Tries left: %d", *p.Left)
	}
	_, err := fmt.Fprintln(w, text)
	return err
}
