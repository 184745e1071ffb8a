package manage

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

// Wish is how a policy is to be. What is nil, zero or empty stays as it is.
type Wish struct {
	AlwaysUV              *bool
	MinPINLength          uint     // code points
	MinPINLengthRPIDs     []string // replace the ones before, of which no key tells
	ForcePINChange        bool
	PINComplexityPolicy   *bool
	EnterpriseAttestation *bool
	LongTouchForReset     *bool
}

// Empty reports whether nothing is wished for.
func (w Wish) Empty() bool {
	return w.AlwaysUV == nil && w.MinPINLength == 0 && len(w.MinPINLengthRPIDs) == 0 && !w.ForcePINChange &&
		w.PINComplexityPolicy == nil && w.EnterpriseAttestation == nil && w.LongTouchForReset == nil
}

// Change is one setting that is to be another.
type Change struct {
	Setting Setting
	Before  any  // bool, uint, or nil where the key does not tell
	After   any  // bool, uint or []string
	Final   bool // only a reset takes it back
}

// Plan is what there is to do about a wish. One without changes is done already.
type Plan struct {
	Changes []Change

	key   *Key
	steps []step
}

// step is one command.
type step struct {
	settings []Setting // that it changes
	run      func(*ctap2.Client, context.Context, *pinuv.Token) error
}

// Plan compares a wish with the policy that the key told of. Nothing is sent. What
// the key cannot change is [ctap2.ErrUnsupported], what cannot be taken back
// [ErrOneWay], a forced change of a PIN that is not set [ctap2.StatusPINNotSet].
func (k *Key) Plan(w Wish) (*Plan, error) {
	p := &Plan{key: k}
	is := k.Policy()
	p.flag(AlwaysUV, is.AlwaysUV, w.AlwaysUV, false)
	p.flag(EnterpriseAttestation, is.EnterpriseAttestation, w.EnterpriseAttestation, true)
	p.flag(LongTouchForReset, is.LongTouchForReset, w.LongTouchForReset, true)
	p.flag(PINComplexityPolicy, is.PINComplexityPolicy, w.PINComplexityPolicy, true)
	if min := k.minPIN(); w.MinPINLength != 0 && w.MinPINLength != min {
		p.add(MinPINLength, min, w.MinPINLength, true)
	}
	if len(w.MinPINLengthRPIDs) > 0 {
		p.add(MinPINLengthRPIDs, nil, w.MinPINLengthRPIDs, false)
	}
	if w.ForcePINChange && !k.info.ForcePINChange {
		p.add(ForcePINChange, false, true, false)
	}
	for _, c := range p.Changes {
		if err := k.check(c, is); err != nil {
			return nil, err
		}
	}
	p.order()
	return p, nil
}

// minPIN is the minimum length of PINs: the standard's where the key tells none.
func (k *Key) minPIN() uint {
	if k.info.MinPINLength == 0 {
		return pinuv.MinPINLength
	}
	return k.info.MinPINLength
}

func (p *Plan) add(s Setting, before, after any, final bool) {
	p.Changes = append(p.Changes, Change{Setting: s, Before: before, After: after, Final: final})
}

// flag adds a setting that is on or off. One that the key does not have is off.
func (p *Plan) flag(s Setting, is, want *bool, final bool) {
	on := is != nil && *is
	if want != nil && *want != on {
		p.add(s, on, *want, final)
	}
}

// check refuses what cannot be done, before anything is.
func (k *Key) check(c Change, is Policy) error {
	switch {
	case c.Final && c.After == false:
		return fmt.Errorf("%s is on: %w", c.Setting, ErrOneWay)
	case !slices.Contains(is.Changeable, c.Setting):
		return unsupported("it does not let " + string(c.Setting) + " be changed")
	case c.Setting == ForcePINChange && !k.option(ctap2.OptionClientPIN):
		return fmt.Errorf("no PIN is set that could be changed: %w", ctap2.StatusPINNotSet)
	case c.Setting == MinPINLength:
		return k.checkLength(c.After.(uint))
	case c.Setting == MinPINLengthRPIDs:
		return k.checkRPIDs(c.After.([]string))
	}
	return nil
}

func (k *Key) checkLength(length uint) error {
	most := uint(pinuv.MaxPINBytes)
	if k.info.MaxPINLength != 0 {
		most = min(most, k.info.MaxPINLength)
	}
	switch {
	case length < k.minPIN():
		return fmt.Errorf("minPINLength is %d: %w", k.minPIN(), ErrOneWay)
	case length > most:
		return unsupported(fmt.Sprintf("its longest PIN has %d characters", most))
	}
	return nil
}

func (k *Key) checkRPIDs(ids []string) error {
	if most := k.info.MaxRPIDsForSetMinPINLength; uint(len(ids)) > most {
		return unsupported(fmt.Sprintf("it tells the minimum length to %d relying parties at most", most))
	}
	return nil
}

// oneWay are the commands that turn something on and nothing off.
var oneWay = map[Setting]func(*ctap2.Client, context.Context, *pinuv.Token) error{
	EnterpriseAttestation: (*ctap2.Client).EnableEnterpriseAttestation,
	LongTouchForReset:     (*ctap2.Client).EnableLongTouchForReset,
}

// order turns the changes into commands. Those about the PIN are one command, and
// the last: it may end the token. On a key that nothing protects it comes before
// alwaysUv is turned on, after which the key would want a token; alwaysUv is
// turned off first, after which it wants none.
func (p *Plan) order() {
	for _, c := range p.Changes {
		if run, ok := oneWay[c.Setting]; ok {
			p.steps = append(p.steps, step{[]Setting{c.Setting}, run})
		}
	}
	pin := p.pinStep()
	always, on := p.alwaysUV()
	if on && !p.key.verifies() {
		p.steps = slices.Concat(p.steps, pin, always)
		return
	}
	p.steps = slices.Concat(always, p.steps, pin)
}

// alwaysUV is the step that turns alwaysUv on or off, if it is to be.
func (p *Plan) alwaysUV() (steps []step, on bool) {
	at := slices.IndexFunc(p.Changes, func(c Change) bool { return c.Setting == AlwaysUV })
	if at < 0 {
		return nil, false
	}
	on = p.Changes[at].After == true
	return []step{{[]Setting{AlwaysUV}, func(k *ctap2.Client, ctx context.Context, t *pinuv.Token) error {
		err := k.SetAlwaysUV(ctx, t, on)
		if !on && errors.Is(err, ctap2.StatusOperationDenied) {
			return fmt.Errorf("%w: %w", ErrStays, err)
		}
		return err
	}}}, on
}

// pinStep is the one command for all that is about PINs.
func (p *Plan) pinStep() []step {
	var m ctap2.MinPINLength
	var s []Setting
	for _, c := range p.Changes {
		switch c.Setting {
		case MinPINLength:
			m.Length = c.After.(uint)
		case MinPINLengthRPIDs:
			m.RPIDs = c.After.([]string)
		case ForcePINChange:
			m.ForceChange = true
		case PINComplexityPolicy:
			m.ComplexityPolicy = true
		default:
			continue
		}
		s = append(s, c.Setting)
	}
	if len(s) == 0 {
		return nil
	}
	return []step{{s, func(k *ctap2.Client, ctx context.Context, t *pinuv.Token) error {
		return k.SetMinPINLength(ctx, t, m)
	}}}
}

// PartialError says that a plan was carried out in part.
type PartialError struct {
	Done []Setting // that were changed before it
	Err  error
}

// Error names what was changed and what then went wrong.
func (e *PartialError) Error() string {
	return fmt.Sprintf("%v was changed, and then: %v", e.Done, e.Err)
}

// Unwrap returns what went wrong.
func (e *PartialError) Unwrap() error { return e.Err }

// Apply carries the plan out and asks the key again what it is: what is not as
// planned is [ErrNotDone]. The user is verified once, where the key wants it; a
// plan without changes sends nothing. When some of it was done and some not, the
// error is a [*PartialError].
func (p *Plan) Apply(ctx context.Context) error {
	if len(p.Changes) == 0 {
		return nil
	}
	token, err := p.authorize(ctx)
	if err != nil {
		return err
	}
	defer token.Wipe()
	var done []Setting
	for _, s := range p.steps {
		if err := s.run(p.key.conn.Client, ctx, token); err != nil {
			return partial(done, err)
		}
		done = append(done, s.settings...)
	}
	return partial(done, p.verify(ctx))
}

func partial(done []Setting, err error) error {
	if err == nil || len(done) == 0 || errors.Is(err, ErrNotDone) {
		return err
	}
	return &PartialError{Done: done, Err: err}
}

// authorize verifies the user. A key that has alwaysUv on and nothing to verify
// its user with lets it be turned off all the same (CTAP 2.3 §6.11).
func (p *Plan) authorize(ctx context.Context) (*pinuv.Token, error) {
	if !p.key.verifies() && p.steps[0].settings[0] == AlwaysUV {
		return nil, nil
	}
	return p.key.authorize(ctx, ctap2.PermissionConfig)
}

// verify asks the key again, and holds its policy against the plan.
func (p *Plan) verify(ctx context.Context) error {
	info, err := p.key.conn.GetInfo(ctx)
	if err != nil {
		return err
	}
	p.key.info = info
	is := p.key.Policy()
	now := map[Setting]any{
		AlwaysUV: value(is.AlwaysUV), EnterpriseAttestation: value(is.EnterpriseAttestation), LongTouchForReset: value(is.LongTouchForReset),
		PINComplexityPolicy: value(is.PINComplexityPolicy), ForcePINChange: info.ForcePINChange, MinPINLength: p.key.minPIN(),
	}
	for _, c := range p.Changes {
		if is, told := now[c.Setting]; told && is != c.After {
			return fmt.Errorf("%s is %v: %w", c.Setting, is, ErrNotDone)
		}
	}
	return nil
}

func value(b *bool) bool { return b != nil && *b }
