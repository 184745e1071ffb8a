package faulty

import (
	"bytes"

	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/nfc"
)

func ofNFC(id virtual.FaultID, text, rule, seen string) virtual.Fault {
	return virtual.Fault{ID: id, Area: "NFC", Text: text, Rule: rule, Seen: seen}
}

// nfcFaults are the faults of the NFC framing (CTAP 2.3 §11.3).
var nfcFaults = []nfcFault{
	{ofNFC("nfc-61f5-loop", "offers 245 bytes more of an answer for ever", "§11.3.6", ""), fetchForEver, offerForEver},
	{ofNFC("nfc-61-wrong-count", "offers one byte too few", "§11.3.6", ""), nil, offerTooFew},
	{ofNFC("nfc-9100-without-status", "puts clients off without a status byte", "§11.3.7.1", ""), nil, pendingWithoutStatus},
	{ofNFC("nfc-9100-unasked", "puts off clients that did not say that they can poll", "§11.3.7.1", ""), pollHeld, pendingUnasked},
	{ofNFC("nfc-9100-for-ever", "puts off clients that poll for ever", "§11.3.7.2", ""), pendingForEver, holdAnswer},
	{ofNFC("nfc-9100-nothing-pending", "answers polls with 9100 when nothing is pending", "§11.3.7.2", ""), nil, pendingNothing},
	{ofNFC("nfc-extended-refused", "refuses extended lengths", "§11.3.5", "Solo 1, solo1 issue 214"), extendedRefused, nil},
	{ofNFC("nfc-junk-aid-accepted", "selects the applet for a longer name", "§11.3.3", "YubiKey 5 NFC, webauthn-rs pull request 173"), junkAID, nil},
	{ofNFC("nfc-select-61", "has the answer to SELECT fetched", "§11.3.6", "Nitrokey 3, Haven issue 623"), selectHeld, selectFetched},
	{ofNFC("nfc-version-wrong", "answers SELECT with a version that is none", "§11.3.3", ""), nil, versionWrong},
	{ofNFC("nfc-unselected-works", "takes messages before it is selected", "§11.3.3", ""), unselectedWorks, nil},
	{ofNFC("nfc-get-response-short", "loses the last byte of what GET RESPONSE fetches", "§11.3.6", ""), nil, fetchShort},
	{ofNFC("nfc-get-response-empty-ok", "answers GET RESPONSE with 9000 when there is nothing", "§11.3.6", ""), nil, fetchNothing},
	{ofNFC("nfc-answer-of-256", "offers more when an answer of 256 bytes is whole", "§11.3.6", "FIDO2Applet issue 54"), nil, answerOf256},
	{ofNFC("nfc-answer-cut", "leaves out the last byte of an answer", "§11.3.5.2", ""), nil, answerCutShort},
	{ofNFC("nfc-le-ignored", "sends a whole answer whatever length is asked for", "§11.3.6", "YubiKey 5 NFC, webauthn-rs pull request 173"), nil, leIgnored},
	{ofNFC("nfc-error-as-status-word", "tells errors of CTAP in the status word", "§11.3.5.2", ""), nil, errorAsWord},
	{ofNFC("nfc-cancel-ignored", "takes a poll that cancels for one that does not", "§11.3.7.2", ""), cancelIgnored, nil},
	{ofNFC("nfc-end-ignored", "stays selected when the client says that it is done", "§11.3.4", ""), endIgnored, nil},
	{ofNFC("nfc-chain-answered", "answers the parts of a chain with data", "§11.3.6", ""), nil, chainAnswered},
	{ofNFC("nfc-class-ignored", "does not look at the class byte", "§11.3.5.1", ""), classIgnored, nil},
	{ofNFC("nfc-instruction-ignored", "answers 9000 to an instruction that it does not know", "§11.3.5.1", ""), nil, instructionIgnored},
}

const endlessOffer = 0xf5

func fetchForEver(s *card, c *exchange) *nfc.Response {
	if !s.endless || !isFetch(c.cmd) {
		s.endless = false
		return nil
	}
	return &nfc.Response{Data: make([]byte, endlessOffer), SW: remaining(endlessOffer)}
}

func offerForEver(s *card, c *exchange, r *nfc.Response) {
	if isMessage(c.cmd) && r.SW == nfc.SWOK {
		s.endless = true
		*r = nfc.Response{Data: make([]byte, endlessOffer), SW: remaining(endlessOffer)}
	}
}

func offerTooFew(_ *card, _ *exchange, r *nfc.Response) {
	if n, more := r.SW.Remaining(); more && n > 1 {
		r.SW = remaining(n - 1)
	}
}

func pendingWithoutStatus(_ *card, _ *exchange, r *nfc.Response) {
	if r.SW == nfc.SWPending {
		r.Data = nil
	}
}

// pending is how a card puts a client off.
func pending() nfc.Response { return nfc.Response{Data: []byte{1}, SW: nfc.SWPending} }

func pendingUnasked(s *card, c *exchange, r *nfc.Response) {
	if isMessage(c.cmd) && c.cmd.P1&nfc.P1Poll == 0 && r.SW == nfc.SWOK {
		held := *r
		s.held = &held
		*r = pending()
	}
}

func pollHeld(s *card, c *exchange) *nfc.Response {
	held := s.held
	s.held = nil
	if held == nil || !isPoll(c.cmd) {
		return nil
	}
	return held
}

func holdAnswer(s *card, c *exchange, r *nfc.Response) {
	if isMessage(c.cmd) && c.cmd.P1&nfc.P1Poll != 0 && r.SW == nfc.SWOK {
		held := *r
		s.held = &held
		*r = pending()
	}
}

func pendingForEver(s *card, c *exchange) *nfc.Response {
	if s.held == nil || !isPoll(c.cmd) {
		s.held = nil
		return nil
	}
	r := pending()
	return &r
}

func pendingNothing(_ *card, c *exchange, r *nfc.Response) {
	if isPoll(c.cmd) && r.SW == nfc.SWConditionsNotSatisfied {
		*r = pending()
	}
}

func extendedRefused(_ *card, c *exchange) *nfc.Response {
	if !c.cmd.Extended {
		return nil
	}
	return &nfc.Response{SW: nfc.SWWrongLength}
}

func junkAID(_ *card, c *exchange) *nfc.Response {
	if isSelect(c.cmd) && bytes.HasPrefix(c.cmd.Data, nfc.AID) {
		c.cmd.Data = nfc.AID
	}
	return nil
}

func selectFetched(s *card, c *exchange, r *nfc.Response) {
	if isSelect(c.cmd) && r.SW == nfc.SWOK {
		held := *r
		s.held = &held
		*r = nfc.Response{SW: remaining(len(held.Data))}
	}
}

func selectHeld(s *card, c *exchange) *nfc.Response {
	held := s.held
	s.held = nil
	if held == nil || !isFetch(c.cmd) {
		return nil
	}
	return held
}

func versionWrong(_ *card, c *exchange, r *nfc.Response) {
	if isSelect(c.cmd) && r.SW == nfc.SWOK {
		r.Data = []byte("FIDO_2_1")
	}
}

func unselectedWorks(s *card, c *exchange) *nfc.Response {
	if !isMessage(c.cmd) || s.selected {
		return nil
	}
	first := exchange{ctx: c.ctx, well: true, cmd: nfc.Command{INS: nfc.INSSelect, P1: nfc.P1ByName, Data: nfc.AID, Ne: 256}}
	_, _ = s.forward(&first) // the message tells how that went
	return nil
}

func fetchShort(_ *card, c *exchange, r *nfc.Response) {
	if isFetch(c.cmd) && len(r.Data) > 0 {
		r.Data = r.Data[:len(r.Data)-1]
	}
}

func fetchNothing(_ *card, c *exchange, r *nfc.Response) {
	if isFetch(c.cmd) && r.SW == nfc.SWConditionsNotSatisfied {
		r.SW = nfc.SWOK
	}
}

func answerOf256(_ *card, _ *exchange, r *nfc.Response) {
	const page = 256
	if len(r.Data) == page && r.SW == nfc.SWOK {
		r.SW = remaining(0)
	}
}

func answerCutShort(_ *card, c *exchange, r *nfc.Response) {
	last := isMessage(c.cmd) || isPoll(c.cmd) || isFetch(c.cmd)
	if last && r.SW == nfc.SWOK && len(r.Data) > 1 {
		r.Data = r.Data[:len(r.Data)-1]
	}
}

// leIgnored fetches for the client what it has not asked for.
func leIgnored(s *card, c *exchange, r *nfc.Response) {
	if isFetch(c.cmd) {
		return
	}
	for _, more := r.SW.Remaining(); more; _, more = r.SW.Remaining() {
		fetch := exchange{ctx: c.ctx, well: true, cmd: nfc.Command{INS: nfc.INSGetResponse, Ne: 256}}
		next, err := s.forward(&fetch)
		if err != nil {
			return
		}
		r.Data, r.SW = append(r.Data, next.Data...), next.SW
	}
}

func errorAsWord(_ *card, c *exchange, r *nfc.Response) {
	if isMessage(c.cmd) && r.SW == nfc.SWOK && len(r.Data) == 1 && r.Data[0] != 0 {
		*r = nfc.Response{SW: nfc.SWWrongData}
	}
}

func cancelIgnored(_ *card, c *exchange) *nfc.Response {
	if isPoll(c.cmd) && c.cmd.P1 == nfc.P1Cancel {
		c.cmd.P1 = 0
	}
	return nil
}

func endIgnored(_ *card, c *exchange) *nfc.Response {
	if isControl(c.cmd) {
		return &nfc.Response{SW: nfc.SWOK}
	}
	return nil
}

func chainAnswered(_ *card, c *exchange, r *nfc.Response) {
	if c.cmd.CLA&nfc.ClassChain != 0 && r.SW == nfc.SWOK {
		r.Data = []byte{0}
	}
}

func classIgnored(_ *card, c *exchange) *nfc.Response {
	if c.cmd.CLA&^nfc.ClassChain != nfc.ClassISO {
		c.cmd.CLA = c.cmd.CLA&nfc.ClassChain | nfc.ClassCTAP
	}
	return nil
}

func instructionIgnored(_ *card, _ *exchange, r *nfc.Response) {
	if r.SW == nfc.SWInsNotSupported {
		r.SW = nfc.SWOK
	}
}
