package virtual

import (
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

// Members of the request of authenticatorClientPIN (CTAP 2.3 §6.5.5).
const (
	cpProtocol     uint64 = 0x01
	cpSubcommand   uint64 = 0x02
	cpKeyAgreement uint64 = 0x03
	cpParam        uint64 = 0x04
	cpNewEnc       uint64 = 0x05
	cpHashEnc      uint64 = 0x06
	cpPermissions  uint64 = 0x09
	cpRPID         uint64 = 0x0a
)

// pinRequest is a request of authenticatorClientPIN. Which members it must have
// depends on the subcommand.
type pinRequest struct {
	fields      *fields
	protocol    uint64
	subcommand  ctap2.PINSubcommand
	platform    coseKey
	param       []byte
	newPINEnc   []byte
	pinHashEnc  []byte
	permissions uint64
	rpID        string
}

// pinResponse is the answer of authenticatorClientPIN.
type pinResponse struct {
	KeyAgreement    *cose.Key `cbor:"1,keyasint,omitempty"`
	Token           []byte    `cbor:"2,keyasint,omitempty"`
	Retries         *uint     `cbor:"3,keyasint,omitempty"`
	PowerCycleState *bool     `cbor:"4,keyasint,omitempty"`
	UVRetries       *uint     `cbor:"5,keyasint,omitempty"`
}

// pinSubcommand is one subcommand of authenticatorClientPIN, and whether a model
// has it.
type pinSubcommand struct {
	in  func(*Profile) bool
	run func(*Authenticator, *call, *pinRequest) (any, error)
}

// pinSubcommands has all of them. The one for tokens by built-in user
// verification is there on each key with tokens: it has steps of its own for
// where there is no such verification.
var pinSubcommands = map[ctap2.PINSubcommand]pinSubcommand{
	ctap2.PINGetRetries:       {(*Profile).hasPIN, (*Authenticator).getPINRetries},
	ctap2.PINGetKeyAgreement:  {always, (*Authenticator).getKeyAgreement},
	ctap2.PINSet:              {(*Profile).hasPIN, (*Authenticator).setPIN},
	ctap2.PINChange:           {(*Profile).hasPIN, (*Authenticator).changePIN},
	ctap2.PINGetToken:         {(*Profile).hasPIN, (*Authenticator).getPINToken},
	ctap2.PINGetTokenUsingUV:  {(*Profile).hasTokens, (*Authenticator).getTokenUsingUV},
	ctap2.PINGetUVRetries:     {(*Profile).hasUV, (*Authenticator).getUVRetries},
	ctap2.PINGetTokenUsingPIN: {(*Profile).hasPINTokens, (*Authenticator).getTokenUsingPIN},
}

func (p *Profile) hasPIN() bool       { return p.has(optClientPIN) }
func (p *Profile) hasUV() bool        { return p.has(optUV) }
func (p *Profile) hasTokens() bool    { return p.is(optTokens) }
func (p *Profile) hasPINTokens() bool { return p.hasPIN() && p.hasTokens() }

// clientPIN is authenticatorClientPIN (CTAP 2.3 §6.5.5).
func (a *Authenticator) clientPIN(c *call) (any, error) {
	r, err := parsePINRequest(c.params)
	if err != nil {
		return nil, err
	}
	sub, ok := pinSubcommands[r.subcommand]
	switch {
	case ok && sub.in(a.profile):
		return sub.run(a, c, r)
	case r.subcommand == ctap2.PINGetTokenUsingUV && a.profile.is(optUVToken):
		return a.getUVToken(c, r)
	}
	return nil, a.profile.unknownSubcommand()
}

func parsePINRequest(m members) (*pinRequest, error) {
	f := newFields(m)
	r := &pinRequest{
		fields:      f,
		protocol:    f.uint(cpProtocol),
		subcommand:  ctap2.PINSubcommand(f.uint(cpSubcommand)),
		platform:    f.raw(cpKeyAgreement),
		param:       f.bytes(cpParam),
		newPINEnc:   f.bytes(cpNewEnc),
		pinHashEnc:  f.bytes(cpHashEnc),
		permissions: f.uint(cpPermissions),
		rpID:        f.text(cpRPID),
	}
	return r, f.require(cpSubcommand).err
}

// require begins most subcommands: the members they need, pinUvAuthProtocol
// being one of them, and then whether that protocol is supported.
func (a *Authenticator) require(r *pinRequest, keys ...any) error {
	if err := r.fields.require(append(keys, cpProtocol)...).err; err != nil {
		return err
	}
	return a.checkProtocol(r.protocol)
}

// getPINRetries is subcommand 0x01 (CTAP 2.3 §6.5.5.2). It needs no protocol.
func (a *Authenticator) getPINRetries(_ *call, r *pinRequest) (any, error) {
	if r.fields.has(cpProtocol) || a.faulty(retriesProtocol) {
		if err := a.require(r); err != nil {
			return nil, err
		}
	}
	blocked := a.authBlocked()
	return &pinResponse{Retries: &a.state.pin.Retries, PowerCycleState: &blocked}, nil
}

// getKeyAgreement is subcommand 0x02 (CTAP 2.3 §6.5.5.4).
func (a *Authenticator) getKeyAgreement(_ *call, r *pinRequest) (any, error) {
	if err := a.require(r); err != nil {
		return nil, err
	}
	key, err := a.agreementKey(pinuv.Protocol(r.protocol))
	if err != nil {
		return nil, err
	}
	public := cose.KeyAgreement(key.PublicKey())
	return &pinResponse{KeyAgreement: &public}, nil
}

// setPIN is subcommand 0x03 (CTAP 2.3 §6.5.5.5).
func (a *Authenticator) setPIN(_ *call, r *pinRequest) (any, error) {
	if err := a.require(r, cpKeyAgreement, cpNewEnc, cpParam); err != nil {
		return nil, err
	}
	if a.pinSet() && !a.faulty(pinSetTwice) {
		return nil, ctap2.StatusPINAuthInvalid
	}
	secret, err := a.decapsulate(pinuv.Protocol(r.protocol), r.platform)
	if err != nil {
		return nil, err
	}
	defer secret.Wipe()
	if !secret.Verify(r.param, r.newPINEnc) {
		return nil, ctap2.StatusPINAuthInvalid
	}
	pin, err := a.newPIN(secret, r.newPINEnc)
	if err != nil {
		return nil, err
	}
	return nil, a.savePIN(pin)
}

// changePIN is subcommand 0x04 (CTAP 2.3 §6.5.5.6).
func (a *Authenticator) changePIN(_ *call, r *pinRequest) (any, error) {
	if err := a.require(r, cpKeyAgreement, cpHashEnc, cpNewEnc, cpParam); err != nil {
		return nil, err
	}
	if err := a.pinUsable(); err != nil {
		return nil, err
	}
	secret, err := a.decapsulate(pinuv.Protocol(r.protocol), r.platform)
	if err != nil {
		return nil, err
	}
	defer secret.Wipe()
	if !secret.Verify(r.param, r.newPINEnc, r.pinHashEnc) {
		return nil, ctap2.StatusPINAuthInvalid
	}
	if err := a.tryPIN(secret, r.pinHashEnc); err != nil {
		return nil, err
	}
	return nil, a.replacePIN(secret, r.newPINEnc)
}

// replacePIN is the last part of changePIN, once the old PIN was right.
func (a *Authenticator) replacePIN(secret *pinuv.Secret, newPINEnc []byte) error {
	pin, err := a.newPIN(secret, newPINEnc)
	if err != nil {
		return a.refusedPIN(err)
	}
	old := a.state.pin
	if old.ForceChange && slices.Equal(pin.Hash, old.Hash) && !a.faulty(forceChangeSame) {
		return ctap2.StatusPINPolicyViolation
	}
	var ch change
	ch.put(pinName, pin)
	if err := a.newPersistentToken(&ch); err != nil {
		return err
	}
	if err := a.apply(ch); err != nil {
		return err
	}
	a.state.pin = pin
	clear(old.Hash)
	if !a.faulty(pinChangeKeepsToken) {
		a.volatile.token.stop()
	}
	return nil
}

// getUVRetries is subcommand 0x07 (CTAP 2.3 §6.5.5.3).
func (a *Authenticator) getUVRetries(*call, *pinRequest) (any, error) {
	return &pinResponse{UVRetries: &a.state.uv.Retries}, nil
}
