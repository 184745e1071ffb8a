package replay

import (
	"bytes"
	"context"
	"crypto/sha256"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// pinMembers are the parameters of authenticatorClientPIN that choose a method.
type pinMembers struct {
	Permissions ctap2.Permission `cbor:"9,keyasint"`
	RPID        string           `cbor:"10,keyasint"`
}

func (a *asker) clientPIN(ctx context.Context, q question) ([]members, error) {
	p := q.Protocol()
	switch ctap2.PINSubcommand(q.Sub) {
	case ctap2.PINGetRetries:
		r, err := a.client.PINRetries(ctx)
		m := members{"pinRetries": r.Left}
		if r.PowerCycle {
			m["powerCycleState"] = true
		}
		return one(m, err)
	case ctap2.PINGetUVRetries:
		n, err := a.client.UVRetries(ctx)
		return one(members{"uvRetries": n}, err)
	case ctap2.PINGetKeyAgreement:
		secret, _, err := a.client.KeyAgreement(ctx, p)
		secret.Wipe()
		return nil, err
	case ctap2.PINSet:
		return nil, a.setPIN(ctx, q)
	case ctap2.PINChange:
		return nil, a.changePIN(ctx, q)
	}
	return nil, a.getToken(ctx, q)
}

// anyPIN says whether any PIN will do, as it does for a tape that has none.
func (a *asker) anyPIN() bool { return !a.against }

func (a *asker) setPIN(ctx context.Context, q question) error {
	recorded := a.vault.newPIN(q.first().Request)
	defer a.recordedPIN(q.first())
	if a.pins.ask == nil && len(a.pins.header) == 0 {
		a.pins.header = recorded
	}
	pin, err := a.pins.inUse(ctx, a.anyPIN())
	if err != nil {
		return err
	}
	if statusOf(q.first()) == ctap2.StatusPINPolicyViolation && a.against {
		if recorded != nil {
			return a.client.SetPIN(ctx, q.Protocol(), recorded)
		}
		return &notAsked{reason: "the key of the tape has refused the PIN, which the tape does not have", final: true}
	}
	return a.client.SetPIN(ctx, q.Protocol(), pin)
}

func (a *asker) changePIN(ctx context.Context, q question) error {
	status, recorded := statusOf(q.first()), a.vault.newPIN(q.first().Request)
	current, err := a.pins.guess(ctx, status, a.anyPIN(), a.sentWrong(q.first()))
	if err != nil {
		return err
	}
	defer clear(current)
	defer a.recordedPIN(q.first())
	if a.pins.ask == nil {
		a.pins.fresh = recorded
	}
	fresh, err := a.pins.next(ctx, a.anyPIN())
	if err != nil {
		return err
	}
	if status == ctap2.StatusPINPolicyViolation && a.against {
		if recorded != nil {
			return a.client.ChangePIN(ctx, q.Protocol(), current, recorded)
		}
		return &notAsked{reason: "the key of the tape has refused the new PIN, which the tape does not have", final: true}
	}
	err = a.client.ChangePIN(ctx, q.Protocol(), current, fresh)
	if err == nil {
		a.pins.current, a.pins.fresh = fresh, nil
	}
	return err
}

func (a *asker) getToken(ctx context.Context, q question) error {
	var m pinMembers
	if err := wire.Decode(q.first().Request[1:], &m); err != nil {
		return errNoMethod
	}
	var token *pinuv.Token
	var err error
	if ctap2.PINSubcommand(q.Sub) == ctap2.PINGetTokenUsingUV {
		token, err = a.uvToken(ctx, q, m)
	} else {
		token, err = a.pinToken(ctx, q, m)
	}
	if len(a.tap.sent) > 0 {
		a.keep(q.first(), token, m.Permissions)
	}
	return err
}

func (a *asker) uvToken(ctx context.Context, q question, m pinMembers) (*pinuv.Token, error) {
	if m.Permissions == 0 {
		return a.client.UVToken(ctx)
	}
	return a.client.UVTokenWithPermissions(ctx, q.Protocol(), m.Permissions, m.RPID)
}

func (a *asker) pinToken(ctx context.Context, q question, m pinMembers) (*pinuv.Token, error) {
	pin, err := a.pins.guess(ctx, statusOf(q.first()), a.anyPIN(), a.sentWrong(q.first()))
	if err != nil {
		return nil, err
	}
	defer clear(pin)
	switch ctap2.PINSubcommand(q.Sub) {
	case ctap2.PINGetToken:
		return a.client.PINToken(ctx, q.Protocol(), pin)
	case ctap2.PINGetTokenUsingPIN:
		return a.client.PINTokenWithPermissions(ctx, q.Protocol(), pin, m.Permissions, m.RPID)
	}
	return nil, errNoMethod
}

// salts puts the tape's salts under a secret of its own: those that the tape's
// seed opens, or else made-up ones, the same each time. What comes for them shows
// with the key's answer, where it shows with the tape's.
func (a *asker) salts(ctx context.Context, q question, extensions map[string]any, name string) error {
	agreement, ok := q.Agreement()
	if !ok {
		return nil
	}
	n := len(agreement.Enc[0])
	if agreement.Protocol == pinuv.Two {
		n -= 16
	}
	salts := a.vault.salts(q.first().Request)
	known := len(salts) >= ctap2.SaltSize
	if !known {
		first, second := sha256.Sum256([]byte("salt 1")), sha256.Sum256([]byte("salt 2"))
		salts = append(first[:], second[:]...)[:min(max(n, ctap2.SaltSize), 2*ctap2.SaltSize)]
	}
	var second []byte
	if len(salts) > ctap2.SaltSize {
		second = salts[ctap2.SaltSize:]
	}
	h, err := a.client.HMACSecret(ctx, agreement.Protocol, salts[:ctap2.SaltSize], second)
	if err != nil {
		return err
	}
	extensions[name] = h.Input()
	a.bodies[1].open = nil
	if known {
		a.bodies[1].open = func(_, answer []byte) []byte { return opened(h, name, answer) }
	}
	return nil
}

// opened are the outputs in an answer, nil if there are none.
func opened(h *ctap2.HMACSecret, name string, answer []byte) []byte {
	var a struct {
		AuthData []byte `cbor:"2,keyasint"`
	}
	if len(answer) < 2 || wire.Decode(answer[1:], &a) != nil {
		return nil
	}
	data, err := authdata.Parse(a.AuthData)
	if err != nil {
		return nil
	}
	outputs, err := h.Outputs(data)
	if name == ctap2.ExtensionHMACSecretMC {
		outputs, err = h.CreationOutputs(data)
	}
	if err != nil {
		return nil
	}
	return bytes.Join(outputs, nil)
}
