package ctap2

import (
	"fmt"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// Identifiers of extensions, as in getInfo and in requests (CTAP 2.3 §12).
const (
	ExtensionCredProtect         = "credProtect"         // §12.1
	ExtensionCredBlob            = "credBlob"            // §12.2
	ExtensionLargeBlobKey        = "largeBlobKey"        // §12.3
	ExtensionLargeBlob           = "largeBlob"           // §12.4, CTAP 2.3
	ExtensionMinPINLength        = "minPinLength"        // §12.5
	ExtensionPINComplexityPolicy = "pinComplexityPolicy" // CTAP 2.2 or 2.3
	ExtensionHMACSecret          = "hmac-secret"         // §12.7
	ExtensionHMACSecretMC        = "hmac-secret-mc"      // §12.8, CTAP 2.2
	ExtensionThirdPartyPayment   = "thirdPartyPayment"   // CTAP 2.2
	ExtensionUVM                 = "uvm"                 // WebAuthn L2 §10.3
)

// CredProtect is a credential protection policy (CTAP 2.3 §12.1), the input and
// output of [ExtensionCredProtect] in makeCredential.
type CredProtect uint

// Credential protection policies.
const (
	CredProtectOptional     CredProtect = 1 // userVerificationOptional
	CredProtectOptionalList CredProtect = 2 // userVerificationOptionalWithCredentialIDList
	CredProtectRequired     CredProtect = 3 // userVerificationRequired
)

// Valid reports whether the policy is one of the three.
func (p CredProtect) Valid() bool { return p >= CredProtectOptional && p <= CredProtectRequired }

// UVMEntry is one user verification that an authenticator did, the output of
// [ExtensionUVM]: numbers of the FIDO registry of predefined values.
type UVMEntry struct {
	_                 struct{} `cbor:",toarray"`
	Method            uint64   // USER_VERIFY
	KeyProtection     uint64   // KEY_PROTECTION
	MatcherProtection uint64   // MATCHER_PROTECTION
}

// maxUVMEntries is how many verifications the output may list.
const maxUVMEntries = 3

// OutputError is an extension's output that is not what the standard lets it be.
type OutputError struct {
	Extension string
	Err       error
}

// Error names the extension and what is wrong with its output.
func (e *OutputError) Error() string { return fmt.Sprintf("output of %s: %v", e.Extension, e.Err) }

// Unwrap returns what is wrong with the output.
func (e *OutputError) Unwrap() error { return e.Err }

// outputs reads extension outputs until the first error. The signed ones are in
// the authenticator data, the unsigned ones beside it (CTAP 2.2).
type outputs struct {
	asked            map[string]any
	signed, unsigned map[string]wire.Raw
	err              error
}

// read decodes an output that was asked for into v, and reports whether there is
// one.
func (o *outputs) read(name string, v any) bool {
	raw, ok := o.signed[name]
	if !ok {
		raw, ok = o.unsigned[name]
	}
	if _, asked := o.asked[name]; !ok || !asked || o.err != nil {
		return false
	}
	if err := wire.Decode(raw, v); err != nil {
		o.fail(name, err)
		return false
	}
	return true
}

func (o *outputs) fail(name string, err error) {
	if err != nil && o.err == nil {
		o.err = &OutputError{Extension: name, Err: err}
	}
}

// flag reads an output that is true or false, nil when there is none.
func (o *outputs) flag(name string) *bool {
	var v bool
	if !o.read(name, &v) {
		return nil
	}
	return &v
}

func (o *outputs) uvm() []UVMEntry {
	var entries []UVMEntry
	if !o.read(ExtensionUVM, &entries) {
		return nil
	}
	if n := len(entries); n == 0 || n > maxUVMEntries {
		o.fail(ExtensionUVM, fmt.Errorf("%d entries, want 1 to %d", n, maxUVMEntries))
	}
	return entries
}

// unsolicited lists outputs that nobody asked for, in order.
func (o *outputs) unsolicited() []string {
	var names []string
	for _, m := range []map[string]wire.Raw{o.signed, o.unsigned} {
		for name := range m {
			if _, asked := o.asked[name]; !asked {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
