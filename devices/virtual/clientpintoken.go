package virtual

import (
	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

// Permissions (CTAP 2.3 §6.5.5.7): those that a token of this key can have,
// those that are defined, and those that need an RP ID. Undefined bits are
// ignored. Permissions become grantable with the commands they are for.
const (
	forRP     = ctap2.PermissionMakeCredential | ctap2.PermissionGetAssertion
	grantable = forRP
	defined   = forRP | ctap2.PermissionCredentialManagement | ctap2.PermissionBioEnrollment |
		ctap2.PermissionLargeBlobWrite | ctap2.PermissionConfig | ctap2.PermissionPersistentReadOnly
)

// getPINToken is subcommand 0x05 (CTAP 2.3 §6.5.5.7.1), the one of CTAP 2.0.
// The token may make and use credentials at the first relying party it is used
// with.
func (a *Authenticator) getPINToken(r *pinRequest) (any, error) {
	if err := r.require(cpKeyAgreement, cpHashEnc); err != nil {
		return nil, err
	}
	if r.fields.has(cpPermissions) || r.fields.has(cpRPID) {
		return nil, ctap2.StatusInvalidParameter
	}
	return a.tokenForPIN(r, forRP, ctap2.StatusPINInvalid)
}

// getTokenUsingPIN is subcommand 0x09 (CTAP 2.3 §6.5.5.7.2).
func (a *Authenticator) getTokenUsingPIN(r *pinRequest) (any, error) {
	if err := r.require(cpKeyAgreement, cpHashEnc, cpPermissions); err != nil {
		return nil, err
	}
	permissions, err := r.asked()
	if err != nil {
		return nil, err
	}
	return a.tokenForPIN(r, permissions, ctap2.StatusPINPolicyViolation)
}

// getTokenUsingUV is subcommand 0x06 (CTAP 2.3 §6.5.5.7.3) as far as it goes
// without built-in user verification.
func (a *Authenticator) getTokenUsingUV(r *pinRequest) (any, error) {
	if err := r.require(cpKeyAgreement, cpPermissions); err != nil {
		return nil, err
	}
	if _, err := r.asked(); err != nil {
		return nil, err
	}
	return nil, ctap2.StatusNotAllowed
}

// asked reads the permissions that are asked for.
func (r *pinRequest) asked() (ctap2.Permission, error) {
	permissions := ctap2.Permission(r.permissions) & defined
	switch {
	case r.permissions == 0:
		return 0, ctap2.StatusInvalidParameter
	case permissions&^grantable != 0:
		return 0, ctap2.StatusUnauthorizedPermission
	case permissions&forRP != 0 && !r.fields.has(cpRPID):
		return 0, ctap2.StatusMissingParameter
	}
	return permissions, nil
}

// tokenForPIN is what both subcommands for a PIN have in common. They differ in
// what they say when the PIN must be changed first.
func (a *Authenticator) tokenForPIN(r *pinRequest, permissions ctap2.Permission, mustChange ctap2.Status) (any, error) {
	if err := a.pinUsable(); err != nil {
		return nil, err
	}
	secret, err := a.decapsulate(pinuv.Protocol(r.protocol), r.platform)
	if err != nil {
		return nil, err
	}
	defer secret.Wipe()
	if err := a.tryPIN(secret, r.pinHashEnc); err != nil {
		return nil, err
	}
	if a.state.pin.ForceChange {
		return nil, mustChange
	}
	var rpID *string
	if r.fields.has(cpRPID) {
		rpID = &r.rpID
	}
	encrypted, err := a.issueToken(secret, permissions, rpID)
	if err != nil {
		return nil, err
	}
	return &pinResponse{Token: encrypted}, nil
}
