package virtual

import (
	"context"
	"errors"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// command is one authenticator command.
type command struct {
	// in tells whether a model has the command.
	in func(*Profile) bool
	// run carries it out. The answer is encoded as the body; nil stands for
	// none. Errors are a ctap2.Status, anything else is CTAP1_ERR_OTHER.
	run func(*Authenticator, *call) (any, error)
}

// commands has the commands of CTAP 2.3 §6 that keys can have.
var commands = map[ctap2.Command]command{
	ctap2.CommandMakeCredential:       {(*Profile).ctap2, (*Authenticator).makeCredential},
	ctap2.CommandGetAssertion:         {(*Profile).ctap2, (*Authenticator).getAssertion},
	ctap2.CommandGetInfo:              {(*Profile).ctap2, (*Authenticator).getInfo},
	ctap2.CommandClientPIN:            {(*Profile).hasClientPIN, (*Authenticator).clientPIN},
	ctap2.CommandReset:                {(*Profile).ctap2, (*Authenticator).reset},
	ctap2.CommandGetNextAssertion:     {(*Profile).ctap2, (*Authenticator).getNextAssertion},
	ctap2.CommandBioEnrollment:        {(*Profile).hasBio, (*Authenticator).bioEnrollment},
	ctap2.CommandCredentialManagement: {(*Profile).hasCredMgmt, (*Authenticator).credentialManagement},
	ctap2.CommandSelection:            {(*Profile).since21, (*Authenticator).selection},
	ctap2.CommandLargeBlobs:           {(*Profile).hasBlobs, (*Authenticator).largeBlobs},
	ctap2.CommandConfig:               {(*Profile).configurable, (*Authenticator).authenticatorConfig},
	ctap2.CommandBioEnrollmentPre:     {(*Profile).hasBioPre, (*Authenticator).bioEnrollmentPre},
	ctap2.CommandCredManagementPre:    {(*Profile).hasCredMgmtPre, (*Authenticator).credentialManagementPre},
}

func (p *Profile) hasBio() bool         { return p.has(optBioEnroll) }
func (p *Profile) hasBioPre() bool      { return p.has(optBioPreview) }
func (p *Profile) hasCredMgmt() bool    { return p.is(optCredMgmt) }
func (p *Profile) hasCredMgmtPre() bool { return p.is(optCredPreview) }
func (p *Profile) hasBlobs() bool       { return p.is(optLargeBlobs) }

// hasClientPIN tells whether the model has authenticatorClientPIN: for a PIN,
// for tokens, or only for the key agreement of hmac-secret.
func (p *Profile) hasClientPIN() bool { return p.ctap2() && len(p.PINProtocols) > 0 }

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
	answer := a.message(ctx, msg, keepalive)
	a.cfg.OnDone(doneMessage(msg, answer))
	return answer
}

func (a *Authenticator) message(ctx context.Context, msg []byte, keepalive func(status byte)) []byte {
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
	return a.spoilAnswer(slices.Concat([]byte{byte(ctap2.StatusOK)}, body))
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
	return a.spoilAnswer([]byte{byte(status)})
}

func (a *Authenticator) dispatch(c *call, msg []byte) ([]byte, error) {
	if err := a.checkSize(msg); err != nil {
		return nil, err
	}
	code := ctap2.Command(msg[0])
	a.forgetSession(code)
	cmd, ok := commands[code]
	if !ok || !cmd.in(a.profile) {
		return nil, a.unless(unknownCommand, ctap2.StatusInvalidCommand, ctap2.StatusOther)
	}
	var err error
	if c.params, err = a.parseBody(msg[1:]); err != nil {
		return nil, err
	}
	answer, err := cmd.run(a, c)
	if err != nil || answer == nil {
		return nil, err
	}
	if raw, ok := answer.(wire.Raw); ok { // encoded by the command itself
		return raw, nil
	}
	return wire.Encode(answer)
}

func (a *Authenticator) checkSize(msg []byte) error {
	switch {
	case len(msg) == 0:
		return ctap2.StatusInvalidLength
	case len(msg) > a.profile.MaxMessage, len(msg) == a.profile.MaxMessage && a.faulty(messageLimit):
		return ctap2.StatusRequestTooLarge
	}
	return nil
}

// forgetSession ends what stateful commands could go on with, unless the command
// is one that does. CTAP 2.3 §6.3 and §6.8.3 let every other command do so.
func (a *Authenticator) forgetSession(next ctap2.Command) {
	if next != ctap2.CommandGetNextAssertion && !a.faulty(nextSurvives) {
		a.forgetAssertions()
	}
	if next != ctap2.CommandCredentialManagement && next != ctap2.CommandCredManagementPre && !a.faulty(enumerationSurvives) {
		a.volatile.enumeration = nil
	}
	a.volatile.poll.stop()
	a.volatile.poll = nil
}
