//go:build linux

package browser

import (
	"context"
	"errors"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/relyingparty"
)

// Numbers of members that a credential and an assertion are answered with (CTAP
// 2.3 §6.1.2 and §6.2.2).
const (
	memberAuthData  = 2
	memberSignature = 3 // of an assertion
)

// lie is a bit that a key has changed in what it answers to a command.
type lie struct {
	command ctap2.Command
	member  int
	at      int // of the member's bytes; negative from their end
}

// tell changes the answer.
func (l lie) tell(answer []byte) ([]byte, error) {
	var members map[int]any
	if err := wire.Decode(answer[1:], &members); err != nil {
		return nil, err
	}
	b, _ := members[l.member].([]byte)
	if len(b) <= max(l.at, -l.at) {
		return nil, errors.New("the answer has nothing to change")
	}
	b[(l.at+len(b))%len(b)] ^= 1
	changed, err := wire.Encode(members)
	return append(answer[:1:1], changed...), err
}

// liar is a sound key whose answers are changed on their way out.
type liar struct {
	virtual.Handler
	t   *testing.T
	lie lie
}

func (l liar) Message(ctx context.Context, msg []byte, keepalive func(status byte)) []byte {
	asked := len(msg) > 0 && msg[0] == byte(l.lie.command)
	answer := l.Handler.Message(ctx, msg, keepalive)
	if !asked || answer[0] != byte(ctap2.StatusOK) {
		return answer
	}
	changed, err := l.lie.tell(answer)
	if err != nil {
		l.t.Errorf("the key answers %x: %v", answer, err)
		return answer
	}
	return changed
}

// plugInLiar puts a key into the first socket that tells a lie.
func plugInLiar(t *testing.T, l lie) {
	t.Helper()
	plugIn(t, 0, virtual.Config{}, "", func(h virtual.Handler) virtual.Handler { return liar{h, t, l} })
}

// TestLiar: of a key that lies the browser finds out whose credential it answers
// with, and leaves the rest to the relying party.
func TestLiar(t *testing.T) {
	create := func(v *visit) *ceremony { return v.create() }
	get := func(v *visit) *ceremony { return v.get(registered{v.create().registers()}) }
	for name, test := range map[string]struct {
		lie   lie
		begin func(*visit) *ceremony
	}{
		"RP ID hash of a credential": {lie{ctap2.CommandMakeCredential, memberAuthData, 0}, create},
		"RP ID hash of an assertion": {lie{ctap2.CommandGetAssertion, memberAuthData, 31}, get},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVisit(t)
			plugInLiar(t, test.lie)
			test.begin(v).fails("NotAllowedError")
		})
	}
	for name, l := range map[string]lie{
		"user presence": {ctap2.CommandGetAssertion, memberAuthData, 32},
		"counter":       {ctap2.CommandGetAssertion, memberAuthData, -1},
		"signature":     {ctap2.CommandGetAssertion, memberSignature, -1},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVisit(t)
			plugInLiar(t, l)
			r := v.create().registers()
			_, err := v.get(registered{r}).authenticates(r)
			var refused *relyingparty.VerificationError
			if !errors.As(err, &refused) {
				t.Errorf("the relying party says %v, want a refusal", err)
			}
		})
	}
}
