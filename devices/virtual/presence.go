package virtual

import (
	"context"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
)

// Decision is what the user did when the key asked for a touch.
type Decision uint8

// Decisions.
const (
	DecisionDenied   Decision = iota // refused on purpose, such as by a second button
	DecisionGranted                  // touched, for a moment
	DecisionTimedOut                 // did nothing for as long as the key waits
	DecisionHeld                     // touched, and held for as long as a long touch takes
)

// Presence is the user of a key: it is called when the key wants a touch and
// returns when there was one, or as soon as ctx ends. The key counts its own
// time; ctx ends when that is up, when the platform cancels and when power is
// lost, and what Presence returns after that does not matter. It may be called
// from another goroutine than the command was, never twice at a time.
type Presence func(ctx context.Context) Decision

// Auto is a user who touches at once, for as long as the key wants.
func Auto() Presence { return func(context.Context) Decision { return DecisionHeld } }

// Denied is a user who refuses at once.
func Denied() Presence { return func(context.Context) Decision { return DecisionDenied } }

// Delayed is a user who touches after d, for as long as the key wants.
func Delayed(d time.Duration) Presence {
	return func(ctx context.Context) Decision {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			return DecisionHeld
		case <-ctx.Done():
			return DecisionTimedOut
		}
	}
}

// Keepalive status codes (CTAP 2.3 §11.2.9.1.7).
const (
	keepaliveProcessing = 1
	keepaliveUPNeeded   = 2
)

// actionTime is how long a user may take to do what the key asks for.
func (a *Authenticator) actionTime() time.Duration {
	return or(a.profile.Timers.Action, defaultAction)
}

// touch waits for evidence of user interaction. Without it the error is
// CTAP2_ERR_OPERATION_DENIED, CTAP2_ERR_KEEPALIVE_CANCEL or, when the time is
// up, what timedOut says: commands differ in that.
func (a *Authenticator) touch(c *call, timedOut ctap2.Status) error {
	if a.placedCounts() {
		return a.placed()
	}
	decision, err := a.decide(c, timedOut)
	if err == nil && decision != DecisionGranted && decision != DecisionHeld {
		return ctap2.StatusOperationDenied
	}
	return err
}

// decide asks the user, and tells what the decision was.
func (a *Authenticator) decide(c *call, timedOut ctap2.Status) (Decision, error) {
	ctx, cancel := context.WithTimeout(c.ctx, a.actionTime())
	defer cancel()
	c.keepalive(keepaliveUPNeeded)
	decision := a.cfg.Presence(ctx)
	c.keepalive(keepaliveProcessing)
	switch {
	case c.ctx.Err() != nil:
		return decision, ctap2.StatusKeepaliveCancel
	case ctx.Err() != nil || decision == DecisionTimedOut:
		return decision, timedOut
	}
	return decision, nil
}

// placedCounts tells whether being placed in the field is this key's user
// presence (CTAP 2.3 §11.3).
func (a *Authenticator) placedCounts() bool {
	return a.cfg.Transport == NFC && a.profile.Field.Window > 0
}

// placed uses that presence once. When it is used up or was too long ago the
// user has to take the key away and place it again.
func (a *Authenticator) placed() error {
	field := a.profile.Field
	switch {
	case a.cfg.Now().Sub(a.volatile.poweredUp) > field.Window,
		field.Uses > 0 && a.volatile.placedUses >= field.Uses:
		return ctap2.StatusUPRequired
	}
	a.volatile.placedUses++
	return nil
}
