package replay

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// raw asks a CTAP2 question as it is on the tape, but for what a token proves and
// a key agreement hides. why says why the client does not ask it itself.
func (a *asker) raw(ctx context.Context, e transcript.Exchange, why string) {
	if a.ended != nil {
		a.leaveOut([]transcript.Exchange{e}, "the session has ended: "+a.ended.Error())
		return
	}
	msg, secret, err := a.rewritten(ctx, e)
	if err != nil {
		a.leaveOut([]transcript.Exchange{e}, why+andThen(why, err))
		return
	}
	defer secret.Wipe()
	if a.opts.Timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, a.opts.Timeout, ctap2.ErrTimeout)
		defer stop()
	}
	answer, err := a.tap.ask(ctx, msg, e.Cancelled)
	s := a.begin(e)
	s.Request, s.Raw, s.Reason = msg, true, why
	a.tell(&s, e, sent{msg, answer, err, a.tap.touched}, nil, true, nil)
	a.keepToken(e, answer, secret)
	a.judge(s)
}

func andThen(why string, err error) string {
	if why == err.Error() {
		return ""
	}
	if why == "" {
		return err.Error()
	}
	return "; as it is: " + err.Error()
}

// rewritten is the question of e in the keys of this session. The secret is what
// an answer is encrypted with, nil if nothing is.
func (a *asker) rewritten(ctx context.Context, e transcript.Exchange) ([]byte, *pinuv.Secret, error) {
	q, err := transcript.ParseQuestion(e.Request)
	if err != nil {
		return e.Request, nil, nil // what is no question has no keys in it
	}
	if a.against {
		for n, raw := range q.Members {
			if q.Members[n], err = a.mappedRaw(raw); err != nil {
				return nil, nil, err
			}
		}
	}
	var secret *pinuv.Secret
	if _, ok := q.Agreement(); ok {
		if secret, err = a.agree(ctx, q, e); err != nil {
			return nil, nil, err
		}
	}
	if err := a.prove(q, e); err != nil {
		return nil, nil, err
	}
	if before, _ := transcript.ParseQuestion(e.Request); maps.EqualFunc(before.Members, q.Members, func(a, b wire.Raw) bool { return bytes.Equal(a, b) }) {
		return e.Request, secret, nil // in its own encoding
	}
	return joined(q), secret, nil
}

// joined writes a question; members stay as they are encoded.
func joined(q transcript.Question) []byte {
	var items []wire.Raw
	for _, n := range slices.Sorted(maps.Keys(q.Members)) {
		key, err := wire.Encode(n)
		if err != nil {
			panic(err) // a number always encodes
		}
		items = append(items, key, q.Members[n])
	}
	return append([]byte{byte(q.Command)}, wire.Map(items...)...)
}

// params are the numbers of pinUvAuthParam by command.
var params = map[ctap2.Command]uint64{
	ctap2.CommandMakeCredential: 8, ctap2.CommandGetAssertion: 6,
	ctap2.CommandBioEnrollment: 5, ctap2.CommandBioEnrollmentPre: 5,
	ctap2.CommandCredentialManagement: 4, ctap2.CommandCredManagementPre: 4,
	ctap2.CommandLargeBlobs: 5, ctap2.CommandConfig: 4,
}

// prove replaces a pinUvAuthParam.
func (a *asker) prove(q transcript.Question, e transcript.Exchange) error {
	_, covered, ok := q.Token()
	if !ok {
		return nil
	}
	token, err := a.tokenFor(q, e)
	var not *notAsked
	if errors.As(err, &not) && (a.against || statusOf(e) != ctap2.StatusOK) {
		return nil // as it is on the tape: it is for the key to say whether it needs a proof
	}
	if err != nil {
		return err
	}
	q.Members[params[q.Command]], err = wire.Encode(token.Authenticate(covered))
	return err
}

// agree replaces what is encrypted.
func (a *asker) agree(ctx context.Context, q transcript.Question, e transcript.Exchange) (*pinuv.Secret, error) {
	a.tap.begin(nil)
	if q.Command != ctap2.CommandClientPIN {
		return nil, a.rawSalts(ctx, question{q, []transcript.Exchange{e}})
	}
	secret, own, err := a.client.KeyAgreement(ctx, q.Protocol())
	if err != nil {
		return nil, err
	}
	err = a.rawPIN(ctx, q, e, secret, own)
	if err != nil {
		secret.Wipe()
		return nil, err
	}
	return secret, nil
}

// Members of authenticatorClientPIN.
const (
	pinKeyAgreement = 3
	pinParam        = 4
	pinNewEnc       = 5
	pinHashEnc      = 6
)

// rawPIN replaces what authenticatorClientPIN encrypts and proves.
func (a *asker) rawPIN(ctx context.Context, q transcript.Question, e transcript.Exchange, secret *pinuv.Secret, own cose.Key) error {
	hidden, err := a.hidden(ctx, q, e)
	if err != nil {
		return err
	}
	var covered []byte
	for _, n := range []uint64{pinNewEnc, pinHashEnc} {
		if hidden[n] == nil {
			continue
		}
		enc, err := secret.Encrypt(a.random(), hidden[n])
		clear(hidden[n])
		if err != nil {
			return err
		}
		covered = append(covered, enc...)
		if q.Members[n], err = wire.Encode(enc); err != nil {
			return err
		}
	}
	if q.Members[pinParam] != nil {
		if q.Members[pinParam], err = wire.Encode(secret.Authenticate(covered)); err != nil {
			return err
		}
	}
	q.Members[pinKeyAgreement], err = wire.Encode(own)
	return err
}

// hidden is what authenticatorClientPIN encrypts, by member: what the tape's seed
// opens, and else the PINs of this session.
func (a *asker) hidden(ctx context.Context, q transcript.Question, e transcript.Exchange) (map[uint64][]byte, error) {
	hidden := map[uint64][]byte{}
	if q.Members[pinHashEnc] != nil {
		pin, err := a.pins.guess(ctx, statusOf(e), a.anyPIN(), a.sentWrong(e))
		if err != nil {
			return nil, err
		}
		hidden[pinHashEnc] = pinuv.HashPIN(pin)
		clear(pin)
	}
	if q.Members[pinNewEnc] == nil {
		return hidden, nil
	}
	if parts := a.vault.plain(e.Request); len(parts) > 0 {
		hidden[pinNewEnc] = parts[0] // however it is padded
		return hidden, nil
	}
	pin, err := a.pins.inUse(ctx, a.anyPIN())
	if hidden[pinHashEnc] != nil {
		pin, err = a.pins.next(ctx, a.anyPIN())
	}
	if err != nil {
		return nil, err
	}
	hidden[pinNewEnc], err = pinuv.PadPIN(pin)
	return hidden, err
}

// rawSalts replaces the input of hmac-secret.
func (a *asker) rawSalts(ctx context.Context, q question) error {
	member, name := uint64(4), ctap2.ExtensionHMACSecret
	if q.Command == ctap2.CommandMakeCredential {
		member, name = 6, ctap2.ExtensionHMACSecretMC
	}
	var inputs map[string]any
	if err := wire.Decode(q.Members[member], &inputs); err != nil {
		return err
	}
	if err := a.salts(ctx, q, inputs, name); err != nil {
		return err
	}
	var err error
	q.Members[member], err = wire.Encode(inputs)
	return err
}

// keepToken keeps a token that came for a question that was sent as it is.
func (a *asker) keepToken(e transcript.Exchange, answer []byte, secret *pinuv.Secret) {
	if secret == nil {
		return
	}
	var token *pinuv.Token
	var got struct {
		Token []byte `cbor:"2,keyasint"`
	}
	if len(answer) > 1 && answer[0] == byte(ctap2.StatusOK) && wire.Decode(answer[1:], &got) == nil {
		if key, err := secret.Decrypt(got.Token); err == nil {
			token, _ = pinuv.NewToken(secret.Protocol(), key)
		}
	}
	var m pinMembers
	if wire.Decode(e.Request[1:], &m) != nil {
		m.Permissions = 0
	}
	a.keep(e, token, m.Permissions)
}
