package replay

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// notAsked says why a question cannot be asked. A final one cannot be asked as it
// is either.
type notAsked struct {
	reason string
	final  bool
}

// Error gives the reason.
func (e *notAsked) Error() string { return e.reason }

// pins are the PINs of a session as it goes on.
type pins struct {
	ask     func(ctx context.Context, fresh bool) ([]byte, error)
	header  []byte
	current []byte
	fresh   []byte // that a question is about to set
	wrong   int    // wrong ones in a row
	least   int    // code points of a PIN that is made up
}

func (p *pins) wipe() {
	clear(p.current)
	clear(p.fresh)
}

// inUse is the PIN that is set, or is to be set first: the one that is asked for,
// else that of the header, else with anyPIN a made-up one.
func (p *pins) inUse(ctx context.Context, anyPIN bool) ([]byte, error) {
	if p.current != nil {
		return p.current, nil
	}
	if p.ask != nil {
		pin, err := p.ask(ctx, false)
		if err != nil {
			return nil, err
		}
		p.current = bytes.Clone(pin)
	}
	switch {
	case p.current != nil:
	case len(p.header) > 0:
		p.current = bytes.Clone(p.header)
	case anyPIN:
		p.current = madeUp(p.least, 0)
	default:
		return nil, &notAsked{reason: "the tape does not have the PIN, and none was given"}
	}
	return p.current, nil
}

// next is the PIN that the present one is changed to.
func (p *pins) next(ctx context.Context, anyPIN bool) ([]byte, error) {
	if p.ask != nil {
		pin, err := p.ask(ctx, true)
		if err != nil {
			return nil, err
		}
		p.fresh = bytes.Clone(pin)
	}
	if p.fresh == nil && anyPIN {
		p.fresh = madeUp(p.least, 1)
	}
	if p.fresh == nil {
		return nil, &notAsked{reason: "the tape does not have the new PIN, and none was given"}
	}
	return p.fresh, nil
}

// madeUp is a PIN of digits, for a player that takes any.
func madeUp(atLeast, from int) []byte {
	pin := make([]byte, min(max(atLeast, pinuv.MinPINLength), pinuv.MaxPINBytes))
	for i := range pin {
		pin[i] = byte('0' + (i+from)%10)
	}
	return pin
}

// spoilt is a PIN that differs from this one in its last character.
func spoilt(pin []byte) []byte {
	other := bytes.Clone(pin)
	if n := len(other); n > 0 {
		other[n-1] ^= 1
	}
	return other
}

// guess is the PIN for a question that the key of the tape has answered so: a
// wrong one where it said so. The third wrong one in a row it answers in another
// way (CTAP 2.3 §6.5.5.7), which a right one after that gets too. wrong says it
// where it is known, and is nil else.
func (p *pins) guess(ctx context.Context, status ctap2.Status, anyPIN bool, wrong *bool) ([]byte, error) {
	pin, err := p.inUse(ctx, anyPIN)
	if err != nil {
		return nil, err
	}
	const inARow = 3
	blocked := status == ctap2.StatusPINAuthBlocked || status == ctap2.StatusPINBlocked
	spoil := status == ctap2.StatusPINInvalid || blocked && p.wrong == inARow-1
	if wrong != nil {
		spoil = *wrong
	}
	switch {
	case spoil:
		p.wrong++
		return spoilt(pin), nil
	case status == ctap2.StatusOK:
		p.wrong = 0
	}
	return bytes.Clone(pin), nil
}

// sentWrong says whether the host of the tape has sent a wrong PIN, nil if that
// cannot be known.
func (a *asker) sentWrong(e transcript.Exchange) *bool {
	hash := a.vault.pinHash(e.Request)
	if hash == nil || a.rightHash == nil {
		return nil
	}
	wrong := !bytes.Equal(hash, a.rightHash)
	return &wrong
}

// recordedPIN takes a PIN that the host of the tape has set for the present one,
// and what the key said to it.
func (a *asker) recordedPIN(e transcript.Exchange) {
	pin := a.vault.newPIN(e.Request)
	if pin == nil {
		return
	}
	if statusOf(e) == ctap2.StatusOK {
		a.rightHash = pinuv.HashPIN(pin)
	}
}

// granted is a token that was got.
type granted struct {
	token *pinuv.Token // nil if the key gave none where that of the tape did
	perms ctap2.Permission
	tape  *pinuv.Token // that of the tape in its place, nil if not known
}

// all are the permissions of a token without any.
const all = ctap2.Permission(0xff)

// wanted is the permission that a command needs.
var wanted = map[ctap2.Command]ctap2.Permission{
	ctap2.CommandMakeCredential:       ctap2.PermissionMakeCredential,
	ctap2.CommandGetAssertion:         ctap2.PermissionGetAssertion,
	ctap2.CommandCredentialManagement: ctap2.PermissionCredentialManagement | ctap2.PermissionPersistentReadOnly,
	ctap2.CommandCredManagementPre:    ctap2.PermissionCredentialManagement,
	ctap2.CommandBioEnrollment:        ctap2.PermissionBioEnrollment,
	ctap2.CommandBioEnrollmentPre:     ctap2.PermissionBioEnrollment,
	ctap2.CommandLargeBlobs:           ctap2.PermissionLargeBlobWrite,
	ctap2.CommandConfig:               ctap2.PermissionConfig,
}

// tokenFor is a token for what the host of the tape did with one, nil if it did
// without. It is the one in the place of that of the tape, where the tape's seed
// shows which that was, and else the last one that has the permission, or just the
// last one. Where the key of the tape has said that the pinUvAuthParam is wrong, it
// is one of no key.
func (a *asker) tokenFor(q transcript.Question, e transcript.Exchange) (*pinuv.Token, error) {
	if _, _, ok := q.Token(); !ok {
		return nil, nil
	}
	p := q.Protocol()
	if !p.Valid() {
		return nil, &notAsked{reason: "it names no PIN/UV auth protocol"}
	}
	if token := a.inPlace(e); token != nil {
		return token, nil
	}
	if statusOf(e) == ctap2.StatusPINAuthInvalid {
		return pinuv.NewToken(p, bytes.Repeat([]byte{0x5a}, 32))
	}
	var last *pinuv.Token
	for _, g := range slices.Backward(a.tokens) {
		switch {
		case g.token == nil || g.token.Protocol() != p:
		case g.perms&wanted[q.Command] != 0:
			return g.token, nil
		case last == nil:
			last = g.token
		}
	}
	if last == nil {
		return nil, &notAsked{reason: "it needs a token, and none was given out"}
	}
	return last, nil
}

// inPlace is the token in the place of the one that made the pinUvAuthParam on the
// tape, nil if that is not known.
func (a *asker) inPlace(e transcript.Exchange) *pinuv.Token {
	q, err := transcript.ParseQuestion(e.Request)
	if err != nil {
		return nil
	}
	param, covered, _ := q.Token()
	for _, g := range a.tokens {
		if g.tape != nil && g.tape.Protocol() == q.Protocol() && g.tape.Verify(param, covered) {
			return g.token
		}
	}
	return nil
}

// keep keeps what came for a question that asks for a token.
func (a *asker) keep(e transcript.Exchange, token *pinuv.Token, perms ctap2.Permission) {
	if perms == 0 {
		perms = all
	}
	theirs := a.vault.token(e.Request, e.Answer)
	if token != nil || theirs != nil {
		a.tokens = append(a.tokens, granted{token, perms, theirs})
	}
	if token != nil && theirs != nil && perms == ctap2.PermissionPersistentReadOnly {
		a.bodies[0].persistent, a.bodies[1].persistent = theirs, token
	}
}

// statusOf is the status of a recorded answer.
func statusOf(e transcript.Exchange) ctap2.Status {
	if e.Kind != transcript.CTAP2 || len(e.Answer) == 0 {
		return ctap2.StatusOther
	}
	return ctap2.Status(e.Answer[0])
}

// NeedsPIN says whether the tape's session proves or sets a PIN that the tape does
// not have: in its header, or in what its seed opens.
func NeedsPIN(tape *transcript.Tape) bool {
	if tape.Header.PIN != "" {
		return false
	}
	all := tape.Exchanges()
	v := openVault(tape, all)
	defer v.wipe()
	set := false // by the session itself, so that it is known
	for _, e := range all {
		q, err := transcript.ParseQuestion(e.Request)
		if e.Kind != transcript.CTAP2 || err != nil || q.Command != ctap2.CommandClientPIN {
			continue
		}
		switch ctap2.PINSubcommand(q.Sub) {
		case ctap2.PINSet, ctap2.PINChange:
			known := v.newPIN(e.Request) != nil
			if !known || ctap2.PINSubcommand(q.Sub) == ctap2.PINChange && !set {
				return true
			}
			set = set || statusOf(e) == ctap2.StatusOK
		case ctap2.PINGetToken, ctap2.PINGetTokenUsingPIN:
			if !set && statusOf(e) == ctap2.StatusOK {
				return true
			}
		}
	}
	return false
}

// usesPIN says whether the tape's session proves or sets a PIN.
func usesPIN(tape *transcript.Tape) bool {
	return slices.ContainsFunc(tape.Exchanges(), func(e transcript.Exchange) bool {
		q, err := transcript.ParseQuestion(e.Request)
		if e.Kind != transcript.CTAP2 || err != nil || q.Command != ctap2.CommandClientPIN {
			return false
		}
		_, hides := q.Agreement()
		return hides && ctap2.PINSubcommand(q.Sub) != ctap2.PINGetTokenUsingUV
	})
}

// random is the source of IVs.
func (a *asker) random() io.Reader {
	if a.opts.Rand == nil {
		return rand.Reader
	}
	return a.opts.Rand
}
