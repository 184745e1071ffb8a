package u2f_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/u2f"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

func FuzzParseRegistration(f *testing.F) {
	v := standardVector(f)
	f.Add(v.registration)
	f.Add(v.registration[:200])
	f.Add([]byte{5})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := u2f.ParseRegistration(b)
		if err != nil {
			return
		}
		again := slices.Concat([]byte{5}, r.PublicKey, []byte{byte(len(r.KeyHandle))}, r.KeyHandle, r.Certificate, r.Signature)
		if !bytes.Equal(again, b) {
			t.Fatalf("%x\nis read as\n%x", b, again)
		}
		_ = r.Verify(v.challenge, v.application)
	})
}

func FuzzParseAuthentication(f *testing.F) {
	v := standardVector(f)
	f.Add(v.authentication)
	f.Add(v.authentication[:10])
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := u2f.ParseAuthentication(b)
		if err != nil {
			return
		}
		_ = a.Verify(v.key, v.getChallenge, v.application)
	})
}

// FuzzBridge gives a client any registration and authentication that a U2F key
// may send.
func FuzzBridge(f *testing.F) {
	v := standardVector(f)
	f.Add(append(v.registration, 0x90, 0), append(v.authentication, 0x90, 0), []byte{0x69, 0x85})
	f.Add([]byte{0x69, 0x86}, []byte{0x6a, 0x80}, []byte{0x90, 0})
	f.Add([]byte{}, []byte{0x90}, []byte{0x6d, 0})
	f.Fuzz(func(t *testing.T, registration, authentication, check []byte) {
		asked := 0
		c := ctap2.New(bridged(transportFunc(func(_ context.Context, apdu []byte) ([]byte, error) {
			if asked++; asked > 10 {
				return []byte{0x6f, 0}, nil
			}
			switch {
			case apdu[1] == 1:
				return registration, nil
			case apdu[2] == byte(u2f.CheckOnly):
				return check, nil
			}
			return authentication, nil
		})), ctap2.Config{})
		made, err := c.MakeCredential(t.Context(), create([]byte{1}))
		if err == nil && wire.Canonical(made.Statement) != nil {
			t.Fatalf("statement %x", made.Statement)
		}
		a, err := c.GetAssertion(t.Context(), get([]byte{1}))
		if err == nil && (a.AuthData.Flags&^authdata.FlagUP != 0 || !strings.HasPrefix(string(a.RawAuthData), string(sha([]byte("example.com"))))) {
			t.Fatalf("authenticator data %x", a.RawAuthData)
		}
		_, _ = c.GetInfo(t.Context())
	})
}
