package virtual

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
)

// Instructions of CTAP1 (U2F Raw Message Formats §3.2).
const (
	insRegister     = 0x01
	insAuthenticate = 0x02
	insVersion      = 0x03
)

// Controls of an authentication: P1.
const (
	controlCheckOnly   = 0x07
	controlEnforce     = 0x03
	controlDontEnforce = 0x08
)

// u2fInstructions have the ones that there are. An error that is no status word
// is told as 6F00.
var u2fInstructions = map[byte]func(*Authenticator, apdu) ([]byte, error){
	insRegister:     (*Authenticator).u2fRegister,
	insAuthenticate: (*Authenticator).u2fAuthenticate,
	insVersion:      (*Authenticator).u2fVersion,
}

// Error makes a status word an error.
func (sw statusWord) Error() string { return "status word" }

// u2fEnabled tells whether CTAP1 works now: alwaysUv keeps it from working,
// since it cannot verify users (CTAP 2.3 §7.2.4).
func (a *Authenticator) u2fEnabled() bool { return a.profile.version(versionU2F) && !a.alwaysUV() }

// U2F carries out one CTAP1 command APDU, with short or extended lengths, and
// returns a response APDU (CTAP 2.3 §10, U2F Raw Message Formats 1.2). Over USB
// it does not wait for a touch: it answers 6985 at once, and the platform asks
// again until there was one. Over NFC the key is touched by being there. It
// never fails and never panics whatever the bytes.
func (a *Authenticator) U2F(ctx context.Context, command []byte) []byte {
	answer := a.answerU2F(ctx, command)
	a.cfg.OnDone(doneU2F(command, answer))
	return answer
}

func (a *Authenticator) answerU2F(ctx context.Context, command []byte) []byte {
	if _, err := a.begin(ctx); err != nil {
		return reply(swOther)
	}
	defer a.end()
	a.mu.Lock()
	defer a.mu.Unlock()
	data, err := a.u2f(command)
	var sw statusWord
	switch {
	case err == nil:
		return reply(swOK, data...)
	case errors.As(err, &sw):
		return reply(sw)
	}
	a.cfg.OnError(err)
	return reply(swOther)
}

func (a *Authenticator) u2f(command []byte) ([]byte, error) {
	a.forgetAssertions()
	a.volatile.enumeration = nil
	cmd, ok := parseAPDU(command)
	if !ok {
		return nil, swWrongLength
	}
	if cmd.class != 0 && !a.faulty(u2fClass) {
		return nil, swNoClass
	}
	run, ok := u2fInstructions[cmd.instruction]
	switch {
	case !ok && a.faulty(u2fInstruction):
		return nil, nil
	case !ok || !a.profile.version(versionU2F):
		return nil, swNoInstruction
	case !a.u2fEnabled() && !a.faulty(u2fAlwaysUV):
		return nil, swNotAllowed
	}
	return run(a, cmd)
}

// u2fVersion is U2F_VERSION.
func (a *Authenticator) u2fVersion(cmd apdu) ([]byte, error) {
	if len(cmd.data) > 0 && !a.faulty(u2fLength) {
		return nil, swWrongLength
	}
	return []byte(versionU2F), nil
}

// u2fRequest is what registration and authentication begin with.
type u2fRequest struct {
	challenge   []byte
	application [32]byte // SHA-256 of the AppID, which RP ID hashes are compared with
}

const u2fRequestSize = 64

func parseU2FRequest(data []byte) u2fRequest {
	return u2fRequest{challenge: data[:32], application: [32]byte(data[32:u2fRequestSize])}
}

// u2fRegister is U2F_REGISTER: a credential that is not discoverable, whose ID
// is the key handle. P1 means nothing; platforms send several values.
func (a *Authenticator) u2fRegister(cmd apdu) ([]byte, error) {
	if len(cmd.data) != u2fRequestSize {
		return nil, swWrongLength
	}
	if err := a.u2fTouch(); err != nil {
		return nil, err
	}
	r := parseU2FRequest(cmd.data)
	c := &credential{rpIDHash: r.application, scheme: schemeOf(cose.ES256), protect: protectOptional, u2f: true}
	defer c.forget()
	private, signer, err := c.scheme.generate(a.cfg.Rand)
	if err != nil {
		return nil, err
	}
	c.private = private
	if c.id, err = a.wrappedID(c); err != nil {
		return nil, err
	}
	return a.u2fRegistration(r, c, signer.Public())
}

// u2fRegistration is the answer for a credential that was made.
func (a *Authenticator) u2fRegistration(r u2fRequest, c *credential, public crypto.PublicKey) ([]byte, error) {
	point, err := uncompressed(public)
	if err != nil {
		return nil, err
	}
	message, err := registrationMessage(r.application, r.challenge, c.id, public)
	if err != nil {
		return nil, err
	}
	sig, err := a.state.u2f.sign(message)
	if err != nil {
		return nil, err
	}
	const reserved = 0x05
	return slices.Concat([]byte{reserved}, point, []byte{byte(len(c.id))}, c.id, a.state.u2f.cert, sig), nil
}

// registrationMessage is what the attestation key signs (U2F Raw Message Formats
// §4.3). The application comes first, other than in the request.
func registrationMessage(application [32]byte, challenge, keyHandle []byte, public crypto.PublicKey) ([]byte, error) {
	point, err := uncompressed(public)
	if err != nil {
		return nil, err
	}
	return slices.Concat([]byte{0}, application[:], challenge, keyHandle, point), nil
}

// uncompressed is a P-256 key as 65 bytes.
func uncompressed(public crypto.PublicKey) ([]byte, error) {
	key, ok := public.(*ecdsa.PublicKey)
	if !ok {
		return nil, errors.New("not an ECDSA key")
	}
	return key.Bytes()
}

// u2fAuthenticate is U2F_AUTHENTICATE.
func (a *Authenticator) u2fAuthenticate(cmd apdu) ([]byte, error) {
	handle, err := keyHandle(cmd.data)
	if err != nil {
		return nil, err
	}
	r := parseU2FRequest(cmd.data)
	c := a.u2fCredential(handle, r.application)
	switch {
	case c == nil && a.faulty(u2fUnknownHandle):
		return nil, swOther
	case c == nil:
		return nil, swWrongData
	}
	defer c.forget()
	if a.faulty(u2fCheckSigns) && cmd.p1 == controlCheckOnly {
		cmd.p1 = controlDontEnforce
	}
	switch cmd.p1 {
	case controlCheckOnly:
		return nil, swNoTouch // the handle is known
	case controlEnforce:
		if err := a.u2fTouch(); err != nil {
			return nil, err
		}
		return a.u2fAssertion(r, c, authdata.FlagUP)
	case controlDontEnforce:
		if a.faulty(u2fSilentUP) {
			return a.u2fAssertion(r, c, authdata.FlagUP)
		}
		return a.u2fAssertion(r, c, 0)
	}
	return nil, swWrongP1P2
}

// keyHandle takes the key handle out of a request: one byte of length, and all
// that follows.
func keyHandle(data []byte) ([]byte, error) {
	if len(data) <= u2fRequestSize || len(data) != u2fRequestSize+1+int(data[u2fRequestSize]) {
		return nil, swWrongLength
	}
	return data[u2fRequestSize+1:], nil
}

// u2fCredential finds the credential that CTAP1 may use: one that it has made or,
// on models that allow it, one of CTAP2 that it could have made and that needs no
// user verification.
func (a *Authenticator) u2fCredential(handle []byte, application [32]byte) *credential {
	c := a.state.secrets.unwrap(bytes.Clone(handle), application)
	if c == nil {
		return nil
	}
	shared := a.profile.U2F.CTAP2Credentials && c.scheme.algorithm == cose.ES256 && c.visible(a.faulty(u2fProtected), true)
	if !c.u2f && !shared {
		c.forget()
		return nil
	}
	return c
}

// u2fAssertion is the answer for a credential. The counter is durable before it
// is given out.
func (a *Authenticator) u2fAssertion(r u2fRequest, c *credential, flags authdata.Flags) ([]byte, error) {
	count, err := a.nextCount(c)
	if err != nil {
		return nil, err
	}
	head := binary.BigEndian.AppendUint32([]byte{byte(flags)}, count)
	message := slices.Concat(r.application[:], head, r.challenge)
	if a.faulty(u2fSwapped) {
		message = slices.Concat(r.challenge, head, r.application[:])
	}
	sig, err := a.sign(c, message)
	if err != nil {
		return nil, err
	}
	if err := a.saveCount(change{}, c, count); err != nil {
		return nil, err
	}
	return append(head, sig...), nil
}
