package discover

import (
	"context"
	"errors"
	"fmt"

	"github.com/touchstone-fido/touchstone/devices"
)

// ErrStopped: a place can no longer be looked at.
var ErrStopped = errors.New("it cannot be seen any more which keys are there")

// Reinserted waits until a key is taken away and one is put back: into any port
// for a key on USB, on the same reader for a card. tell hears [devices.Present]
// when the key is there to be taken away, and [devices.Removed] when one is to be
// put back. Nothing may have the key open through a backend that takes it from
// others.
//
// The change that it returns has the key and when it was seen; whether it is the
// same key, only asking it can tell. What another backend than the key's has does
// not count. The error is ctx's cause, or wraps [ErrStopped].
func Reinserted(ctx context.Context, key devices.Info, o Options, tell func(devices.ChangeKind)) (devices.Change, error) {
	r := reinsertion{key: key, tell: tell}
	for c := range Watch(ctx, o) {
		if c.Backend != key.Backend {
			continue
		}
		done, err := r.see(c)
		if err != nil || done {
			return c, err
		}
	}
	if r.refused != nil {
		return devices.Change{}, fmt.Errorf("%w: the key that was put back cannot be used: %w", context.Cause(ctx), r.refused)
	}
	return devices.Change{}, context.Cause(ctx)
}

// reinsertion is how far a person has come.
type reinsertion struct {
	key     devices.Info
	tell    func(devices.ChangeKind)
	gone    bool
	refused error // why a key that was put back cannot be used, so far
}

// see takes a change of the key's backend and reports whether it is the end.
func (r *reinsertion) see(c devices.Change) (bool, error) {
	this := c.Device.Path == r.key.Path
	switch {
	case c.Kind == devices.Failed:
		return false, fmt.Errorf("%w: %s: %w", ErrStopped, c.Backend, c.Reason)
	case !c.OfKey():
		return false, nil
	case c.Kind == devices.Removed:
		if this && !r.gone {
			r.gone = true
			r.tell(devices.Removed)
		}
		return false, nil
	case c.Kind == devices.Present:
		if this {
			r.tell(devices.Present)
		}
		return false, nil
	case !r.gone && !(this && c.Kind == devices.Added): // another key, beside it
		return false, nil
	case r.key.Transport == devices.NFC && !this: // on another reader
		return false, nil
	}
	r.gone, r.refused = true, c.Reason
	return c.Usable(), nil
}
