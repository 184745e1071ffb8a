package virtual

import (
	"slices"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
)

// resetWindow is how long after power-up a reset is allowed (CTAP 2.3 §6.6).
const resetWindow = 10 * time.Second

// reset is authenticatorReset (CTAP 2.3 §6.6). It forgets every credential, the
// PIN, fingerprints, large blobs, settings, counters and the secrets that
// credential IDs are wrapped with, all in one change of the store. Attestation
// keys stay.
func (a *Authenticator) reset(c *call) (any, error) {
	if err := a.mayReset(); err != nil {
		return nil, err
	}
	if err := a.resetTouch(c); err != nil && !a.faulty(resetUntouched) {
		return nil, err
	}
	return nil, a.wipe()
}

// mayReset tells whether a reset is allowed now, and over this transport.
func (a *Authenticator) mayReset() error {
	rules := a.profile.Reset
	switch {
	case !rules.AnyTime && a.cfg.Now().Sub(a.volatile.poweredUp) > resetWindow && !a.faulty(resetAnyTime):
		return ctap2.StatusNotAllowed
	case len(rules.Transports) > 0 && !a.faulty(resetTransport) && !slices.Contains(rules.Transports, a.cfg.Transport.String()):
		return ctap2.StatusOperationDenied
	}
	return nil
}

// resetTouch wants a touch, or a long one.
func (a *Authenticator) resetTouch(c *call) error {
	if !a.longTouchForReset() {
		return a.touch(c, ctap2.StatusUserActionTimeout)
	}
	decision, err := a.decide(c, ctap2.StatusUserActionTimeout)
	if err == nil && decision != DecisionHeld && !(decision == DecisionGranted && a.faulty(resetShortTouch)) {
		return ctap2.StatusOperationDenied
	}
	return err
}

// wipe makes the key a factory-new one of the same identity.
func (a *Authenticator) wipe() error {
	fresh, ch, err := a.factoryState()
	if err != nil {
		return err
	}
	a.deleteAll(&ch)
	if a.profile.is(optEnterprise) { // is switched off, and stays so
		fresh.settings = settingsRecord{Version: recordVersion, EnterpriseOff: true}
		ch.put(settingsName, fresh.settings)
	}
	inPart := a.leaveAtReset(&ch)
	if err := a.apply(ch); err != nil {
		return err
	}
	if inPart {
		return a.resetInPart()
	}
	fresh.identity, fresh.u2f, fresh.enterprise = a.state.identity, a.state.u2f, a.state.enterprise
	a.state.wipe()
	a.state = fresh
	a.forgetAfterReset()
	return nil
}

// deleteAll has a change remove every record that a factory-new key has not.
func (a *Authenticator) deleteAll(ch *change) {
	for _, c := range a.state.credentials.byID {
		a.deleteCredential(ch, c)
	}
	for _, f := range a.state.fingers {
		ch.delete(fingerName(f.id))
	}
	names := []string{uvName, blobsName}
	if !a.profile.is(optEnterprise) {
		names = append(names, settingsName)
	}
	for _, name := range names {
		ch.delete(name)
	}
	if !a.profile.hasPersistent() {
		ch.delete(persistentName)
	}
}
