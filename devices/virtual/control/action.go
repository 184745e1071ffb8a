package control

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/devices/virtual/faulty"
)

// actions carry out what a body says.
var actions = map[Action]func(ctx context.Context, p *Panel, k *Key, body []byte) error{
	Touch:  touch,
	Refuse: refuse,
	Remove: func(ctx context.Context, _ *Panel, k *Key, body []byte) error {
		return plug(ctx, k, body, (*Plug).Remove)
	},
	Insert: func(ctx context.Context, _ *Panel, k *Key, body []byte) error {
		return plug(ctx, k, body, (*Plug).Insert)
	},
	PowerCycle: powerCycle,
	Presence:   presence,
	Finger:     finger,
	Faults:     faults,
}

// Do does something to the key of that name, as a body in JSON says, and returns
// how it is then. The error is [ErrUnknownKey], [ErrRequest], [ErrCannot],
// [ErrNotWaiting] or a [*faulty.UnknownError].
func (p *Panel) Do(ctx context.Context, name string, action Action, body []byte) (State, error) {
	run, ok := actions[action]
	if !ok {
		return State{}, fmt.Errorf("%w: there is no action %q", ErrRequest, action)
	}
	k, err := p.Key(name)
	if err != nil {
		return State{}, err
	}
	if err := run(ctx, p, k, body); err != nil {
		return State{}, fmt.Errorf("%s %s: %w", action, name, err)
	}
	return k.State(), nil
}

// waiting is a context that lasts as long as a request waits.
func waiting(ctx context.Context, wait string) (context.Context, context.CancelFunc, error) {
	d, err := parseWait(wait)
	if err != nil {
		return nil, nil, err
	}
	ctx, stop := context.WithTimeout(ctx, d)
	return ctx, stop, nil
}

func touch(ctx context.Context, _ *Panel, k *Key, body []byte) error {
	var r TouchRequest
	if err := decode(body, &r); err != nil {
		return err
	}
	return tell(ctx, k, r.Wait, func(ctx context.Context, u *User) error { return u.Touch(ctx, r.Short) })
}

func refuse(ctx context.Context, _ *Panel, k *Key, body []byte) error {
	var r DenyRequest
	if err := decode(body, &r); err != nil {
		return err
	}
	return tell(ctx, k, r.Wait, func(ctx context.Context, u *User) error { return u.Deny(ctx) })
}

// tell tells the user something, as soon as the key asks and not later than wait.
func tell(ctx context.Context, k *Key, wait string, what func(context.Context, *User) error) error {
	ctx, stop, err := waiting(ctx, wait)
	if err != nil {
		return err
	}
	defer stop()
	if k.User == nil {
		return fmt.Errorf("%w: it has no user", ErrCannot)
	}
	return what(ctx, k.User)
}

func plug(ctx context.Context, k *Key, body []byte, do func(*Plug, context.Context) error) error {
	if err := decode(body, &struct{}{}); err != nil {
		return err
	}
	if k.Plug == nil {
		return fmt.Errorf("%w: it stays where it is", ErrCannot)
	}
	return do(k.Plug, ctx)
}

func powerCycle(_ context.Context, p *Panel, k *Key, body []byte) error {
	if err := decode(body, &struct{}{}); err != nil {
		return err
	}
	if k.Power == nil {
		return fmt.Errorf("%w: it has no power", ErrCannot)
	}
	k.Power()
	p.Tell(k.Name, EventPowerCycled)
	return nil
}

func presence(_ context.Context, _ *Panel, k *Key, body []byte) error {
	var r PresenceRequest
	err := decode(body, &r)
	if err == nil {
		_, err = ParseMode(string(r.Mode))
	}
	switch {
	case err != nil:
		return err
	case k.User == nil:
		return fmt.Errorf("%w: it has no user", ErrCannot)
	}
	k.User.SetMode(r.Mode)
	return nil
}

func finger(_ context.Context, _ *Panel, k *Key, body []byte) error {
	var r FingerRequest
	if err := decode(body, &r); err != nil {
		return err
	}
	if k.User == nil {
		return fmt.Errorf("%w: it has no user", ErrCannot)
	}
	return k.User.SetFinger(r.Finger)
}

func faults(_ context.Context, p *Panel, k *Key, body []byte) error {
	var r FaultsRequest
	if err := decode(body, &r); err != nil {
		return err
	}
	if k.Faults == nil {
		return fmt.Errorf("%w: it has no faults of its own", ErrCannot)
	}
	if err := known(slices.Concat(r.Off, r.On)); err != nil {
		return err
	}
	var ids []virtual.FaultID
	if !r.Clear {
		ids = k.Faults.Faults()
	}
	ids = slices.DeleteFunc(ids, func(id virtual.FaultID) bool { return slices.Contains(r.Off, id) })
	if err := k.Faults.Set(append(ids, r.On...)); err != nil {
		return err
	}
	p.Tell(k.Name, EventFaults)
	return nil
}

// known refuses names that stand for nothing.
func known(ids []virtual.FaultID) error {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = string(id)
	}
	_, err := faulty.Parse(names)
	return err
}

// wrong tells errors that are the caller's from those of the key's state.
func wrong(err error) bool {
	var unknown *faulty.UnknownError
	return errors.Is(err, ErrRequest) || errors.As(err, &unknown)
}
