package virtual

import (
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2"
)

// pickyCreation is what faulty keys mind about a request for a credential, and
// how they cut its names.
func (a *Authenticator) pickyCreation(r *creationRequest, f *fields) {
	if !a.hasFaults() || f.err != nil {
		return
	}
	name := f.sub(mcUser).text("name")
	if len(name) > maxName && a.faulty(longNamesRefused) {
		f.fail(ctap2.StatusLimitExceeded)
	}
	if len(name) > maxName && a.faulty(namesSplit) {
		r.user.Name = name[:maxName]
	}
	if a.faulty(optionRefused) && f.sub(mcOptions).hasOther("rk", "uv", "up") {
		f.fail(ctap2.StatusUnsupportedOption)
	}
	if a.faulty(extensionRefused) && f.sub(mcExtensions).hasOther(extensionIDs()...) {
		f.fail(ctap2.StatusUnsupportedExtension)
	}
}

// pickyAssertion is what faulty keys mind about a request for an assertion.
func (a *Authenticator) pickyAssertion(r *assertionRequest, f *fields) {
	if !a.hasFaults() || f.err != nil {
		return
	}
	if a.faulty(optionRefused) && f.sub(gaOptions).hasOther("rk", "uv", "up") {
		f.fail(ctap2.StatusUnsupportedOption)
	}
	if a.faulty(typeRefused) && slices.ContainsFunc(r.allow, func(d descriptor) bool { return d.Type != publicKeyType }) {
		f.fail(ctap2.StatusInvalidCredential)
	}
	f.elements(f.array(gaAllowList), func(item *fields) {
		if a.faulty(transportsRefused) && item.has("transports") {
			item.fail(ctap2.StatusInvalidCBOR)
		}
	})
}

// hasOther tells whether there is a member with another name.
func (f *fields) hasOther(names ...string) bool {
	for key := range f.m {
		if name, ok := key.(string); !ok || !slices.Contains(names, name) {
			return true
		}
	}
	return false
}
