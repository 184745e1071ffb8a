package virtual

import (
	"cmp"
	"slices"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
)

// enumeration is what a subcommand of credential management has begun to list
// and the next ones go on with (CTAP 2.3 §6.8.3, §6.8.4).
type enumeration struct {
	continues uint64 // the subcommand that goes on
	list      []*credential
	last      time.Time // when the one before was told
	byToken   bool      // whether the token that began it must still live
}

// forgetEnumeration ends what is being listed, unless the subcommand is the one
// that goes on with it.
func (a *Authenticator) forgetEnumeration(next uint64) {
	if e := a.volatile.enumeration; e != nil && e.continues != next && !a.faulty(enumerationSurvives) {
		a.volatile.enumeration = nil
	}
}

// enumerate remembers all but the first, which the caller tells.
func (a *Authenticator) enumerate(r *credRequest, continues uint64, list []*credential) {
	a.volatile.enumeration = &enumeration{
		continues: continues, list: list[1:], last: a.cfg.Now(), byToken: r.token != nil,
	}
}

// goOn returns the next one of what the subcommand lists. The token that began
// it has to live still, and the platform has not to wait for too long.
func (a *Authenticator) goOn(subcommand uint64) (*credential, error) {
	e := a.volatile.enumeration
	if e == nil || e.continues != subcommand || len(e.list) == 0 || a.enumerationExpired(e) {
		a.volatile.enumeration = nil
		return nil, ctap2.StatusNotAllowed
	}
	c := e.list[0]
	e.list, e.last = e.list[1:], a.cfg.Now()
	return c, nil
}

func (a *Authenticator) enumerationExpired(e *enumeration) bool {
	return e.byToken && a.liveToken().key == nil || a.waitedTooLong(e.last)
}

// enumerateRPs is subcommand 0x02, enumerateRPsBegin. Relying parties come in
// the order of their oldest credentials.
func (a *Authenticator) enumerateRPs(r *credRequest) (any, error) {
	if err := a.readsAll(r); err != nil {
		return nil, err
	}
	list := a.state.credentials.relyingParties()
	switch {
	case len(list) == 0 && a.faulty(emptyListOK):
		return &credResponse{}, nil
	case len(list) == 0:
		return nil, ctap2.StatusNoCredentials
	}
	answer := rpResponse(list[0])
	answer.TotalRPs = a.total(totalRPs, list)
	if a.faulty(lastRPLost) && len(list) > 1 {
		list = list[:len(list)-1]
	}
	a.enumerate(r, cmNextRP, list)
	return answer, nil
}

// total is how many there are to list.
func (a *Authenticator) total(fault FaultID, list []*credential) int {
	if a.faulty(fault) {
		return len(list) + 1
	}
	return len(list)
}

// nextRP is subcommand 0x03, enumerateRPsGetNextRP.
func (a *Authenticator) nextRP(*credRequest) (any, error) {
	c, err := a.goOn(cmNextRP)
	if err != nil {
		return nil, err
	}
	return rpResponse(c), nil
}

// rpResponse tells whose the credential is.
func rpResponse(c *credential) *credResponse {
	return &credResponse{RP: &c.rp, RPIDHash: c.rpIDHash[:]}
}

// relyingParties has one credential of each, its oldest.
func (s *credentials) relyingParties() (list []*credential) {
	for _, ofRP := range s.byRP {
		list = append(list, ofRP[0])
	}
	slices.SortFunc(list, func(a, b *credential) int { return cmp.Compare(a.sequence, b.sequence) })
	return list
}

// enumerateCredentials is subcommand 0x04, enumerateCredentialsBegin. The oldest
// comes first.
func (a *Authenticator) enumerateCredentials(r *credRequest) (any, error) {
	if len(r.rpIDHash) != hashSize {
		return nil, ctap2.StatusInvalidLength
	}
	list := a.state.credentials.byRP[[32]byte(r.rpIDHash)]
	if err := a.readsOne(r, list); err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, ctap2.StatusNoCredentials
	}
	list = slices.Clone(list)
	a.enumerate(r, cmNextCredential, list)
	answer, err := a.credentialResponse(list[0])
	if err != nil {
		return nil, err
	}
	answer.Total = a.total(totalCredentials, list)
	return answer, nil
}

// readsOne is readsAll for what looks at one relying party. One reading of the
// standard lets a token that is bound to that one do so.
func (a *Authenticator) readsOne(r *credRequest, list []*credential) error {
	if a.profile.Choices.BoundEnumeration && r.token != nil && r.token.rpID != nil &&
		len(list) > 0 && list[0].rp.ID == *r.token.rpID {
		return nil
	}
	return a.readsAll(r)
}

// nextCredential is subcommand 0x05, enumerateCredentialsGetNextCredential.
func (a *Authenticator) nextCredential(*credRequest) (any, error) {
	c, err := a.goOn(cmNextCredential)
	if err != nil {
		return nil, err
	}
	return a.credentialResponse(c)
}

// credentialResponse tells all about a credential that a platform may know.
func (a *Authenticator) credentialResponse(c *credential) (*credResponse, error) {
	signer, err := a.signer(c)
	if err != nil {
		return nil, err
	}
	public, err := cose.FromPublic(signer.Public(), c.scheme.algorithm)
	if err != nil {
		return nil, err
	}
	r := &credResponse{
		User:         &c.user,
		CredentialID: &descriptor{ID: c.id, Type: publicKeyType},
		PublicKey:    &public,
		CredProtect:  c.protect,
		LargeBlobKey: a.largeBlobKey(c),
	}
	if a.profile.extension(extThirdPartyPayment) {
		r.Payment = &c.payment
	}
	if a.faulty(protectShown) {
		r.CredProtect = protectOptional
	}
	if a.faulty(blobKeyHidden) {
		r.LargeBlobKey = nil
	}
	return r, nil
}
