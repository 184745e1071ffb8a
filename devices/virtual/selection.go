package virtual

import "github.com/touchstone-fido/touchstone/ctap2"

// selection is authenticatorSelection (CTAP 2.3 §6.9): the user touches the key
// that is meant.
func (a *Authenticator) selection(c *call) (any, error) {
	err := a.touch(c, ctap2.StatusUserActionTimeout)
	switch {
	case a.faulty(selectionUntouched):
		return nil, nil
	case err == ctap2.StatusOperationDenied:
		return nil, a.unless(selectionDenied, ctap2.StatusOperationDenied, ctap2.StatusUserActionTimeout)
	}
	return nil, err
}
