package manage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

// ErrKnown: what should hold known keys holds something else.
var ErrKnown = errors.New("these are no known keys")

// Known is what is kept of a key to know it again and to list its passkeys without
// its PIN: its persistent pinUvAuthToken (pcmr, CTAP 2.3 §6.5.5.7), which lists and
// does nothing else. It ends when the PIN is changed and when the key is reset.
type Known struct {
	Identifier []byte         `json:"deviceIdentifier"` // 16 bytes, until the next reset
	Protocol   pinuv.Protocol `json:"pinUvAuthProtocol"`
	Token      []byte         `json:"token"` // secret

	// StoreState is what the key's set of passkeys was called when it was last
	// listed, 16 bytes; empty where the key does not tell.
	StoreState []byte `json:"storeState,omitempty"`
}

// String hides the token from logs.
func (k Known) String() string { return fmt.Sprintf("manage.Known(%x)", k.Identifier) }

// GoString hides the token from logs.
func (k Known) GoString() string { return k.String() }

// Wipe overwrites the token.
func (k Known) Wipe() { clear(k.Token) }

// identifierSize is the size in bytes of identifiers and store states.
const identifierSize = 16

// knownKeys is the document that known keys are kept in.
type knownKeys struct {
	Version int     `json:"touchstoneKnownKeys"`
	Keys    []Known `json:"keys"`
}

const knownVersion = 1

// ParseKnown reads what [FormatKnown] wrote; anything else is [ErrKnown]. The error
// has nothing of the text, which may hold tokens.
func ParseKnown(text []byte) ([]Known, error) {
	var d knownKeys
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, fmt.Errorf("%w: no such JSON", ErrKnown)
	}
	if d.Version != knownVersion {
		return nil, fmt.Errorf("%w: version %d, want %d", ErrKnown, d.Version, knownVersion)
	}
	for i, k := range d.Keys {
		_, err := pinuv.NewToken(k.Protocol, k.Token)
		state := len(k.StoreState)
		if err != nil || len(k.Identifier) != identifierSize || state != 0 && state != identifierSize {
			return nil, fmt.Errorf("%w: key %d is not well formed", ErrKnown, i+1)
		}
	}
	return d.Keys, nil
}

// FormatKnown writes known keys as a JSON document, which is as secret as the
// tokens in it.
func FormatKnown(all []Known) ([]byte, error) {
	return json.MarshalIndent(knownKeys{knownVersion, append([]Known{}, all...)}, "", "  ")
}

// Remember puts a key among the known ones, in the place of what was known of it.
func Remember(all []Known, one Known) []Known {
	kept := []Known{one}
	for _, k := range all {
		if !bytes.Equal(k.Identifier, one.Identifier) {
			kept = append(kept, k)
		}
	}
	return kept
}

// Remembers is nil for a key that has a persistent token and an identifier to know
// it again by, [ctap2.ErrUnsupported] for another. It asks for nothing.
func (k *Key) Remembers() error {
	switch {
	case !k.option(ctap2.OptionPerCredMgmtRO):
		return unsupported("a persistent token to list passkeys with")
	case len(k.info.EncIdentifier) == 0:
		return unsupported("an identifier to know it again by")
	}
	return nil
}

// Recognize finds out which of the known keys this is, by its encIdentifier, of
// which only a token that is in force makes sense. Nothing is sent.
func (k *Key) Recognize(all []Known) (one Known, found bool) {
	for _, one := range all {
		id, err := k.info.DeviceIdentifier(one.Token)
		if err == nil && bytes.Equal(id, one.Identifier) {
			return one, true
		}
	}
	return Known{}, false
}

// StoreState is what a key that was recognized calls its set of passkeys: another
// name after each change of it. It is nil where the key does not tell.
func (k *Key) StoreState(one Known) []byte {
	state, err := k.info.CredentialStoreState(one.Token)
	if err != nil {
		return nil
	}
	return state
}

// KnownPasskeys is [Key.Passkeys] for looking only. A key that is among the known
// ones is listed without verifying the user. Of another one, and of one whose token
// is over, the user is verified once for permission pcmr. What is known now is
// returned with the list, for [Remember].
func (k *Key) KnownPasskeys(ctx context.Context, rp string, all []Known) (*Passkeys, Known, error) {
	if err := k.Remembers(); err != nil {
		return nil, Known{}, err
	}
	if one, found := k.Recognize(all); found {
		p, err := k.listKnown(ctx, rp, one)
		if !errors.Is(err, ctap2.StatusPINAuthInvalid) {
			one.StoreState = k.StoreState(one)
			return p, one, err
		}
	}
	one, err := k.introduce(ctx)
	if err != nil {
		return nil, Known{}, err
	}
	p, err := k.listKnown(ctx, rp, one)
	return p, one, err
}

// introduce verifies the user, and makes the key a known one.
func (k *Key) introduce(ctx context.Context) (one Known, err error) {
	token, err := k.authorize(ctx, ctap2.PermissionPersistentReadOnly)
	if err != nil {
		return one, err
	}
	one = Known{Protocol: token.Protocol(), Token: token.Bytes()}
	if one.Identifier, err = k.identifyTwice(ctx, one); err != nil {
		one.Wipe()
		return Known{}, err
	}
	one.StoreState = k.StoreState(one)
	return one, nil
}

// identifyTwice reads the key's identifier from two answers, each of which hides it
// differently: only from the right ones is it the same.
func (k *Key) identifyTwice(ctx context.Context, one Known) ([]byte, error) {
	id, err := k.identify(ctx, one)
	if err != nil {
		return nil, err
	}
	again, err := k.identify(ctx, one)
	if err == nil && !bytes.Equal(id, again) {
		err = unsupported("an identifier that stays the same")
	}
	return id, err
}

// identify asks the key anew what it is, and reads its identifier.
func (k *Key) identify(ctx context.Context, one Known) ([]byte, error) {
	info, err := k.conn.GetInfo(ctx)
	if err != nil {
		return nil, err
	}
	k.info = info
	return info.DeviceIdentifier(one.Token)
}

// listKnown lists passkeys with a copy of a persistent token.
func (k *Key) listKnown(ctx context.Context, rp string, one Known) (*Passkeys, error) {
	token, err := pinuv.NewToken(one.Protocol, bytes.Clone(one.Token))
	if err != nil {
		return nil, err
	}
	return k.listWith(ctx, rp, token)
}
