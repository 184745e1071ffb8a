package enroll

import (
	"context"
	"errors"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/ceremony"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/devices"
)

// Errors of user verification.
var (
	// ErrNoVerification: user verification is required and the key has neither
	// a PIN set nor another way enrolled.
	ErrNoVerification = errors.New("the key cannot verify its user: no PIN is set")
	// ErrNoPIN: the key needs its PIN and nobody can be asked for it.
	ErrNoPIN = errors.New("the key needs its PIN")
	// ErrPINChange: the key takes its PIN only to change it.
	ErrPINChange = errors.New("the key wants its PIN changed first")
	// ErrPINPowerCycle: three wrong PINs in a row; no PIN is taken until the
	// key was unplugged and inserted again. Matches [ctap2.StatusPINAuthBlocked].
	ErrPINPowerCycle = fmt.Errorf("the key takes no PIN until it was unplugged and inserted again: %w", ctap2.StatusPINAuthBlocked)
	// ErrPINBlocked: no tries are left, only a reset helps. Matches
	// [ctap2.StatusPINBlocked].
	ErrPINBlocked = fmt.Errorf("the key's PIN is blocked and only a reset helps: %w", ctap2.StatusPINBlocked)
)

// flow is one ceremony on one key.
type flow struct {
	key      *devices.Conn
	info     *ctap2.Info
	ask      Ask
	verified string
}

// attempt is one request: what it is for, what it still needs to know of the
// key, how it takes user verification, and how it is sent. A request that is
// sent again is a new attempt.
type attempt struct {
	round
	request interface {
		Authorize(*pinuv.Token)
		VerifyUser()
	}
	send func(context.Context, *pinuv.Token) error
}

// round is a [*ceremony.Creation] or a [*ceremony.Assertion].
type round interface {
	Purpose() ceremony.Purpose
	Prepare(context.Context, *ctap2.Client, *pinuv.Token) error
	Close()
}

// run verifies the user as far as that is needed and sends the request. A key
// that asks for verification all the same gets it once.
func (f *flow) run(ctx context.Context, begin func() (attempt, error)) error {
	a, err := begin()
	if err != nil {
		return err
	}
	d := ceremony.Decide(f.info, a.Purpose())
	if d.Verify {
		return f.authorized(ctx, d, a, begin)
	}
	err = f.try(ctx, a, nil)
	if !errors.Is(err, ctap2.StatusPUATRequired) || d.Method == ceremony.None && !errors.Is(d.Reason, ceremony.ErrPINChange) {
		return err
	}
	if a, err = begin(); err != nil {
		return err
	}
	return f.authorized(ctx, d, a, begin)
}

// authorized sends the request with the user verified. Where the key was to do
// that by itself and does not know the user, the PIN will do if it may.
func (f *flow) authorized(ctx context.Context, d ceremony.Decision, a attempt, begin func() (attempt, error)) error {
	switch d.Method {
	case ceremony.None:
		a.Close()
		return impossible(d.Reason)
	case ceremony.UVOption:
		a.request.VerifyUser()
		f.verified = "uv"
		err := f.try(ctx, a, nil)
		if d.Fallback == ceremony.None || !unknownUser(err) {
			return err
		}
		if a, err = begin(); err != nil {
			return err
		}
		d.Method, d.Fallback = d.Fallback, ceremony.None
	}
	return f.withToken(ctx, d, a)
}

// unknownUser reports whether a key that was to verify its user by itself says
// that it did not know the user.
func unknownUser(err error) bool {
	for _, s := range []ctap2.Status{ctap2.StatusPUATRequired, ctap2.StatusUVBlocked, ctap2.StatusUVInvalid} {
		if errors.Is(err, s) {
			return true
		}
	}
	return false
}

func (f *flow) withToken(ctx context.Context, d ceremony.Decision, a attempt) error {
	token, method, err := d.Token(ctx, f.key.Client, f.info, f.pin)
	if err != nil {
		a.Close()
		return err
	}
	defer token.Wipe()
	f.verified = "uv"
	if method.ByPIN() {
		f.verified = "pin"
	}
	a.request.Authorize(token)
	return f.try(ctx, a, token)
}

// try completes a request and sends it.
func (f *flow) try(ctx context.Context, a attempt, token *pinuv.Token) error {
	defer a.Close()
	if err := a.Prepare(ctx, f.key.Client, token); err != nil {
		return err
	}
	return a.send(ctx, token)
}

// Authorize gets a token for managing a key, such as for its passkeys, its
// fingerprints or its settings: with the least permissions, for the relying
// party alone where the purpose names one. The user is verified by the key's own
// means or by the PIN, for which ask is asked once; the caller wipes the token as
// soon as it was used. A key that is not protected, or that would take no PIN
// now, is one of this package's errors; a wrong PIN is a [*ctap2.PINError].
func Authorize(ctx context.Context, key *devices.Conn, info *ctap2.Info, p ceremony.Purpose, ask Ask) (*pinuv.Token, error) {
	d := ceremony.Decide(info, p)
	if err := d.Err(); err != nil {
		return nil, impossible(err)
	}
	f := &flow{key: key, info: info, ask: ask}
	token, _, err := d.Token(ctx, key.Client, info, f.pin)
	return token, err
}

// impossible is why a user that has to be verified cannot be.
func impossible(reason error) error {
	switch {
	case errors.Is(reason, ceremony.ErrPINChange):
		return ErrPINChange
	case errors.Is(reason, ceremony.ErrProtocol):
		return fmt.Errorf("%w: %w", ErrUnsupported, reason)
	}
	return ErrNoVerification
}

// pin asks the person for the PIN, unless the key would not take it.
func (f *flow) pin(ctx context.Context) ([]byte, error) {
	retries, err := Retries(ctx, f.key)
	if err != nil {
		return nil, err
	}
	if f.ask.PIN == nil {
		return nil, ErrNoPIN
	}
	return f.ask.PIN(ctx, PINRequest{Key: f.key.Info, Left: retries})
}

// Retries asks how many PIN tries are left, and fails with [ErrPINBlocked] or
// [ErrPINPowerCycle] when the key would take no PIN now.
func Retries(ctx context.Context, key *devices.Conn) (uint, error) {
	r, err := key.PINRetries(ctx)
	switch {
	case err != nil:
		return 0, err
	case r.Left == 0:
		return 0, ErrPINBlocked
	case r.PowerCycle:
		return 0, ErrPINPowerCycle
	}
	return r.Left, nil
}
