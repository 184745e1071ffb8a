package virtual

import (
	"context"
	"errors"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// handler is one authenticator command. The answer is encoded as the body; nil
// stands for none. Errors are a ctap2.Status, anything else is
// CTAP1_ERR_OTHER.
type handler func(*Authenticator, *call) (any, error)

// handlers has the commands of CTAP 2.3 §6 that the key implements.
var handlers = map[ctap2.Command]handler{
	ctap2.CommandMakeCredential:   (*Authenticator).makeCredential,
	ctap2.CommandGetAssertion:     (*Authenticator).getAssertion,
	ctap2.CommandGetInfo:          (*Authenticator).getInfo,
	ctap2.CommandClientPIN:        (*Authenticator).clientPIN,
	ctap2.CommandReset:            (*Authenticator).reset,
	ctap2.CommandGetNextAssertion: (*Authenticator).getNextAssertion,
	ctap2.CommandSelection:        (*Authenticator).selection,
}

// call is one command being carried out.
type call struct {
	ctx       context.Context
	keepalive func(status byte)
	params    members
}

// Message carries out one CTAP2 message, a command byte and its CBOR
// parameters, and returns the answer: a status byte and, after 0x00, the CBOR
// body if there is one (CTAP 2.3 §8). It never fails and never panics whatever
// the bytes.
//
// While the user is waited for, and only then, ctx ends the command with
// CTAP2_ERR_KEEPALIVE_CANCEL and nothing is changed. keepalive, which may be
// nil, is told each change of what the key is doing: 1 processing, 2 user
// presence needed (§11.2.9.1.7); repeating it is up to the transport. A second
// Message while one runs is answered with CTAP1_ERR_CHANNEL_BUSY at once.
func (a *Authenticator) Message(ctx context.Context, msg []byte, keepalive func(status byte)) []byte {
	if keepalive == nil {
		keepalive = func(byte) {}
	}
	ctx, err := a.begin(ctx)
	if err != nil {
		return a.failure(err)
	}
	defer a.end()
	a.mu.Lock()
	defer a.mu.Unlock()
	body, err := a.dispatch(&call{ctx: ctx, keepalive: keepalive}, msg)
	if err != nil {
		return a.failure(err)
	}
	return slices.Concat([]byte{byte(ctap2.StatusOK)}, body)
}

// begin makes the caller the one whose command runs, until end.
func (a *Authenticator) begin(ctx context.Context) (context.Context, error) {
	a.gate.Lock()
	defer a.gate.Unlock()
	switch {
	case a.closed:
		return nil, errClosed
	case a.cancel != nil:
		return nil, ctap2.StatusChannelBusy
	}
	ctx, a.cancel = context.WithCancel(ctx)
	return ctx, nil
}

func (a *Authenticator) end() {
	a.gate.Lock()
	defer a.gate.Unlock()
	a.cancel()
	a.cancel = nil
}

// failure is the answer to a command that failed: one byte (CTAP 2.3 §8.2).
func (a *Authenticator) failure(err error) []byte {
	var status ctap2.Status
	if !errors.As(err, &status) {
		status = ctap2.StatusOther
		a.cfg.OnError(err)
	}
	return []byte{byte(status)}
}

func (a *Authenticator) dispatch(c *call, msg []byte) ([]byte, error) {
	switch {
	case len(msg) == 0:
		return nil, ctap2.StatusInvalidLength
	case len(msg) > a.cfg.MaxMessage:
		return nil, ctap2.StatusRequestTooLarge
	}
	command := ctap2.Command(msg[0])
	if command != ctap2.CommandGetNextAssertion {
		a.forgetAssertions() // §6.3 lets every other command end the state
	}
	run, ok := handlers[command]
	if !ok {
		return nil, ctap2.StatusInvalidCommand
	}
	var err error
	if c.params, err = parseBody(msg[1:]); err != nil {
		return nil, err
	}
	answer, err := run(a, c)
	if err != nil || answer == nil {
		return nil, err
	}
	return wire.Encode(answer)
}
