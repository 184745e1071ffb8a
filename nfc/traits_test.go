package nfc

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// claimed is a card that other programs use too: they hold it for a while when
// it is claimed, or have reset it.
type claimed struct {
	*script
	claims int
	held   time.Duration
	err    error
}

func (c *claimed) Claim(ctx context.Context, waiting func()) error {
	c.claims++
	if c.held > time.Second {
		time.Sleep(time.Second)
		waiting()
	}
	select {
	case <-time.After(c.held):
		return c.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func TestClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []Decision
		const msg = "80108000010400"
		card := &claimed{script: play(t, msg, "009000", msg, "009000", selectHex, version, msg, "009000")}
		a := open(t, card, Config{OnDecision: func(d Decision) { told = append(told, d) }})
		told = nil
		exchange := func(ctx context.Context, kind error) {
			t.Helper()
			if _, err := a.Exchange(ctx, []byte{4}); !errors.Is(err, kind) {
				t.Errorf("error %v, want %v", err, kind)
			}
		}
		exchange(t.Context(), nil)
		if card.claims != 2 || len(told) != 0 {
			t.Errorf("claimed %d times, told %v", card.claims, told)
		}

		card.held = 5 * time.Second
		start := time.Now()
		exchange(callOff(t, 2*time.Second), errCalledOff)
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("waited for %v after the caller had left", took)
		}
		card.held = 0
		exchange(t.Context(), nil) // nothing had been sent, so that nothing is in doubt

		card.err = errBroken // such as a reset by the other program
		exchange(t.Context(), errBroken)
		card.err = nil
		exchange(t.Context(), nil)
		want := []Decision{{AboutWaiting, "waiting", "another program holds the card"}}
		if !slices.Equal(told, want) || told[0].String() != "waiting: another program holds the card" {
			t.Errorf("told %v, want %v", told, want)
		}
		card.finish()
	})
}

// Closing ends the wait for another program.
func TestClaimClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		card := &claimed{script: play(t)}
		a := open(t, card, Config{})
		card.held = time.Hour
		failed := make(chan error)
		go func() {
			_, err := a.Exchange(t.Context(), []byte{4})
			failed <- err
		}()
		synctest.Wait()
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		wantError(t, <-failed, "message", ErrClosed)
	})
}
