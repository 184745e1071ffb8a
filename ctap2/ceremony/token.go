package ceremony

import (
	"context"
	"errors"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

// ErrNoToken: a method that goes without a token was asked for one.
var ErrNoToken = errors.New("no token goes with this method")

// AskPIN returns the authenticator's PIN. It is called at most once for a token,
// and what it returns is wiped.
type AskPIN func(context.Context) ([]byte, error)

// Token gets the token that a decision for a purpose calls for, and tells by
// which method. It authorises that purpose and no more; the caller wipes it as
// soon as it was used.
//
// Built-in verification that does not know the user is tried again as often as
// the authenticator would have it (preferredPlatformUvAttempts, CTAP 2.3 §6.4),
// and then the PIN is asked for, if it will do. A wrong PIN is a
// [*ctap2.PINError] and is not asked for again.
func (d Decision) Token(ctx context.Context, c *ctap2.Client, info *ctap2.Info, ask AskPIN) (*pinuv.Token, Method, error) {
	m := d.Method
	if m.BuiltIn() && m != UVOption {
		token, err := d.builtIn(ctx, c, info)
		if d.Fallback == None || !errors.Is(err, ctap2.StatusUVBlocked) && !errors.Is(err, ctap2.StatusUVInvalid) {
			return token, m, err
		}
		m = d.Fallback
	}
	if !m.ByPIN() {
		return nil, m, fmt.Errorf("%w: %v", ErrNoToken, m)
	}
	token, err := d.byPIN(ctx, c, info.PINUVAuthProtocol(), m, ask)
	return token, m, err
}

// builtIn tries built-in verification.
func (d Decision) builtIn(ctx context.Context, c *ctap2.Client, info *ctap2.Info) (*pinuv.Token, error) {
	if d.Method == LegacyUV {
		return c.UVToken(ctx)
	}
	for try := uint(1); ; try++ {
		token, err := c.UVTokenWithPermissions(ctx, info.PINUVAuthProtocol(), d.Purpose.Permissions, d.Purpose.RPID)
		if !errors.Is(err, ctap2.StatusUVInvalid) || try >= min(info.PreferredPlatformUVAttempts, maxUVAttempts) {
			return token, err
		}
	}
}

// maxUVAttempts bounds what an authenticator may ask of its user; uvRetries is 25
// at most (CTAP 2.3 §6.5.2.3).
const maxUVAttempts = 25

func (d Decision) byPIN(ctx context.Context, c *ctap2.Client, p pinuv.Protocol, m Method, ask AskPIN) (*pinuv.Token, error) {
	pin, err := ask(ctx)
	if err != nil {
		return nil, err
	}
	defer clear(pin)
	if m == LegacyPIN {
		return c.PINToken(ctx, p, pin)
	}
	return c.PINTokenWithPermissions(ctx, p, pin, d.Purpose.Permissions, d.Purpose.RPID)
}
