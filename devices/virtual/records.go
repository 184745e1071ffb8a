package virtual

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// Names of the records. A key that was ever set up has each of the first four,
// and one of the last for each discoverable credential.
const (
	identityName     = "identity"
	secretsName      = "secrets"
	pinName          = "pin"
	counterName      = "counter"
	credentialPrefix = "credential/" // and the ID in hexadecimal
)

// recordVersion is the format of every record below.
const recordVersion = 1

// identityRecord is what makes the key one of its model. It survives a reset.
// The root key is kept so that a later version can issue more certificates.
type identityRecord struct {
	Version  uint   `cbor:"0,keyasint"`
	AAGUID   []byte `cbor:"1,keyasint"`
	RootKey  []byte `cbor:"2,keyasint"`
	RootCert []byte `cbor:"3,keyasint"` // DER
	Key      []byte `cbor:"4,keyasint"` // of attestations
	Cert     []byte `cbor:"5,keyasint"` // DER
}

// secretsRecord is what credential IDs and their secrets are made with.
type secretsRecord struct {
	Version uint   `cbor:"0,keyasint"`
	Wrap    []byte `cbor:"1,keyasint"`
	Derive  []byte `cbor:"2,keyasint"`
}

// pinRecord is the PIN and its retry counter.
type pinRecord struct {
	Version     uint   `cbor:"0,keyasint"`
	Hash        []byte `cbor:"1,keyasint"` // LEFT(SHA-256(PIN), 16); empty when no PIN is set
	Length      uint   `cbor:"2,keyasint"` // code points
	Retries     uint   `cbor:"3,keyasint"`
	ForceChange bool   `cbor:"4,keyasint"`
}

func (p pinRecord) set() bool { return len(p.Hash) > 0 }

// counterRecord is the signature counter of all credentials.
type counterRecord struct {
	Version uint   `cbor:"0,keyasint"`
	Value   uint32 `cbor:"1,keyasint"` // the last one given
}

// credentialRecord is a discoverable credential.
type credentialRecord struct {
	Version     uint   `cbor:"0,keyasint"`
	Algorithm   int64  `cbor:"1,keyasint"`
	Private     []byte `cbor:"2,keyasint"`
	Protect     uint8  `cbor:"3,keyasint"`
	Sequence    uint64 `cbor:"4,keyasint"`
	RPID        string `cbor:"5,keyasint"`
	RPName      string `cbor:"6,keyasint"`
	UserID      []byte `cbor:"7,keyasint"`
	UserName    string `cbor:"8,keyasint"`
	DisplayName string `cbor:"9,keyasint"`
}

func credentialName(id []byte) string { return credentialPrefix + hex.EncodeToString(id) }

// credentialID undoes credentialName.
func credentialID(name string) ([]byte, bool) {
	s, ok := strings.CutPrefix(name, credentialPrefix)
	id, err := hex.DecodeString(s)
	return id, ok && err == nil && credentialName(id) == name
}

// RecordError says which record of a store cannot be used.
type RecordError struct {
	Name string
	Err  error
}

// Error names the record and the reason, and nothing of what is in it.
func (e *RecordError) Error() string { return fmt.Sprintf("record %q: %v", e.Name, e.Err) }

// Unwrap returns the reason.
func (e *RecordError) Unwrap() error { return e.Err }

// Reasons of a [RecordError].
var (
	// ErrCorrupt: the record is not what a key would have written.
	ErrCorrupt = errors.New("corrupt")
	// ErrNewer: a later version of Touchstone wrote the record.
	ErrNewer = errors.New("written by a later version")
	// ErrMissing: other records are there and this one is not.
	ErrMissing = errors.New("missing")
	// ErrUnknown: a record that this version does not know.
	ErrUnknown = errors.New("unknown")
)

// decodeRecord reads one record into a pointer to its type. A record is
// accepted only if encoding what was read gives the same bytes.
func decodeRecord(b []byte, into any) error {
	var header struct {
		Version uint `cbor:"0,keyasint"`
	}
	if wire.Decode(b, &header) != nil || header.Version == 0 {
		return ErrCorrupt
	}
	if header.Version > recordVersion {
		return fmt.Errorf("%w: format %d, this one reads %d", ErrNewer, header.Version, recordVersion)
	}
	if wire.Decode(b, into) != nil {
		return ErrCorrupt
	}
	again, err := wire.Encode(into)
	defer clear(again)
	if err != nil || !bytes.Equal(again, b) {
		return ErrCorrupt
	}
	return nil
}

// change collects what one Apply will do. The first error is kept until then.
type change struct {
	puts    map[string][]byte
	deletes []string
	err     error
}

func (ch *change) put(name string, record any) {
	b, err := wire.Encode(record)
	if err != nil && ch.err == nil {
		ch.err = fmt.Errorf("record %q: %w", name, err)
	}
	if ch.puts == nil {
		ch.puts = map[string][]byte{}
	}
	ch.puts[name] = b
}

func (ch *change) delete(name string) { ch.deletes = append(ch.deletes, name) }

// apply makes a change durable. The caller changes the state in memory
// afterwards, and leaves it as it was when apply fails.
func (a *Authenticator) apply(ch change) error {
	if ch.err != nil || len(ch.puts)+len(ch.deletes) == 0 {
		return ch.err
	}
	err := a.cfg.Store.Apply(ch.puts, ch.deletes)
	for _, b := range ch.puts {
		clear(b)
	}
	if err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	return nil
}
