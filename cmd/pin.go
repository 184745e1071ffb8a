package cmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/devices/enroll"
)

func (a *app) pinCommand() *cobra.Command {
	return group("pin", "Show, set, change and verify a key's PIN",
		&cobra.Command{
			Use: "status", Short: "Show whether a PIN is set and how many tries are left", Args: cobra.NoArgs,
			Example: "  touchstone pin status\n  touchstone --json pin status",
			RunE:    func(c *cobra.Command, _ []string) error { return a.withKey(c.Context(), pinStatus) },
		},
		&cobra.Command{
			Use: "set", Short: "Set the first PIN", Args: cobra.NoArgs,
			Long:    "Set the first PIN of a key. With --pin-stdin it is the first line of standard input.",
			Example: "  touchstone pin set\n  printf '%s\\n' \"$PIN\" | touchstone --pin-stdin pin set",
			RunE:    func(c *cobra.Command, _ []string) error { return a.withKey(c.Context(), a.pinSet) },
		},
		&cobra.Command{
			Use: "change", Short: "Change the PIN", Args: cobra.NoArgs,
			Long: "Change the PIN of a key. A wrong current PIN spends one try. With --pin-stdin the first line of\n" +
				"standard input is the current PIN and the second line the new one.",
			Example: "  touchstone pin change\n  printf '%s\\n%s\\n' \"$OLD\" \"$NEW\" | touchstone --pin-stdin pin change",
			RunE:    func(c *cobra.Command, _ []string) error { return a.withKey(c.Context(), a.pinChange) },
		},
		&cobra.Command{
			Use: "verify", Short: "Find out whether a PIN is right", Args: cobra.NoArgs,
			Long: "Have the key verify its PIN, once, and say how many tries are left. A wrong PIN spends one; a right one\n" +
				"gives all of them back. The token that the key gives for it authorises as little as there is, and is\n" +
				"dropped. Nothing else changes.",
			Example: "  touchstone pin verify\n  touchstone --pin-command 'pass show my-key' --json pin verify",
			RunE:    func(c *cobra.Command, _ []string) error { return a.withKey(c.Context(), a.pinVerify) },
		},
	)
}

// Errors of the PIN commands; nothing was sent to the key.
var (
	errNoPINSupport = errors.New("this key has no PIN")
	errPINIsSet     = errors.New("a PIN is set already: change it with \"touchstone pin change\"")
	errPINNotSet    = fmt.Errorf("no PIN is set: %w", ctap2.StatusPINNotSet)
)

// pinKey is a key that has PINs, and the protocol to speak with it.
type pinKey struct {
	info     *ctap2.Info
	protocol pinuv.Protocol
	set      bool
}

func newPINKey(ctx context.Context, s *session) (pinKey, error) {
	info, err := s.GetInfo(ctx)
	if err != nil {
		return pinKey{}, err
	}
	set, supported := info.Option(ctap2.OptionClientPIN)
	if !supported {
		return pinKey{}, errNoPINSupport
	}
	p := info.PINUVAuthProtocol()
	if p == 0 {
		return pinKey{}, fmt.Errorf("%w in a PIN/UV auth protocol in common with this program", errNoPINSupport)
	}
	return pinKey{info: info, protocol: p, set: set}, nil
}

func pinStatus(ctx context.Context, s *session) (view.Result, error) {
	info, err := s.GetInfo(ctx)
	if err != nil {
		return nil, err
	}
	result := view.PINStatus{Device: s.Info, Info: info}
	if _, supported := info.Option(ctap2.OptionClientPIN); supported {
		r, err := s.PINRetries(ctx)
		if err != nil {
			return nil, err
		}
		result.Retries = &r
	}
	if _, builtIn := info.Option(ctap2.OptionUV); builtIn {
		if n, err := s.UVRetries(ctx); err == nil { // CTAP 2.0 keys cannot tell
			result.UVRetries = &n
		}
	}
	return result, nil
}

func (a *app) pinSet(ctx context.Context, s *session) (view.Result, error) {
	key, err := newPINKey(ctx, s)
	switch {
	case err != nil:
		return nil, err
	case key.set:
		return nil, errPINIsSet
	}
	pin, err := a.checkedPIN(ctx, key.info)
	if err != nil {
		return nil, err
	}
	defer clear(pin)
	if err := s.SetPIN(ctx, key.protocol, pin); err != nil {
		return nil, err
	}
	return view.PINChanged{Device: s.Info, Action: view.PINWasSet}, nil
}

func (a *app) pinChange(ctx context.Context, s *session) (view.Result, error) {
	key, err := newPINKey(ctx, s)
	switch {
	case err != nil:
		return nil, err
	case !key.set:
		return nil, errPINNotSet
	}
	left, err := enroll.Retries(ctx, s.Conn)
	if err != nil {
		return nil, err
	}
	current, err := a.askPIN(ctx, "Current PIN of "+keyName(s.Info)+": ", left)
	if err != nil {
		return nil, err
	}
	defer clear(current)
	pin, err := a.checkedPIN(ctx, key.info)
	if err != nil {
		return nil, err
	}
	defer clear(pin)
	if err := s.ChangePIN(ctx, key.protocol, current, pin); err != nil {
		return nil, err
	}
	return view.PINChanged{Device: s.Info, Action: view.PINWasChanged}, nil
}

// checkedPIN reads a new PIN and holds it against what the key takes, so that
// no try and no round trip is spent on one that it would refuse.
func (a *app) checkedPIN(ctx context.Context, info *ctap2.Info) ([]byte, error) {
	pin, err := a.newSecret(ctx)
	if err != nil {
		return nil, err
	}
	normal, err := pinuv.NormalizePIN(pin)
	if err == nil {
		err = pinuv.CheckNewPIN(normal, info.MinPINLength, info.MaxPINLength)
		clear(normal)
	}
	if err != nil {
		clear(pin)
		return nil, fmt.Errorf("new PIN: %w", err)
	}
	return pin, nil
}
