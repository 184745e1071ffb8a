package virtual

import (
	"fmt"
	"io"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
)

// state is what a key remembers without power. It is always the same as the
// records in the store.
type state struct {
	identity    identity
	enterprise  certified
	u2f         certified
	secrets     secrets
	pin         pinRecord
	counter     uint32
	persistent  persistentRecord
	settings    settingsRecord
	uv          uvRecord
	blobs       []byte // the serialised large-blob array
	fingers     []*finger
	credentials *credentials
}

// wipe overwrites what a reset replaces. The state cannot be used afterwards.
func (s *state) wipe() {
	s.secrets.wipe()
	clear(s.pin.Hash)
	clear(s.persistent.Token)
	for _, c := range s.credentials.byID {
		clear(c.private)
	}
	s.credentials = newCredentials()
}

// load reads the state from the store, or makes a factory-new one if the store
// is empty.
func (a *Authenticator) load() error {
	records, err := a.cfg.Store.Load()
	if err != nil {
		return fmt.Errorf("load state: %w", err)
	}
	defer func() {
		for _, b := range records {
			clear(b)
		}
	}()
	if len(records) == 0 {
		return a.manufacture()
	}
	l, err := parseState(records)
	if err != nil {
		return err
	}
	defer l.issuer.wipe()
	a.state = l.state
	if err := a.checkModel(); err != nil {
		return err
	}
	return a.complete(l)
}

// checkModel refuses a state that belongs to another model than the one asked
// for.
func (a *Authenticator) checkModel() error {
	if want := a.profile.AAGUID; want != (authdata.AAGUID{}) && want != a.state.identity.aaguid {
		return &ModelError{Stored: a.state.identity.aaguid, Asked: want}
	}
	return nil
}

// ModelError says that a stored key is of another model than the profile.
type ModelError struct{ Stored, Asked authdata.AAGUID }

// Error names both models.
func (e *ModelError) Error() string {
	return fmt.Sprintf("the stored key is of model %v, not %v", e.Stored, e.Asked)
}

// complete makes what a model wants of its keys and an earlier version did not
// make, or another model did not need. What is absent otherwise is as on a
// factory-new key.
func (a *Authenticator) complete(l *loader) error {
	var ch change
	if a.state.uv.Version == 0 {
		a.state.uv = a.freshUV()
	}
	if a.state.blobs == nil {
		a.state.blobs = emptyBlobs()
	}
	if err := a.certify(&ch, l.issuer); err != nil {
		return err
	}
	if a.state.persistent.Version == 0 {
		fresh, err := a.freshPersistent(&ch)
		if err != nil {
			return err
		}
		a.state.persistent = fresh
	}
	return a.apply(ch)
}

// manufacture makes a key that was never used and stores it.
func (a *Authenticator) manufacture() error {
	aaguid := or(a.profile.AAGUID, DefaultAAGUID)
	record, issuer, err := newIdentity(a.cfg.Rand, aaguid, a.profile.Attestation.Intermediate)
	if err != nil {
		return err
	}
	defer clear(record.RootKey)
	defer issuer.wipe()
	fresh, ch, err := a.factoryState()
	if err != nil {
		return err
	}
	if fresh.identity, err = record.parse(); err != nil {
		return err
	}
	ch.put(identityName, record)
	a.state = fresh
	if err := a.certify(&ch, issuer); err != nil {
		return err
	}
	return a.apply(ch)
}

// factoryState makes everything but the identity of an unused key, and the
// change that stores it.
func (a *Authenticator) factoryState() (state, change, error) {
	var ch change
	random := make([]byte, 2*secretSize)
	if _, err := io.ReadFull(a.cfg.Rand, random); err != nil {
		return state{}, ch, fmt.Errorf("secrets: %w", err)
	}
	s, err := newSecrets(secretsRecord{
		Version: recordVersion, Wrap: random[:secretSize:secretSize], Derive: random[secretSize:],
	})
	if err != nil {
		return state{}, ch, err
	}
	fresh := state{
		secrets:     s,
		pin:         pinRecord{Version: recordVersion, Hash: []byte{}, Retries: a.profile.PIN.Retries},
		uv:          a.freshUV(),
		blobs:       emptyBlobs(),
		credentials: newCredentials(),
	}
	if fresh.persistent, err = a.freshPersistent(&ch); err != nil {
		return state{}, ch, err
	}
	ch.put(secretsName, s.record)
	ch.put(pinName, fresh.pin)
	ch.put(counterName, counterRecord{Version: recordVersion})
	return fresh, ch, nil
}

// record is what is stored of a discoverable credential.
func (c *credential) record() credentialRecord {
	return credentialRecord{
		Version:      recordVersion,
		Algorithm:    int64(c.scheme.algorithm),
		Private:      c.private,
		Protect:      c.protect,
		Sequence:     c.sequence,
		RPID:         c.rp.ID,
		RPName:       c.rp.Name,
		UserID:       c.user.ID,
		UserName:     c.user.Name,
		DisplayName:  c.user.DisplayName,
		LargeBlobKey: c.largeBlobKey,
		Payment:      c.payment,
		CredBlob:     c.credBlob,
	}
}
