package ceremony_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/fixtures"
)

var unhex = fixtures.Unhex

var vectors = fixtures.PINUV()

// step is one exchange: the request that is due, in hex, and the answer to it.
type step struct{ want, answer string }

type script struct {
	t     testing.TB
	steps []step
}

// play is a client whose key knows what will be asked and what it answers.
func play(t testing.TB, steps ...step) *ctap2.Client {
	s := &script{t: t, steps: steps}
	t.Cleanup(func() {
		if len(s.steps) > 0 && !t.Failed() {
			t.Errorf("%d exchanges were not asked for, the first is %s", len(s.steps), s.steps[0].want)
		}
	})
	random := append(bytes.Clone(vectors.Platform.D), bytes.Repeat(vectors.IV, 4)...)
	return ctap2.New(s, ctap2.Config{Rand: bytes.NewReader(random)})
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

func text(s string) string { return fmt.Sprintf("%02x%x", 0x60+len(s), s) }

// bstr is the CBOR byte string of b, under 256 bytes long, in hex.
func bstr(b []byte) string {
	if len(b) < 24 {
		return fmt.Sprintf("%02x%x", 0x40+len(b), b)
	}
	return fmt.Sprintf("58%02x%x", len(b), b)
}

// descriptor is a public-key descriptor in hex.
func descriptor(id []byte) string {
	return "a2" + text("id") + bstr(id) + text("type") + text("public-key")
}

func list(ids ...[]byte) string {
	s := fmt.Sprintf("%02x", 0x80+len(ids))
	for _, id := range ids {
		s += descriptor(id)
	}
	return s
}

var (
	zeroHash = strings.Repeat("00", 32)
	rpHash   = strings.Repeat("5a", 32)
)

// assertionOf is an answer to getAssertion that names a credential, or none.
func assertionOf(id []byte) string {
	tail := "02" + bstr(unhexOrPanic(rpHash+"00 00000001")) + "03 42 3000"
	if id == nil {
		return "00 a2" + tail
	}
	return "00 a3 01" + descriptor(id) + tail
}

func unhexOrPanic(s string) []byte {
	var b []byte
	if _, err := fmt.Sscanf(strings.ReplaceAll(s, " ", ""), "%x", &b); err != nil {
		panic(err)
	}
	return b
}

// silent is the request of a pre-flight for "a" under a token of protocol two, or
// without.
func silent(token bool, ids ...[]byte) string {
	if !token {
		return "02 a4 01" + text("a") + "02 5820" + zeroHash + "03" + list(ids...) + "05 a1" + text("up") + "f4"
	}
	h := hmac.New(sha256.New, vectors.Token)
	h.Write(make([]byte, 32))
	return "02 a6 01" + text("a") + "02 5820" + zeroHash + "03" + list(ids...) + "05 a1" + text("up") + "f4 06" + bstr(h.Sum(nil)) + "07 02"
}

func vectorToken(t testing.TB) *pinuv.Token {
	t.Helper()
	token, err := pinuv.NewToken(pinuv.Two, bytes.Clone(vectors.Token))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func agreement(p pinuv.Protocol) step {
	key := "a5 0102 033818 2001 21" + bstr(vectors.Authenticator.X) + "22" + bstr(vectors.Authenticator.Y)
	return step{fmt.Sprintf("06 a2 01 %02x 02 02", uint(p)), "00 a1 01" + key}
}
