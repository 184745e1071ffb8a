package virtual

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
)

// state is what a key remembers without power. It is always the same as the
// records in the store.
type state struct {
	identity    identity
	secrets     secrets
	pin         pinRecord
	counter     uint32
	credentials *credentials
}

// wipe overwrites what a reset replaces. The state cannot be used afterwards.
func (s *state) wipe() {
	s.secrets.wipe()
	clear(s.pin.Hash)
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
	if a.state, err = parseState(records); err != nil {
		return err
	}
	return a.checkModel()
}

// parseState reads all records. The error is a [*RecordError].
func parseState(records map[string][]byte) (state, error) {
	for _, name := range []string{identityName, secretsName, pinName, counterName} {
		if _, ok := records[name]; !ok {
			return state{}, &RecordError{Name: name, Err: ErrMissing}
		}
	}
	l := loader{state: state{credentials: newCredentials()}}
	for name, b := range records {
		if err := l.record(name, b); err != nil {
			return state{}, &RecordError{Name: name, Err: err}
		}
	}
	return l.finish()
}

// checkModel refuses a state that belongs to another model than the one asked
// for.
func (a *Authenticator) checkModel() error {
	if want := a.cfg.AAGUID; want != (authdata.AAGUID{}) && want != a.state.identity.aaguid {
		return fmt.Errorf("the stored key is of model %v, not %v", a.state.identity.aaguid, want)
	}
	return nil
}

// manufacture makes a key that was never used and stores it.
func (a *Authenticator) manufacture() error {
	aaguid := a.cfg.AAGUID
	if aaguid == (authdata.AAGUID{}) {
		aaguid = DefaultAAGUID
	}
	record, err := newIdentity(a.cfg.Rand, aaguid)
	if err != nil {
		return err
	}
	defer clear(record.RootKey)
	fresh, ch, err := a.factoryState()
	if err != nil {
		return err
	}
	if fresh.identity, err = record.parse(); err != nil {
		return err
	}
	ch.put(identityName, record)
	if err := a.apply(ch); err != nil {
		return err
	}
	a.state = fresh
	return nil
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
		pin:         pinRecord{Version: recordVersion, Hash: []byte{}, Retries: maxPINRetries},
		credentials: newCredentials(),
	}
	ch.put(secretsName, s.record)
	ch.put(pinName, fresh.pin)
	ch.put(counterName, counterRecord{Version: recordVersion})
	return fresh, ch, nil
}

// loader builds a state from records.
type loader struct {
	state state
	found []*credential
}

func (l *loader) record(name string, b []byte) error {
	switch {
	case name == identityName:
		return l.identity(b)
	case name == secretsName:
		return l.secrets(b)
	case name == pinName:
		return l.pin(b)
	case name == counterName:
		return l.counter(b)
	case strings.HasPrefix(name, credentialPrefix):
		return l.credential(name, b)
	}
	return ErrUnknown
}

func (l *loader) identity(b []byte) error {
	var r identityRecord
	if err := decodeRecord(b, &r); err != nil {
		return err
	}
	clear(r.RootKey) // nothing is issued yet by a key that was loaded
	var err error
	if l.state.identity, err = r.parse(); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return nil
}

func (l *loader) secrets(b []byte) error {
	var r secretsRecord
	if err := decodeRecord(b, &r); err != nil {
		return err
	}
	if len(r.Wrap) != secretSize || len(r.Derive) != secretSize {
		return ErrCorrupt
	}
	var err error
	l.state.secrets, err = newSecrets(r)
	return err
}

func (l *loader) pin(b []byte) error {
	var r pinRecord
	if err := decodeRecord(b, &r); err != nil {
		return err
	}
	if r.Retries > maxPINRetries || r.set() && len(r.Hash) != 16 {
		return ErrCorrupt
	}
	l.state.pin = r
	return nil
}

func (l *loader) counter(b []byte) error {
	var r counterRecord
	if err := decodeRecord(b, &r); err != nil {
		return err
	}
	l.state.counter = r.Value
	return nil
}

func (l *loader) credential(name string, b []byte) error {
	id, ok := credentialID(name)
	if !ok || len(id) != discoverableIDSize {
		return ErrUnknown
	}
	var r credentialRecord
	if err := decodeRecord(b, &r); err != nil {
		return err
	}
	c, err := r.parse(id)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	l.found = append(l.found, c)
	return nil
}

// finish indexes the credentials and checks that no two of them are for the
// same account.
func (l *loader) finish() (state, error) {
	s := l.state.credentials
	s.addAll(l.found)
	for _, c := range l.found {
		if s.ofUser(c.rpIDHash, c.user.ID) != c {
			return state{}, &RecordError{Name: credentialName(c.id), Err: fmt.Errorf("%w: replaced by another", ErrCorrupt)}
		}
	}
	return l.state, nil
}

// parse makes a credential of its record.
func (r credentialRecord) parse(id []byte) (*credential, error) {
	s := schemeOf(cose.Algorithm(r.Algorithm))
	switch {
	case s == nil:
		return nil, errors.New("unknown algorithm")
	case len(r.Private) != privateKeySize:
		return nil, errors.New("private key of a wrong size")
	case r.Protect < protectOptional || r.Protect > protectRequired:
		return nil, errors.New("unknown credProtect level")
	case r.RPID == "" || len(r.UserID) == 0 || len(r.UserID) > maxUserID:
		return nil, errors.New("no relying party or no user")
	}
	if _, err := s.signer(r.Private); err != nil {
		return nil, errors.New("not a private key")
	}
	return &credential{
		id:           id,
		rpIDHash:     sha256.Sum256([]byte(r.RPID)),
		scheme:       s,
		private:      r.Private,
		protect:      r.Protect,
		discoverable: true,
		rp:           rpEntity{ID: r.RPID, Name: r.RPName},
		user:         userEntity{ID: r.UserID, Name: r.UserName, DisplayName: r.DisplayName},
		sequence:     r.Sequence,
	}, nil
}

// record is what is stored of a discoverable credential.
func (c *credential) record() credentialRecord {
	return credentialRecord{
		Version:     recordVersion,
		Algorithm:   int64(c.scheme.algorithm),
		Private:     c.private,
		Protect:     c.protect,
		Sequence:    c.sequence,
		RPID:        c.rp.ID,
		RPName:      c.rp.Name,
		UserID:      c.user.ID,
		UserName:    c.user.Name,
		DisplayName: c.user.DisplayName,
	}
}
