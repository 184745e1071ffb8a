package virtual

import (
	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

// getPINToken is subcommand 0x05 (CTAP 2.3 §6.5.5.7.1), the one of CTAP 2.0.
// The token may make and use credentials at the first relying party it is used
// with.
func (a *Authenticator) getPINToken(_ *call, r *pinRequest) (any, error) {
	if err := a.require(r, cpKeyAgreement, cpHashEnc); err != nil {
		return nil, err
	}
	if (r.fields.has(cpPermissions) || r.fields.has(cpRPID)) && !a.faulty(legacyPermissions) {
		return nil, ctap2.StatusInvalidParameter
	}
	secret, err := a.secretForPIN(r, ctap2.StatusPINInvalid)
	if err != nil {
		return nil, err
	}
	defer secret.Wipe()
	if !a.profile.is(optTokens) {
		return tokenResponse(a.lastingToken(secret))
	}
	fresh := token{legacy: true}
	if a.profile.mcGaByPIN() {
		fresh.permissions = forRP
	}
	if a.faulty(legacyManages) {
		fresh.permissions = defined()
	}
	return tokenResponse(a.issueToken(secret, fresh))
}

// getTokenUsingPIN is subcommand 0x09 (CTAP 2.3 §6.5.5.7.2).
func (a *Authenticator) getTokenUsingPIN(_ *call, r *pinRequest) (any, error) {
	if err := a.require(r, cpKeyAgreement, cpHashEnc, cpPermissions); err != nil {
		return nil, err
	}
	permissions, err := a.permissions(r, false)
	if err != nil {
		return nil, err
	}
	secret, err := a.secretForPIN(r, ctap2.StatusPINPolicyViolation)
	if err != nil {
		return nil, err
	}
	defer secret.Wipe()
	return tokenResponse(a.grant(secret, r, token{permissions: permissions}))
}

// getTokenUsingUV is subcommand 0x06 (CTAP 2.3 §6.5.5.7.3).
func (a *Authenticator) getTokenUsingUV(c *call, r *pinRequest) (any, error) {
	if err := a.require(r, cpKeyAgreement, cpPermissions); err != nil {
		return nil, err
	}
	permissions, err := a.permissions(r, true)
	if err != nil {
		return nil, err
	}
	secret, err := a.secretForUV(c, r)
	if err != nil {
		return nil, err
	}
	defer secret.Wipe()
	return tokenResponse(a.grant(secret, r, token{permissions: permissions, byUV: true, userPresent: true}))
}

// getUVToken is subcommand 0x06 as FIDO_2_1_PRE has it: without permissions.
func (a *Authenticator) getUVToken(c *call, r *pinRequest) (any, error) {
	if err := a.require(r, cpKeyAgreement); err != nil {
		return nil, err
	}
	secret, err := a.secretForUV(c, r)
	if err != nil {
		return nil, err
	}
	defer secret.Wipe()
	return tokenResponse(a.lastingToken(secret))
}

// secretForPIN is what both subcommands for a PIN have in common: the PIN is
// right. They differ in what they say when it must be changed first.
func (a *Authenticator) secretForPIN(r *pinRequest, mustChange ctap2.Status) (*pinuv.Secret, error) {
	if err := a.pinUsable(); err != nil {
		return nil, err
	}
	secret, err := a.decapsulate(pinuv.Protocol(r.protocol), r.platform)
	if err != nil {
		return nil, err
	}
	err = a.tryPIN(secret, r.pinHashEnc)
	if err == nil && a.state.pin.ForceChange && !a.faulty(forceChangeIgnored) {
		err = mustChange
	}
	if err != nil {
		secret.Wipe()
		return nil, err
	}
	return secret, nil
}

// secretForUV is the same for built-in user verification. Where the platform is
// to try again by itself, the key does not.
func (a *Authenticator) secretForUV(c *call, r *pinRequest) (*pinuv.Secret, error) {
	if !a.uvConfigured() {
		return nil, ctap2.StatusNotAllowed
	}
	secret, err := a.decapsulate(pinuv.Protocol(r.protocol), r.platform)
	if err != nil {
		return nil, err
	}
	if err := a.builtInUV(c, a.profile.UV.PreferredAttempts <= 1); err != nil {
		secret.Wipe()
		return nil, err
	}
	return secret, nil
}

// grant issues the token that was asked for: one of its own kind for pcmr, else
// an ordinary one.
func (a *Authenticator) grant(secret *pinuv.Secret, r *pinRequest, fresh token) ([]byte, error) {
	if fresh.permissions&ctap2.PermissionPersistentReadOnly != 0 {
		return a.persistentToken(secret)
	}
	if r.fields.has(cpRPID) {
		fresh.rpID = &r.rpID
	}
	return a.issueToken(secret, fresh)
}

func tokenResponse(encrypted []byte, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return &pinResponse{Token: encrypted}, nil
}
