package control

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// Mode is what the user of a key does when it asks.
type Mode string

// Modes.
const (
	Auto   Mode = "auto"   // what the user was made with: touches at once, unless told otherwise
	Manual Mode = "manual" // waits for [User.Touch] and [User.Deny]
	Deny   Mode = "deny"   // refuses at once
)

// ParseMode reads a mode. The error is an [ErrRequest].
func ParseMode(text string) (Mode, error) {
	switch m := Mode(text); m {
	case Auto, Manual, Deny:
		return m, nil
	}
	return "", fmt.Errorf("%w: %q is neither %s, %s nor %s", ErrRequest, text, Auto, Manual, Deny)
}

// GoodFinger is the finger that a user puts on the sensor unless told otherwise.
const GoodFinger = "1"

// ParseFinger reads what touches a fingerprint sensor: "good" for the first
// finger, a number from 1 to 10 for that one, "bad" for a contact that is of no
// use, "none" for nobody. The error is an [ErrRequest].
func ParseFinger(text string) (virtual.Sample, error) {
	n, err := strconv.Atoi(text)
	switch {
	case text == "good":
		return virtual.Sample{Finger: GoodFinger}, nil
	case text == "bad":
		return virtual.Sample{Finger: GoodFinger, Status: virtual.SamplePoorQuality}, nil
	case text == "none":
		return virtual.Sample{}, nil
	case err == nil && n >= 1 && n <= 10:
		return virtual.Sample{Finger: strconv.Itoa(n)}, nil
	}
	return virtual.Sample{}, fmt.Errorf("%w: finger %q is neither good, bad, none nor a finger from 1 to 10", ErrRequest, text)
}

// User is the user of one key, whom others tell what to do. Its methods may be
// called from several goroutines.
type User struct {
	tell func(event, detail string)
	own  virtual.Presence // in mode Auto

	mu      sync.Mutex
	mode    Mode
	finger  string
	sample  virtual.Sample // that finger is
	pending *request
	asked   chan struct{} // closed by the next request
}

// request is a touch, or a finger, that the key waits for.
type request struct {
	what    string
	decided chan virtual.Decision // has room for the one that there is
}

// What a key can wait for.
const (
	waitingTouch  = "touch"
	waitingFinger = "finger"
)

// User makes the user of a key of that name, with whose good finger nothing is
// wrong. own is what the user does in mode [Auto], nil for touching at once.
func (p *Panel) User(name string, mode Mode, own virtual.Presence) *User {
	if own == nil {
		own = virtual.Auto()
	}
	return &User{
		tell: func(event, detail string) { p.log.add(Event{Key: name, Event: event, Detail: detail}) },
		own:  own, mode: mode, finger: "good", sample: virtual.Sample{Finger: GoodFinger}, asked: make(chan struct{}),
	}
}

func (u *User) state() (mode Mode, finger, waiting string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.pending != nil {
		waiting = u.pending.what
	}
	return u.mode, u.finger, waiting
}

// Presence is the [virtual.Presence] of the key.
func (u *User) Presence(ctx context.Context) virtual.Decision {
	return u.ask(ctx, waitingTouch)
}

// Finger is the [virtual.Finger] of the key.
func (u *User) Finger(ctx context.Context) virtual.Sample {
	switch u.ask(ctx, waitingFinger) {
	case virtual.DecisionDenied:
		return virtual.Sample{Denied: true}
	case virtual.DecisionTimedOut:
		return virtual.Sample{}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.sample
}

// ask waits for the user.
func (u *User) ask(ctx context.Context, what string) virtual.Decision {
	r, own := u.begin(what)
	u.tell(EventWaiting, what)
	decision := decide(ctx, r, own)
	u.end(r)
	switch decision {
	case virtual.DecisionDenied:
		u.tell(EventDenied, what)
	case virtual.DecisionTimedOut:
		u.tell(EventGivenUp, what)
	default:
		u.tell(EventTouched, what)
	}
	return decision
}

// decide is what others tell the user, or what the user does without them, in
// own, or that time is up.
func decide(ctx context.Context, r *request, own virtual.Presence) virtual.Decision {
	inner, stop := context.WithCancel(ctx)
	done := make(chan virtual.Decision, 1)
	go func() { done <- own(inner) }()
	left := true
	decision := virtual.DecisionTimedOut
	select {
	case decision = <-r.decided:
	case decision = <-done:
		left = false
	case <-ctx.Done():
	}
	stop()
	if left {
		<-done
	}
	return decision
}

// begin makes a request that others can decide, and tells what the user does
// without them.
func (u *User) begin(what string) (*request, virtual.Presence) {
	u.mu.Lock()
	defer u.mu.Unlock()
	r := &request{what: what, decided: make(chan virtual.Decision, 1)}
	u.pending = r
	close(u.asked)
	u.asked = make(chan struct{})
	switch {
	case u.mode == Deny:
		return r, virtual.Denied()
	case u.mode == Manual:
		return r, absent
	case what == waitingFinger:
		return r, virtual.Auto()
	}
	return r, u.own
}

// absent is a user who does nothing.
func absent(ctx context.Context) virtual.Decision {
	<-ctx.Done()
	return virtual.DecisionTimedOut
}

func (u *User) end(r *request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.pending == r {
		u.pending = nil
	}
}

// Touch has the user touch the key, or put the finger on its sensor, for which
// the key waits or will wait before ctx ends; else the error is [ErrNotWaiting].
// A short touch is for a moment, others are as long as the key wants.
func (u *User) Touch(ctx context.Context, short bool) error {
	if short {
		return u.answer(ctx, virtual.DecisionGranted)
	}
	return u.answer(ctx, virtual.DecisionHeld)
}

// Deny has the user refuse, in the same way.
func (u *User) Deny(ctx context.Context) error { return u.answer(ctx, virtual.DecisionDenied) }

func (u *User) answer(ctx context.Context, d virtual.Decision) error {
	for {
		asked, ok := u.settle(d)
		if ok {
			return nil
		}
		select {
		case <-asked:
		case <-ctx.Done():
			return ErrNotWaiting
		}
	}
}

// settle decides the request that there is. Without one it returns a channel that
// closes with the next.
func (u *User) settle(d virtual.Decision) (asked <-chan struct{}, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.pending == nil {
		return u.asked, false
	}
	u.pending.decided <- d
	u.pending = nil
	return nil, true
}

// SetMode switches what the user does, from now on and where the key waits now.
func (u *User) SetMode(mode Mode) {
	u.mu.Lock()
	u.mode = mode
	u.mu.Unlock()
	u.tell(EventPresence, string(mode))
	switch mode {
	case Auto:
		u.settle(virtual.DecisionHeld)
	case Deny:
		u.settle(virtual.DecisionDenied)
	}
}

// SetFinger switches what touches the sensor. The error is that of [ParseFinger].
func (u *User) SetFinger(text string) error {
	sample, err := ParseFinger(text)
	if err != nil {
		return err
	}
	u.mu.Lock()
	u.finger, u.sample = text, sample
	u.mu.Unlock()
	u.tell(EventFinger, text)
	return nil
}
