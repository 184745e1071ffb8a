package relyingparty_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/relyingparty"
)

const origin = "https://login.example.com"

var (
	party = relyingparty.Party{ID: "example.com", Name: "Example", Origin: origin}
	alice = relyingparty.User{ID: []byte("alice's handle"), Name: "alice", DisplayName: "Alice"}
	es256 = relyingparty.Policy{Algorithms: []cose.Algorithm{cose.ES256}}
)

// key is a credential as an authenticator holds it, made in this file so that
// nothing of the software key is needed.
type key struct {
	t       testing.TB
	private *ecdsa.PrivateKey
	id      []byte
	count   uint32
	flags   authdata.Flags
}

func newKey(t testing.TB, seed string) *key {
	d := sha256.Sum256([]byte(seed))
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d[:])
	if err != nil {
		t.Fatal(err)
	}
	return &key{t: t, private: private, id: []byte("id of " + seed), flags: authdata.FlagUP | authdata.FlagUV}
}

func (k *key) sign(msg ...[]byte) []byte {
	digest := sha256.Sum256(slices.Concat(msg...))
	sig, err := k.private.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		k.t.Fatal(err)
	}
	return sig
}

func (k *key) authData(attested bool) []byte {
	k.count++
	d := authdata.Data{RPIDHash: sha256.Sum256([]byte("example.com")), Flags: k.flags, SignCount: k.count}
	if attested {
		pub, err := cose.FromPublic(&k.private.PublicKey, cose.ES256)
		if err != nil {
			k.t.Fatal(err)
		}
		d.Credential = &authdata.Credential{AAGUID: authdata.AAGUID{1, 2, 3}, ID: k.id, Key: pub}
	}
	b, err := d.Bytes()
	if err != nil {
		k.t.Fatal(err)
	}
	return b
}

func (k *key) register(challenge []byte) webauthn.RegistrationResponse {
	client := webauthn.ClientData{Type: webauthn.TypeCreate, Challenge: challenge, Origin: origin}
	data := k.authData(true)
	statement, err := wire.Encode(map[string]any{"alg": -7, "sig": k.sign(data, client.Hash())})
	if err != nil {
		k.t.Fatal(err)
	}
	object, err := webauthn.AttestationObject(webauthn.ConveyanceDirect, "packed", statement, data)
	if err != nil {
		k.t.Fatal(err)
	}
	r, err := webauthn.NewRegistrationResponse(client.JSON(), object, data, []string{"usb"})
	if err != nil {
		k.t.Fatal(err)
	}
	return r
}

func (k *key) assert(challenge, handle []byte) webauthn.AuthenticationResponse {
	client := webauthn.ClientData{Type: webauthn.TypeGet, Challenge: challenge, Origin: origin}
	data := k.authData(false)
	return webauthn.NewAuthenticationResponse(k.id, client.JSON(), data, k.sign(data, client.Hash()), handle)
}

func begin(t testing.TB, p relyingparty.Policy) *relyingparty.Ceremony {
	t.Helper()
	c, err := party.Begin(p)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func registered(t testing.TB, k *key, user relyingparty.User) *relyingparty.Registration {
	t.Helper()
	c := begin(t, es256)
	r, err := party.Register(c, user, k.register(c.Challenge))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func wantRefused(t *testing.T, what string, err error) {
	t.Helper()
	var refused *relyingparty.VerificationError
	if !errors.As(err, &refused) || refused.Reason == "" {
		t.Errorf("%s: %v, want a refusal with its reason", what, err)
	}
}

func TestRegister(t *testing.T) {
	r := registered(t, newKey(t, "a"), alice)
	if !r.Verified || r.RPID != "example.com" || r.Origin != origin || r.Algorithm != "ES256" || r.SignCount != 1 ||
		r.AAGUID != "01020300-0000-0000-0000-000000000000" || r.AttestationFormat != "packed" || !r.UserVerified {
		t.Errorf("%+v", r)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	again, err := relyingparty.ParseRegistration(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Check(); err != nil {
		t.Errorf("the stored registration: %v", err)
	}
}

func TestRegisterRefuses(t *testing.T) {
	k := newKey(t, "a")
	c := begin(t, es256)
	good := k.register(c.Challenge)
	if _, err := party.Register(c, alice, good); err != nil {
		t.Fatal(err)
	}
	if _, err := party.Register(c, alice, good); !errors.Is(err, relyingparty.ErrChallengeUsed) {
		t.Errorf("the same challenge again: %v", err)
	}
	_, err := party.Register(begin(t, es256), alice, good)
	wantRefused(t, "another challenge", err)

	c = begin(t, relyingparty.Policy{Algorithms: []cose.Algorithm{cose.EdDSA}})
	_, err = party.Register(c, alice, k.register(c.Challenge))
	wantRefused(t, "an algorithm that was not offered", err)

	c = begin(t, es256)
	other := party
	other.Origin = "https://example.com"
	_, err = other.Register(c, alice, k.register(c.Challenge))
	wantRefused(t, "another origin", err)

	other = party
	other.ID = "example.org"
	c = begin(t, es256)
	_, err = other.Register(c, alice, k.register(c.Challenge))
	wantRefused(t, "another relying party", err)

	k.flags = authdata.FlagUP
	c = begin(t, relyingparty.Policy{RequireUserVerification: true, Algorithms: es256.Algorithms})
	_, err = party.Register(c, alice, k.register(c.Challenge))
	wantRefused(t, "no user verification", err)
}

// TestChangedRegistration changes what is stored, a byte of each member.
func TestChangedRegistration(t *testing.T) {
	for name, change := range map[string]func(*relyingparty.Registration){
		"publicKey":        func(r *relyingparty.Registration) { flip(r.PublicKey, 20) },
		"credentialId":     func(r *relyingparty.Registration) { flip(r.CredentialID, 0) },
		"challenge":        func(r *relyingparty.Registration) { flip(r.Challenge, 5) },
		"origin":           func(r *relyingparty.Registration) { r.Origin = strings.Replace(r.Origin, "login", "logim", 1) },
		"rpId":             func(r *relyingparty.Registration) { r.RPID = "example.con" },
		"aaguid":           func(r *relyingparty.Registration) { r.AAGUID = "11020300-0000-0000-0000-000000000000" },
		"algorithm":        func(r *relyingparty.Registration) { r.Algorithm = "EdDSA" },
		"signCount":        func(r *relyingparty.Registration) { r.SignCount = 0 },
		"backupEligible":   func(r *relyingparty.Registration) { r.BackupEligible = true },
		"attestation":      func(r *relyingparty.Registration) { flipInside(r.Response.Response.AttestationObject, 40) },
		"clientDataJSON":   func(r *relyingparty.Registration) { flipInside(r.Response.Response.ClientDataJSON, 60) },
		"no algorithm":     func(r *relyingparty.Registration) { r.Algorithm = "ES512K" },
		"verified":         func(r *relyingparty.Registration) { r.Verified = false },
		"transports":       func(r *relyingparty.Registration) { r.Transports = []string{"nfc"} },
		"userVerified":     func(r *relyingparty.Registration) { r.UserVerified = false },
		"format":           func(r *relyingparty.Registration) { r.AttestationFormat = "none" },
		"response's id":    func(r *relyingparty.Registration) { flip(r.Response.ID, 0) },
		"response's rawId": func(r *relyingparty.Registration) { flip(r.Response.RawID, 0) },
	} {
		r := registered(t, newKey(t, "a"), alice)
		change(r)
		err := r.Check()
		var refused *relyingparty.VerificationError
		if !errors.As(err, &refused) && !errors.Is(err, relyingparty.ErrRecord) {
			t.Errorf("%s changed: %v", name, err)
		}
	}
}

// TestKeptUpRegistration: what a relying party brings up to date, and names, are
// no change to a registration.
func TestKeptUpRegistration(t *testing.T) {
	r := registered(t, newKey(t, "a"), alice)
	r.SignCount, r.User.DisplayName, r.RPName = 7, "Alice B.", "Example Ltd"
	if err := r.Check(); err != nil {
		t.Error(err)
	}
}

// TestAnyChangedBytePublicKey flips every byte of the stored public key: none
// may let the assertion verify, and none may crash.
func TestAnyChangedBytePublicKey(t *testing.T) {
	k := newKey(t, "a")
	r := registered(t, k, alice)
	for i := range r.PublicKey {
		changed := *r
		changed.PublicKey = bytes.Clone(r.PublicKey)
		flip(changed.PublicKey, i)
		c := begin(t, relyingparty.Policy{})
		_, err := party.Authenticate(c, []*relyingparty.Registration{&changed}, k.assert(c.Challenge, nil), false)
		wantRefused(t, "public key", err)
	}
}

func flip(b []byte, i int)       { b[i] ^= 1 }
func flipInside(b []byte, i int) { b[len(b)-i] ^= 1 }

func TestAuthenticate(t *testing.T) {
	k := newKey(t, "a")
	r := registered(t, k, alice)
	c := begin(t, relyingparty.Policy{RequireUserVerification: true})
	a, err := party.Authenticate(c, []*relyingparty.Registration{r}, k.assert(c.Challenge, nil), false)
	if err != nil {
		t.Fatal(err)
	}
	if !a.Verified || a.SignCount != 2 || !a.UserVerified || !a.UserPresent || a.CloneWarning || a.User.Name != "alice" {
		t.Errorf("%+v", a)
	}
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := relyingparty.ParseAssertion(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := stored.Check(r); err != nil {
		t.Errorf("the stored assertion: %v", err)
	}
}

// TestChangedAssertion changes a stored assertion, a byte of each member.
func TestChangedAssertion(t *testing.T) {
	for name, change := range map[string]func(*relyingparty.Assertion){
		"signature":         func(a *relyingparty.Assertion) { flipInside(a.Response.Response.Signature, 1) },
		"authenticatorData": func(a *relyingparty.Assertion) { flip(a.Response.Response.AuthenticatorData, 36) },
		"RP ID hash":        func(a *relyingparty.Assertion) { flip(a.Response.Response.AuthenticatorData, 0) },
		"clientDataJSON":    func(a *relyingparty.Assertion) { flipInside(a.Response.Response.ClientDataJSON, 3) },
		"challenge":         func(a *relyingparty.Assertion) { flip(a.Challenge, 0) },
		"origin":            func(a *relyingparty.Assertion) { a.Origin = "https://logim.example.com" },
		"rpId":              func(a *relyingparty.Assertion) { a.RPID = "example.org" },
		"credential":        func(a *relyingparty.Assertion) { a.Response.ID, a.Response.RawID = []byte("x"), []byte("x") },
		"user handle":       func(a *relyingparty.Assertion) { a.Response.Response.UserHandle = []byte("mallory") },
	} {
		k := newKey(t, "a")
		r := registered(t, k, alice)
		c := begin(t, relyingparty.Policy{})
		a, err := party.Authenticate(c, []*relyingparty.Registration{r}, k.assert(c.Challenge, nil), false)
		if err != nil {
			t.Fatal(err)
		}
		change(a)
		wantRefused(t, name, a.Check(r))
	}
}

// TestChangedClaims changes what a stored assertion says of itself: what is
// shown of it as verified has to be what its response says.
func TestChangedClaims(t *testing.T) {
	for name, change := range map[string]func(*relyingparty.Assertion){
		"verified":          func(a *relyingparty.Assertion) { a.Verified = false },
		"user's name":       func(a *relyingparty.Assertion) { a.User.Name = "mallory" },
		"user's other name": func(a *relyingparty.Assertion) { a.User.DisplayName = "Mallory" },
		"user handle":       func(a *relyingparty.Assertion) { a.User.ID = []byte("mallory") },
		"credential":        func(a *relyingparty.Assertion) { a.CredentialID = []byte("x") },
		"counter":           func(a *relyingparty.Assertion) { a.SignCount++ },
		"presence":          func(a *relyingparty.Assertion) { a.UserPresent = false },
		"verification":      func(a *relyingparty.Assertion) { a.UserVerified = false },
		"clone warning":     func(a *relyingparty.Assertion) { a.CloneWarning = true },
	} {
		k := newKey(t, "a")
		r := registered(t, k, alice)
		c := begin(t, relyingparty.Policy{})
		a, err := party.Authenticate(c, []*relyingparty.Registration{r}, k.assert(c.Challenge, nil), false)
		if err != nil {
			t.Fatal(err)
		}
		change(a)
		if err := a.Check(r); !errors.Is(err, relyingparty.ErrRecord) {
			t.Errorf("%s changed: %v", name, err)
		}
	}
}

func TestAuthenticateByUserHandle(t *testing.T) {
	k, other := newKey(t, "a"), newKey(t, "b")
	bob := relyingparty.User{ID: []byte("bob's handle"), Name: "bob"}
	stored := []*relyingparty.Registration{registered(t, k, alice), registered(t, other, bob)}
	c := begin(t, relyingparty.Policy{})
	a, err := party.Authenticate(c, stored, other.assert(c.Challenge, bob.ID), true)
	if err != nil || a.User.Name != "bob" {
		t.Fatalf("%+v, %v", a, err)
	}
	c = begin(t, relyingparty.Policy{})
	_, err = party.Authenticate(c, stored, other.assert(c.Challenge, alice.ID), true)
	wantRefused(t, "another user's credential", err)
	c = begin(t, relyingparty.Policy{})
	_, err = party.Authenticate(c, stored, other.assert(c.Challenge, nil), true)
	wantRefused(t, "no user handle", err)
	c = begin(t, relyingparty.Policy{})
	_, err = party.Authenticate(c, stored, other.assert(c.Challenge, []byte("mallory")), true)
	wantRefused(t, "an unknown user handle", err)
	c = begin(t, relyingparty.Policy{})
	_, err = party.Authenticate(c, nil, other.assert(c.Challenge, nil), false)
	wantRefused(t, "nothing stored", err)
}

func TestCloneWarning(t *testing.T) {
	k := newKey(t, "a")
	r := registered(t, k, alice)
	r.SignCount = 100
	c := begin(t, relyingparty.Policy{})
	a, err := party.Authenticate(c, []*relyingparty.Registration{r}, k.assert(c.Challenge, nil), false)
	if err != nil || !a.CloneWarning {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestParseRefuses(t *testing.T) {
	good, err := json.Marshal(registered(t, newKey(t, "a"), alice))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"", "{}", "[]", "null", string(good[:len(good)/2]),
		strings.Replace(string(good), "touchstone/registration/1", "touchstone/registration/2", 1),
		strings.Replace(string(good), `"rpId":"example.com"`, `"rpId":""`, 1),
		strings.Replace(string(good), `"publicKey":"`, `"publicKey":"=`, 1),
	} {
		if _, err := relyingparty.ParseRegistration([]byte(text)); err == nil {
			t.Errorf("%.60s was read", text)
		}
		if _, err := relyingparty.ParseAssertion([]byte(text)); err == nil {
			t.Errorf("%.60s was read as an assertion", text)
		}
	}
	more := strings.Replace(string(good), "{", `{"later":1,`, 1)
	if _, err := relyingparty.ParseRegistration([]byte(more)); err != nil {
		t.Errorf("a member of a later version: %v", err)
	}
}

func TestChallengesDiffer(t *testing.T) {
	a, b := begin(t, es256), begin(t, es256)
	if len(a.Challenge) != relyingparty.ChallengeSize || bytes.Equal(a.Challenge, b.Challenge) {
		t.Errorf("%x, %x", a.Challenge, b.Challenge)
	}
	short := party
	short.Rand = bytes.NewReader(make([]byte, 31))
	if _, err := short.Begin(es256); err == nil {
		t.Error("a challenge from 31 bytes")
	}
}

// FuzzStored reads any text as a stored registration or assertion and verifies
// what it can: no panic.
func FuzzStored(f *testing.F) {
	k := newKey(f, "a")
	r := registered(f, k, alice)
	c := begin(f, relyingparty.Policy{})
	a, err := party.Authenticate(c, []*relyingparty.Registration{r}, k.assert(c.Challenge, nil), false)
	if err != nil {
		f.Fatal(err)
	}
	_, old := oldKey(f)
	for _, v := range []any{r, a, old} {
		text, err := json.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if stored, err := relyingparty.ParseRegistration(text); err == nil {
			_ = stored.Check()
		}
		if stored, err := relyingparty.ParseAssertion(text); err == nil {
			_ = stored.Check(r)
		}
		if stored, err := relyingparty.ParseU2FRegistration(text); err == nil {
			_ = stored.Check()
			if r, err := stored.Registration(); err == nil {
				_ = r.Check()
			}
		}
	})
}
