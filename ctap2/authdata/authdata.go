// Package authdata reads and writes authenticator data, the bytes that every
// attestation and assertion signature covers (WebAuthn L3 §6.1).
//
//	d, err := authdata.Parse(b)
//	if d.Flags.Has(authdata.FlagUV) { ... }
package authdata

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// Flags is the flags byte of authenticator data.
type Flags byte

// The flags (WebAuthn L3 §6.1).
const (
	FlagUP Flags = 1 << 0 // user present
	FlagUV Flags = 1 << 2 // user verified
	FlagBE Flags = 1 << 3 // backup eligible
	FlagBS Flags = 1 << 4 // backup state
	FlagAT Flags = 1 << 6 // attested credential data included
	FlagED Flags = 1 << 7 // extension data included
)

const reserved = Flags(1<<1 | 1<<5)

// Has reports whether all flags of f are set.
func (f Flags) Has(want Flags) bool { return f&want == want }

// Reserved returns the flags that the standard keeps for later and that are
// set all the same.
func (f Flags) Reserved() Flags { return f & reserved }

// String lists the names of the set flags, such as "UP UV AT".
func (f Flags) String() string {
	names := []string{"UP", "RFU1", "UV", "BE", "BS", "RFU2", "AT", "ED"}
	s := ""
	for i, name := range names {
		if f&(1<<i) != 0 {
			if s != "" {
				s += " "
			}
			s += name
		}
	}
	return s
}

// Sizes of the fixed parts, in bytes.
const (
	headSize        = 32 + 1 + 4
	MaxCredentialID = 1023 // WebAuthn L3 §6.5.1
)

// Data is parsed authenticator data.
type Data struct {
	RPIDHash   [32]byte // SHA-256 of the relying party ID
	Flags      Flags
	SignCount  uint32
	Credential *Credential         // attested credential data, nil without FlagAT
	Extensions map[string]wire.Raw // extension outputs, nil without FlagED
}

// AAGUID is the model of an authenticator, a UUID that all keys of one model
// share. It is zero where the authenticator does not tell.
type AAGUID [16]byte

// String is the UUID form, such as cb69481e-8ff7-4039-93ec-0a2729a154a8.
func (a AAGUID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", a[:4], a[4:6], a[6:8], a[8:10], a[10:])
}

// Credential is attested credential data (WebAuthn L3 §6.5.1).
type Credential struct {
	AAGUID    AAGUID
	ID        []byte
	Key       cose.Key
	PublicKey []byte // the COSE_Key as it was sent
}

// Errors of [Parse].
var (
	// ErrTruncated: the data ends before what its flags announce.
	ErrTruncated = errors.New("authenticator data is cut short")
	// ErrTrailing: bytes follow what the flags announce.
	ErrTrailing = errors.New("authenticator data has trailing bytes")
)

// Parse reads authenticator data, all of it. Reserved flags are kept, not
// refused; [Flags.Reserved] tells them.
func Parse(b []byte) (Data, error) {
	if len(b) < headSize {
		return Data{}, fmt.Errorf("%w: %d bytes, want at least %d", ErrTruncated, len(b), headSize)
	}
	d := Data{Flags: Flags(b[32]), SignCount: binary.BigEndian.Uint32(b[33:37])}
	copy(d.RPIDHash[:], b)
	rest := b[headSize:]
	var err error
	if d.Flags.Has(FlagAT) {
		if d.Credential, rest, err = parseCredential(rest); err != nil {
			return Data{}, err
		}
	}
	if d.Flags.Has(FlagED) {
		if d.Extensions, rest, err = parseExtensions(rest); err != nil {
			return Data{}, err
		}
	}
	if len(rest) > 0 {
		return Data{}, fmt.Errorf("%w: %d", ErrTrailing, len(rest))
	}
	return d, nil
}

func parseCredential(b []byte) (*Credential, []byte, error) {
	if len(b) < 18 {
		return nil, nil, fmt.Errorf("%w: attested credential data of %d bytes", ErrTruncated, len(b))
	}
	c := &Credential{}
	copy(c.AAGUID[:], b)
	n := int(binary.BigEndian.Uint16(b[16:18]))
	b = b[18:]
	if n > MaxCredentialID {
		return nil, nil, fmt.Errorf("credential ID of %d bytes, the most is %d", n, MaxCredentialID)
	}
	if len(b) < n {
		return nil, nil, fmt.Errorf("%w: credential ID of %d bytes, %d left", ErrTruncated, n, len(b))
	}
	c.ID, b = b[:n:n], b[n:]
	key, rest, err := cose.ParseFirst(b)
	if err != nil {
		return nil, nil, fmt.Errorf("credential public key: %w", err)
	}
	c.Key = key
	c.PublicKey = b[: len(b)-len(rest) : len(b)-len(rest)]
	return c, rest, nil
}

func parseExtensions(b []byte) (map[string]wire.Raw, []byte, error) {
	if len(b) == 0 {
		return nil, nil, fmt.Errorf("%w: extension data announced, none there", ErrTruncated)
	}
	var m map[string]wire.Raw
	rest, err := wire.DecodeFirst(b, &m)
	if err != nil {
		return nil, nil, fmt.Errorf("extension data: %w", err)
	}
	if m == nil {
		return nil, nil, errors.New("extension data is not a map")
	}
	return m, rest, nil
}

// Extension decodes the output of the named extension into v. It returns false
// when the extension has no output.
func (d Data) Extension(name string, v any) (bool, error) {
	raw, ok := d.Extensions[name]
	if !ok {
		return false, nil
	}
	if err := wire.Decode(raw, v); err != nil {
		return true, fmt.Errorf("extension %s: %w", name, err)
	}
	return true, nil
}

// Bytes encodes the data. FlagAT and FlagED follow from Credential and
// Extensions being set; the public key is written from PublicKey, or from Key
// when PublicKey is empty.
func (d Data) Bytes() ([]byte, error) {
	flags := d.Flags &^ (FlagAT | FlagED)
	if d.Credential != nil {
		flags |= FlagAT
	}
	if d.Extensions != nil {
		flags |= FlagED
	}
	b := append(d.RPIDHash[:len(d.RPIDHash):len(d.RPIDHash)], byte(flags))
	b = binary.BigEndian.AppendUint32(b, d.SignCount)
	b, err := d.Credential.append(b)
	if err != nil || d.Extensions == nil {
		return b, err
	}
	ext, err := encodeExtensions(d.Extensions)
	return append(b, ext...), err
}

// encodeExtensions sorts the names and passes each output on as it is.
func encodeExtensions(m map[string]wire.Raw) (wire.Raw, error) {
	var keys []wire.Raw
	outputs := map[string]wire.Raw{}
	for name, output := range m {
		key, err := wire.Encode(name)
		if err != nil {
			return nil, fmt.Errorf("extension data: %w", err)
		}
		keys = append(keys, key)
		outputs[string(key)] = output
	}
	slices.SortFunc(keys, func(a, b wire.Raw) int { return wire.Compare(a, b) })
	var items []wire.Raw
	for _, key := range keys {
		items = append(items, key, outputs[string(key)])
	}
	return wire.Map(items...), nil
}

func (c *Credential) append(b []byte) ([]byte, error) {
	if c == nil {
		return b, nil
	}
	if len(c.ID) > MaxCredentialID {
		return nil, fmt.Errorf("credential ID of %d bytes, the most is %d", len(c.ID), MaxCredentialID)
	}
	key := c.PublicKey
	if len(key) == 0 {
		var err error
		if key, err = c.Key.MarshalCBOR(); err != nil {
			return nil, err
		}
	}
	b = append(b, c.AAGUID[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(c.ID)))
	return append(append(b, c.ID...), key...), nil
}
