package ceremony_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/ceremony"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

// tokenKey is a key that issues tokens: it lists the subcommands that it was
// asked for and answers built-in verification with a status while it has one.
type tokenKey struct {
	t     *testing.T
	asked []ctap2.PINSubcommand
	uv    []ctap2.Status
	pin   ctap2.Status
}

func (k *tokenKey) Exchange(_ context.Context, msg []byte) ([]byte, error) {
	sub := ctap2.PINSubcommand(msg[bytes.IndexByte(msg[1:], 2)+2])
	if msg[2] == 1 {
		sub = ctap2.PINSubcommand(msg[5])
	}
	k.asked = append(k.asked, sub)
	switch sub {
	case ctap2.PINGetKeyAgreement:
		return unhex(k.t, agreement(pinuv.Protocol(msg[3])).answer), nil
	case ctap2.PINGetTokenUsingUV:
		if len(k.uv) > 0 {
			status := k.uv[0]
			k.uv = k.uv[1:]
			return []byte{byte(status)}, nil
		}
	case ctap2.PINGetRetries:
		return unhex(k.t, "00 a1 03 05"), nil
	default:
		if k.pin != 0 {
			return []byte{byte(k.pin)}, nil
		}
	}
	// Under either protocol these are the bytes of some token.
	return append(unhex(k.t, "00 a1 02 58 30"), make([]byte, 48)...), nil
}

func asking(times *int) ceremony.AskPIN {
	return func(context.Context) ([]byte, error) { *times++; return []byte("1234"), nil }
}

func TestTokens(t *testing.T) {
	const agree, byUV, byPIN, legacy = ctap2.PINGetKeyAgreement, ctap2.PINGetTokenUsingUV, ctap2.PINGetTokenUsingPIN, ctap2.PINGetToken
	both := opt{"uv": true, "clientPin": true, "pinUvAuthToken": true}
	type subs = []ctap2.PINSubcommand
	for _, c := range []struct {
		name     string
		options  opt
		attempts uint
		uv       []ctap2.Status
		asked    subs
		pins     int
		method   ceremony.Method
		err      error
	}{
		{"finger", both, 0, nil, subs{agree, byUV}, 0, ceremony.UVToken, nil},
		{"PIN", opt{"clientPin": true, "pinUvAuthToken": true}, 0, nil, subs{agree, byPIN}, 1, ceremony.PINToken, nil},
		{"PIN of CTAP 2.0", opt{"clientPin": true}, 0, nil, subs{agree, legacy}, 1, ceremony.LegacyPIN, nil},
		{"finger of FIDO_2_1_PRE", opt{"uv": true, "uvToken": true}, 0, nil, subs{agree, byUV}, 0, ceremony.LegacyUV, nil},
		{"finger is not known", both, 0, []ctap2.Status{ctap2.StatusUVInvalid}, subs{agree, byUV, agree, byPIN}, 1, ceremony.PINToken, nil},
		{"finger is known at the third try", both, 3, []ctap2.Status{ctap2.StatusUVInvalid, ctap2.StatusUVInvalid}, subs{agree, byUV, agree, byUV, agree, byUV}, 0, ceremony.UVToken, nil},
		{"finger is not known three times", both, 3, []ctap2.Status{ctap2.StatusUVInvalid, ctap2.StatusUVInvalid, ctap2.StatusUVInvalid}, subs{agree, byUV, agree, byUV, agree, byUV, agree, byPIN}, 1, ceremony.PINToken, nil},
		{"finger is blocked", both, 3, []ctap2.Status{ctap2.StatusUVBlocked}, subs{agree, byUV, agree, byPIN}, 1, ceremony.PINToken, nil},
		{"the user refused", both, 3, []ctap2.Status{ctap2.StatusOperationDenied}, subs{agree, byUV}, 0, ceremony.UVToken, ctap2.StatusOperationDenied},
		{"finger is not known, and there is no PIN", opt{"uv": true, "pinUvAuthToken": true}, 0, []ctap2.Status{ctap2.StatusUVInvalid}, subs{agree, byUV}, 0, ceremony.UVToken, ctap2.StatusUVInvalid},
		{"absurdly many attempts", opt{"uv": true, "pinUvAuthToken": true}, 1 << 30, repeat(ctap2.StatusUVInvalid, 100), nil, 0, ceremony.UVToken, ctap2.StatusUVInvalid},
		{"the option needs no token", opt{"uv": true}, 0, nil, nil, 0, ceremony.UVOption, ceremony.ErrNoToken},
		{"no way", opt{}, 0, nil, nil, 0, ceremony.None, ceremony.ErrNoToken},
	} {
		info := infoOf(c.options)
		info.PreferredPlatformUVAttempts = c.attempts
		k, pins := &tokenKey{t: t, uv: c.uv}, 0
		d := ceremony.Decide(info, ceremony.Purpose{Permissions: mc, RPID: "a", Requirement: "required"})
		token, method, err := d.Token(t.Context(), ctap2.New(k, ctap2.Config{}), info, asking(&pins))
		if !errors.Is(err, c.err) || (token == nil) != (c.err != nil) || method != c.method || pins != c.pins {
			t.Errorf("%s: %v by %v after %d PINs, %v", c.name, token, method, pins, err)
		}
		if c.attempts > 1000 {
			if len(k.asked) != 50 {
				t.Errorf("%s: asked %d times", c.name, len(k.asked))
			}
			continue
		}
		if fmt.Sprint(k.asked) != fmt.Sprint(c.asked) {
			t.Errorf("%s: asked %v, want %v", c.name, k.asked, c.asked)
		}
	}
}

func repeat(s ctap2.Status, n int) []ctap2.Status {
	var all []ctap2.Status
	for range n {
		all = append(all, s)
	}
	return all
}

// TestWrongPINIsNotAskedForAgain: and what was typed is wiped.
func TestWrongPINIsNotAskedForAgain(t *testing.T) {
	info := infoOf(opt{"clientPin": true, "pinUvAuthToken": true})
	d := ceremony.Decide(info, ceremony.Purpose{Permissions: ga, RPID: "a", Requirement: "required"})
	typed, times := []byte("1234"), 0
	_, _, err := d.Token(t.Context(), ctap2.New(&tokenKey{t: t, pin: ctap2.StatusPINInvalid}, ctap2.Config{}), info, func(context.Context) ([]byte, error) {
		times++
		return typed, nil
	})
	var wrong *ctap2.PINError
	if !errors.As(err, &wrong) || wrong.Left != 5 || times != 1 || !bytes.Equal(typed, make([]byte, 4)) {
		t.Errorf("%v after %d times, %q", err, times, typed)
	}
	gone := errors.New("nobody there")
	if _, _, err := d.Token(t.Context(), ctap2.New(&tokenKey{t: t}, ctap2.Config{}), info, func(context.Context) ([]byte, error) { return nil, gone }); !errors.Is(err, gone) {
		t.Error(err)
	}
}
