package transcript

import (
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/nfc"
)

// count counts what a whole CTAPHID message asks or answers. An answer of
// command 0 is taken for one to the last request.
func (c *checker) count(dir Direction, command byte, payload []byte) {
	hid := ctaphid.Command(command)
	switch {
	case dir == Out && hid != ctaphid.CommandCancel:
		c.asked = command
	case dir == In && command == 0:
		command, hid = c.asked, ctaphid.Command(c.asked)
	}
	switch {
	case command == 0:
	case hid == ctaphid.CommandMsg && dir == In:
		c.status(payload)
	case hid == ctaphid.CommandCBOR && dir == In && len(payload) > 0:
		c.sum.Statuses[ctap2.Status(payload[0]).String()]++
	case dir == In && (hid == ctaphid.CommandKeepalive || hid == ctaphid.CommandError):
		c.sum.Statuses[messageName(In, hid, payload)]++
	case dir == Out && hid == ctaphid.CommandCBOR && len(payload) > 0:
		c.sum.Commands[ctap2.Command(payload[0]).String()]++
	case dir == Out && hid == ctaphid.CommandMsg && len(payload) > 0:
		c.sum.Commands[instructionName(payload)]++
	case dir == Out:
		c.sum.Commands[hid.String()]++
	}
}

// status counts a status word.
func (c *checker) status(response []byte) {
	if r, err := nfc.ParseResponse(response); err == nil {
		c.sum.Statuses[fmt.Sprintf("SW %04x", uint16(r.SW))]++
	}
}

// cardState is what the meaning of an APDU depends on.
type cardState struct {
	chain bool   // parts of a message have come
	name  string // of the message under way
	due   bool   // the next answer of success begins with a CTAP2 status
}

func (c *checker) apdu(rec Record) {
	var err error
	if rec.Dir == Out {
		err = c.command(rec.Data)
	} else {
		err = c.response(rec.Data)
	}
	if err != nil {
		c.sum.Messages.Malformed++
		c.problem(rec.Line, err.Error())
		return
	}
	c.sum.Messages.Whole++
}

// command counts a command APDU, a chained message once, at its end.
func (c *checker) command(apdu []byte) error {
	command, err := nfc.ParseCommand(apdu)
	if err != nil {
		return err
	}
	state := &c.cards
	which := instruction(apdu)
	if which != apduMessage {
		state.chain = false
		state.due = state.due && which == apduPoll
		c.sum.Commands[instructionName(apdu)]++
		return nil
	}
	if !state.chain {
		state.name = commandAPDUName(apdu)
		if len(command.Data) > 0 {
			state.name = ctap2.Command(command.Data[0]).String()
		}
	}
	state.chain = command.CLA&nfc.ClassChain != 0
	state.due = !state.chain
	if state.due {
		c.sum.Commands[state.name]++
	}
	return nil
}

// response counts a response APDU. The status byte of a message is in the
// first answer that is not 9100, "not yet".
func (c *checker) response(apdu []byte) error {
	r, err := nfc.ParseResponse(apdu)
	if err != nil {
		return err
	}
	c.status(apdu)
	_, more := r.SW.Remaining()
	if c.cards.due && len(r.Data) > 0 && (more || r.SW == nfc.SWOK) {
		c.sum.Statuses[ctap2.Status(r.Data[0]).String()]++
		c.cards.due = false
	}
	return nil
}
