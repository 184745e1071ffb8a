package ctap2_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/fixtures"
)

var unhex = fixtures.Unhex

// step is one exchange: the request that is due, in hex, and the answer to it.
type step struct{ want, answer string }

// script is a transport that knows what will be asked and what it answers.
type script struct {
	t     testing.TB
	steps []step
}

func play(t testing.TB, steps ...step) *script {
	s := &script{t: t, steps: steps}
	t.Cleanup(func() {
		if len(s.steps) > 0 && !t.Failed() {
			t.Errorf("%d exchanges were not asked for, the first is %s", len(s.steps), s.steps[0].want)
		}
	})
	return s
}

func (s *script) Exchange(_ context.Context, msg []byte) ([]byte, error) {
	s.t.Helper()
	if len(s.steps) == 0 {
		s.t.Fatalf("asked %x after the end", msg)
	}
	next := s.steps[0]
	s.steps = s.steps[1:]
	if want := unhex(s.t, next.want); !bytes.Equal(msg, want) {
		s.t.Fatalf("asked\n%x, want\n%x", msg, want)
	}
	return unhex(s.t, next.answer), nil
}

// transportFunc answers any request.
type transportFunc func(ctx context.Context, msg []byte) ([]byte, error)

func (f transportFunc) Exchange(ctx context.Context, msg []byte) ([]byte, error) { return f(ctx, msg) }

func answering(t testing.TB, answer string) *ctap2.Client {
	b := unhex(t, answer)
	return ctap2.New(transportFunc(func(context.Context, []byte) ([]byte, error) { return b, nil }), ctap2.Config{})
}
