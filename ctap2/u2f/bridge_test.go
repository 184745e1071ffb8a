package u2f_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/u2f"
	"github.com/touchstone-fido/touchstone/ctap2/u2f/u2ftest"
)

func bridged(t u2f.Transport) *u2f.Bridge {
	return u2f.NewBridge(u2f.New(t, u2f.Config{Pace: time.Nanosecond}))
}

func client(k *u2ftest.Key) *ctap2.Client { return ctap2.New(bridged(k), ctap2.Config{}) }

func create(exclude ...[]byte) *ctap2.MakeCredentialRequest {
	return &ctap2.MakeCredentialRequest{
		ClientDataHash: challenge, RP: ctap2.RelyingParty{ID: "example.com"}, User: ctap2.User{ID: []byte{1}},
		Parameters: ctap2.Parameters(cose.EdDSA, cose.ES256), ExcludeList: ctap2.Descriptors(exclude...),
	}
}

func get(allow ...[]byte) *ctap2.GetAssertionRequest {
	return &ctap2.GetAssertionRequest{RPID: "example.com", ClientDataHash: challenge, AllowList: ctap2.Descriptors(allow...)}
}

func TestBridgeGetInfo(t *testing.T) {
	got, err := client(newKey(t)).GetInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got.Members = nil
	want := &ctap2.Info{
		Versions: []string{"U2F_V2"}, Options: map[string]bool{"rk": false, "up": true}, MaxMsgSize: 7609, MaxCredentialIDLength: 255,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}

// TestBridgeVector runs the registration of WebAuthn L3 §16.16 through the
// bridge: what comes out is its attestation, but for the AAGUID that a U2F key
// cannot know.
func TestBridgeVector(t *testing.T) {
	v := standardVector(t)
	k := newKey(t)
	k.Answer = func(apdu []byte) []byte {
		if !bytes.Equal(apdu[7:71], slices.Concat(v.challenge, sha([]byte("example.org")))) {
			t.Errorf("register %x", apdu)
		}
		return append(bytes.Clone(v.registration), 0x90, 0)
	}
	r := create()
	r.ClientDataHash, r.RP.ID = v.challenge, "example.org"
	made, err := client(k).MakeCredential(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	public, err := v.key.MarshalCBOR()
	if err != nil {
		t.Fatal(err)
	}
	wantData := slices.Concat(v.application, []byte{0x41, 0, 0, 0, 0}, make([]byte, 16), []byte{0, byte(len(v.handle))}, v.handle, public)
	if made.Format != "fido-u2f" || !bytes.Equal(made.RawAuthData, wantData) || len(made.Remarks) != 0 {
		t.Errorf("%s %x", made.Format, made.RawAuthData)
	}
	registration, err := u2f.ParseRegistration(v.registration)
	if err != nil {
		t.Fatal(err)
	}
	head := fmt.Sprintf("a2 63736967 58%02x %x 63783563 81 59%04x", len(registration.Signature), registration.Signature, len(v.certificate))
	if want := append(unhex(t, head), v.certificate...); !bytes.Equal(made.Statement, want) {
		t.Errorf("statement %x,\nwant %x", made.Statement, want)
	}
}

func sha(b []byte) []byte { h := sha256.Sum256(b); return h[:] }

// TestBridgeCeremonies: a credential that a U2F key made by CTAP2 is used by
// CTAP2, and its signatures hold.
func TestBridgeCeremonies(t *testing.T) {
	k := newKey(t)
	k.Untouched = 2
	c := client(k)
	made, err := c.MakeCredential(t.Context(), create([]byte("unknown")))
	if err != nil {
		t.Fatal(err)
	}
	id := made.AuthData.Credential.ID
	k.Untouched = 1
	got, err := c.GetAssertions(t.Context(), get([]byte("another"), make([]byte, 300), id))
	if err != nil || len(got) != 1 {
		t.Fatalf("%v, %v", got, err)
	}
	a := got[0]
	if !bytes.Equal(a.Credential.ID, id) || a.User != nil || a.AuthData.Flags != authdata.FlagUP || a.AuthData.SignCount != 1 {
		t.Errorf("%+v", a)
	}
	signed := slices.Concat(a.RawAuthData, challenge)
	if err := made.AuthData.Credential.Key.Verify(signed, a.Signature); err != nil {
		t.Error(err)
	}
	silent := get(id)
	silent.Options = map[string]bool{"up": false}
	a, err = c.GetAssertion(t.Context(), silent)
	if err != nil || a.AuthData.Flags != 0 {
		t.Errorf("without a touch: %+v, %v", a, err)
	}
}

// TestBridgeExcludes: the key is touched before it is told that a credential is
// there, and nothing is registered for the relying party.
func TestBridgeExcludes(t *testing.T) {
	k := newKey(t)
	c := client(k)
	made, err := c.MakeCredential(t.Context(), create())
	if err != nil {
		t.Fatal(err)
	}
	k.Asked, k.Untouched = nil, 2
	_, err = c.MakeCredential(t.Context(), create([]byte("unknown"), made.AuthData.Credential.ID, []byte("never asked for")))
	if !errors.Is(err, ctap2.StatusCredentialExcluded) {
		t.Error(err)
	}
	if want := []string{"02 07", "02 07", "01 00", "01 00", "01 00"}; !slices.Equal(k.Asked, want) {
		t.Errorf("asked %v, want %v", k.Asked, want)
	}
	if n := len(k.Handles(sha([]byte("example.com")))); n != 1 {
		t.Errorf("%d credentials were registered", n)
	}
}

// TestBridgeRefuses with the status of an authenticator that cannot, before the
// user is bothered.
func TestBridgeRefuses(t *testing.T) {
	token, err := pinuv.NewToken(pinuv.Two, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	makes := func(f func(*ctap2.MakeCredentialRequest)) func(*ctap2.Client) error {
		return func(c *ctap2.Client) error {
			r := create()
			f(r)
			_, err := c.MakeCredential(t.Context(), r)
			return err
		}
	}
	gets := func(f func(*ctap2.GetAssertionRequest)) func(*ctap2.Client) error {
		return func(c *ctap2.Client) error {
			r := get([]byte("unknown"))
			f(r)
			_, err := c.GetAssertion(t.Context(), r)
			return err
		}
	}
	option := func(name string, v bool) map[string]bool { return map[string]bool{name: v} }
	for _, c := range []struct {
		name string
		run  func(*ctap2.Client) error
		want ctap2.Status
		asks []string
	}{
		{"discoverable", makes(func(r *ctap2.MakeCredentialRequest) { r.Options = option("rk", true) }), ctap2.StatusUnsupportedOption, nil},
		{"user verification", makes(func(r *ctap2.MakeCredentialRequest) { r.Options = option("uv", true) }), ctap2.StatusInvalidOption, nil},
		{"no touch", makes(func(r *ctap2.MakeCredentialRequest) { r.Options = option("up", false) }), ctap2.StatusInvalidOption, nil},
		{"another algorithm", makes(func(r *ctap2.MakeCredentialRequest) { r.Parameters = ctap2.Parameters(cose.EdDSA) }), ctap2.StatusUnsupportedAlgorithm, nil},
		{"another type", makes(func(r *ctap2.MakeCredentialRequest) { r.Parameters[1].Type = "x" }), ctap2.StatusUnsupportedAlgorithm, nil},
		{"enterprise attestation", makes(func(r *ctap2.MakeCredentialRequest) { r.EnterpriseAttestation = 1 }), ctap2.StatusInvalidParameter, nil},
		{"a token", makes(func(r *ctap2.MakeCredentialRequest) { r.Authorize(token) }), ctap2.StatusInvalidParameter, nil},
		{"a short hash", makes(func(r *ctap2.MakeCredentialRequest) { r.ClientDataHash = r.ClientDataHash[1:] }), ctap2.StatusInvalidLength, nil},
		{"no relying party", makes(func(r *ctap2.MakeCredentialRequest) { r.RP.ID = "" }), ctap2.StatusMissingParameter, nil},
		{"user verification, to get", gets(func(r *ctap2.GetAssertionRequest) { r.Options = option("uv", true) }), ctap2.StatusInvalidOption, nil},
		{"rk, to get", gets(func(r *ctap2.GetAssertionRequest) { r.Options = option("rk", false) }), ctap2.StatusUnsupportedOption, nil},
		{"a token, to get", gets(func(r *ctap2.GetAssertionRequest) { r.Authorize(token) }), ctap2.StatusInvalidParameter, nil},
		{"no relying party, to get", gets(func(r *ctap2.GetAssertionRequest) { r.RPID = "" }), ctap2.StatusMissingParameter, nil},
		{"nothing allowed", gets(func(r *ctap2.GetAssertionRequest) { r.AllowList = nil }), ctap2.StatusNoCredentials, nil},
		{"another type, to get", gets(func(r *ctap2.GetAssertionRequest) { r.AllowList[0].Type = "x" }), ctap2.StatusNoCredentials, nil},
		{"nothing known", gets(func(*ctap2.GetAssertionRequest) {}), ctap2.StatusNoCredentials, []string{"02 07"}},
		{"the next assertion", func(c *ctap2.Client) error { _, err := c.GetNextAssertion(t.Context()); return err }, ctap2.StatusNotAllowed, nil},
		{"a PIN", func(c *ctap2.Client) error { _, err := c.PINRetries(t.Context()); return err }, ctap2.StatusInvalidCommand, nil},
		{"a reset", func(c *ctap2.Client) error { return c.Reset(t.Context()) }, ctap2.StatusInvalidCommand, nil},
	} {
		k := newKey(t)
		if err := c.run(client(k)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if !slices.Equal(k.Asked, c.asks) {
			t.Errorf("%s: asked %v", c.name, k.Asked)
		}
	}
}

// TestBridgeTouch: the key can be told from others by a touch, as a CTAP 2.0 key
// can.
func TestBridgeTouch(t *testing.T) {
	k := newKey(t)
	k.Untouched = 2
	c := client(k)
	info, err := c.GetInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Touch(t.Context(), info); err != nil || len(k.Asked) != 4 {
		t.Errorf("%v after %v", err, k.Asked)
	}
	if _, err := bridged(k).Exchange(t.Context(), unhex(t, "02 a3 01 6161 02 5820"+c1+"06 40")); err != nil {
		t.Errorf("the probe by getAssertion: %v", err)
	}
}

func TestBridgeIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKey(t)
		k.Untouched = 1 << 30
		c := ctap2.New(u2f.NewBridge(u2f.New(k, u2f.Config{})), ctap2.Config{Timeout: time.Minute + time.Millisecond})
		_, err := c.MakeCredential(t.Context(), create())
		if !errors.Is(err, ctap2.StatusKeepaliveCancel) || !errors.Is(err, ctap2.ErrTimeout) {
			t.Error(err)
		}
	})
}

// TestBridgePassesRefusalsOn: what the key says becomes what CTAP2 says for it.
func TestBridgePassesRefusalsOn(t *testing.T) {
	for sw, want := range map[uint16]ctap2.Status{
		0x6986: ctap2.StatusNotAllowed, 0x6d00: ctap2.StatusInvalidCommand, 0x6e00: ctap2.StatusInvalidCommand,
		0x6700: ctap2.StatusInvalidLength, 0x6a80: ctap2.StatusInvalidCredential, 0x6f00: ctap2.StatusOther,
	} {
		k := newKey(t)
		k.Answer = func([]byte) []byte { return u2ftest.Word(sw) }
		if _, err := client(k).MakeCredential(t.Context(), create()); !errors.Is(err, want) {
			t.Errorf("%04x: %v, want %v", sw, err, want)
		}
	}
	// A key that cannot sign without a touch.
	k := newKey(t)
	k.Answer = func(apdu []byte) []byte { return u2ftest.Word(0x6985) }
	silent := get([]byte{1})
	silent.Options = map[string]bool{"up": false}
	if _, err := client(k).GetAssertion(t.Context(), silent); !errors.Is(err, ctap2.StatusUPRequired) {
		t.Errorf("without a touch: %v", err)
	}
}

// Bits in the user presence byte would become flags of CTAP2, such as that the
// user was verified.
func TestBridgeReservedBits(t *testing.T) {
	v := standardVector(t)
	for _, flags := range []byte{0x05, 0x80, 0x02} {
		k := newKey(t)
		k.Answer = func(apdu []byte) []byte {
			if apdu[2] == byte(u2f.CheckOnly) {
				return u2ftest.Word(0x6985)
			}
			return slices.Concat([]byte{flags}, v.authentication[1:], u2ftest.Word(0x9000))
		}
		if _, err := client(k).GetAssertion(t.Context(), get([]byte{1})); !errors.Is(err, u2f.ErrMalformed) {
			t.Errorf("%02x: %v", flags, err)
		}
	}
}

func TestBridgeBadMessages(t *testing.T) {
	for msg, want := range map[string]ctap2.Status{
		"": ctap2.StatusInvalidLength, "01": ctap2.StatusInvalidCBOR, "01 80": ctap2.StatusInvalidCBOR,
		"02 a1 01 01": ctap2.StatusInvalidCBOR, "02 a0": ctap2.StatusInvalidLength, "55": ctap2.StatusInvalidCommand,
		"01 a1 08 40 00": ctap2.StatusInvalidCBOR,
	} {
		got, err := bridged(newKey(t)).Exchange(t.Context(), unhex(t, msg))
		if err != nil || !bytes.Equal(got, []byte{byte(want)}) {
			t.Errorf("%q: %x, %v, want %v", msg, got, err, want)
		}
	}
}
