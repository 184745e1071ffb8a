package ctap2

import (
	"context"
	"fmt"
	"maps"

	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// ConfigSubcommand is the subCommand of authenticatorConfig (CTAP 2.3 §6.11).
type ConfigSubcommand uint

// Subcommands of authenticatorConfig.
const (
	ConfigEnableEP        ConfigSubcommand = 0x01
	ConfigToggleAlwaysUV  ConfigSubcommand = 0x02
	ConfigSetMinPINLength ConfigSubcommand = 0x03
	ConfigEnableLongTouch ConfigSubcommand = 0x04
	ConfigVendorPrototype ConfigSubcommand = 0xff
)

var configNames = map[ConfigSubcommand]string{
	ConfigEnableEP:        "enableEnterpriseAttestation",
	ConfigToggleAlwaysUV:  "toggleAlwaysUv",
	ConfigSetMinPINLength: "setMinPINLength",
	ConfigEnableLongTouch: "enableLongTouchForReset",
	ConfigVendorPrototype: "vendorPrototype",
}

// String is the standard's name of the subcommand.
func (s ConfigSubcommand) String() string { return subcommand(configNames, s) }

type configRequest struct {
	Subcommand     ConfigSubcommand `cbor:"1,keyasint"`
	Params         wire.Raw         `cbor:"2,keyasint,omitempty"`
	Protocol       pinuv.Protocol   `cbor:"3,keyasint,omitempty"`
	PINUVAuthParam []byte           `cbor:"4,keyasint,omitempty"`
}

// EnableEnterpriseAttestation lets relying parties ask for enterprise
// attestation until the next reset (CTAP 2.3 §6.11.1). On is where it stays: the
// command may be repeated. The token needs permission acfg and may be nil on an
// authenticator that has no user verification set up, here and for all
// subcommands of authenticatorConfig.
func (c *Client) EnableEnterpriseAttestation(ctx context.Context, t *pinuv.Token) error {
	return c.configure(ctx, t, ConfigEnableEP, nil)
}

// ToggleAlwaysUV turns the option alwaysUv over (CTAP 2.3 §6.11.2).
// [StatusOperationDenied] says that this authenticator does not turn it off. See
// [Client.SetAlwaysUV].
func (c *Client) ToggleAlwaysUV(ctx context.Context, t *pinuv.Token) error {
	return c.configure(ctx, t, ConfigToggleAlwaysUV, nil)
}

// SetAlwaysUV turns the option alwaysUv on or off, and does nothing when it is
// so already. It asks getInfo before; an authenticator without the option is
// [ErrUnsupported].
func (c *Client) SetAlwaysUV(ctx context.Context, t *pinuv.Token, on bool) error {
	info, err := c.GetInfo(ctx)
	if err != nil {
		return err
	}
	is, sent := info.Option(OptionAlwaysUV)
	if !sent {
		return fmt.Errorf("%w: %s", ErrUnsupported, OptionAlwaysUV)
	}
	if is == on {
		return nil
	}
	return c.ToggleAlwaysUV(ctx, t)
}

// MinPINLength holds the parameters of setMinPINLength. Members that are zero
// are not sent and leave things as they are.
type MinPINLength struct {
	Length uint `cbor:"1,keyasint,omitempty"` // code points; never less than before

	// RPIDs are the relying parties that may see the length and the policy by
	// the extensions minPinLength and pinComplexityPolicy. They replace the ones
	// before.
	RPIDs []string `cbor:"2,keyasint,omitempty"`

	ForceChange bool `cbor:"3,keyasint,omitempty"` // the PIN has to be changed before its next use

	// ComplexityPolicy turns the PIN complexity policy on (CTAP 2.2 or 2.3; the
	// sources at hand do not agree which).
	ComplexityPolicy bool `cbor:"4,keyasint,omitempty"`
}

// SetMinPINLength sets the policy for PINs (CTAP 2.3 §6.11.4).
// [StatusPINPolicyViolation] says that the length is less than the one before,
// [StatusKeyStoreFull] that there are too many relying parties, and
// [StatusPINNotSet] that there is no PIN to be changed.
func (c *Client) SetMinPINLength(ctx context.Context, t *pinuv.Token, p MinPINLength) error {
	return c.configure(ctx, t, ConfigSetMinPINLength, p)
}

// EnableLongTouchForReset has a reset want a long touch from now on, five
// seconds or more (CTAP 2.3 §6.11.5).
func (c *Client) EnableLongTouchForReset(ctx context.Context, t *pinuv.Token) error {
	return c.configure(ctx, t, ConfigEnableLongTouch, nil)
}

// VendorPrototype runs a command of the authenticator's maker, one of getInfo's
// vendorPrototypeConfigCommands (CTAP 2.3 §6.11.3). params are its further
// parameters by number; 1 is the command's own. The answer is the maker's, nil
// when there is none.
func (c *Client) VendorPrototype(ctx context.Context, t *pinuv.Token, id uint64, params map[uint]any) (wire.Raw, error) {
	all := maps.Clone(params)
	if all == nil {
		all = map[uint]any{}
	}
	all[1] = id
	var answer wire.Raw
	err := c.configureFor(ctx, t, ConfigVendorPrototype, all, &answer)
	return answer, err
}

func (c *Client) configure(ctx context.Context, t *pinuv.Token, s ConfigSubcommand, params any) error {
	return c.configureFor(ctx, t, s, params, nil)
}

// configureFor sends a subcommand. The token covers 32 bytes of 0xff, the
// command, the subcommand and the bytes of its parameters (CTAP 2.3 §6.11).
func (c *Client) configureFor(ctx context.Context, t *pinuv.Token, s ConfigSubcommand, params, result any) error {
	raw, err := encodeParams(params)
	if err != nil {
		return err
	}
	r := configRequest{Subcommand: s, Params: raw}
	r.Protocol, r.PINUVAuthParam = authorize(t, domain(CommandConfig), []byte{byte(s)}, raw)
	_, err = c.do(ctx, call{command: CommandConfig, subcommand: s.String(), params: r, result: result, optional: true})
	return err
}
