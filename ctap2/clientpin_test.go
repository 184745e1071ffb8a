package ctap2_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/fixtures"
)

var vectors = fixtures.PINUV()

func coseHex(k fixtures.KeyPair) string {
	return "a5 0102 033818 2001 215820" + hex.EncodeToString(k.X) + "225820" + hex.EncodeToString(k.Y)
}

// vectorRand gives the platform's private key of the vectors and then their IV,
// over and over.
func vectorRand() *bytes.Reader {
	var b []byte
	b = append(b, vectors.Platform.D...)
	for range 4 {
		b = append(b, vectors.IV...)
	}
	return bytes.NewReader(b)
}

func agreement(p pinuv.Protocol) step {
	return step{fmt.Sprintf("06 a2 01 %02x 02 02", uint(p)), "00 a1 01" + coseHex(vectors.Authenticator)}
}

func sized(b []byte) string {
	if len(b) < 24 {
		return fmt.Sprintf("%02x%x", 0x40+len(b), b)
	}
	return fmt.Sprintf("58%02x%x", len(b), b)
}

// both runs a test under each protocol with the vectors' keys and values.
func both(t *testing.T, f func(t *testing.T, p pinuv.Protocol, v fixtures.PINUVProtocol)) {
	t.Run("one", func(t *testing.T) { f(t, pinuv.One, vectors.One) })
	t.Run("two", func(t *testing.T) { f(t, pinuv.Two, vectors.Two) })
}

func TestSetPINBytes(t *testing.T) {
	both(t, func(t *testing.T, p pinuv.Protocol, v fixtures.PINUVProtocol) {
		set := fmt.Sprintf("06 a5 01 %02x 02 03 03 %s 04 %s 05 %s", uint(p), coseHex(vectors.Platform), sized(v.SetPINParam), sized(v.NewPINEnc))
		c := ctap2.New(play(t, agreement(p), step{set, "00"}), ctap2.Config{Rand: vectorRand()})
		if err := c.SetPIN(t.Context(), p, []byte(vectors.PIN)); err != nil {
			t.Error(err)
		}
	})
}

func TestChangePINBytes(t *testing.T) {
	changed := map[pinuv.Protocol][]byte{pinuv.One: vectors.One.ChangeNewPINEnc, pinuv.Two: changedTwo(t)}
	both(t, func(t *testing.T, p pinuv.Protocol, v fixtures.PINUVProtocol) {
		change := fmt.Sprintf("06 a6 01 %02x 02 04 03 %s 04 %s 05 %s 06 %s", uint(p), coseHex(vectors.Platform),
			sized(v.ChangePINParam), sized(changed[p]), sized(v.PINHashEnc))
		c := ctap2.New(play(t, agreement(p), step{change, "00"}), ctap2.Config{Rand: vectorRand()})
		if err := c.ChangePIN(t.Context(), p, []byte(vectors.PIN), []byte(vectors.NewPIN)); err != nil {
			t.Error(err)
		}
	})
}

// secret is the shared secret as the authenticator of the vectors computes it.
func secret(t testing.TB, p pinuv.Protocol) *pinuv.Secret {
	t.Helper()
	own, err := pinuv.GenerateKey(bytes.NewReader(vectors.Authenticator.D))
	if err != nil {
		t.Fatal(err)
	}
	platform := cose.Key{Type: cose.TypeEC2, Curve: cose.CurveP256, X: []byte(vectors.Platform.X), Y: []byte(vectors.Platform.Y)}
	peer, err := platform.ECDH()
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.Agree(own, peer)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func changedTwo(t testing.TB) []byte {
	t.Helper()
	padded, err := pinuv.PadPIN([]byte(vectors.NewPIN))
	if err != nil {
		t.Fatal(err)
	}
	b, err := secret(t, pinuv.Two).Encrypt(bytes.NewReader(vectors.IV), padded)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTokenRequests(t *testing.T) {
	both(t, func(t *testing.T, p pinuv.Protocol, v fixtures.PINUVProtocol) {
		enc, err := secret(t, p).Encrypt(bytes.NewReader(vectors.IV), vectors.Token)
		if err != nil {
			t.Fatal(err)
		}
		answer := "00 a1 02" + sized(enc)
		key, pin := coseHex(vectors.Platform), sized(v.PINHashEnc)
		legacy := fmt.Sprintf("06 a4 01 %02x 02 05 03 %s 06 %s", uint(p), key, pin)
		byPIN := fmt.Sprintf("06 a6 01 %02x 02 09 03 %s 06 %s 09 03 0a 6161", uint(p), key, pin)
		byUV := fmt.Sprintf("06 a4 01 %02x 02 06 03 %s 09 04", uint(p), key)
		for _, c := range []struct {
			want string
			ask  func(*ctap2.Client) (*pinuv.Token, error)
		}{
			{legacy, func(c *ctap2.Client) (*pinuv.Token, error) { return c.PINToken(t.Context(), p, []byte(vectors.PIN)) }},
			{byPIN, func(c *ctap2.Client) (*pinuv.Token, error) {
				return c.PINTokenWithPermissions(t.Context(), p, []byte(vectors.PIN), ctap2.PermissionMakeCredential|ctap2.PermissionGetAssertion, "a")
			}},
			{byUV, func(c *ctap2.Client) (*pinuv.Token, error) {
				return c.UVTokenWithPermissions(t.Context(), p, ctap2.PermissionCredentialManagement, "")
			}},
		} {
			got, err := c.ask(ctap2.New(play(t, agreement(p), step{c.want, answer}), ctap2.Config{Rand: vectorRand()}))
			if err != nil || !bytes.Equal(got.Bytes(), vectors.Token) || got.Protocol() != p {
				t.Errorf("token %v, %v", got, err)
			}
		}
	})
}

func TestWrongPINTellsTheTriesLeft(t *testing.T) {
	for _, c := range []struct {
		status, retries string
		kind            ctap2.Status
		left            int
	}{
		{"31", "00 a1 03 05", ctap2.StatusPINInvalid, 5},
		{"34", "00 a2 03 05 04 f5", ctap2.StatusPINAuthBlocked, 5},
		{"32", "00 a1 03 00", ctap2.StatusPINBlocked, 0},
		{"31", "7f", ctap2.StatusPINInvalid, -1},
		{"31", "00 a1 03 1bffffffffffffffff", ctap2.StatusPINInvalid, 255},
	} {
		asked := 0
		c2 := ctap2.New(transportFunc(func(_ context.Context, msg []byte) ([]byte, error) {
			asked++
			return unhex(t, []string{agreement(1).answer, c.status, c.retries}[asked-1]), nil
		}), ctap2.Config{Rand: vectorRand()})
		_, err := c2.PINToken(t.Context(), pinuv.One, []byte("9999"))
		var wrong *ctap2.PINError
		if !errors.As(err, &wrong) || wrong.Left != c.left || !errors.Is(err, c.kind) || asked != 3 {
			t.Errorf("%s, %s: %v after %d exchanges", c.status, c.retries, err, asked)
		}
		if strings.Contains(fmt.Sprint(err), "9999") {
			t.Errorf("the error shows the PIN: %v", err)
		}
	}
}

func TestOtherRefusalsAskNothingMore(t *testing.T) {
	c := ctap2.New(play(t, agreement(1), step{fmt.Sprintf("06 a4 01 01 02 05 03 %s 06 %s", coseHex(vectors.Platform), sized(vectors.One.PINHashEnc)), "35"}), ctap2.Config{Rand: vectorRand()})
	_, err := c.PINToken(t.Context(), pinuv.One, []byte(vectors.PIN))
	var wrong *ctap2.PINError
	if !errors.Is(err, ctap2.StatusPINNotSet) || errors.As(err, &wrong) {
		t.Error(err)
	}
}

func TestRetries(t *testing.T) {
	r, err := ctap2.New(play(t, step{"06 a1 02 01", "00 a2 03 07 04 f5"}), ctap2.Config{}).PINRetries(t.Context())
	if err != nil || r != (ctap2.PINRetries{Left: 7, PowerCycle: true}) {
		t.Errorf("%+v, %v", r, err)
	}
	r, err = ctap2.New(play(t, step{"06 a1 02 01", "14"}, step{"06 a2 01 01 02 01", "00 a1 03 08"}), ctap2.Config{}).PINRetries(t.Context())
	if err != nil || r.Left != 8 {
		t.Errorf("a key that insists on a protocol: %+v, %v", r, err)
	}
	n, err := ctap2.New(play(t, step{"06 a1 02 07", "00 a1 05 03"}), ctap2.Config{}).UVRetries(t.Context())
	if err != nil || n != 3 {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := answering(t, "00 a0").PINRetries(t.Context()); !errors.Is(err, ctap2.ErrMissingMember) {
		t.Error(err)
	}
	if _, err := answering(t, "00 a0").UVRetries(t.Context()); !errors.Is(err, ctap2.ErrMissingMember) {
		t.Error(err)
	}
}

func TestBadPINsAreNotSent(t *testing.T) {
	for _, c := range []struct {
		pin  string
		want error
	}{
		{"123", pinuv.ErrPINTooShort}, {strings.Repeat("1", 64), pinuv.ErrPINTooLong}, {"1234\x00", pinuv.ErrPINInvalid},
	} {
		cl := ctap2.New(play(t, agreement(2)), ctap2.Config{})
		if err := cl.SetPIN(t.Context(), pinuv.Two, []byte(c.pin)); !errors.Is(err, c.want) {
			t.Errorf("%d characters: %v, want %v", len(c.pin), err, c.want)
		}
	}
}

func TestBadKeyAgreement(t *testing.T) {
	off := "00 a1 01 a5 0102 033818 2001 215820" + strings.Repeat("01", 32) + "225820" + strings.Repeat("01", 32)
	for name, c := range map[string]struct {
		answer string
		kind   error
	}{
		"absent":       {"00 a0", ctap2.ErrMissingMember},
		"off curve":    {off, cose.ErrInvalid},
		"another type": {"00 a1 01 a3 0101 2006 2141 00", cose.ErrUnsupported},
	} {
		_, _, err := answering(t, c.answer).KeyAgreement(t.Context(), pinuv.One)
		var bad *ctap2.ResponseError
		if !errors.As(err, &bad) || !errors.Is(err, c.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBadTokens(t *testing.T) {
	for name, body := range map[string]string{
		"absent": "00 a0", "part of a block": "00 a1 02 43 010203", "16 bytes under protocol two": "00 a1 02 5820" + strings.Repeat("00", 32),
	} {
		asked := 0
		c := ctap2.New(transportFunc(func(context.Context, []byte) ([]byte, error) {
			asked++
			return unhex(t, []string{agreement(2).answer, body}[asked-1]), nil
		}), ctap2.Config{Rand: vectorRand()})
		_, err := c.PINToken(t.Context(), pinuv.Two, []byte("1234"))
		var bad *ctap2.ResponseError
		if !errors.As(err, &bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHMACSecret(t *testing.T) {
	c := ctap2.New(play(t, agreement(1)), ctap2.Config{Rand: vectorRand()})
	h, err := c.HMACSecret(t.Context(), pinuv.One, vectors.HMACSecret.Salt1, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	want := "02 a3 01 6161 02 5820" + hash + "04 a1 6b686d61632d736563726574 a3 01" + coseHex(vectors.Platform) +
		"02" + sized(vectors.HMACSecret.SaltEncOne) + "03" + sized(vectors.HMACSecret.SaltAuthOne)
	output, err := secret(t, pinuv.One).Encrypt(nil, vectors.HMACSecret.Output1)
	if err != nil {
		t.Fatal(err)
	}
	data := rpHash + "81 00000002 a1 6b686d61632d736563726574" + sized(output)
	cl := ctap2.New(play(t, step{want, "00 a2 02" + bstr(data) + "03 42 3000"}), ctap2.Config{})
	a, err := cl.GetAssertion(t.Context(), &ctap2.GetAssertionRequest{
		RPID: "a", ClientDataHash: unhex(t, hash), Extensions: map[string]any{ctap2.ExtensionHMACSecret: h.Input()},
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := h.Outputs(a.AuthData)
	if err != nil || len(out) != 1 || !bytes.Equal(out[0], vectors.HMACSecret.Output1) {
		t.Errorf("%x, %v", out, err)
	}
	a.AuthData.Extensions = nil
	if _, err := h.Outputs(a.AuthData); !errors.Is(err, ctap2.ErrNoOutput) {
		t.Errorf("no output: %v", err)
	}
	if _, err := c.HMACSecret(t.Context(), pinuv.One, make([]byte, 31), nil); err == nil {
		t.Error("a salt of 31 bytes")
	}
}

// TestHMACSecretOutputs: a key has to give as many outputs as there were salts.
func TestHMACSecretOutputs(t *testing.T) {
	one, two := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	for _, c := range []struct {
		salt2  []byte
		answer []byte
		want   [][]byte
	}{
		{nil, one, [][]byte{one}},
		{two, slices.Concat(one, two), [][]byte{one, two}},
		{nil, slices.Concat(one, two), nil},
		{two, one, nil},
		{two, one[:16], nil},
	} {
		h, err := ctap2.New(play(t, agreement(1)), ctap2.Config{Rand: vectorRand()}).HMACSecret(t.Context(), pinuv.One, one, c.salt2)
		if err != nil {
			t.Fatal(err)
		}
		enc, err := secret(t, pinuv.One).Encrypt(nil, c.answer)
		if err != nil {
			t.Fatal(err)
		}
		output, err := wire.Encode(enc)
		if err != nil {
			t.Fatal(err)
		}
		got, err := h.Outputs(authdata.Data{Extensions: map[string]wire.Raw{ctap2.ExtensionHMACSecret: output}})
		if !slices.EqualFunc(got, c.want, bytes.Equal) || (err == nil) != (c.want != nil) {
			t.Errorf("%d bytes for salts of %d: %x, %v", len(c.answer), 32+len(c.salt2), got, err)
		}
		h.Close()
	}
}
