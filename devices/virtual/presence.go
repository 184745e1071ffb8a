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
	DecisionGranted                  // touched
	DecisionTimedOut                 // did nothing for as long as the key waits
)

// Presence is the user of a key: it is called when the key wants a touch and
// returns when there was one, or as soon as ctx ends. The key counts its own
// time; ctx ends when that is up, when the platform cancels and when power is
// lost, and what Presence returns after that does not matter.
type Presence func(ctx context.Context) Decision

// Auto is a user who touches at once.
func Auto() Presence { return func(context.Context) Decision { return DecisionGranted } }

// Denied is a user who refuses at once.
func Denied() Presence { return func(context.Context) Decision { return DecisionDenied } }

// Delayed is a user who touches after d.
func Delayed(d time.Duration) Presence {
	return func(ctx context.Context) Decision {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			return DecisionGranted
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

// touch waits for evidence of user interaction. Without it the error is
// CTAP2_ERR_OPERATION_DENIED, CTAP2_ERR_KEEPALIVE_CANCEL or, when the time is
// up, what timedOut says: commands differ in that.
func (a *Authenticator) touch(c *call, timedOut ctap2.Status) error {
	ctx, cancel := context.WithTimeout(c.ctx, a.cfg.ActionTimeout)
	defer cancel()
	c.keepalive(keepaliveUPNeeded)
	decision := a.cfg.Presence(ctx)
	c.keepalive(keepaliveProcessing)
	switch {
	case c.ctx.Err() != nil:
		return ctap2.StatusKeepaliveCancel
	case ctx.Err() != nil || decision == DecisionTimedOut:
		return timedOut
	case decision != DecisionGranted:
		return ctap2.StatusOperationDenied
	}
	return nil
}
