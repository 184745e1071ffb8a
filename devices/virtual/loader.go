package virtual

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
)

// parseState reads all records. The error is a [*RecordError].
func parseState(records map[string][]byte) (*loader, error) {
	for _, name := range []string{identityName, secretsName, pinName, counterName} {
		if _, ok := records[name]; !ok {
			return nil, &RecordError{Name: name, Err: ErrMissing}
		}
	}
	l := &loader{state: state{credentials: newCredentials()}}
	for name, b := range records {
		if err := l.record(name, b); err != nil {
			return nil, &RecordError{Name: name, Err: err}
		}
	}
	return l, l.finish()
}

// loader builds a state from records.
type loader struct {
	state  state
	issuer authority // of attestation certificates
	found  []*credential
	counts []countOf
	blobs  []blobOf
}

type countOf struct {
	id    []byte
	value uint32
}

type blobOf struct {
	id   []byte
	blob blob
}

// readers have the records with names of their own.
var readers = map[string]func(*loader, []byte) error{
	identityName:   (*loader).identity,
	secretsName:    (*loader).secrets,
	pinName:        (*loader).pin,
	counterName:    (*loader).counter,
	persistentName: (*loader).persistent,
	settingsName:   func(l *loader, b []byte) error { return decodeRecord(b, &l.state.settings) },
	uvName:         (*loader).uv,
	blobsName:      (*loader).largeBlobs,
	enterpriseName: func(l *loader, b []byte) error { return l.certified(b, &l.state.enterprise) },
	u2fName:        func(l *loader, b []byte) error { return l.certified(b, &l.state.u2f) },
}

// listReaders have those of which there can be many.
var listReaders = map[string]func(l *loader, id, b []byte) error{
	credentialPrefix: (*loader).credential,
	countPrefix:      (*loader).count,
	blobPrefix:       (*loader).blob,
	fingerPrefix:     (*loader).finger,
}

func (l *loader) record(name string, b []byte) error {
	if read, ok := readers[name]; ok {
		return read(l, b)
	}
	kind, _, _ := strings.Cut(name, "/")
	read, ok := listReaders[kind+"/"]
	if !ok {
		return ErrUnknown
	}
	id, ok := idIn(name, kind+"/")
	if !ok {
		return ErrUnknown
	}
	return read(l, id, b)
}

func (l *loader) identity(b []byte) error {
	var r identityRecord
	if err := decodeRecord(b, &r); err != nil {
		return err
	}
	var err error
	if l.state.identity, err = r.parse(); err == nil {
		l.issuer, err = r.issuer()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return nil
}

func (l *loader) certified(b []byte, into *certified) error {
	var r certifiedRecord
	if err := decodeRecord(b, &r); err != nil {
		return err
	}
	var err error
	if *into, err = r.parse(); err != nil {
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

func (l *loader) persistent(b []byte) error {
	var r persistentRecord
	if err := decodeRecord(b, &r); err != nil {
		return err
	}
	if len(r.Token) != tokenSize || len(r.DeviceID) != deviceIDSize || len(r.StoreState) != storeStateSize {
		return ErrCorrupt
	}
	l.state.persistent = r
	return nil
}

func (l *loader) uv(b []byte) error {
	var r uvRecord
	if err := decodeRecord(b, &r); err != nil {
		return err
	}
	if r.Retries > maxUVRetries {
		return ErrCorrupt
	}
	l.state.uv = r
	return nil
}

func (l *loader) largeBlobs(b []byte) error {
	var r blobsRecord
	if err := decodeRecord(b, &r); err != nil {
		return err
	}
	if !blobsIntact(r.Array) {
		return ErrCorrupt
	}
	l.state.blobs = r.Array
	return nil
}

func (l *loader) credential(id, b []byte) error {
	if len(id) < minDiscoverableIDSize || len(id) > authdata.MaxCredentialID {
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

func (l *loader) count(id, b []byte) error {
	var r counterRecord
	if err := decodeRecord(b, &r); err != nil {
		return err
	}
	l.counts = append(l.counts, countOf{id, r.Value})
	return nil
}

func (l *loader) blob(id, b []byte) error {
	var r blobRecord
	if err := decodeRecord(b, &r); err != nil {
		return err
	}
	l.blobs = append(l.blobs, blobOf{id, blob{data: r.Data, originalSize: r.OriginalSize}})
	return nil
}

func (l *loader) finger(id, b []byte) error {
	var r fingerRecord
	if err := decodeRecord(b, &r); err != nil {
		return err
	}
	if r.Finger == "" {
		return ErrCorrupt
	}
	l.state.fingers = append(l.state.fingers, &finger{id: id, finger: r.Finger, name: r.Name, sequence: r.Sequence})
	return nil
}

// finish indexes the credentials, checks that no two of them are for the same
// account, and that what belongs to one belongs to one that is there.
func (l *loader) finish() error {
	s := l.state.credentials
	s.addAll(l.found)
	for _, c := range l.found {
		if s.ofUser(c.rpIDHash, c.user.ID) != c {
			return &RecordError{Name: credentialName(c.id), Err: fmt.Errorf("%w: replaced by another", ErrCorrupt)}
		}
	}
	slices.SortFunc(l.state.fingers, func(a, b *finger) int { return cmp.Compare(a.sequence, b.sequence) })
	return l.attach()
}

func (l *loader) attach() error {
	byID := l.state.credentials.byID
	for _, count := range l.counts {
		c := byID[string(count.id)]
		if c == nil {
			return &RecordError{Name: countName(count.id), Err: errOrphan}
		}
		c.count, c.counted = count.value, true
	}
	for _, b := range l.blobs {
		c := byID[string(b.id)]
		if c == nil {
			return &RecordError{Name: blobName(b.id), Err: errOrphan}
		}
		c.blob = &b.blob
	}
	return nil
}

var errOrphan = fmt.Errorf("%w: of a credential that is not there", ErrCorrupt)

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
	case !s.valid(r.Private):
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
		count:        1, // what its makeCredential told
		largeBlobKey: r.LargeBlobKey,
		payment:      r.Payment,
		credBlob:     r.CredBlob,
	}, nil
}
