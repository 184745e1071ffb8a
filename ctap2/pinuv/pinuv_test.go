package pinuv_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/fixtures"
)

var vectors = fixtures.PINUV()

func private(t *testing.T, k fixtures.KeyPair) *ecdh.PrivateKey {
	t.Helper()
	key, err := ecdh.P256().NewPrivateKey(k.D)
	if err != nil {
		t.Fatal(err)
	}
	if want := append(append([]byte{4}, k.X...), k.Y...); !bytes.Equal(key.PublicKey().Bytes(), want) {
		t.Fatalf("public key %x, want %x", key.PublicKey().Bytes(), want)
	}
	return key
}

func agree(t *testing.T, p pinuv.Protocol) *pinuv.Secret {
	t.Helper()
	s, err := p.Agree(private(t, vectors.Platform), private(t, vectors.Authenticator).PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func padded(t *testing.T, pin string) []byte {
	t.Helper()
	b, err := pinuv.PadPIN([]byte(pin))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVectors(t *testing.T) {
	for p, want := range map[pinuv.Protocol]fixtures.PINUVProtocol{pinuv.One: vectors.One, pinuv.Two: vectors.Two} {
		t.Run(fmt.Sprint(p), func(t *testing.T) {
			s := agree(t, p)
			encrypt := func(plain []byte) []byte {
				t.Helper()
				b, err := s.Encrypt(bytes.NewReader(vectors.IV), plain)
				if err != nil {
					t.Fatal(err)
				}
				return b
			}
			newPINEnc := encrypt(padded(t, vectors.PIN))
			equal(t, "newPinEnc", newPINEnc, want.NewPINEnc)
			equal(t, "setPIN param", s.Authenticate(newPINEnc), want.SetPINParam)
			pinHashEnc := encrypt(pinuv.HashPIN([]byte(vectors.PIN)))
			equal(t, "pinHashEnc", pinHashEnc, want.PINHashEnc)
			changed := encrypt(padded(t, vectors.NewPIN))
			if want.ChangeNewPINEnc != nil {
				equal(t, "changePIN newPinEnc", changed, want.ChangeNewPINEnc)
			}
			equal(t, "changePIN param", s.Authenticate(changed, pinHashEnc), want.ChangePINParam)
			equal(t, "authenticate key", s.Authenticate([]byte("m")), mac(want.Secret[:32], p, "m"))
			plain, err := s.Decrypt(want.NewPINEnc)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "decrypted newPinEnc", plain, padded(t, vectors.PIN))
		})
	}
	equal(t, "PIN hash", pinuv.HashPIN([]byte(vectors.PIN)), vectors.PINHash)
}

func mac(key []byte, p pinuv.Protocol, msg string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(msg))
	return h.Sum(nil)[:p.MACSize()]
}

func equal(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s = %x, want %x", what, got, want)
	}
}

func TestHMACSecretVector(t *testing.T) {
	v := vectors.HMACSecret
	s := agree(t, pinuv.One)
	enc, err := s.Encrypt(nil, v.Salt1)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "saltEnc", enc, v.SaltEncOne)
	equal(t, "saltAuth", s.Authenticate(enc), v.SaltAuthOne)
}

func TestTokenVectors(t *testing.T) {
	two, err := pinuv.NewToken(pinuv.Two, vectors.Token)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range vectors.TokenMACs {
		equal(t, m.Use, two.Authenticate(m.Message), m.MAC)
		if !two.Verify(m.MAC, m.Message) {
			t.Errorf("%s: does not verify", m.Use)
		}
		one, err := pinuv.NewToken(pinuv.One, vectors.Token)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, m.Use+" under protocol one", one.Authenticate(m.Message), m.MAC[:16])
		if one.Verify(m.MAC, m.Message) {
			t.Errorf("%s: protocol one accepts an uncut MAC", m.Use)
		}
	}
}

func TestBothSidesAgree(t *testing.T) {
	for _, p := range []pinuv.Protocol{pinuv.One, pinuv.Two} {
		a := agree(t, p)
		b, err := p.Agree(private(t, vectors.Authenticator), private(t, vectors.Platform).PublicKey())
		if err != nil {
			t.Fatal(err)
		}
		msg := []byte("sixteen bytes it")
		enc, err := a.Encrypt(bytes.NewReader(vectors.IV), msg)
		if err != nil {
			t.Fatal(err)
		}
		got, err := b.Decrypt(enc)
		if err != nil || !bytes.Equal(got, msg) {
			t.Errorf("%v: decrypt = %x, %v", p, got, err)
		}
		if !b.Verify(a.Authenticate(msg), msg) || b.Verify(a.Authenticate(msg), msg[1:]) {
			t.Errorf("%v: verify is wrong", p)
		}
	}
}

func TestDecryptRefusesWrongLengths(t *testing.T) {
	for p, sizes := range map[pinuv.Protocol][]int{pinuv.One: {1, 15, 17, 31}, pinuv.Two: {0, 1, 15, 17, 33}} {
		s := agree(t, p)
		for _, n := range sizes {
			if _, err := s.Decrypt(make([]byte, n)); !errors.Is(err, pinuv.ErrCiphertext) {
				t.Errorf("%v, %d bytes: %v, want ErrCiphertext", p, n, err)
			}
		}
	}
}

func TestEncryptRefusesPartBlocks(t *testing.T) {
	if _, err := agree(t, pinuv.One).Encrypt(nil, make([]byte, 15)); err == nil {
		t.Error("15 bytes were encrypted")
	}
}

func TestUnknownProtocol(t *testing.T) {
	if pinuv.Protocol(3).Valid() {
		t.Error("protocol 3 is valid")
	}
	_, err := pinuv.Protocol(3).Agree(private(t, vectors.Platform), private(t, vectors.Authenticator).PublicKey())
	if !errors.Is(err, pinuv.ErrProtocol) {
		t.Errorf("Agree: %v", err)
	}
	if _, err := pinuv.NewToken(0, make([]byte, 32)); !errors.Is(err, pinuv.ErrProtocol) {
		t.Errorf("NewToken: %v", err)
	}
}

func TestTokenSizes(t *testing.T) {
	for _, p := range []pinuv.Protocol{pinuv.One, pinuv.Two} {
		for n := range 65 {
			_, err := pinuv.NewToken(p, make([]byte, n))
			want := n > 0 && n%16 == 0 && (p == pinuv.One || n == 32)
			if (err == nil) != want {
				t.Errorf("%v, %d bytes: %v", p, n, err)
			}
		}
	}
}

func TestGenerateKeyIsRepeatable(t *testing.T) {
	seed := bytes.Repeat([]byte{7}, 64)
	a, err := pinuv.GenerateKey(bytes.NewReader(seed))
	if err != nil {
		t.Fatal(err)
	}
	b, err := pinuv.GenerateKey(bytes.NewReader(seed))
	if err != nil || !a.Equal(b) {
		t.Errorf("second key differs (%v)", err)
	}
	if _, err := pinuv.GenerateKey(bytes.NewReader(seed[:31])); err == nil {
		t.Error("31 bytes gave a key")
	}
	if _, err := pinuv.GenerateKey(zeros{}); err == nil {
		t.Error("a source of zeros gave a key")
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestNormalizePIN(t *testing.T) {
	for _, c := range []struct {
		name, in, want string
		err            error
	}{
		{"ascii", "1234", "1234", nil},
		{"decomposed a with ring becomes one code point", "a\u030a123", "\u00e5123", nil},
		{"63 bytes", strings.Repeat("x", 63), strings.Repeat("x", 63), nil},
		{"64 bytes", strings.Repeat("x", 64), "", pinuv.ErrPINTooLong},
		{"zero at the end", "1234\x00", "", pinuv.ErrPINInvalid},
		{"zero inside", "12\x0034", "12\x0034", nil},
		{"not UTF-8", "12\xff34", "", pinuv.ErrPINInvalid},
	} {
		got, err := pinuv.NormalizePIN([]byte(c.in))
		if !errors.Is(err, c.err) || string(got) != c.want {
			t.Errorf("%s: %q, %v; want %q, %v", c.name, got, err, c.want, c.err)
		}
	}
}

func TestCheckNewPIN(t *testing.T) {
	for _, c := range []struct {
		pin         string
		least, most uint
		err         error
	}{
		{"123", 0, 0, pinuv.ErrPINTooShort},
		{"1234", 0, 0, nil},
		{"1234", 3, 0, nil},
		{"123", 3, 0, pinuv.ErrPINTooShort},
		{"12345", 6, 0, pinuv.ErrPINTooShort},
		{"\u00e5\u00e5\u00e5", 0, 0, pinuv.ErrPINTooShort}, // six bytes, three characters
		{"123456789", 0, 8, pinuv.ErrPINTooLong},
		{strings.Repeat("x", 64), 0, 0, pinuv.ErrPINTooLong},
		{strings.Repeat("\u00e5", 40), 0, 0, pinuv.ErrPINTooLong}, // 80 bytes
	} {
		err := pinuv.CheckNewPIN([]byte(c.pin), c.least, c.most)
		if !errors.Is(err, c.err) {
			t.Errorf("%d bytes, %d..%d: %v, want %v", len(c.pin), c.least, c.most, err, c.err)
		}
		if err != nil && strings.Contains(err.Error(), c.pin) {
			t.Errorf("the error shows the PIN: %v", err)
		}
	}
}

func TestPadding(t *testing.T) {
	for n := range 64 {
		pin := bytes.Repeat([]byte{'p'}, n)
		b, err := pinuv.PadPIN(pin)
		if err != nil || len(b) != 64 {
			t.Fatalf("%d bytes: %d, %v", n, len(b), err)
		}
		got, err := pinuv.UnpadPIN(b)
		if err != nil || !bytes.Equal(got, pin) {
			t.Errorf("%d bytes come back as %d, %v", n, len(got), err)
		}
	}
	if _, err := pinuv.PadPIN(make([]byte, 64)); !errors.Is(err, pinuv.ErrPINTooLong) {
		t.Errorf("64 bytes: %v", err)
	}
	for _, b := range [][]byte{nil, make([]byte, 63), make([]byte, 80), bytes.Repeat([]byte{1}, 64)} {
		if _, err := pinuv.UnpadPIN(b); !errors.Is(err, pinuv.ErrPINInvalid) {
			t.Errorf("unpad %d bytes: %v", len(b), err)
		}
	}
}

func TestSecretsStayOutOfText(t *testing.T) {
	token, err := pinuv.NewToken(pinuv.Two, bytes.Repeat([]byte{0xab}, 32))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{token, agree(t, pinuv.Two)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if s := fmt.Sprintf(verb, v); !strings.Contains(s, "hidden") || strings.Contains(s, "ab") {
				t.Errorf("%s shows %q", verb, s)
			}
		}
	}
	token.Wipe()
	equal(t, "wiped token", token.Bytes(), make([]byte, 32))
}
