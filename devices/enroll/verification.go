package enroll

import (
	"context"
	"errors"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2"
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
	key        *devices.Conn
	info       *ctap2.Info
	ask        Ask
	rpID       string
	permission ctap2.Permission
	verified   string
}

// authorization is how one request takes user verification, and how it is sent.
type authorization struct {
	token  func(*pinuv.Token)
	option func()
	send   func() error
}

// method is a way to verify the user.
type method int

const (
	none       method = iota
	uvOption          // the option "uv" on the request
	uvToken           // a token by built-in user verification
	pinToken          // a token by PIN, with permissions
	legacyPIN         // a token by PIN, as in CTAP 2.0
	impossible        // nothing is set up
)

// run verifies the user as far as that is needed and sends the request. A key
// that asks for verification all the same gets it once.
func (f *flow) run(ctx context.Context, want Requirement, storing bool, a authorization) error {
	m := f.method()
	if !f.needed(want, storing, m) {
		err := a.send()
		if m == impossible || !errors.Is(err, ctap2.StatusPUATRequired) {
			return err
		}
	}
	return f.authorized(ctx, m, a)
}

// method is the best way that is set up. Built-in verification comes first, as
// it spends no PIN try.
func (f *flow) method() method {
	uv, _ := f.info.Option(ctap2.OptionUV)
	tokens, _ := f.info.Option(ctap2.OptionPINUVAuthToken)
	switch {
	case uv && tokens:
		return uvToken
	case uv:
		return uvOption
	}
	return f.methodByPIN()
}

func (f *flow) methodByPIN() method {
	pin, _ := f.info.Option(ctap2.OptionClientPIN)
	tokens, _ := f.info.Option(ctap2.OptionPINUVAuthToken)
	notEnough, _ := f.info.Option(ctap2.OptionNoPermissionsWithPIN)
	switch {
	case pin && tokens && !notEnough:
		return pinToken
	case pin && !tokens:
		return legacyPIN
	}
	return impossible
}

// needed decides whether to verify the user. Where verification is preferred
// and nothing is set up, the ceremony goes on without, as browsers do.
func (f *flow) needed(want Requirement, storing bool, m method) bool {
	always, _ := f.info.Option(ctap2.OptionAlwaysUV)
	switch {
	case want == Required || always:
		return true
	case m == impossible:
		return false
	case want == Preferred:
		return true
	}
	// CTAP 2.3 §6.1.2 steps 7 and 8: a key with verification set up makes no
	// credential without, or no discoverable one where makeCredUvNotRqd is on.
	optional, _ := f.info.Option(ctap2.OptionMakeCredUVNotRqd)
	making := f.permission == ctap2.PermissionMakeCredential
	return making && (storing || !optional)
}

func (f *flow) authorized(ctx context.Context, m method, a authorization) error {
	switch m {
	case impossible:
		return ErrNoVerification
	case uvOption:
		a.option()
		f.verified = "uv"
		return a.send()
	}
	token, err := f.token(ctx, m)
	if err != nil {
		return err
	}
	defer token.Wipe()
	a.token(token)
	return a.send()
}

// token gets a token that authorises this ceremony and no more.
func (f *flow) token(ctx context.Context, m method) (*pinuv.Token, error) {
	p := f.info.PINUVAuthProtocol()
	if p == 0 {
		return nil, fmt.Errorf("%w: no PIN/UV auth protocol in common", ErrUnsupported)
	}
	if m == uvToken {
		f.verified = "uv"
		token, err := f.key.UVTokenWithPermissions(ctx, p, f.permission, f.rpID)
		if !errors.Is(err, ctap2.StatusUVBlocked) && !errors.Is(err, ctap2.StatusUVInvalid) {
			return token, err
		}
		if m = f.methodByPIN(); m == impossible {
			return nil, err
		}
		// The finger was not known: the PIN is the way that is left.
	}
	f.verified = "pin"
	return f.tokenByPIN(ctx, p, m)
}

func (f *flow) tokenByPIN(ctx context.Context, p pinuv.Protocol, m method) (*pinuv.Token, error) {
	pin, err := f.pin(ctx)
	if err != nil {
		return nil, err
	}
	defer clear(pin)
	if m == legacyPIN {
		return f.key.PINToken(ctx, p, pin)
	}
	return f.key.PINTokenWithPermissions(ctx, p, pin, f.permission, f.rpID)
}

// pin asks the person for the PIN, unless the key would not take it.
func (f *flow) pin(ctx context.Context) ([]byte, error) {
	if f.info.ForcePINChange {
		return nil, ErrPINChange
	}
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
