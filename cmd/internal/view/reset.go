package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/reset"
)

// ResetLoss is what a reset of a key loses, by what the key says of itself.
func ResetLoss(i *ctap2.Info) string {
	lines := []string{
		"This takes the key back to its factory state. Lost for good are",
		"  every passkey on it, and every other credential that was made with it, by U2F too",
	}
	for _, part := range []struct{ option, what string }{
		{ctap2.OptionClientPIN, "its PIN"}, {ctap2.OptionBioEnroll, "its fingerprints"},
		{ctap2.OptionLargeBlobs, "all large blobs"}, {ctap2.OptionAuthnrCfg, "its policy, such as a longer minimum for PINs"},
	} {
		if on, _ := i.Option(part.option); on {
			lines = append(lines, "  "+part.what)
		}
	}
	return strings.Join(append(lines, "Nobody can sign in with it any more where it was registered."), "\n")
}

// Reset tells that a key was reset, and what it says of itself since.
type Reset struct {
	Device devices.Info
	reset.State
}

type resetEnvelope struct {
	Schema            string   `json:"schema"`
	Device            Device   `json:"device"`
	FactoryNew        bool     `json:"factoryNew"`
	PINSet            bool     `json:"pinSet"`
	FingerprintsSet   *bool    `json:"fingerprintsSet,omitempty"`
	LargeBlobs        *int     `json:"largeBlobs,omitempty"`
	RemainingPasskeys *uint    `json:"remainingPasskeys,omitempty"`
	Findings          []string `json:"findings"`
}

// Envelope is touchstone/device-reset/1.
func (r Reset) Envelope() any {
	return resetEnvelope{
		Schema: "touchstone/device-reset/1", Device: NewDevice(r.Device), FactoryNew: len(r.Findings) == 0, PINSet: r.PINSet,
		FingerprintsSet: r.FingerprintsSet, LargeBlobs: r.LargeBlobs, RemainingPasskeys: r.RemainingPasskeys,
		Findings: append([]string{}, r.Findings...),
	}
}

// Text writes a fact on each line.
func (r Reset) Text(w io.Writer) error {
	state := "done"
	if len(r.Findings) > 0 {
		state = "done, but the key does not say what a new one says"
	}
	facts := [][2]string{{"Reset", state}}
	for _, f := range r.Findings {
		facts = append(facts, [2]string{"Not as new", f})
	}
	facts = append(facts, [][2]string{
		{"PIN set", yesNo(r.PINSet)}, {"Fingerprints", either(r.FingerprintsSet, "enrolled", "none")},
		{"Large blobs", number(r.LargeBlobs, "")}, {"Room for passkeys", roughly(r.RemainingPasskeys)},
	}...)
	return pairs(w, facts)
}

// roughly is what a key guesses: passkeys are of different sizes.
func roughly(n *uint) string {
	if n == nil {
		return ""
	}
	return fmt.Sprintf("%d or so", *n)
}
