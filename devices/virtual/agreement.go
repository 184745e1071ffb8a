package virtual

import (
	"crypto/ecdh"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

// agreementKeys are the key agreement keys by protocol, each made when it is
// first asked for after power-up or after it was dropped.
type agreementKeys map[pinuv.Protocol]*ecdh.PrivateKey

// agreementKey is the key of the protocol, a new one if there is none.
func (a *Authenticator) agreementKey(p pinuv.Protocol) (*ecdh.PrivateKey, error) {
	if key := a.volatile.agreement[p]; key != nil {
		return key, nil
	}
	key, err := pinuv.GenerateKey(a.cfg.Rand)
	if err != nil {
		return nil, err
	}
	if a.volatile.agreement == nil {
		a.volatile.agreement = agreementKeys{}
	}
	a.volatile.agreement[p] = key
	return key, nil
}

// regenerate drops the key of the protocol (CTAP 2.3 §6.5.6).
func (a *Authenticator) regenerate(p pinuv.Protocol) {
	if !a.faulty(agreementKept) {
		delete(a.volatile.agreement, p)
	}
}

// decapsulate makes the secret shared with a platform from its COSE_Key. One
// that is not a point on P-256 is CTAP1_ERR_INVALID_PARAMETER (CTAP 2.3 §6.5.6).
func (a *Authenticator) decapsulate(p pinuv.Protocol, platform coseKey) (*pinuv.Secret, error) {
	parsed, err := cose.Parse(platform)
	if err != nil || parsed.Alg != cose.ECDHES && a.faulty(agreementAlgorithm) {
		return nil, ctap2.StatusInvalidParameter
	}
	peer, err := parsed.ECDH()
	if err != nil {
		return nil, ctap2.StatusInvalidParameter
	}
	own, err := a.agreementKey(p)
	if err != nil {
		return nil, err
	}
	return p.Agree(own, peer)
}
