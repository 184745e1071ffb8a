package virtual

import (
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
)

// getNextAssertion is authenticatorGetNextAssertion (CTAP 2.3 §6.3). It answers
// like the authenticatorGetAssertion before it, with the same flags and the same
// extension inputs, for the next credential. Any other command in between, a
// power cycle, half a minute, and the end of the token that authorised it end
// the state.
func (a *Authenticator) getNextAssertion(*call) (any, error) {
	s := a.volatile.next
	if s == nil || s.expired() && !a.faulty(nextForever) {
		a.forgetAssertions()
		if a.faulty(nextResetsRetries) {
			a.state.pin.Retries = a.profile.PIN.Retries
		}
		return nil, ctap2.StatusNotAllowed
	}
	answer, err := s.answer()
	switch {
	case s.next == len(s.credentials) && a.faulty(nextOneMore):
		s.next--
	case s.next == len(s.credentials):
		a.forgetAssertions()
	}
	return answer, err
}

func (s *assertions) expired() bool {
	return s.byToken && s.key.liveToken().key == nil || s.key.waitedTooLong(s.last)
}

// waitedTooLong tells whether the platform took too long since it was told one
// of several things, so that the rest is forgotten (CTAP 2.3 §6.3, §6.8.3).
func (a *Authenticator) waitedTooLong(last time.Time) bool {
	return a.cfg.Now().Sub(last) > or(a.profile.Timers.NextAssertion, defaultNextAssertion)
}
