// Package manage looks after what is on an open key: its passkeys, its
// fingerprints, its settings and its large blobs (CTAP 2.3 §6.7, §6.8, §6.10 and
// §6.11). It verifies the user with the least permissions and once, looks again
// after every change, and prints nothing.
//
//	key, err := manage.Open(ctx, conn, manage.Ask{Ask: enroll.Ask{PIN: askPIN}})
//	passkeys, err := key.Passkeys(ctx, "")
//	defer passkeys.Close()
//	one, err := passkeys.Find(manage.Which{ID: "a3f09c11"})
//	err = passkeys.Delete(ctx, one)
//
// What a person has to agree to lies between finding and changing, with the
// caller.
package manage

import (
	"context"
	"errors"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/ceremony"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/enroll"
)

// Errors of managing a key.
var (
	// ErrUnprotected: this is for a verified user only, and the key has neither a
	// PIN set nor another way enrolled. Matches [enroll.ErrNoVerification].
	ErrUnprotected = fmt.Errorf("the key manages this for a verified user only: %w", enroll.ErrNoVerification)
	// ErrNotDone: the key said that something is done, and when asked again it is
	// not.
	ErrNotDone = errors.New("the key said that it is done, and it is not")
	// ErrOneWay: a setting that can be turned in one direction only.
	ErrOneWay = errors.New("only a reset takes this back")
	// ErrStays: a key that has alwaysUv on and does not turn it off.
	ErrStays = errors.New("this key does not turn alwaysUv off")
	// ErrMeanwhile: what is on the key is not what it was when the change was
	// agreed to. Nothing was changed.
	ErrMeanwhile = errors.New("what is on the key has changed meanwhile")
)

// Ask is how the flows reach the person.
type Ask struct {
	enroll.Ask

	// BuiltIn, when not nil, is told before the key verifies its user by its own
	// means, such as a finger that it knows.
	BuiltIn func()
}

// Key is an open key, with what it said of itself.
type Key struct {
	conn *devices.Conn
	info *ctap2.Info
	ask  Ask
}

// Open asks the key what it is. The connection stays the caller's.
func Open(ctx context.Context, conn *devices.Conn, ask Ask) (*Key, error) {
	info, err := conn.GetInfo(ctx)
	if err != nil {
		return nil, err
	}
	return &Key{conn: conn, info: info, ask: ask}, nil
}

// Device is the key as it was found.
func (k *Key) Device() devices.Info { return k.conn.Info }

// option is whether an option is on.
func (k *Key) option(name string) bool {
	on, _ := k.info.Option(name)
	return on
}

// verifies reports whether the key has a way to verify its user set up.
func (k *Key) verifies() bool {
	return k.option(ctap2.OptionClientPIN) || k.option(ctap2.OptionUV)
}

// authorize gets a token with permissions. It is nil where the key wants none.
func (k *Key) authorize(ctx context.Context, p ctap2.Permission) (*pinuv.Token, error) {
	purpose := ceremony.Purpose{Permissions: p}
	if !ceremony.Decide(k.info, purpose).Verify {
		return nil, nil
	}
	return k.tokenFor(ctx, purpose)
}

// tokenFor verifies the user.
func (k *Key) tokenFor(ctx context.Context, p ceremony.Purpose) (*pinuv.Token, error) {
	if ceremony.Decide(k.info, p).Method.BuiltIn() && k.ask.BuiltIn != nil {
		k.ask.BuiltIn()
	}
	token, err := enroll.Authorize(ctx, k.conn, k.info, p, k.ask.Ask)
	if errors.Is(err, enroll.ErrNoVerification) && !k.verifies() {
		return nil, ErrUnprotected
	}
	return token, err
}

// unsupported is the error for what the key cannot do by its getInfo.
func unsupported(what string) error { return fmt.Errorf("%w: %s", ctap2.ErrUnsupported, what) }
