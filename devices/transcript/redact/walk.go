package redact

import (
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/nfc"
)

// visitor is shown every value of a tape. It may overwrite it, and says whether it
// has, or has found that somebody had.
type visitor interface {
	value(kind Kind, b []byte) bool
	point(kind Kind, x, y []byte) bool // a public key on P-256
}

// walker goes through messages and shows what is in them to its visitor.
type walker struct {
	visitor
	before  *unit // the last getAssertion, which getNextAssertion goes on with
	touched bool  // a value of what is being read was replaced
}

func (w *walker) see(kind Kind, b []byte) {
	if len(b) > 0 && w.value(kind, b) {
		w.touched = true
	}
}

// unknown shows what has no known meaning, unless it is a word of the standards or
// too short to mean anything.
func (w *walker) unknown(b []byte) {
	if len(b) >= shortestText && !slices.Contains(words, string(b)) {
		w.see(Unknown, b)
	}
}

// unit shows what a message holds. The error says why it cannot be read.
func (w *walker) unit(u *unit) error {
	switch u.layer {
	case layerCTAP:
		return w.message(u)
	case layerU2F:
		return w.u2f(u)
	case layerOpaque:
		w.unknown(u.data)
	}
	return nil
}

// message shows a CTAP2 message: a command or status byte and CBOR.
func (w *walker) message(u *unit) error {
	if len(u.data) < 2 {
		return nil
	}
	r := w.rule(u)
	it, rest, err := parseItem(u.data[1:], 0)
	switch {
	case err == nil && len(rest) == 0:
		r(w, it)
		return nil
	case u.dir == transcript.In && ctap2.Status(u.data[0]) != ctap2.StatusOK:
		w.unknown(u.data[1:]) // what a refusal says is nobody's to read
		return nil
	case err != nil && u.vendor():
		w.unknown(u.data[1:])
		return nil
	case err != nil:
		return err
	}
	r(w, it)
	w.unknown(rest)
	return nil
}

// firstVendor is the first command byte that the standard leaves to vendors (CTAP
// 2.3 §6).
const firstVendor = 0x40

// vendor says whether a message is of a vendor's command.
func (u *unit) vendor() bool {
	if u.dir == transcript.In {
		return u.ask != nil && u.ask.vendor()
	}
	if len(u.data) == 0 || requestRules[prototype(ctap2.Command(u.data[0]))] != nil {
		return false
	}
	return u.data[0] >= firstVendor
}

// rule is that for what follows the first byte of a message.
func (w *walker) rule(u *unit) rule {
	if u.dir == transcript.Out {
		command := ctap2.Command(u.data[0])
		if command == ctap2.CommandGetAssertion {
			w.before = u
		}
		return ruleOf(requestRules, command)
	}
	if u.ask == nil || len(u.ask.data) == 0 || ctap2.Status(u.data[0]) != ctap2.StatusOK {
		return anything
	}
	return ruleOf(answerRules, ctap2.Command(u.ask.data[0]))
}

func ruleOf(rules map[ctap2.Command]rule, c ctap2.Command) rule {
	if r := rules[prototype(c)]; r != nil {
		return r
	}
	return anything
}

// prototype is the command that one of FIDO_2_1_PRE became.
func prototype(c ctap2.Command) ctap2.Command {
	switch c {
	case ctap2.CommandBioEnrollmentPre:
		return ctap2.CommandBioEnrollment
	case ctap2.CommandCredManagementPre:
		return ctap2.CommandCredentialManagement
	}
	return c
}

// Sizes in U2F messages (U2F raw messages §4 and §5).
const (
	hashSize      = 32
	publicKeySize = 65
)

// u2f shows the data field of a U2F message.
func (w *walker) u2f(u *unit) error {
	known := u.header.CLA == nfc.ClassISO && (u.dir == transcript.Out || u.ask != nil && u.status == nfc.SWOK)
	b := u.data
	switch {
	case !known || len(b) == 0:
		w.unknown(b)
	case u.header.INS == nfc.INSU2FRegister && u.dir == transcript.Out && len(b) == 2*hashSize:
		w.see(RP, b[hashSize:])
	case u.header.INS == nfc.INSU2FAuthenticate && u.dir == transcript.Out && len(b) > 2*hashSize:
		w.see(RP, b[hashSize:2*hashSize])
		w.see(Credential, b[2*hashSize+1:])
	case u.header.INS == nfc.INSU2FRegister && u.dir == transcript.In:
		return w.registration(u)
	case u.header.INS == nfc.INSU2FAuthenticate && u.dir == transcript.In && len(b) > 5:
		w.signature(b[5:], w.replaced(RP, u.ask, hashSize, 2*hashSize))
	default:
		w.unknown(b)
	}
	return nil
}

// replaced says whether a value of the question is replaced.
func (w *walker) replaced(kind Kind, ask *unit, from, to int) bool {
	if ask == nil || len(ask.data) < to {
		return true
	}
	return w.value(kind, slices.Clone(ask.data[from:to]))
}

// signature shows a signature if what it signs has changed.
func (w *walker) signature(b []byte, changed bool) {
	switch {
	case changed:
		w.see(Signature, b)
	default:
		w.value(keptSignature, b)
	}
}

// keptSignature is shown for a signature over what is as it was.
const keptSignature Kind = "kept signature"

// registration shows the answer to U2F_REGISTER.
func (w *walker) registration(u *unit) error {
	b := u.data
	if len(b) < 2+publicKeySize || len(b) < 2+publicKeySize+int(b[1+publicKeySize]) {
		return errShortRegistration
	}
	handle := b[2+publicKeySize : 2+publicKeySize+int(b[1+publicKeySize])]
	rest := b[2+publicKeySize+len(handle):]
	size, err := derSize(rest)
	if err != nil {
		return err
	}
	outer := w.touched
	w.touched = w.replaced(RP, u.ask, hashSize, 2*hashSize)
	w.see(Credential, handle)
	w.certificate(rest[:size])
	w.signature(rest[size:], w.touched)
	w.touched = outer || w.touched
	return nil
}
