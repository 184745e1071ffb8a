package pcsc

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/touchstone-fido/touchstone/nfc"
)

// within is a context that ends after d, with errTest.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, stop := context.WithTimeoutCause(t.Context(), d, errTest)
	t.Cleanup(stop)
	return ctx
}

// A card that another program has for itself alone is tried again for a second.
func TestOpenExclusive(t *testing.T) {
	for name, c := range map[string]struct {
		until time.Duration // the other program closes the card
		limit time.Duration // of the caller
		took  time.Duration
		text  string
		kinds []error
	}{
		"closed soon": {until: 250 * time.Millisecond, limit: time.Minute, took: 300 * time.Millisecond},
		"not closed": {until: time.Hour, limit: time.Minute, took: time.Second, kinds: []error{ErrInUse},
			text: `pcsc: open "r": another program holds the card exclusively: close it (GnuPG: gpgconf --kill scdaemon)`},
		"caller in a hurry": {until: time.Hour, limit: 450 * time.Millisecond, took: 450 * time.Millisecond, kinds: []error{ErrInUse, errTest},
			text: `pcsc: open "r": another program holds the card exclusively: close it (GnuPG: gpgconf --kill scdaemon): test`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				use(t, &fakeSystem{link: &fakeLink{}, err: errExclusive, until: start.Add(c.until)})
				card, err := Open(within(t, c.limit), "r")
				if took := time.Since(start); took > c.took || took < c.took-retry {
					t.Errorf("took %v, want %v", took, c.took)
				}
				if c.kinds == nil {
					if err != nil {
						t.Fatal(err)
					}
					card.Close()
					return
				}
				wantKind(t, err, "open", c.kinds...)
				if err.Error() != c.text {
					t.Errorf("text %q, want %q", err, c.text)
				}
			})
		})
	}
}

// Services that let nobody connect while a transaction lasts keep Open for a
// second only. The first use of the card waits, and tells.
func TestOpenWhileHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeSystem{takes: 5 * time.Second, link: &fakeLink{told: nfc.Traits{MaxAPDU: 261}}, inUse: true}
		use(t, s)
		start := time.Now()
		c, err := Open(t.Context(), "r")
		if took := time.Since(start); err != nil || took != patience {
			t.Fatalf("opened after %v, %v", took, err)
		}
		var told []time.Duration
		waiting := func() { told = append(told, time.Since(start)) }
		err = c.(*card).Claim(within(t, 2*time.Second), waiting)
		wantKind(t, err, "claim", ErrInUse, errTest)
		if want := `pcsc: claim "r": another program holds the card and does not let go of it: test`; err.Error() != want {
			t.Errorf("text %q, want %q", err, want)
		}
		if err := c.(*card).Claim(t.Context(), waiting); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != 5*time.Second || len(told) != 2 || told[0] != patience+retry || told[1] != 4*time.Second {
			t.Errorf("held after %v, told at %v", took, told)
		}
		if traits, err := c.(*card).Traits(t.Context()); err != nil || traits.MaxAPDU != 261 {
			t.Errorf("%+v, %v", traits, err)
		}
		if answer, err := c.Transmit(t.Context(), []byte("a")); err != nil || string(answer) != "re:a" {
			t.Errorf("%q, %v", answer, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		s.link.want(t, "begin", "traits", "a", "end", "disconnect")
	})
}

// A card that leaves while we wait for it is gone.
func TestOpenWhileHeldAndGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		use(t, &fakeSystem{takes: 5 * time.Second, err: ErrNoCard, inUse: true})
		c, err := Open(t.Context(), "r")
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			_, err = c.Transmit(t.Context(), []byte("a"))
			wantKind(t, err, "transmit", nfc.ErrGone, ErrNoCard)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Closing does not wait for a connection that is still to come, which is then
// closed too, whether it was waited for or not.
func TestCloseWhileHeld(t *testing.T) {
	for _, used := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := &fakeSystem{takes: time.Minute, link: &fakeLink{}, inUse: true}
			use(t, s)
			c, err := Open(t.Context(), "r")
			if err != nil {
				t.Fatal(err)
			}
			if used {
				_, err := c.Transmit(within(t, time.Second), []byte("a"))
				wantKind(t, err, "transmit", ErrInUse, errTest)
			}
			start := time.Now()
			if err := c.Close(); err != nil || time.Since(start) != 0 {
				t.Errorf("closed after %v, %v", time.Since(start), err)
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			if used {
				s.link.want(t, "begin", "end", "disconnect")
			} else {
				s.link.want(t, "disconnect")
			}
		})
	}
}

// A card that is slow to answer its first reset is not one that is held.
func TestOpenSlowCard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		use(t, &fakeSystem{takes: 3 * time.Second, link: &fakeLink{}})
		start := time.Now()
		c, err := Open(t.Context(), "r")
		if took := time.Since(start); err != nil || took != 3*time.Second {
			t.Fatalf("opened after %v, %v", took, err)
		}
		c.Close()
	})
}

// Who waits for another program's transaction is told after a second, once; the
// error at the end of the wait says what was in the way.
func TestClaimHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLink{waits: time.Hour}
		c := newCard("r", l)
		told := 0
		start := time.Now()
		err := c.Claim(within(t, 10*time.Second), func() {
			if told++; time.Since(start) != patience {
				t.Errorf("told after %v", time.Since(start))
			}
		})
		wantKind(t, err, "claim", ErrInUse, errTest)
		if told != 1 {
			t.Errorf("told %d times", told)
		}
		_, err = c.Transmit(within(t, time.Second), []byte("a"))
		wantKind(t, err, "transmit", ErrInUse, errTest)
		if errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), "another program holds the card") {
			t.Errorf("text %q", err)
		}
		_, err = c.Traits(within(t, time.Second))
		wantKind(t, err, "ask for traits", ErrInUse, errTest)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		<-c.done
		wantKind(t, c.Claim(t.Context(), nil), "claim", nfc.ErrClosed)
	})
}

// Who is not kept waiting is not told, and waiting for an APDU of one's own is
// not waiting for another program.
func TestClaimFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLink{takes: time.Minute, beginErr: nil}
		c := newCard("r", l)
		defer c.Close()
		waiting := func() { t.Error("told to wait") }
		if err := c.Claim(t.Context(), waiting); err != nil {
			t.Error(err)
		}
		if _, err := c.Transmit(within(t, time.Second), []byte("a")); !errors.Is(err, errTest) {
			t.Error(err)
		}
		err := c.Claim(within(t, 5*time.Second), waiting)
		wantKind(t, err, "claim", ErrBusy, errTest)
		if err := c.Claim(t.Context(), waiting); err != nil {
			t.Error(err)
		}
		l.want(t, "begin", "a")
	})
}
