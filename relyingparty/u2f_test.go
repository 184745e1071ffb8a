package relyingparty_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/u2f"
	"github.com/touchstone-fido/touchstone/ctap2/u2f/u2ftest"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/relyingparty"
)

const appID = "https://login.example.com/app-id.json"

// oldKey is a U2F key with a registration of before WebAuthn.
func oldKey(t testing.TB) (*u2f.Device, *relyingparty.U2FRegistration) {
	t.Helper()
	key, err := u2ftest.New()
	if err != nil {
		t.Fatal(err)
	}
	device := u2f.New(key, u2f.Config{})
	p, err := relyingparty.ForAppID(appID)
	if err != nil {
		t.Fatal(err)
	}
	r, err := relyingparty.BeginU2F(p, appID, "alice")
	if err != nil {
		t.Fatal(err)
	}
	challenge, application := r.Parameters()
	answer, err := device.Register(t.Context(), challenge, application)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Finish(answer); err != nil {
		t.Fatal(err)
	}
	return device, r
}

func TestU2FRegistration(t *testing.T) {
	_, r := oldKey(t)
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	read := func() *relyingparty.U2FRegistration {
		again, err := relyingparty.ParseU2FRegistration(text)
		if err != nil {
			t.Fatal(err)
		}
		return again
	}
	if err := read().Check(); err != nil {
		t.Errorf("the stored registration: %v", err)
	}
	for name, change := range map[string]func(*relyingparty.U2FRegistration){
		"appId":       func(r *relyingparty.U2FRegistration) { r.AppID = "https://login.example.com" },
		"keyHandle":   func(r *relyingparty.U2FRegistration) { flip(r.KeyHandle, 0) },
		"publicKey":   func(r *relyingparty.U2FRegistration) { flip(r.PublicKey, 20) },
		"certificate": func(r *relyingparty.U2FRegistration) { r.Certificate = r.Certificate[:20] },
		"signature":   func(r *relyingparty.U2FRegistration) { flipInside(r.Signature, 1) },
		"clientData":  func(r *relyingparty.U2FRegistration) { flip(r.ClientData, 50) },
		"verified":    func(r *relyingparty.U2FRegistration) { r.Verified = false },
		"subject":     func(r *relyingparty.U2FRegistration) { r.AttestationSubject = "CN=Another" },
	} {
		changed := read()
		change(changed)
		wantRefused(t, name, changed.Check())
	}
	if _, err := relyingparty.ParseU2FRegistration([]byte(`{"schema":"touchstone/registration/1"}`)); err == nil {
		t.Error("another schema was read")
	}
}

// TestU2FOrigin: the client data has to be of an origin that may use the AppID.
func TestU2FOrigin(t *testing.T) {
	device, _ := oldKey(t)
	r, err := relyingparty.BeginU2F(relyingparty.Party{Origin: "https://example.org"}, appID, "")
	if err != nil {
		t.Fatal(err)
	}
	challenge, application := r.Parameters()
	answer, err := device.Register(t.Context(), challenge, application)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Finish(answer); !errors.Is(err, webauthn.SecurityError) {
		t.Errorf("%v", err)
	}
	for _, id := range []string{"http://example.com", "example.com", "https://", ":"} {
		if _, err := relyingparty.ForAppID(id); !errors.Is(err, webauthn.SecurityError) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestU2FAuthentication(t *testing.T) {
	device, r := oldKey(t)
	sign := func() (*relyingparty.U2FAuthentication, *u2f.Authentication) {
		a, err := r.Begin(party)
		if err != nil {
			t.Fatal(err)
		}
		challenge, application := a.Parameters()
		answer, err := device.Authenticate(t.Context(), u2f.Enforce, challenge, application, r.KeyHandle)
		if err != nil {
			t.Fatal(err)
		}
		return a, answer
	}
	a, answer := sign()
	if err := a.Finish(r, answer); err != nil || !a.Verified || !a.UserPresent || a.Counter == 0 {
		t.Errorf("%+v, %v", a, err)
	}
	a, answer = sign()
	flip(answer.Signature, len(answer.Signature)-1)
	wantRefused(t, "signature", a.Finish(r, answer))
	a, answer = sign()
	a.KeyHandle = []byte("another")
	wantRefused(t, "key handle", a.Finish(r, answer))
	if a.Verified {
		t.Error("verified all the same")
	}
}

// TestOldRegistrationGoesOn: a relying party of WebAuthn accepts the old key by
// the extension appid, and only if it asked for that.
func TestOldRegistrationGoesOn(t *testing.T) {
	device, old := oldKey(t)
	r, err := old.Registration()
	if err != nil {
		t.Fatal(err)
	}
	if r.RPID != "login.example.com" || r.Origin != origin || r.User.Name != "alice" || r.AttestationFormat != relyingparty.FormatU2F {
		t.Errorf("%+v", r)
	}
	// A bridge would do this: the authenticator data of U2F is that of CTAP2.
	assert := func(challenge []byte) webauthn.AuthenticationResponse {
		client := webauthn.ClientData{Type: webauthn.TypeGet, Challenge: challenge, Origin: origin}
		_, application := old.Parameters()
		answer, err := device.Authenticate(t.Context(), u2f.Enforce, client.Hash(), application, old.KeyHandle)
		if err != nil {
			t.Fatal(err)
		}
		data := append(append([]byte{}, application...), answer.Flags, byte(answer.Counter>>24), byte(answer.Counter>>16), byte(answer.Counter>>8), byte(answer.Counter))
		return webauthn.NewAuthenticationResponse(old.KeyHandle, client.JSON(), data, answer.Signature, nil)
	}
	used := true
	byAppID := webauthn.ExtensionOutputs{AppID: &used}.Results()
	c, err := r.Party().Begin(relyingparty.Policy{Asked: relyingparty.Ask(webauthn.ExtensionInputs{AppID: appID})})
	if err != nil {
		t.Fatal(err)
	}
	response := assert(c.Challenge)
	response.ClientExtensionResults = byAppID
	a, err := r.Party().Authenticate(c, []*relyingparty.Registration{r}, response, false)
	if err != nil || !a.Verified {
		t.Fatalf("%+v, %v", a, err)
	}
	if err := a.Check(r); err != nil {
		t.Errorf("the stored assertion: %v", err)
	}
	c, err = r.Party().Begin(relyingparty.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	response = assert(c.Challenge)
	response.ClientExtensionResults = byAppID
	_, err = r.Party().Authenticate(c, []*relyingparty.Registration{r}, response, false)
	wantRefused(t, "appid unasked", err)
}
