package control

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// events collects what befell the keys, as text.
type events struct{ said []string }

func (e *events) add(v Event) {
	e.said = append(e.said, strings.Join(strings.Fields(v.Event+" "+v.Detail+" "+v.Command+" "+v.Status), " "))
}

func (e *events) want(t *testing.T, want ...string) {
	t.Helper()
	if fmt.Sprint(e.said) != fmt.Sprint(want) {
		t.Errorf("events %q, want %q", e.said, want)
	}
	e.said = nil
}

// newUser is a user, and what is told of it.
func newUser(mode Mode, own virtual.Presence) (*User, *events) {
	e := &events{}
	return NewPanel(e.add).User("key", mode, own), e
}

func TestUserByMode(t *testing.T) {
	for _, c := range []struct {
		mode   Mode
		own    virtual.Presence
		want   virtual.Decision
		finger virtual.Sample
		events []string
	}{
		{Auto, nil, virtual.DecisionHeld, virtual.Sample{Finger: "1"}, []string{"waiting touch", "touched touch", "waiting finger", "touched finger"}},
		{Auto, virtual.Denied(), virtual.DecisionDenied, virtual.Sample{Finger: "1"}, []string{"waiting touch", "denied touch", "waiting finger", "touched finger"}},
		{Auto, virtual.Delayed(time.Second), virtual.DecisionHeld, virtual.Sample{Finger: "1"}, []string{"waiting touch", "touched touch", "waiting finger", "touched finger"}},
		{Deny, nil, virtual.DecisionDenied, virtual.Sample{Denied: true}, []string{"waiting touch", "denied touch", "waiting finger", "denied finger"}},
		{Manual, nil, virtual.DecisionTimedOut, virtual.Sample{}, []string{"waiting touch", "given-up touch", "waiting finger", "given-up finger"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			u, e := newUser(c.mode, c.own)
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			if got := u.Presence(ctx); got != c.want {
				t.Errorf("%s: %v, want %v", c.mode, got, c.want)
			}
			if got := u.Finger(ctx); got != c.finger {
				t.Errorf("%s: %+v, want %+v", c.mode, got, c.finger)
			}
			e.want(t, c.events...)
		})
	}
}

// TestManual: the key waits until somebody decides, whoever comes first.
func TestManual(t *testing.T) {
	touch := func(ctx context.Context, u *User) error { return u.Touch(ctx, false) }
	short := func(ctx context.Context, u *User) error { return u.Touch(ctx, true) }
	for name, c := range map[string]struct {
		do   func(context.Context, *User) error
		want virtual.Decision
	}{
		"touch":   {touch, virtual.DecisionHeld},
		"short":   {short, virtual.DecisionGranted},
		"deny":    {func(ctx context.Context, u *User) error { return u.Deny(ctx) }, virtual.DecisionDenied},
		"to auto": {func(_ context.Context, u *User) error { u.SetMode(Auto); return nil }, virtual.DecisionHeld},
		"to deny": {func(_ context.Context, u *User) error { u.SetMode(Deny); return nil }, virtual.DecisionDenied},
	} {
		for _, early := range []bool{false, true} {
			if early && strings.HasPrefix(name, "to") && name != "touch" {
				continue // a mode is not waited for
			}
			synctest.Test(t, func(t *testing.T) {
				u, _ := newUser(Manual, nil)
				decided := make(chan virtual.Decision, 1)
				ask := func() { go func() { decided <- u.Presence(t.Context()) }(); synctest.Wait() }
				if early {
					time.AfterFunc(time.Second, ask)
				} else {
					ask()
					if _, _, waiting := u.state(); waiting != "touch" {
						t.Errorf("%s: it waits for %q", name, waiting)
					}
				}
				ctx, stop := context.WithTimeout(t.Context(), time.Minute)
				defer stop()
				if err := c.do(ctx, u); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if got := <-decided; got != c.want {
					t.Errorf("%s: %v, want %v", name, got, c.want)
				}
				if _, _, waiting := u.state(); waiting != "" {
					t.Errorf("%s: it waits for %q still", name, waiting)
				}
			})
		}
	}
}

func TestNotWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, e := newUser(Auto, nil)
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		for _, err := range []error{u.Touch(ctx, false), u.Deny(ctx)} {
			if !errors.Is(err, ErrNotWaiting) {
				t.Error(err)
			}
		}
		e.want(t)
	})
}

// TestTouchEarlierThanDelayed: who is told to touch does not wait any longer.
func TestTouchEarlierThanDelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, _ := newUser(Auto, virtual.Delayed(time.Hour))
		begin := time.Now()
		time.AfterFunc(time.Second, func() {
			if err := u.Deny(t.Context()); err != nil {
				t.Error(err)
			}
		})
		if got := u.Presence(t.Context()); got != virtual.DecisionDenied || time.Since(begin) != time.Second {
			t.Errorf("%v after %v", got, time.Since(begin))
		}
	})
}

func TestFingers(t *testing.T) {
	u, e := newUser(Auto, nil)
	for _, c := range []struct {
		text string
		want virtual.Sample
	}{
		{"bad", virtual.Sample{Finger: "1", Status: virtual.SamplePoorQuality}}, {"7", virtual.Sample{Finger: "7"}},
		{"none", virtual.Sample{}}, {"good", virtual.Sample{Finger: "1"}},
	} {
		if err := u.SetFinger(c.text); err != nil {
			t.Fatal(err)
		}
		e.want(t, "finger "+c.text)
		if got := u.Finger(t.Context()); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.text, got, c.want)
		}
		e.said = nil
	}
	for _, text := range []string{"", "0", "11", "thumb", "-1"} {
		if err := u.SetFinger(text); !errors.Is(err, ErrRequest) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, finger, _ := u.state(); finger != "good" {
		t.Errorf("the finger is %q", finger)
	}
}
