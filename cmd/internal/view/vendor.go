package view

import (
	"encoding/hex"
	"fmt"
	"io"

	"github.com/touchstone-fido/touchstone/devices"
)

// VendorAnswer tells what a command of a key's maker answered.
type VendorAnswer struct {
	Device  devices.Info
	Command uint64
	Answer  []byte // CBOR as the key sent it; nil for none
}

// VendorLoss says what there is to fear of a command of a key's maker.
func VendorLoss(id uint64) string {
	return fmt.Sprintf("This runs the maker's command 0x%x. What it does only the maker knows: it may change the key for good.", id)
}

// Envelope is touchstone/vendor-answer/1.
func (v VendorAnswer) Envelope() any {
	return struct {
		Schema  string `json:"schema"`
		Device  Device `json:"device"`
		Command string `json:"command"` // as 0x1234
		Answer  string `json:"answer,omitempty"`
	}{"touchstone/vendor-answer/1", NewDevice(v.Device), fmt.Sprintf("0x%x", v.Command), hex.EncodeToString(v.Answer)}
}

// Text writes the answer in hex.
func (v VendorAnswer) Text(w io.Writer) error {
	if len(v.Answer) == 0 {
		_, err := fmt.Fprintf(w, "The key has run its maker's command 0x%x, and answered nothing.\n", v.Command)
		return err
	}
	_, err := fmt.Fprintf(w, "The key has run its maker's command 0x%x. Its answer, CBOR in hex:\n%x\n", v.Command, v.Answer)
	return err
}
