package webauthn

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// ErrOrigin: the origin may not use the relying party ID, or is none.
var ErrOrigin = errors.New("origin does not fit the relying party ID")

// DefaultOrigin is the origin of a relying party's site at the domain of its
// ID: https, default port.
func DefaultOrigin(rpID string) string { return "https://" + rpID }

// CheckOrigin holds a relying party ID against an origin as a client must
// before it asks an authenticator (WebAuthn L3 §5.1.3 step 8): https, or http
// for localhost, and an ID that equals the origin's host or is a registrable
// suffix of it. Related origins are not looked up.
func CheckOrigin(origin, rpID string) error {
	u, err := url.Parse(origin)
	if err != nil {
		return fmt.Errorf("%w: %q is no origin", ErrOrigin, origin)
	}
	host := u.Hostname()
	if host == "" || origin != u.Scheme+"://"+u.Host {
		return fmt.Errorf("%w: %q is no origin: want scheme://host with nothing after it", ErrOrigin, origin)
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && isLocalhost(host)) {
		return fmt.Errorf("%w: %s is not https", ErrOrigin, origin)
	}
	if err := checkRPID(rpID); err != nil {
		return err
	}
	return checkSuffix(origin, host, rpID)
}

func isLocalhost(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

func checkRPID(rpID string) error {
	if rpID == "" || strings.HasPrefix(rpID, ".") || strings.HasSuffix(rpID, ".") || strings.ContainsAny(rpID, "/:@?# ") {
		return fmt.Errorf("%w: relying party ID %q is no domain name", ErrOrigin, rpID)
	}
	if rpID != strings.ToLower(rpID) {
		return fmt.Errorf("%w: relying party ID %q is not in lower case", ErrOrigin, rpID)
	}
	if _, err := netip.ParseAddr(rpID); err == nil {
		return fmt.Errorf("%w: relying party ID %s is an IP address", ErrOrigin, rpID)
	}
	return nil
}

func checkSuffix(origin, host, rpID string) error {
	host = strings.ToLower(host)
	if host == rpID {
		return nil
	}
	if !strings.HasSuffix(host, "."+rpID) {
		return fmt.Errorf("%w: %s may not use %s", ErrOrigin, origin, rpID)
	}
	if suffix, _ := publicsuffix.PublicSuffix(rpID); suffix == rpID && rpID != "localhost" {
		return fmt.Errorf("%w: %s is a public suffix", ErrOrigin, rpID)
	}
	return nil
}
