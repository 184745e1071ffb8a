package faulty

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/nfc"
)

// Emulator is a card in a field that can be switched off, such as
// [*nfc.Emulator].
type Emulator interface {
	nfc.Card
	Reset()
	PowerOff()
	Traits(ctx context.Context) (nfc.Traits, error)
}

var _ Emulator = (*nfc.Emulator)(nil)

// nfcFault is a fault at the APDU seam.
type nfcFault struct {
	virtual.Fault
	// command sees what the reader sends, and may answer by itself: nil has the
	// card answer, to what is in c.
	command func(s *card, c *exchange) *nfc.Response
	// response changes what the card answers.
	response func(s *card, c *exchange, r *nfc.Response)
}

// exchange is the command that is being answered.
type exchange struct {
	ctx  context.Context
	cmd  nfc.Command
	well bool // whether it is a command at all
	apdu []byte
}

// card is a card whose framing is faulty.
type card struct {
	Emulator
	faults func() []nfcFault

	mu sync.Mutex
	// What faults remember.
	selected bool
	endless  bool
	held     *nfc.Response
}

// Card is the card with those of the faults that are NFC's; with none of them it
// is e itself.
func Card(e Emulator, ids []virtual.FaultID) Emulator {
	faults := nfcFaultsOf(ids)
	if len(faults) == 0 {
		return e
	}
	return &card{Emulator: e, faults: func() []nfcFault { return faults }}
}

// nfcFaultsOf are those of the faults that are NFC's.
func nfcFaultsOf(ids []virtual.FaultID) (list []nfcFault) {
	for _, f := range nfcFaults {
		if slices.Contains(ids, f.ID) {
			list = append(list, f)
		}
	}
	return list
}

// Transmit answers a command as the faults let it.
func (s *card) Transmit(ctx context.Context, apdu []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &exchange{ctx: ctx, apdu: apdu}
	cmd, err := nfc.ParseCommand(apdu)
	c.cmd, c.well = cmd, err == nil
	faults := s.faults()
	for _, f := range faults {
		if f.command == nil || !c.well {
			continue
		}
		if r := f.command(s, c); r != nil {
			return r.Bytes(), nil
		}
	}
	r, err := s.forward(c)
	if err != nil {
		return nil, err
	}
	for _, f := range faults {
		if f.response != nil && c.well {
			f.response(s, c, &r)
		}
	}
	return r.Bytes(), nil
}

// forward has the card answer. A command that a fault has changed is written
// anew.
func (s *card) forward(c *exchange) (nfc.Response, error) {
	apdu := c.apdu
	if changed, err := c.cmd.Bytes(); c.well && err == nil {
		apdu = changed
	}
	answer, err := s.Emulator.Transmit(c.ctx, apdu)
	if err != nil {
		return nfc.Response{}, err
	}
	r, err := nfc.ParseResponse(answer)
	if err == nil && r.SW == nfc.SWOK && isSelect(c.cmd) {
		s.selected = true
	}
	return r, err
}

// Reset switches the field off and on.
func (s *card) Reset() {
	s.mu.Lock()
	s.selected, s.endless, s.held = false, false, nil
	s.mu.Unlock()
	s.Emulator.Reset()
}

func isSelect(c nfc.Command) bool { return c.INS == nfc.INSSelect && c.CLA == nfc.ClassISO }

// isMessage tells the last part of a message.
func isMessage(c nfc.Command) bool { return c.INS == nfc.INSMessage && c.CLA == nfc.ClassCTAP }

func isPoll(c nfc.Command) bool    { return c.INS == nfc.INSPoll && c.CLA == nfc.ClassCTAP }
func isFetch(c nfc.Command) bool   { return c.INS == nfc.INSGetResponse }
func isControl(c nfc.Command) bool { return c.INS == nfc.INSControl && c.CLA == nfc.ClassCTAP }

// remaining is a status word that offers n bytes more.
func remaining(n int) nfc.StatusWord {
	const offer, most = 0x61, 0xff
	if n > most {
		n = 0
	}
	return nfc.StatusWord(binary.BigEndian.Uint16([]byte{offer, byte(n)}))
}
