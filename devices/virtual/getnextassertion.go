package virtual

import (
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
)

// nextAssertionTimer is how long the key waits for the next
// authenticatorGetNextAssertion (CTAP 2.3 §6.3).
const nextAssertionTimer = 30 * time.Second

// getNextAssertion is authenticatorGetNextAssertion (CTAP 2.3 §6.3). It answers
// like the authenticatorGetAssertion before it, with the same flags and the same
// extension inputs, for the next credential. Any other command in between, a
// power cycle, half a minute, and the end of the token that authorised it end
// the state.
func (a *Authenticator) getNextAssertion(*call) (any, error) {
	s := a.volatile.next
	if s == nil || s.expired() {
		a.forgetAssertions()
		return nil, ctap2.StatusNotAllowed
	}
	answer, err := s.answer()
	if s.next == len(s.credentials) {
		a.forgetAssertions()
	}
	return answer, err
}

func (s *assertions) expired() bool {
	if s.uv && s.key.liveToken().key == nil {
		return true
	}
	return s.key.cfg.Now().Sub(s.last) > nextAssertionTimer
}
