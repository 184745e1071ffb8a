package ctap2

import (
	"errors"
	"fmt"
	"strings"
)

// Permission is a set of things a pinUvAuthToken may authorise (CTAP 2.3
// §6.5.5.7).
type Permission uint

// Permissions.
const (
	PermissionMakeCredential       Permission = 0x01 // mc, needs an RP ID
	PermissionGetAssertion         Permission = 0x02 // ga, needs an RP ID
	PermissionCredentialManagement Permission = 0x04 // cm, for all relying parties without an RP ID
	PermissionBioEnrollment        Permission = 0x08 // be
	PermissionLargeBlobWrite       Permission = 0x10 // lbw
	PermissionConfig               Permission = 0x20 // acfg
	PermissionPersistentReadOnly   Permission = 0x40 // pcmr, CTAP 2.2, never with another
)

// ErrPermissions: a set of permissions that no authenticator grants. It was not
// asked for.
var ErrPermissions = errors.New("no authenticator grants these permissions")

var permissionNames = []string{"mc", "ga", "cm", "be", "lbw", "acfg", "pcmr"}

// Has reports whether all of want are in the set.
func (p Permission) Has(want Permission) bool { return p&want == want }

// String lists the standard's abbreviations, such as "mc|ga", and the number of
// what has none.
func (p Permission) String() string {
	var names []string
	for i, name := range permissionNames {
		if p.Has(1 << i) {
			names = append(names, name)
		}
	}
	if rest := p &^ (1<<len(permissionNames) - 1); rest != 0 || p == 0 {
		names = append(names, fmt.Sprintf("0x%02x", uint(rest)))
	}
	return strings.Join(names, "|")
}

// check refuses what would spend a try of the PIN in vain.
func (p Permission) check(rpID string) error {
	bound := p & (PermissionMakeCredential | PermissionGetAssertion)
	switch {
	case p == 0:
		return fmt.Errorf("%w: none", ErrPermissions)
	case p.Has(PermissionPersistentReadOnly) && p != PermissionPersistentReadOnly:
		return fmt.Errorf("%w: %v, pcmr goes alone", ErrPermissions, p)
	case p.Has(PermissionPersistentReadOnly) && rpID != "":
		return fmt.Errorf("%w: pcmr for one relying party", ErrPermissions)
	case bound != 0 && rpID == "":
		return fmt.Errorf("%w: %v without a relying party ID", ErrPermissions, bound)
	}
	return nil
}
