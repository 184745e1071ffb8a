package virtual

import "github.com/touchstone-fido/touchstone/ctap2"

// selection is authenticatorSelection (CTAP 2.3 §6.9): the user touches the key
// that is meant.
func (a *Authenticator) selection(c *call) (any, error) {
	return nil, a.touch(c, ctap2.StatusUserActionTimeout)
}
