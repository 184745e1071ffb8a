package virtual

import "github.com/touchstone-fido/touchstone/ctap2"

// forRP are the permissions that need an RP ID.
const forRP = ctap2.PermissionMakeCredential | ctap2.PermissionGetAssertion

// permissionRules has what the standard defines (CTAP 2.3 §6.5.5.7): what a
// model must have for a token with the permission to be granted by PIN, and by
// built-in user verification. Bits that are not here are undefined and ignored.
var permissionRules = []struct {
	permission ctap2.Permission
	byPIN      func(*Profile) bool
	byUV       func(*Profile) bool
}{
	{ctap2.PermissionMakeCredential, (*Profile).mcGaByPIN, always},
	{ctap2.PermissionGetAssertion, (*Profile).mcGaByPIN, always},
	{ctap2.PermissionCredentialManagement, (*Profile).managesCredentials, (*Profile).managesCredentials},
	{ctap2.PermissionBioEnrollment, (*Profile).enrolsFingers, (*Profile).enrolsFingersByUV},
	{ctap2.PermissionLargeBlobWrite, (*Profile).storesBlobs, (*Profile).storesBlobs},
	{ctap2.PermissionConfig, (*Profile).configurable, (*Profile).configurableByUV},
	{ctap2.PermissionPersistentReadOnly, (*Profile).readsPersistently, (*Profile).readsPersistently},
}

func always(*Profile) bool                  { return true }
func (p *Profile) mcGaByPIN() bool          { return !p.is(optNoMcGaByPIN) }
func (p *Profile) managesCredentials() bool { return p.is(optCredMgmt) || p.is(optCredPreview) }
func (p *Profile) enrolsFingers() bool      { return p.has(optBioEnroll) || p.has(optBioPreview) }
func (p *Profile) enrolsFingersByUV() bool  { return p.is(optBioByUV) }
func (p *Profile) storesBlobs() bool        { return p.is(optLargeBlobs) || p.extension(extLargeBlob) }
func (p *Profile) configurable() bool       { return p.is(optConfig) }
func (p *Profile) configurableByUV() bool   { return p.is(optConfigByUV) }
func (p *Profile) readsPersistently() bool  { return p.is(optPersistent) }

// defined are the permissions that the standard knows.
func defined() (all ctap2.Permission) {
	for _, rule := range permissionRules {
		all |= rule.permission
	}
	return all
}

// grantable are the permissions that a token may have.
func (p *Profile) grantable(byUV bool) (all ctap2.Permission) {
	for _, rule := range permissionRules {
		if byUV && rule.byUV(p) || !byUV && rule.byPIN(p) {
			all |= rule.permission
		}
	}
	return all
}

// permissions reads what a token is asked for.
func (a *Authenticator) permissions(r *pinRequest, byUV bool) (ctap2.Permission, error) {
	asked := ctap2.Permission(r.permissions) & defined()
	persistent := asked&ctap2.PermissionPersistentReadOnly != 0
	switch {
	case r.permissions == 0 && !a.faulty(permissionsZero):
		return 0, ctap2.StatusInvalidParameter
	case asked&^a.profile.grantable(byUV) != 0 && !a.faulty(ungrantable):
		return 0, ctap2.StatusUnauthorizedPermission
	case persistent && asked != ctap2.PermissionPersistentReadOnly:
		return 0, ctap2.StatusUnauthorizedPermission
	case asked&forRP != 0 && !r.fields.has(cpRPID) && !a.faulty(tokenNoRPID):
		return 0, ctap2.StatusMissingParameter
	}
	return asked, nil
}
