package ctap2_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
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

// vectorToken is the token of the outside test vectors: all 32 bytes for
// protocol two, and the same under protocol one.
func vectorToken(t testing.TB, p pinuv.Protocol) *pinuv.Token {
	t.Helper()
	tok, err := pinuv.NewToken(p, bytes.Clone(vectors.Token))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// mac is the pinUvAuthParam of a message in hex under that token, as a CBOR byte
// string in hex. It is computed here, and not by the package that is tested.
func mac(t testing.TB, p pinuv.Protocol, message string) string {
	t.Helper()
	h := hmac.New(sha256.New, vectors.Token)
	h.Write(unhex(t, message))
	sum := h.Sum(nil)
	if p == pinuv.One {
		sum = sum[:16]
	}
	return sized(sum)
}

// vectorMAC is the outside vector for a use, as a CBOR byte string in hex. The
// message must be the one that the vector is for.
func vectorMAC(t testing.TB, use, message string) string {
	t.Helper()
	for _, v := range vectors.TokenMACs {
		if v.Use == use {
			if !bytes.Equal(v.Message, unhex(t, message)) {
				t.Fatalf("the vector for %s is over %x", use, v.Message)
			}
			return sized(v.MAC)
		}
	}
	t.Fatalf("no vector for %s", use)
	return ""
}

const ffs = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
