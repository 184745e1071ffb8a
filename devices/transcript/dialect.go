package transcript

import (
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/nfc"
)

// HIDConfig is how to open a channel so that the host speaks as that of the
// tape did: its report size and, where the tape begins in mid-session and not
// with an INIT on the broadcast channel, its channel.
func (t *Tape) HIDConfig() ctaphid.Config {
	cfg := ctaphid.Config{ReportSize: t.reportSize()}
	for _, s := range t.steps() {
		if s.dir != Out {
			continue
		}
		p, err := ctaphid.ParsePacket(s.data)
		if err == nil && p.CID != ctaphid.BroadcastCID {
			cfg.Channel = p.CID
		}
		break
	}
	return cfg
}

// NFCConfig is how to open an applet so that the host speaks as that of the
// tape did. The opening is the tape's leading SELECTs and U2F_VERSIONs, nil if
// it has none; the form of the messages is that of its first message, and the
// form of the parts that of its first chain.
func (t *Tape) NFCConfig() nfc.Config {
	cfg := nfc.Config{Opening: t.opening()}
	last, ok := t.message(func(c nfc.Command) bool { return c.CLA&nfc.ClassChain == 0 })
	if !ok {
		return cfg
	}
	cfg.NoPoll = last.P1&nfc.P1Poll == 0
	cfg.OmitLe = last.Ne == 0
	if last.Extended {
		cfg.Encoding = nfc.EncodingExtended
		return cfg
	}
	part, ok := t.message(func(c nfc.Command) bool { return c.CLA&nfc.ClassChain != 0 && len(c.Data) > 0 })
	if !ok {
		cfg.ChunkSize = t.longestMessage()
		return cfg
	}
	cfg.ChunkSize = len(part.Data)
	if part.P1&nfc.P1Poll == 0 {
		cfg.ChainPoll = nfc.ChainPollLast
	}
	return cfg
}

// commands are the command APDUs of the tape up to its first cut, parsed and
// as they are.
func (t *Tape) commands(yield func(nfc.Command, []byte) bool) {
	for _, s := range t.steps() {
		if s.dir == 0 && s.event == nil {
			return
		}
		if s.dir != Out {
			continue
		}
		c, err := nfc.ParseCommand(s.data)
		if err != nil || !yield(c, s.data) {
			return
		}
	}
}

func (t *Tape) opening() [][]byte {
	var opening [][]byte
	for _, apdu := range t.commands {
		if which := instruction(apdu); which != apduSelect && which != apduU2FVersion {
			break
		}
		opening = append(opening, clone(apdu))
	}
	return opening
}

// message is the first NFCCTAP_MSG that fits.
func (t *Tape) message(fits func(nfc.Command) bool) (nfc.Command, bool) {
	for c, apdu := range t.commands {
		if instruction(apdu) == apduMessage && fits(c) {
			return c, true
		}
	}
	return nfc.Command{}, false
}

// longestMessage is the chunk size that keeps a host from chaining what the
// tape has in one APDU, 0 if nfc's own does.
func (t *Tape) longestMessage() int {
	longest := 0
	for c, apdu := range t.commands {
		if instruction(apdu) == apduMessage {
			longest = max(longest, len(c.Data))
		}
	}
	if longest <= nfc.DefaultChunkSize {
		return 0
	}
	return min(longest, nfc.MaxChunkSize)
}
