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
}

// pinSubcommands has what the key implements. getUVRetries is not among them,
// since there is no built-in user verification to count the retries of; the
// token subcommand for that has steps of its own for its absence.
var pinSubcommands = map[ctap2.PINSubcommand]func(*Authenticator, *pinRequest) (any, error){
	ctap2.PINGetRetries:       (*Authenticator).getPINRetries,
	ctap2.PINGetKeyAgreement:  (*Authenticator).getKeyAgreement,
	ctap2.PINSet:              (*Authenticator).setPIN,
	ctap2.PINChange:           (*Authenticator).changePIN,
	ctap2.PINGetToken:         (*Authenticator).getPINToken,
	ctap2.PINGetTokenUsingUV:  (*Authenticator).getTokenUsingUV,
	ctap2.PINGetTokenUsingPIN: (*Authenticator).getTokenUsingPIN,
}

// clientPIN is authenticatorClientPIN (CTAP 2.3 §6.5.5).
func (a *Authenticator) clientPIN(c *call) (any, error) {
	r, err := parsePINRequest(c.params)
	if err != nil {
		return nil, err
	}
	run, ok := pinSubcommands[r.subcommand]
	if !ok {
		return nil, ctap2.StatusInvalidSubcommand
	}
	return run(a, r)
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
func (r *pinRequest) require(keys ...any) error {
	if err := r.fields.require(append(keys, cpProtocol)...).err; err != nil {
		return err
	}
	return checkProtocol(r.protocol)
}

// getPINRetries is subcommand 0x01 (CTAP 2.3 §6.5.5.2). It needs no protocol.
func (a *Authenticator) getPINRetries(r *pinRequest) (any, error) {
	if r.fields.has(cpProtocol) {
		if err := checkProtocol(r.protocol); err != nil {
			return nil, err
		}
	}
	blocked := a.volatile.mismatches >= maxPINMismatches
	return &pinResponse{Retries: &a.state.pin.Retries, PowerCycleState: &blocked}, nil
}

// getKeyAgreement is subcommand 0x02 (CTAP 2.3 §6.5.5.4).
func (a *Authenticator) getKeyAgreement(r *pinRequest) (any, error) {
	if err := r.require(); err != nil {
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
func (a *Authenticator) setPIN(r *pinRequest) (any, error) {
	if err := r.require(cpKeyAgreement, cpNewEnc, cpParam); err != nil {
		return nil, err
	}
	if a.state.pin.set() {
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
func (a *Authenticator) changePIN(r *pinRequest) (any, error) {
	if err := r.require(cpKeyAgreement, cpHashEnc, cpNewEnc, cpParam); err != nil {
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
		return err
	}
	old := a.state.pin
	if old.ForceChange && slices.Equal(pin.Hash, old.Hash) {
		return ctap2.StatusPINPolicyViolation
	}
	if err := a.savePIN(pin); err != nil {
		return err
	}
	clear(old.Hash)
	a.volatile.token.stop()
	return nil
}
