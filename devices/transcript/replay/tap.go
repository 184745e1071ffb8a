package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// errBeyond ends what the client would ask on its own, beyond the question that
// is being asked again.
var errBeyond = errors.New("the tape does not ask this here")

// errOtherwise says that the client asks in another way than the tape; the text
// says where.
type errOtherwise struct{ where string }

// Error says where.
func (e *errOtherwise) Error() string { return "today's client asks otherwise: " + e.where }

// sent is a question that went out, with what came back.
type sent struct {
	request, answer []byte
	err             error
	touch           bool // the key said that it waits for a touch
}

// tap stands between the client and the framing. It lets through the questions
// that are expected, in their order, and keeps what was said.
//
// The client does a key agreement before everything that it encrypts. One that
// the tape has asked for before is not asked again: its answer is given again.
type tap struct {
	inner  ctap2.Transport
	same   func(asked []byte, tape transcript.Exchange) string // "" if they match
	expect []transcript.Exchange
	sent   []sent

	agreements map[pinuv.Protocol][]byte // last answers
	free       bool                      // a key agreement that the tape lacks may be asked for
	touched    bool                      // since the question went out
	waited     bool
	tell       func(status string, since time.Duration) // nil for nobody
	cancel     context.CancelFunc                       // of the present request, if the tape's host has cancelled it
}

var _ ctap2.Transport = (*tap)(nil)

// begin expects questions.
func (t *tap) begin(expect []transcript.Exchange) { t.expect, t.sent = expect, nil }

// keepalive hears what the key waits for.
func (t *tap) keepalive(status ctaphid.KeepaliveStatus, since time.Duration) {
	t.waited = true
	if status == ctaphid.KeepaliveUPNeeded {
		t.touched = true
	}
	if t.tell != nil {
		t.tell(status.String(), since)
	}
	if t.cancel != nil {
		t.cancel()
	}
}

// Exchange asks if it is expected.
func (t *tap) Exchange(ctx context.Context, msg []byte) ([]byte, error) {
	q, err := transcript.ParseQuestion(msg)
	agreement := err == nil && q.Command == ctap2.CommandClientPIN && ctap2.PINSubcommand(q.Sub) == ctap2.PINGetKeyAgreement
	if agreement && !t.agreementDue() {
		return t.again(ctx, q.Protocol(), msg)
	}
	if len(t.expect) == 0 {
		return nil, errBeyond
	}
	due := t.expect[0]
	if where := t.same(msg, due); where != "" {
		return nil, &errOtherwise{where}
	}
	t.expect = t.expect[1:]
	answer, err := t.ask(ctx, msg, due.Cancelled)
	t.sent = append(t.sent, sent{msg, answer, err, t.touched})
	if agreement && err == nil {
		t.agreements[q.Protocol()] = answer
	}
	return answer, err
}

func (t *tap) ask(ctx context.Context, msg []byte, cancelled bool) ([]byte, error) {
	t.touched, t.waited = false, false
	start := time.Now()
	defer func() {
		if t.waited && t.tell != nil {
			t.tell("done", time.Since(start))
		}
	}()
	if cancelled {
		ctx, t.cancel = context.WithCancel(ctx)
		defer func() { t.cancel = nil }()
		defer t.cancel()
	}
	return t.inner.Exchange(ctx, msg)
}

// agreementDue says whether the tape asks for a key agreement next.
func (t *tap) agreementDue() bool {
	if len(t.expect) == 0 {
		return false
	}
	q, err := transcript.ParseQuestion(t.expect[0].Request)
	return err == nil && q.Command == ctap2.CommandClientPIN && ctap2.PINSubcommand(q.Sub) == ctap2.PINGetKeyAgreement
}

// again gives the last answer to a key agreement, and asks for one that the tape
// lacks where that is allowed.
func (t *tap) again(ctx context.Context, p pinuv.Protocol, msg []byte) ([]byte, error) {
	if answer := t.agreements[p]; answer != nil {
		return answer, nil
	}
	if !t.free {
		return nil, fmt.Errorf("key agreement: %w", errBeyond)
	}
	answer, err := t.inner.Exchange(ctx, msg)
	if err == nil {
		t.agreements[p] = answer
	}
	return answer, err
}
