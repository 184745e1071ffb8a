package control

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// socket serves a key that takes its time to be in and to be out.
func socket(ctx context.Context, in func(string) error) error {
	time.Sleep(time.Second) // of the bubble
	if err := in("here"); err != nil {
		return err
	}
	<-ctx.Done()
	time.Sleep(time.Second)
	return context.Cause(ctx)
}

func TestPlug(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &events{}
		p := NewPanel(e.add).Plug("key")
		ctx, stop := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx, socket) }()
		for _, step := range []struct {
			do     func(context.Context) error
			in     bool
			events []string
		}{
			{p.Insert, true, []string{"inserted"}}, {p.Insert, true, nil}, {p.Remove, false, []string{"removed"}}, {p.Remove, false, nil},
			{p.Insert, true, []string{"inserted"}},
		} {
			if err := step.do(t.Context()); err != nil {
				t.Fatal(err)
			}
			if in, address := p.state(); in != step.in || address != "here" {
				t.Errorf("in %v at %q, want %v", in, address, step.in)
			}
			synctest.Wait()
			e.want(t, step.events...)
		}
		told := errors.New("told")
		stop(told)
		if err := <-done; !errors.Is(err, told) {
			t.Errorf("it ends with %v", err)
		}
		e.want(t, "removed")
		for _, do := range []func(context.Context) error{p.Insert} {
			if err := do(t.Context()); !errors.Is(err, ErrCannot) {
				t.Errorf("afterwards: %v", err)
			}
		}
	})
}

// TestPlugFails: when a key cannot be put in again serving ends, and who waits
// for it is told.
func TestPlugFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPanel(nil).Plug("key")
		broken := errors.New("broken")
		done := make(chan error, 1)
		times := 0
		go func() {
			done <- p.Run(t.Context(), func(ctx context.Context, in func(string) error) error {
				if times++; times > 1 {
					return broken
				}
				return socket(ctx, in)
			})
		}()
		if err := errors.Join(p.Insert(t.Context()), p.Remove(t.Context())); err != nil {
			t.Fatal(err)
		}
		if err := p.Insert(t.Context()); !errors.Is(err, ErrCannot) {
			t.Errorf("inserted: %v", err)
		}
		if err := <-done; !errors.Is(err, broken) {
			t.Errorf("it ends with %v", err)
		}
	})
}

// TestPlugEndsByItself: what ends by itself ends well.
func TestPlugEndsByItself(t *testing.T) {
	p := NewPanel(nil).Plug("key")
	if err := p.Run(t.Context(), func(context.Context, func(string) error) error { return nil }); err != nil {
		t.Error(err)
	}
	ctx, stop := context.WithCancelCause(t.Context())
	late := errors.New("late")
	p = NewPanel(nil).Plug("key")
	stop(late)
	if err := p.Remove(ctx); err != nil { // it never was in
		t.Error(err)
	}
	if err := p.Run(ctx, socket); !errors.Is(err, late) {
		t.Errorf("%v", err)
	}
}
