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
// tape did. A host of this program that found out by itself how to speak does
// so again, from the traits on the tape. Of others the opening is the tape's
// leading SELECTs and U2F_VERSIONs, nil if it has none; the form of the messages
// is that of its first message, and the form of the parts that of its first
// chain.
func (t *Tape) NFCConfig() nfc.Config {
	cfg := nfc.Config{Encoding: nfc.EncodingShort, Opening: t.opening()}
	last, ok := t.message(func(c nfc.Command) bool { return c.CLA&nfc.ClassChain == 0 })
	if ok {
		t.shape(&cfg, last)
	}
	if traits, asked := t.openingTraits(); asked {
		t.adaptive(&cfg, traits)
	}
	return cfg
}

// shape fills in what last, the first message that is no part of a chain or
// the last one of it, shows.
func (t *Tape) shape(cfg *nfc.Config, last nfc.Command) {
	cfg.NoPoll = last.P1&nfc.P1Poll == 0
	cfg.OmitLe = last.Ne == 0
	if last.Extended {
		cfg.Encoding = nfc.EncodingExtended
	}
	part, ok := t.message(func(c nfc.Command) bool { return c.CLA&nfc.ClassChain != 0 && len(c.Data) > 0 })
	switch {
	case ok:
		cfg.ChunkSize = len(part.Data)
		if part.P1&nfc.P1Poll == 0 {
			cfg.ChainPoll = nfc.ChainPollLast
		}
	case !last.Extended:
		cfg.ChunkSize = t.longestMessage()
	}
}

// adaptive turns the dialect of a tape into the configuration of a host that
// finds out by itself. What such a host does not decide is left: whether it
// polls, and which parts of a chain say so. The first part is as long as it was
// told if it is not as long as the reader lets it be; it leaves Le out because it
// was told to if it does so from the start; and it has an opening of its own if
// that is not the usual SELECT.
func (t *Tape) adaptive(cfg *nfc.Config, traits nfc.Traits) {
	cfg.Encoding = nfc.EncodingAuto
	if cfg.ChunkSize == min(nfc.DefaultChunkSize, traits.Room()) {
		cfg.ChunkSize = 0
	}
	first, le := t.firstSelect()
	cfg.OmitLe = cfg.OmitLe && !le && traits.Protocol != nfc.ProtocolT0
	if first && (le || cfg.OmitLe || traits.Protocol == nfc.ProtocolT0) {
		cfg.Opening = nil
	}
}

// openingTraits are what the host was told before its first APDU.
func (t *Tape) openingTraits() (nfc.Traits, bool) {
	for _, s := range t.steps() {
		if s.dir == Out {
			return t.traits(s.line)
		}
	}
	return nfc.Traits{}, false
}

// firstSelect says whether the tape begins with a SELECT of the FIDO applet,
// or of a name that is longer than any, by which a reader is tried, and whether
// that has Le.
func (t *Tape) firstSelect() (first, le bool) {
	for c, apdu := range t.commands {
		known := string(c.Data) == string(nfc.AID) || len(c.Data) > maxAID
		return instruction(apdu) == apduSelect && known, c.Ne > 0
	}
	return false, false
}

// maxAID is the longest name of an applet in bytes (ISO 7816-4 §8.2.1.2).
const maxAID = 16

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
