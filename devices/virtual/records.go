package virtual

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// Names of the records. A key that was ever set up has each of the first four.
// The others are there when there is something to remember.
const (
	identityName   = "identity"
	secretsName    = "secrets"
	pinName        = "pin"
	counterName    = "counter"
	persistentName = "persistent"
	settingsName   = "settings"
	uvName         = "uv"
	blobsName      = "blobs"
	enterpriseName = "attestation/enterprise"
	u2fName        = "attestation/u2f"

	credentialPrefix = "credential/" // and the ID in hexadecimal
	countPrefix      = "count/"      // the same, of a counter of its own
	blobPrefix       = "blob/"       // the same, of a largeBlob extension's blob
	fingerPrefix     = "finger/"     // and the template ID in hexadecimal
)

// recordVersion is the format that records are written in. Format 1 is the same
// without the members and records that came with 2.
const recordVersion = 2

// identityRecord is what makes the key one of its model. It survives a reset.
// The root key is kept so that a later version can issue more certificates.
type identityRecord struct {
	Version  uint   `cbor:"0,keyasint"`
	AAGUID   []byte `cbor:"1,keyasint"`
	RootKey  []byte `cbor:"2,keyasint"`
	RootCert []byte `cbor:"3,keyasint"` // DER
	Key      []byte `cbor:"4,keyasint"` // of attestations
	Cert     []byte `cbor:"5,keyasint"` // DER
	// Of an authority between root and certificate; since format 2.
	IssuerKey  []byte `cbor:"6,keyasint,omitempty"`
	IssuerCert []byte `cbor:"7,keyasint,omitempty"` // DER
}

// certifiedRecord is a further attestation key with its certificate.
type certifiedRecord struct {
	Version uint   `cbor:"0,keyasint"`
	Key     []byte `cbor:"1,keyasint"`
	Cert    []byte `cbor:"2,keyasint"` // DER
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
	Complex     bool   `cbor:"5,keyasint,omitempty"` // keeps to the complexity policy; since format 2
}

func (p pinRecord) set() bool { return len(p.Hash) > 0 }

// persistentRecord is the persistent pinUvAuthToken and what it opens.
type persistentRecord struct {
	Version    uint   `cbor:"0,keyasint"`
	Token      []byte `cbor:"1,keyasint"`
	DeviceID   []byte `cbor:"2,keyasint"`
	StoreState []byte `cbor:"3,keyasint"` // another one whenever the set of credentials changes
}

// settingsRecord is what authenticatorConfig has changed.
type settingsRecord struct {
	Version         uint     `cbor:"0,keyasint"`
	AlwaysUVToggled bool     `cbor:"1,keyasint"`
	MinPINLength    uint     `cbor:"2,keyasint"` // 0: as the model has it
	RPIDs           []string `cbor:"3,keyasint,omitempty"`
	Complexity      bool     `cbor:"4,keyasint"`
	Enterprise      bool     `cbor:"5,keyasint"`
	EnterpriseOff   bool     `cbor:"6,keyasint"` // by a reset, of a model that comes with it on
	LongTouch       bool     `cbor:"7,keyasint"`
}

// uvRecord counts tries of built-in user verification.
type uvRecord struct {
	Version  uint `cbor:"0,keyasint"`
	Retries  uint `cbor:"1,keyasint"`
	SincePIN uint `cbor:"2,keyasint"` // tries, good ones too, since the PIN was right
}

// blobsRecord is the serialised large-blob array.
type blobsRecord struct {
	Version uint   `cbor:"0,keyasint"`
	Array   []byte `cbor:"1,keyasint"`
}

// fingerRecord is a fingerprint.
type fingerRecord struct {
	Version  uint   `cbor:"0,keyasint"`
	Finger   string `cbor:"1,keyasint"` // of the simulated user
	Name     string `cbor:"2,keyasint"` // templateFriendlyName
	Sequence uint64 `cbor:"3,keyasint"`
}

// blobRecord is the blob of a credential (largeBlob extension).
type blobRecord struct {
	Version      uint   `cbor:"0,keyasint"`
	Data         []byte `cbor:"1,keyasint"`
	OriginalSize uint64 `cbor:"2,keyasint"`
}

// counterRecord is the signature counter of all credentials, or of one.
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

	// Since format 2.
	LargeBlobKey bool   `cbor:"10,keyasint,omitempty"`
	Payment      bool   `cbor:"11,keyasint,omitempty"`
	CredBlob     []byte `cbor:"12,keyasint,omitempty"`
}

func credentialName(id []byte) string { return credentialPrefix + hex.EncodeToString(id) }
func countName(id []byte) string      { return countPrefix + hex.EncodeToString(id) }
func blobName(id []byte) string       { return blobPrefix + hex.EncodeToString(id) }
func fingerName(id []byte) string     { return fingerPrefix + hex.EncodeToString(id) }

// idIn takes the ID out of a record's name.
func idIn(name, prefix string) ([]byte, bool) {
	s, ok := strings.CutPrefix(name, prefix)
	id, err := hex.DecodeString(s)
	return id, ok && err == nil && len(id) > 0 && prefix+hex.EncodeToString(id) == name
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
	then    []func()
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

// after has f change the state in memory once the change is durable.
func (ch *change) after(f func()) { ch.then = append(ch.then, f) }

// apply makes a change durable. What the caller changes in memory itself it
// changes afterwards, and leaves as it was when apply fails.
func (a *Authenticator) apply(ch change) error {
	if ch.err != nil {
		return ch.err
	}
	if err := a.store(ch); err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	for _, f := range ch.then {
		f()
	}
	return nil
}

func (a *Authenticator) store(ch change) error {
	if len(ch.puts)+len(ch.deletes) == 0 {
		return nil
	}
	defer func() {
		for _, b := range ch.puts {
			clear(b)
		}
	}()
	return a.cfg.Store.Apply(ch.puts, ch.deletes)
}
