package replay

import (
	"bytes"
	"context"
	"crypto/sha256"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices/transcript"
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
	pin, err := a.pins.inUse(ctx, a.anyPIN())
	if err != nil {
		return err
	}
	if statusOf(q.first()) == ctap2.StatusPINPolicyViolation && a.against {
		return &notAsked{reason: "the key of the tape has refused the PIN, which the tape does not have", final: true}
	}
	return a.client.SetPIN(ctx, q.Protocol(), pin)
}

func (a *asker) changePIN(ctx context.Context, q question) error {
	status := statusOf(q.first())
	current, err := a.pins.guess(ctx, status, a.anyPIN())
	if err != nil {
		return err
	}
	defer clear(current)
	fresh, err := a.pins.next(ctx, a.anyPIN())
	if err != nil {
		return err
	}
	if status == ctap2.StatusPINPolicyViolation && a.against {
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
	perms := m.Permissions
	if ctap2.PINSubcommand(q.Sub) == ctap2.PINGetTokenUsingUV {
		token, err = a.uvToken(ctx, q, m)
	} else {
		token, err = a.pinToken(ctx, q, m)
	}
	if err != nil {
		return err
	}
	if perms == 0 {
		perms = all
	}
	a.tokens = append(a.tokens, granted{token, perms})
	return nil
}

func (a *asker) uvToken(ctx context.Context, q question, m pinMembers) (*pinuv.Token, error) {
	if m.Permissions == 0 {
		return a.client.UVToken(ctx)
	}
	return a.client.UVTokenWithPermissions(ctx, q.Protocol(), m.Permissions, m.RPID)
}

func (a *asker) pinToken(ctx context.Context, q question, m pinMembers) (*pinuv.Token, error) {
	pin, err := a.pins.guess(ctx, statusOf(q.first()), a.anyPIN())
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

// salts puts salts of its own in the place of the tape's, which are encrypted:
// the same ones each time. What comes for them shows with the key's answer.
func (a *asker) salts(ctx context.Context, q transcript.Question, extensions map[string]any, name string) error {
	agreement, ok := q.Agreement()
	if !ok {
		return nil
	}
	n := len(agreement.Enc[0])
	if agreement.Protocol == pinuv.Two {
		n -= 16
	}
	salt1, salt2 := sha256.Sum256([]byte("salt 1")), sha256.Sum256([]byte("salt 2"))
	var second []byte
	if n > ctap2.SaltSize {
		second = salt2[:]
	}
	h, err := a.client.HMACSecret(ctx, agreement.Protocol, salt1[:], second)
	if err != nil {
		return err
	}
	extensions[name] = h.Input()
	a.bodies[1].open = func(_, answer []byte) []byte { return opened(h, name, answer) }
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
