package transcript

import (
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/touchstone-fido/touchstone/nfc"
)

// protocols are the names that a tape has for them. One that is not here, of a
// later version perhaps, is one that is not known.
var protocols = []nfc.Protocol{nfc.ProtocolT0, nfc.ProtocolT1, nfc.ProtocolRaw}

// readTraits reads what an event of the name "traits" has besides.
func (l *recordLine) readTraits(e *Event) error {
	if l.Event != eventTraits {
		return nil
	}
	e.Traits = &nfc.Traits{MaxAPDU: l.MaxAPDU}
	if l.MaxAPDU < 0 {
		return errors.New(`"max_apdu" is negative`)
	}
	for _, p := range protocols {
		if p.String() == l.Protocol {
			e.Traits.Protocol = p
		}
	}
	if l.ATR == "" {
		return nil
	}
	atr, err := hex.DecodeString(l.ATR)
	if err != nil {
		return fmt.Errorf(`"atr": %w`, plainHex(err))
	}
	e.Traits.ATR = atr
	return nil
}

func (l *recordLine) setEvent(e Event) {
	l.Event, l.Op, l.Kind, l.Text = e.Name, e.Op, e.Kind, e.Text
	if e.Name != eventTraits || e.Traits == nil {
		return
	}
	l.MaxAPDU, l.ATR = e.Traits.MaxAPDU, hex.EncodeToString(e.Traits.ATR)
	if e.Traits.Protocol != nfc.ProtocolUnknown {
		l.Protocol = e.Traits.Protocol.String()
	}
}

// describeTraits says what an event of traits holds.
func describeTraits(traits *nfc.Traits) string {
	if traits == nil {
		return ""
	}
	text := ""
	if traits.Protocol != nfc.ProtocolUnknown {
		text += ", " + traits.Protocol.String()
	}
	if traits.MaxAPDU > 0 {
		text += fmt.Sprintf(", APDUs of up to %d bytes", traits.MaxAPDU)
	}
	if len(traits.ATR) > 0 {
		text += fmt.Sprintf(", ATR %x", traits.ATR)
	}
	if text == "" {
		return ": nothing is known"
	}
	return ": " + text[2:]
}

// traits are what the tape's host was last told when its next step is that of
// line, 0 being the end of the tape. The second result is false if it had not
// asked.
func (t *Tape) traits(line int) (nfc.Traits, bool) {
	var traits *nfc.Traits
	for _, rec := range t.Records {
		if line > 0 && rec.Line > line {
			break
		}
		if rec.Level == Mark && rec.Event != nil && rec.Event.Traits != nil {
			traits = rec.Event.Traits
		}
	}
	if traits == nil {
		return nfc.Traits{}, false
	}
	return *traits, true
}
