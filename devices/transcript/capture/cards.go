package capture

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/nfc"
)

const (
	maxReaders = 64
	maxAIDs    = 8 // named of the applets that are left out
)

// cards takes the APDUs of a log, keeps those that are for the FIDO applet, and
// gives each reader a tape.
type cards struct {
	c       *collector
	readers map[string]*card
	order   []*card
	last    *card
}

// applet is what a card has selected.
type applet byte

const (
	appletUnknown applet = iota
	appletFIDO
	appletOther
)

// card is what is in one reader.
type card struct {
	c         *collector
	tape      *tape
	selected  applet
	selecting applet       // while its SELECT is not answered
	dropped   bool         // the last command was left out
	asked     bool         // a command was seen
	orphans   []heldRecord // answers before any command
	others    int          // APDUs left out
	aids      []string     // of the applets that they were for
}

func newCards(c *collector) *cards { return &cards{c: c, readers: map[string]*card{}} }

// of is the card in a reader, which is empty where the log does not say.
func (k *cards) of(reader string) *card {
	if reader == "" && k.last != nil {
		return k.last
	}
	on, ok := k.readers[reader]
	if !ok && len(k.order) == maxReaders {
		return k.order[0]
	}
	if !ok {
		d := Device{Transport: transcript.NFC}
		if reader != "" {
			d.Key, d.Facts = "reader "+reader, map[string]string{"reader": reader}
		}
		on = &card{c: k.c, tape: k.c.newTape(d)}
		k.readers[reader] = on
		k.order = append(k.order, on)
	}
	k.last = on
	return on
}

// apdu takes an APDU, or what there is of one.
func (k *cards) apdu(reader string, rec transcript.Record) {
	rec.Level = transcript.APDU
	on := k.of(reader)
	if rec.Dir == transcript.Out {
		on.command(rec)
	} else {
		on.response(rec)
	}
}

func (k *cards) gap(text string) {
	for _, on := range k.order {
		on.tape.gap(text)
	}
}

// finish tells what was left out.
func (k *cards) finish() {
	for _, on := range k.order {
		if on.hasFIDOAnswer() {
			on.adopt()
		}
		if on.others += len(on.orphans); on.others == 0 {
			continue
		}
		what := plural(on.others, "APDU")
		if on.tape.device.Key != "" {
			what += " of " + on.tape.device.Key
		}
		why := "not for the FIDO applet"
		if len(on.aids) > 0 {
			why += " but for " + strings.Join(on.aids, ", ")
		}
		k.c.leaveOut(what, why)
	}
}

// command takes a command APDU. A SELECT of another applet, and what that one
// is asked, is left out.
func (on *card) command(rec transcript.Record) {
	c, err := nfc.ParseCommand(rec.Data)
	on.asked, on.selecting = true, appletUnknown
	switch {
	case err != nil:
		on.dropped = on.selected != appletFIDO
	case isSelect(c):
		on.selecting = appletOther
		if bytes.HasPrefix(c.Data, nfc.AID) {
			on.selecting = appletFIDO
		}
		on.dropped = on.selecting == appletOther
		if on.dropped {
			on.name(c.Data)
		}
	case isFIDO(c):
		if on.selected != appletFIDO {
			on.c.remark("the FIDO applet is asked, and the log does not have its SELECT")
		}
		on.selected, on.dropped = appletFIDO, false
	default:
		on.dropped = on.selected != appletFIDO
	}
	on.put(rec)
}

// response takes a response APDU, which goes where its command went.
func (on *card) response(rec transcript.Record) {
	if !on.asked && len(on.orphans) < maxHeld {
		on.orphans = append(on.orphans, heldRecord{on.c.point, rec})
	}
	if !on.asked {
		return
	}
	if r, err := nfc.ParseResponse(rec.Data); err == nil && on.selecting != appletUnknown {
		on.answered(r)
	}
	on.selecting = appletUnknown
	on.put(rec)
}

// answered takes the answer to a SELECT. That of a FIDO applet names its
// version (U2F NFC §5.1, CTAP 2.3 §11.3.3).
func (on *card) answered(r nfc.Response) {
	_, more := r.SW.Remaining()
	if r.SW != nfc.SWOK && !more {
		return
	}
	on.selected = on.selecting
	if on.selected == appletFIDO && !more && !fidoVersion().Match(r.Data) {
		on.c.remark("the answer to the SELECT of the FIDO applet does not have the name of a version")
	}
}

var fidoVersion = pattern(`^(U2F_V\d|FIDO_\d_\d(_\w{1,8})?)$`)

// put writes a record or leaves it out. Answers that came before any command
// are kept if the first command is for the FIDO applet.
func (on *card) put(rec transcript.Record) {
	if on.dropped {
		on.others += 1 + len(on.orphans)
		on.orphans = nil
		return
	}
	on.adopt()
	on.tape.write(rec)
}

// adopt writes the answers that came before any command.
func (on *card) adopt() {
	on.c.release(on.orphans, on.tape.write)
	on.orphans = nil
}

// hasFIDOAnswer says whether one of those answers is that of a FIDO applet to
// its SELECT.
func (on *card) hasFIDOAnswer() bool {
	return slices.ContainsFunc(on.orphans, func(h heldRecord) bool {
		return bytes.HasPrefix(h.rec.Data, []byte("U2F_V2")) || bytes.HasPrefix(h.rec.Data, []byte("FIDO_2_"))
	})
}

func (on *card) name(aid []byte) {
	name := fmt.Sprintf("%x", aid[:min(len(aid), 16)])
	if len(on.aids) < maxAIDs && !slices.Contains(on.aids, name) {
		on.aids = append(on.aids, name)
	}
}

func isSelect(c nfc.Command) bool {
	return c.CLA == nfc.ClassISO && c.INS == nfc.INSSelect && c.P1 == nfc.P1ByName
}

// The lengths of the data of the U2F commands (U2F raw messages §4.1, §5.1).
const (
	u2fRegisterData     = 64
	u2fAuthenticateData = 65 // and the key handle
)

// isFIDO says whether a command is one that only the FIDO applet is asked.
func isFIDO(c nfc.Command) bool {
	chain := c.CLA&nfc.ClassChain != 0
	switch {
	case c.CLA&^nfc.ClassChain == nfc.ClassCTAP && c.INS == nfc.INSMessage:
		return len(c.Data) > 0 && (chain || isCTAPCommand(c.Data[0]))
	case c.CLA == nfc.ClassCTAP && (c.INS == nfc.INSPoll || c.INS == nfc.INSControl):
		return len(c.Data) == 0
	case c.CLA != nfc.ClassISO:
		return false
	case c.INS == nfc.INSU2FVersion:
		return c.P1 == 0 && c.P2 == 0 && len(c.Data) == 0
	case c.INS == nfc.INSU2FRegister:
		return len(c.Data) == u2fRegisterData
	}
	return c.INS == nfc.INSU2FAuthenticate && len(c.Data) > u2fAuthenticateData
}

// isCTAPCommand says whether a byte is a command of CTAP 2.3 §6, or of the
// previews that shipped before it.
func isCTAPCommand(b byte) bool { return b >= 0x01 && b <= 0x0d || b == 0x40 || b == 0x41 }
