package virtual

import (
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
)

// resetWindow is how long after power-up a reset is allowed (CTAP 2.3 §6.6).
const resetWindow = 10 * time.Second

// reset is authenticatorReset (CTAP 2.3 §6.6). It forgets every credential, the
// PIN, the counter and the secrets that credential IDs are wrapped with, all in
// one change of the store. The attestation key stays.
func (a *Authenticator) reset(c *call) (any, error) {
	if a.cfg.Now().Sub(a.volatile.poweredUp) > resetWindow {
		return nil, ctap2.StatusNotAllowed
	}
	if err := a.touch(c, ctap2.StatusUserActionTimeout); err != nil {
		return nil, err
	}
	fresh, ch, err := a.factoryState()
	if err != nil {
		return nil, err
	}
	for id := range a.state.credentials.byID {
		ch.delete(credentialName([]byte(id)))
	}
	if err := a.apply(ch); err != nil {
		return nil, err
	}
	fresh.identity = a.state.identity
	a.state.wipe()
	a.state = fresh
	a.forgetVolatile()
	return nil, nil
}
