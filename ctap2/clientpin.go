package ctap2

import (
	"context"
	"errors"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

// clientPINRequest holds the parameters of authenticatorClientPIN (CTAP 2.3
// §6.5.5). Numbers 7 and 8 were used in drafts only.
type clientPINRequest struct {
	Protocol       pinuv.Protocol `cbor:"1,keyasint,omitempty"`
	Subcommand     PINSubcommand  `cbor:"2,keyasint"`
	KeyAgreement   *cose.Key      `cbor:"3,keyasint,omitempty"`
	PINUVAuthParam []byte         `cbor:"4,keyasint,omitempty"`
	NewPINEnc      []byte         `cbor:"5,keyasint,omitempty"`
	PINHashEnc     []byte         `cbor:"6,keyasint,omitempty"`
	Permissions    Permission     `cbor:"9,keyasint,omitempty"`
	RPID           string         `cbor:"10,keyasint,omitempty"`
}

type clientPINResponse struct {
	KeyAgreement    *cose.Key `cbor:"1,keyasint"`
	Token           []byte    `cbor:"2,keyasint"`
	PINRetries      *uint     `cbor:"3,keyasint"`
	PowerCycleState bool      `cbor:"4,keyasint"`
	UVRetries       *uint     `cbor:"5,keyasint"`
}

func (c *Client) clientPIN(ctx context.Context, r clientPINRequest) (clientPINResponse, call, error) {
	var resp clientPINResponse
	k := call{command: CommandClientPIN, subcommand: r.Subcommand.String(), params: r, result: &resp}
	if r.Subcommand == PINSet || r.Subcommand == PINChange {
		k.result = nil // they answer a status only
	}
	_, err := c.do(ctx, k)
	return resp, k, err
}

// PINRetries is how many PIN tries are left.
type PINRetries struct {
	Left uint

	// PowerCycle says that no PIN is taken until the authenticator was
	// unplugged and inserted again: three wrong PINs in a row.
	PowerCycle bool
}

// PINRetries asks how many PIN tries are left. It costs none (CTAP 2.3
// §6.5.5.2).
func (c *Client) PINRetries(ctx context.Context) (PINRetries, error) {
	resp, k, err := c.clientPIN(ctx, clientPINRequest{Subcommand: PINGetRetries})
	if errors.Is(err, StatusMissingParameter) {
		// CTAP 2.0 keys may insist on a protocol that the command does not need.
		resp, k, err = c.clientPIN(ctx, clientPINRequest{Protocol: pinuv.One, Subcommand: PINGetRetries})
	}
	if err != nil {
		return PINRetries{}, err
	}
	if resp.PINRetries == nil {
		return PINRetries{}, k.missing("pinRetries")
	}
	return PINRetries{Left: *resp.PINRetries, PowerCycle: resp.PowerCycleState}, nil
}

// UVRetries asks how many tries of built-in user verification are left (CTAP
// 2.3 §6.5.5.3).
func (c *Client) UVRetries(ctx context.Context) (uint, error) {
	resp, k, err := c.clientPIN(ctx, clientPINRequest{Subcommand: PINGetUVRetries})
	if err != nil {
		return 0, err
	}
	if resp.UVRetries == nil {
		return 0, k.missing("uvRetries")
	}
	return *resp.UVRetries, nil
}

// KeyAgreement gets the authenticator's key agreement key, makes one of its own
// and returns the shared secret with the platform's public key (CTAP 2.3
// §6.5.5.4). Wipe the secret after use.
func (c *Client) KeyAgreement(ctx context.Context, p pinuv.Protocol) (*pinuv.Secret, cose.Key, error) {
	resp, k, err := c.clientPIN(ctx, clientPINRequest{Protocol: p, Subcommand: PINGetKeyAgreement})
	if err != nil {
		return nil, cose.Key{}, err
	}
	if resp.KeyAgreement == nil {
		return nil, cose.Key{}, k.missing("keyAgreement")
	}
	peer, err := resp.KeyAgreement.ECDH()
	if err != nil {
		return nil, cose.Key{}, k.bad(err)
	}
	own, err := pinuv.GenerateKey(c.rand)
	if err != nil {
		return nil, cose.Key{}, err
	}
	secret, err := p.Agree(own, peer)
	if err != nil {
		return nil, cose.Key{}, err
	}
	return secret, cose.KeyAgreement(own.PublicKey()), nil
}

// SetPIN sets the first PIN of an authenticator (CTAP 2.3 §6.5.5.5). The PIN is
// normalised; one that no authenticator takes, or not this one by the lengths
// that its getInfo gave, is refused here with [pinuv.ErrPINTooShort],
// [pinuv.ErrPINTooLong] or [pinuv.ErrPINInvalid].
func (c *Client) SetPIN(ctx context.Context, p pinuv.Protocol, pin []byte) error {
	secret, own, err := c.KeyAgreement(ctx, p)
	if err != nil {
		return err
	}
	defer secret.Wipe()
	newPINEnc, err := c.encryptNewPIN(secret, pin)
	if err != nil {
		return err
	}
	_, _, err = c.clientPIN(ctx, clientPINRequest{
		Protocol: p, Subcommand: PINSet, KeyAgreement: &own,
		NewPINEnc: newPINEnc, PINUVAuthParam: secret.Authenticate(newPINEnc),
	})
	return err
}

// ChangePIN replaces the PIN (CTAP 2.3 §6.5.5.6). It spends one try; a wrong
// current PIN is a [*PINError].
func (c *Client) ChangePIN(ctx context.Context, p pinuv.Protocol, current, pin []byte) error {
	secret, own, err := c.KeyAgreement(ctx, p)
	if err != nil {
		return err
	}
	defer secret.Wipe()
	newPINEnc, err := c.encryptNewPIN(secret, pin)
	if err != nil {
		return err
	}
	pinHashEnc, err := c.encryptPINHash(secret, current)
	if err != nil {
		return err
	}
	_, _, err = c.clientPIN(ctx, clientPINRequest{
		Protocol: p, Subcommand: PINChange, KeyAgreement: &own,
		NewPINEnc: newPINEnc, PINHashEnc: pinHashEnc,
		PINUVAuthParam: secret.Authenticate(newPINEnc, pinHashEnc),
	})
	return c.pinError(ctx, err)
}

// PINToken gets a token by PIN in the way of CTAP 2.0 (CTAP 2.3 §6.5.5.7.1):
// it is good for makeCredential and getAssertion and, on authenticators that
// have no permissions, for everything. It spends one try; a wrong PIN is a
// [*PINError]. Wipe the token after use.
func (c *Client) PINToken(ctx context.Context, p pinuv.Protocol, pin []byte) (*pinuv.Token, error) {
	return c.pinToken(ctx, p, pin, clientPINRequest{Subcommand: PINGetToken})
}

// PINTokenWithPermissions gets a token by PIN that authorises what perms say,
// for one relying party when rpID is not empty (CTAP 2.3 §6.5.5.7.2, option
// pinUvAuthToken). It spends one try; a wrong PIN is a [*PINError]. Permissions
// that no authenticator grants are [ErrPermissions] and spend none. Wipe the
// token after use.
//
// With [PermissionPersistentReadOnly] alone the token is a persistent one (CTAP
// 2.2): it outlives a power cycle, lists credentials and opens
// [Info.DeviceIdentifier] and [Info.CredentialStoreState], and ends with the
// PIN's change or a reset.
func (c *Client) PINTokenWithPermissions(ctx context.Context, p pinuv.Protocol, pin []byte, perms Permission, rpID string) (*pinuv.Token, error) {
	if err := perms.check(rpID); err != nil {
		return nil, err
	}
	return c.pinToken(ctx, p, pin, clientPINRequest{Subcommand: PINGetTokenUsingPIN, Permissions: perms, RPID: rpID})
}

// UVTokenWithPermissions gets a token by built-in user verification, such as a
// fingerprint (CTAP 2.3 §6.5.5.7.3). It waits for the user. Permissions are as
// in [Client.PINTokenWithPermissions]. Wipe the token after use.
func (c *Client) UVTokenWithPermissions(ctx context.Context, p pinuv.Protocol, perms Permission, rpID string) (*pinuv.Token, error) {
	if err := perms.check(rpID); err != nil {
		return nil, err
	}
	return c.uvToken(ctx, clientPINRequest{Protocol: p, Permissions: perms, RPID: rpID})
}

// UVToken gets a token by built-in user verification in the way of FIDO_2_1_PRE
// (option uvToken): under protocol one, without permissions and good for
// everything. It waits for the user. Wipe the token after use.
func (c *Client) UVToken(ctx context.Context) (*pinuv.Token, error) {
	return c.uvToken(ctx, clientPINRequest{Protocol: pinuv.One})
}

func (c *Client) uvToken(ctx context.Context, r clientPINRequest) (*pinuv.Token, error) {
	secret, own, err := c.KeyAgreement(ctx, r.Protocol)
	if err != nil {
		return nil, err
	}
	defer secret.Wipe()
	r.Subcommand, r.KeyAgreement = PINGetTokenUsingUV, &own
	return c.token(ctx, secret, r)
}

func (c *Client) pinToken(ctx context.Context, p pinuv.Protocol, pin []byte, r clientPINRequest) (*pinuv.Token, error) {
	secret, own, err := c.KeyAgreement(ctx, p)
	if err != nil {
		return nil, err
	}
	defer secret.Wipe()
	r.Protocol, r.KeyAgreement = p, &own
	if r.PINHashEnc, err = c.encryptPINHash(secret, pin); err != nil {
		return nil, err
	}
	token, err := c.token(ctx, secret, r)
	return token, c.pinError(ctx, err)
}

func (c *Client) token(ctx context.Context, secret *pinuv.Secret, r clientPINRequest) (*pinuv.Token, error) {
	resp, k, err := c.clientPIN(ctx, r)
	if err != nil {
		return nil, err
	}
	if len(resp.Token) == 0 {
		return nil, k.missing("pinUvAuthToken")
	}
	key, err := secret.Decrypt(resp.Token)
	if err != nil {
		return nil, k.bad(err)
	}
	token, err := pinuv.NewToken(r.Protocol, key)
	if err != nil {
		return nil, k.bad(err)
	}
	return token, nil
}

func (c *Client) encryptNewPIN(secret *pinuv.Secret, pin []byte) ([]byte, error) {
	normal, err := pinuv.NormalizePIN(pin)
	if err != nil {
		return nil, fmt.Errorf("new PIN: %w", err)
	}
	defer clear(normal)
	known := c.known()
	if err := pinuv.CheckNewPIN(normal, known.minPIN, known.maxPIN); err != nil {
		return nil, fmt.Errorf("new PIN: %w", err)
	}
	padded, err := pinuv.PadPIN(normal)
	if err != nil {
		return nil, fmt.Errorf("new PIN: %w", err)
	}
	defer clear(padded)
	return secret.Encrypt(c.rand, padded)
}

func (c *Client) encryptPINHash(secret *pinuv.Secret, pin []byte) ([]byte, error) {
	normal, err := pinuv.NormalizePIN(pin)
	if err != nil {
		return nil, err
	}
	defer clear(normal)
	hash := pinuv.HashPIN(normal)
	defer clear(hash)
	return secret.Encrypt(c.rand, hash)
}

// pinError adds the tries left to the refusal of a PIN. Asking for them costs
// no try.
func (c *Client) pinError(ctx context.Context, err error) error {
	var refused *Error
	if !errors.As(err, &refused) {
		return err
	}
	switch refused.Status {
	case StatusPINInvalid, StatusPINAuthBlocked, StatusPINBlocked:
	default:
		return err
	}
	left := -1
	if r, err := c.PINRetries(ctx); err == nil {
		left = int(min(r.Left, maxPINRetries))
	}
	return &PINError{Err: refused, Left: left}
}

// maxPINRetries bounds a number that a hostile key may make huge; the
// standard's most is 8.
const maxPINRetries = 255
