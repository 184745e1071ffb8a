package ctap2_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

func TestPermissionNames(t *testing.T) {
	for p, want := range map[ctap2.Permission]string{
		0: "0x00", 3: "mc|ga", 0x40: "pcmr", 0x34: "cm|lbw|acfg", 0x88: "be|0x80", 0x100: "0x100",
	} {
		if p.String() != want {
			t.Errorf("%v, want %s", p, want)
		}
	}
}

// TestImpossiblePermissions: what no key grants is not asked for, so that no try
// of the PIN is spent.
func TestImpossiblePermissions(t *testing.T) {
	c := ctap2.New(play(t), ctap2.Config{})
	for _, ask := range []struct {
		perms ctap2.Permission
		rpID  string
	}{
		{0, ""}, {0, "a"},
		{ctap2.PermissionMakeCredential, ""},
		{ctap2.PermissionGetAssertion | ctap2.PermissionLargeBlobWrite, ""},
		{ctap2.PermissionPersistentReadOnly | ctap2.PermissionCredentialManagement, ""},
		{ctap2.PermissionPersistentReadOnly, "a"},
	} {
		_, byPIN := c.PINTokenWithPermissions(t.Context(), pinuv.Two, []byte("1234"), ask.perms, ask.rpID)
		_, byUV := c.UVTokenWithPermissions(t.Context(), pinuv.Two, ask.perms, ask.rpID)
		if !errors.Is(byPIN, ctap2.ErrPermissions) || !errors.Is(byUV, ctap2.ErrPermissions) {
			t.Errorf("%v for %q: %v, %v", ask.perms, ask.rpID, byPIN, byUV)
		}
	}
}

func TestPersistentToken(t *testing.T) {
	enc, err := secret(t, pinuv.Two).Encrypt(bytes.NewReader(vectors.IV), vectors.Token)
	if err != nil {
		t.Fatal(err)
	}
	key := coseHex(vectors.Platform)
	c := ctap2.New(play(t,
		agreement(2), step{"06 a5 01 02 02 09 03" + key + "06" + sized(vectors.Two.PINHashEnc) + "09 18 40", "00 a1 02" + sized(enc)},
	), ctap2.Config{Rand: vectorRand()})
	got, err := c.PINTokenWithPermissions(t.Context(), pinuv.Two, []byte(vectors.PIN), ctap2.PermissionPersistentReadOnly, "")
	if err != nil || !bytes.Equal(got.Bytes(), vectors.Token) {
		t.Errorf("%v, %v", got, err)
	}
	c = ctap2.New(play(t,
		agreement(2), step{"06 a4 01 02 02 06 03" + key + "09 18 40", "00 a1 02" + sized(enc)},
	), ctap2.Config{Rand: vectorRand()})
	if _, err := c.UVTokenWithPermissions(t.Context(), pinuv.Two, ctap2.PermissionPersistentReadOnly, ""); err != nil {
		t.Error(err)
	}
}

// TestPrototypeUVToken: FIDO_2_1_PRE has no permissions and knows protocol one
// only.
func TestPrototypeUVToken(t *testing.T) {
	enc, err := secret(t, pinuv.One).Encrypt(nil, vectors.Token[:16])
	if err != nil {
		t.Fatal(err)
	}
	c := ctap2.New(play(t,
		agreement(1), step{"06 a3 01 01 02 06 03" + coseHex(vectors.Platform), "00 a1 02" + sized(enc)},
	), ctap2.Config{Rand: vectorRand()})
	got, err := c.UVToken(t.Context())
	if err != nil || !bytes.Equal(got.Bytes(), vectors.Token[:16]) || got.Protocol() != pinuv.One {
		t.Errorf("%v, %v", got, err)
	}
	refused := ctap2.New(play(t, agreement(1), step{"06 a3 01 01 02 06 03" + coseHex(vectors.Platform), "3f"}), ctap2.Config{Rand: vectorRand()})
	if _, err := refused.UVToken(t.Context()); !errors.Is(err, ctap2.StatusUVInvalid) {
		t.Error(err)
	}
}

// TestNewPINKeepsToGetInfo: the lengths count in code points, and a PIN that the
// key would refuse is not sent.
func TestNewPINKeepsToGetInfo(t *testing.T) {
	head := "00 a4 01 80 03 50" + strings.Repeat("00", 16)
	for _, c := range []struct {
		pin  string
		want error
	}{
		{"12345", pinuv.ErrPINTooShort},
		{"éééééé", nil},                       // 6 code points, 12 bytes
		{"e\u0301éééé", pinuv.ErrPINTooShort}, // 5 after normalisation
		{"12345678", nil},
		{"123456789", pinuv.ErrPINTooLong},
	} {
		asked := 0
		client := ctap2.New(transportFunc(func(_ context.Context, msg []byte) ([]byte, error) {
			switch {
			case msg[0] == 4:
				return unhex(t, head+"0d 06 18 1d 08"), nil
			case bytes.Contains(msg, []byte{2, byte(ctap2.PINGetKeyAgreement)}) && len(msg) < 10:
				return unhex(t, agreement(2).answer), nil
			}
			asked++
			return []byte{0}, nil
		}), ctap2.Config{})
		if _, err := client.GetInfo(t.Context()); err != nil {
			t.Fatal(err)
		}
		err := client.SetPIN(t.Context(), pinuv.Two, []byte(c.pin))
		if !errors.Is(err, c.want) || (asked == 1) != (c.want == nil) {
			t.Errorf("%q: %v, sent %d times", c.pin, err, asked)
		}
		if c.want == nil {
			continue
		}
		if strings.Contains(err.Error(), c.pin) {
			t.Errorf("the error tells the PIN: %v", err)
		}
		// A reset forgets the policy.
		if err := client.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := client.SetPIN(t.Context(), pinuv.Two, []byte(c.pin)); err != nil {
			t.Errorf("%q after a reset: %v", c.pin, err)
		}
	}
}
