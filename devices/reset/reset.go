// Package reset takes a security key back to its factory state
// (authenticatorReset, CTAP 2.3 §6.6), in a way that hits no other key: it reads
// what the key says of itself, the caller has it taken out and put back, as most
// keys want, and what came back is held against what was there.
//
//	before, err := reset.Read(ctx, conn)
//	err = before.Allowed()
//	... // say what is lost, have the key put back within the Window
//	after, err := reset.Read(ctx, again)
//	err = after.Same(before)
//	err = after.Reset(ctx)
//	state, err := after.Look(ctx)
//
// It asks nobody and prints nothing.
package reset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/devices"
)

// Window is how long after power-up a key without a display takes a reset
// (CTAP 2.3 §6.6).
const Window = 10 * time.Second

// Errors of resetting a key.
var (
	// ErrU2FOnly: the key has U2F only, which has no reset.
	ErrU2FOnly = errors.New("this key has U2F only, and U2F has no reset")
	// ErrLate: the key was powered up longer ago than the [Window]. Nothing was
	// changed. Matches [ctap2.StatusNotAllowed].
	ErrLate = errors.New("the key takes a reset only in the first ten seconds after it got power")
	// ErrShortTouch: the key wants a long touch for a reset and did not get it.
	// Nothing was changed. Matches [ctap2.StatusOperationDenied].
	ErrShortTouch = errors.New("the key wants a touch of several seconds for a reset")
)

// TransportError says that a key takes a reset over other transports than the
// one that it is reached by (transportsForReset).
type TransportError struct {
	Have devices.Transport
	Want []string
}

// Error names them.
func (e *TransportError) Error() string {
	return fmt.Sprintf("this key takes a reset over %s only, and not over %s", strings.Join(e.Want, ", "), e.Have)
}

// OtherKeyError says that the key that was put back is not the one that was
// taken out. Nothing was changed.
type OtherKeyError struct{ Differs string }

// Error says in what they differ.
func (e *OtherKeyError) Error() string {
	return "this is another key than before: its " + e.Differs + " differs; nothing was reset"
}

// Key is an open key with what it said of itself.
type Key struct {
	conn *devices.Conn
	Info *ctap2.Info
}

// Read asks a key what it is.
func Read(ctx context.Context, conn *devices.Conn) (*Key, error) {
	info, err := conn.GetInfo(ctx)
	if err != nil {
		return nil, err
	}
	return &Key{conn: conn, Info: info}, nil
}

// Allowed is nil for a key that can be reset as it is reached now, and else
// [ErrU2FOnly] or a [*TransportError].
func (k *Key) Allowed() error {
	here, over := k.conn.Info.Transport, k.Info.TransportsForReset
	switch {
	case !slices.ContainsFunc(k.Info.Versions, func(v string) bool { return strings.HasPrefix(v, "FIDO_2") }):
		return ErrU2FOnly
	case len(over) > 0 && !slices.Contains(over, string(here)):
		return &TransportError{Have: here, Want: over}
	}
	return nil
}

// Same is nil if this is the key that was there before, as far as a key can be
// told from another one: what the system and the framing tell of it, and getInfo
// but for members that are encrypted anew each time or that this program does not
// know. What differs is an [*OtherKeyError].
func (k *Key) Same(before *Key) error {
	was, is := before.conn.Info, k.conn.Info
	for _, fact := range []struct {
		name string
		same bool
	}{
		{"transport", was.Transport == is.Transport},
		{"vendor", was.VendorID == is.VendorID && was.Manufacturer == is.Manufacturer},
		{"product", was.ProductID == is.ProductID && was.Product == is.Product},
		{"serial number", was.Serial == is.Serial},
		{"answer to reset", bytes.Equal(was.ATR, is.ATR)},
		{"firmware", before.conn.Protocol.DeviceVersion == k.conn.Protocol.DeviceVersion},
	} {
		if !fact.same {
			return &OtherKeyError{Differs: fact.name}
		}
	}
	return sameInfo(before.Info, k.Info)
}

// sameInfo compares the members of getInfo in the order of their numbers.
func sameInfo(was, is *ctap2.Info) error {
	all := maps.Clone(was.Members)
	maps.Copy(all, is.Members)
	for _, number := range slices.Sorted(maps.Keys(all)) {
		member := ctap2.InfoMember(number)
		switch {
		case member == ctap2.InfoEncIdentifier, member == ctap2.InfoEncCredStoreState, member > ctap2.InfoAuthenticatorConfigCommands:
			continue
		case !bytes.Equal(was.Members[number], is.Members[number]):
			return &OtherKeyError{Differs: member.String()}
		}
	}
	return nil
}

// Reset resets the key. It waits for a touch, which has to be a long one where
// getInfo says longTouchForReset. When ctx ends before that, the key is told so
// and nothing is changed.
func (k *Key) Reset(ctx context.Context) error {
	err := k.conn.Reset(ctx)
	switch {
	case errors.Is(err, ctap2.StatusNotAllowed):
		return fmt.Errorf("%w: %w", ErrLate, err)
	case errors.Is(err, ctap2.StatusOperationDenied) && k.Info.LongTouchForReset:
		return fmt.Errorf("%w: %w", ErrShortTouch, err)
	}
	return err
}

// State is what a key says of itself after a reset.
type State struct {
	PINSet            bool
	FingerprintsSet   *bool    // nil for a key without a sensor
	LargeBlobs        *int     // how many are stored; nil for a key without
	RemainingPasskeys *uint    // room for them; nil where the key does not tell
	Findings          []string // what a factory-new key would not say
}

// Look asks a key that was reset what has become of its state. The Key itself is
// what was there before.
func (k *Key) Look(ctx context.Context) (State, error) {
	info, err := k.conn.GetInfo(ctx)
	if err != nil {
		return State{}, err
	}
	var s State
	s.PINSet, _ = info.Option(ctap2.OptionClientPIN)
	s.note(s.PINSet, "a PIN is set")
	s.note(info.ForcePINChange, "the PIN has to be changed")
	if enrolled, sensor := info.Option(ctap2.OptionBioEnroll); sensor {
		s.FingerprintsSet = &enrolled
		s.note(enrolled, "fingerprints are enrolled")
	}
	if info.Has(ctap2.InfoRemainingDiscoverableCredentials) {
		s.RemainingPasskeys = &info.RemainingDiscoverableCredentials
		s.note(*s.RemainingPasskeys < k.Info.RemainingDiscoverableCredentials, "there is less room for passkeys than before")
	}
	if has, _ := info.Option(ctap2.OptionLargeBlobs); has {
		err = s.lookAtBlobs(ctx, k.conn)
	}
	return s, err
}

// note notes a finding.
func (s *State) note(found bool, text string) {
	if found {
		s.Findings = append(s.Findings, text)
	}
}

func (s *State) lookAtBlobs(ctx context.Context, conn *devices.Conn) error {
	array, damaged, err := conn.LargeBlobs(ctx)
	if err != nil {
		return err
	}
	if damaged {
		s.note(true, "its large blobs are damaged")
		return nil
	}
	n := len(array.Elements())
	s.LargeBlobs = &n
	s.note(n > 0, "large blobs are stored")
	return nil
}
