package virtual

import (
	"context"
	"time"
)

// pollGrace is how long a CTAP1 request over USB waits for a user who is at hand.
// Longer ones touch the key between two requests.
const pollGrace = 20 * time.Millisecond

// poll is the touch that CTAP1 requests ask for again and again. It counts for
// the first that wants one, within the time that a user may take.
type poll struct {
	ctx     context.Context
	cancel  context.CancelFunc
	decided chan Decision
	done    chan struct{}
}

// u2fTouch wants evidence that the user is there.
func (a *Authenticator) u2fTouch() error {
	switch {
	case a.faulty(u2fNoTouch):
		return nil
	case a.placedCounts():
		if a.placed() != nil {
			return swNoTouch
		}
		return nil
	case a.cfg.Transport == NFC:
		return nil
	}
	return a.polled()
}

// polled tells whether there was a touch since the key first asked for it.
func (a *Authenticator) polled() error {
	if p := a.volatile.poll; p == nil || p.ctx.Err() != nil {
		p.stop()
		a.volatile.poll = a.startPoll()
	}
	grace := time.NewTimer(pollGrace)
	defer grace.Stop()
	select {
	case decision := <-a.volatile.poll.decided:
		a.volatile.poll.stop()
		a.volatile.poll = nil
		if decision == DecisionGranted || decision == DecisionHeld {
			return nil
		}
	case <-grace.C:
	}
	return swNoTouch
}

// startPoll asks the user in the background.
func (a *Authenticator) startPoll() *poll {
	p := &poll{decided: make(chan Decision, 1), done: make(chan struct{})}
	p.ctx, p.cancel = context.WithTimeout(context.Background(), a.actionTime())
	go func() {
		defer close(p.done)
		p.decided <- a.cfg.Presence(p.ctx)
	}()
	return p
}

// stop ends the wait, and returns when the user was told. A nil poll is none.
func (p *poll) stop() {
	if p != nil {
		p.cancel()
		<-p.done
	}
}
