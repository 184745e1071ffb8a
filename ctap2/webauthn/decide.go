package webauthn

import (
	"fmt"
	"net/url"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// Values of support in the input of largeBlob.
const (
	SupportRequired  = "required"
	SupportPreferred = "preferred"
)

// CheckCreate refuses what largeBlob has for getting assertions only, with
// [NotSupportedError] (WebAuthn L3 §10.1.5).
func (b *LargeBlobInputs) CheckCreate() error {
	if b != nil && (b.Read || b.Write != nil) {
		return fmt.Errorf("largeBlob: %w: read or write at creation", NotSupportedError)
	}
	return nil
}

// CheckGet refuses what largeBlob has for creation only, to read and write at
// once, and to write without exactly one allowed credential, with
// [NotSupportedError] (WebAuthn L3 §10.1.5).
func (b *LargeBlobInputs) CheckGet(allow []Descriptor) error {
	switch {
	case b == nil:
		return nil
	case b.Support != "":
		return fmt.Errorf("largeBlob: %w: support in a request", NotSupportedError)
	case b.Read && b.Write != nil:
		return fmt.Errorf("largeBlob: %w: read and write at once", NotSupportedError)
	case b.Write != nil && len(allow) != 1:
		return fmt.Errorf("largeBlob: %w: write for %d allowed credentials, want 1", NotSupportedError, len(allow))
	}
	return nil
}

// protectionPolicies are the names of the levels of credProtect, from 1 on.
var protectionPolicies = []string{
	"userVerificationOptional",
	"userVerificationOptionalWithCredentialIDList",
	"userVerificationRequired",
}

// Protection is the level of credProtect that credentialProtectionPolicy names,
// 0 for none (CTAP 2.3 §12.1). A name that there is not is a [TypeError].
func (e ExtensionInputs) Protection() (uint, error) {
	if e.ProtectionPolicy == "" {
		return 0, nil
	}
	for i, name := range protectionPolicies {
		if e.ProtectionPolicy == name {
			return uint(i) + 1, nil
		}
	}
	return 0, fmt.Errorf("credentialProtectionPolicy: %w: %q", TypeError, e.ProtectionPolicy)
}

// ProtectionPolicy is the name of a level of credProtect, "" for one that there is
// not (CTAP 2.3 §12.1).
func ProtectionPolicy(level uint) string {
	if level < 1 || level > uint(len(protectionPolicies)) {
		return ""
	}
	return protectionPolicies[level-1]
}

// CheckCreate refuses extensions of getting assertions, and inputs that are not
// for creation, with [NotSupportedError].
func (e ExtensionInputs) CheckCreate() error {
	if e.AppID != "" {
		return fmt.Errorf("appid: %w at creation", NotSupportedError)
	}
	if err := e.PRF.CheckCreate(); err != nil {
		return err
	}
	return e.LargeBlob.CheckCreate()
}

// CheckGet refuses extensions of creation, and inputs that do not go with the
// allowed credentials, with [NotSupportedError] or [SyntaxError].
func (e ExtensionInputs) CheckGet(allow []Descriptor) error {
	if e.AppIDExclude != "" {
		return fmt.Errorf("appidExclude: %w in a request", NotSupportedError)
	}
	if err := e.PRF.CheckGet(allow); err != nil {
		return err
	}
	return e.LargeBlob.CheckGet(allow)
}

// CheckAppID holds an AppID of U2F against an origin, for appid and appidExclude
// (WebAuthn L3 §10.1.1 and §10.1.2): an https URL on the origin's own site, that
// is, under the same registrable domain. That is the rule that browsers use;
// lists of facets are not fetched. The error matches [SecurityError].
func CheckAppID(origin, appID string) error {
	from, err := url.Parse(origin)
	if err != nil {
		return fmt.Errorf("AppID: %w: origin %q", SecurityError, origin)
	}
	app, err := url.Parse(appID)
	if err != nil || app.Scheme != "https" || app.Hostname() == "" {
		return fmt.Errorf("AppID: %w: %q is no https URL", SecurityError, appID)
	}
	site, err := registrable(app.Hostname())
	if err != nil {
		return fmt.Errorf("AppID: %w: %w", SecurityError, err)
	}
	if own, err := registrable(from.Hostname()); err != nil || own != site {
		return fmt.Errorf("AppID: %w: %s may not use %s", SecurityError, origin, appID)
	}
	return nil
}

// registrable is the registrable domain of a host; localhost is its own.
func registrable(host string) (string, error) {
	host = strings.ToLower(host)
	if isLocalhost(host) {
		return "localhost", nil
	}
	return publicsuffix.EffectiveTLDPlusOne(host)
}
