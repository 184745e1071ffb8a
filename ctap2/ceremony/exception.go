package ceremony

import (
	"errors"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
)

// Exception is the name of the exception with which a browser would tell a page
// of err: InvalidStateError for an excluded credential, which the user agreed to
// tell by a touch, the exception that err matches if there is one, and
// NotAllowedError for everything else (WebAuthn L3 §5.1.3 and §5.1.4). It is
// empty for nil.
func Exception(err error) webauthn.Exception {
	var e webauthn.Exception
	switch {
	case err == nil:
		return ""
	case errors.Is(err, ctap2.StatusCredentialExcluded):
		return webauthn.InvalidStateError
	case errors.Is(err, webauthn.ErrOrigin):
		return webauthn.SecurityError
	case errors.As(err, &e):
		return e
	case errors.Is(err, ctap2.StatusUnsupportedAlgorithm):
		return webauthn.NotSupportedError
	}
	return webauthn.NotAllowedError
}
