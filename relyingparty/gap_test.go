package relyingparty_test

import (
	"crypto"
	"crypto/sha256"
	"encoding/json"
	"reflect"
	"testing"

	"filippo.io/mldsa"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/relyingparty"
)

// lattice is a credential of ML-DSA that attests itself.
type lattice struct {
	t       *testing.T
	alg     cose.Algorithm
	private *mldsa.PrivateKey
	flags   authdata.Flags
	count   uint32
	claimed cose.Algorithm // what the statement says that it was signed with
}

func newLattice(t *testing.T) *lattice {
	seed := sha256.Sum256([]byte("lattice"))
	private, err := mldsa.NewPrivateKey(mldsa.MLDSA44(), seed[:])
	if err != nil {
		t.Fatal(err)
	}
	return &lattice{t: t, alg: cose.MLDSA44, claimed: cose.MLDSA44, private: private, flags: authdata.FlagUP}
}

func (l *lattice) authData(attested bool) []byte {
	l.count++
	d := authdata.Data{RPIDHash: sha256.Sum256([]byte("example.com")), Flags: l.flags, SignCount: l.count}
	if attested {
		public, err := cose.FromPublic(l.private.PublicKey(), l.alg)
		if err != nil {
			l.t.Fatal(err)
		}
		d.Credential = &authdata.Credential{ID: []byte("lattice"), Key: public}
	}
	b, err := d.Bytes()
	if err != nil {
		l.t.Fatal(err)
	}
	return b
}

func (l *lattice) sign(data []byte, client webauthn.ClientData) []byte {
	sig, err := l.private.Sign(nil, append(data[:len(data):len(data)], client.Hash()...), crypto.Hash(0))
	if err != nil {
		l.t.Fatal(err)
	}
	return sig
}

func (l *lattice) register(challenge []byte) webauthn.RegistrationResponse {
	client := webauthn.ClientData{Type: webauthn.TypeCreate, Challenge: challenge, Origin: origin}
	data := l.authData(true)
	statement, err := wire.Encode(map[string]any{"alg": int64(l.claimed), "sig": l.sign(data, client)})
	if err != nil {
		l.t.Fatal(err)
	}
	object, err := webauthn.AttestationObject(webauthn.ConveyanceDirect, "packed", statement, data)
	if err != nil {
		l.t.Fatal(err)
	}
	r, err := webauthn.NewRegistrationResponse(client.JSON(), object, data, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

func (l *lattice) assert(challenge, handle []byte) webauthn.AuthenticationResponse {
	client := webauthn.ClientData{Type: webauthn.TypeGet, Challenge: challenge, Origin: origin}
	data := l.authData(false)
	return webauthn.NewAuthenticationResponse([]byte("lattice"), client.JSON(), data, l.sign(data, client), handle)
}

// gaps are those that there are to be: go-webauthn has ML-DSA if it was built
// with Go 1.27.
func gaps(t *testing.T, publicKey []byte, gap relyingparty.Gap) []relyingparty.Gap {
	t.Helper()
	if _, err := webauthncose.ParsePublicKey(publicKey); err == nil {
		return nil
	}
	return []relyingparty.Gap{gap}
}

var latticeOnly = relyingparty.Policy{Algorithms: []cose.Algorithm{cose.MLDSA44}}

// TestGaps: what go-webauthn cannot verify is verified all the same, and said.
func TestGaps(t *testing.T) {
	l := newLattice(t)
	c := begin(t, latticeOnly)
	r, err := party.Register(c, alice, l.register(c.Challenge))
	if err != nil {
		t.Fatal(err)
	}
	if want := gaps(t, r.PublicKey, relyingparty.GapAttestation); !reflect.DeepEqual(r.Gaps, want) {
		t.Errorf("gaps of the registration %v, want %v", r.Gaps, want)
	}
	if r.Algorithm != "ML-DSA-44" || r.AttestationFormat != "packed" || r.AttestationType != "basic_surrogate" {
		t.Errorf("%+v", r)
	}
	if err := r.Check(); err != nil {
		t.Errorf("the stored registration: %v", err)
	}
	stored := []*relyingparty.Registration{registered(t, newKey(t, "a"), alice), r}
	c = begin(t, relyingparty.Policy{})
	a, err := party.Authenticate(c, stored, l.assert(c.Challenge, alice.ID), true)
	if err != nil {
		t.Fatal(err)
	}
	if want := gaps(t, r.PublicKey, relyingparty.GapSignature); !reflect.DeepEqual(a.Gaps, want) || a.SignCount != 2 {
		t.Errorf("gaps of the assertion %v, want %v; counter %d", a.Gaps, want, a.SignCount)
	}
	if err := a.Check(r); err != nil {
		t.Errorf("the stored assertion: %v", err)
	}
}

// TestNothingFallsIntoAGap: all other checks hold where go-webauthn lacks an
// algorithm, and so does the one that was done in its place.
func TestNothingFallsIntoAGap(t *testing.T) {
	l := newLattice(t)
	c := begin(t, latticeOnly)
	r, err := party.Register(c, alice, l.register(c.Challenge))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*webauthn.AuthenticationResponse){
		"signature":          func(a *webauthn.AuthenticationResponse) { flipInside(a.Response.Signature, 1) },
		"authenticator data": func(a *webauthn.AuthenticationResponse) { flip(a.Response.AuthenticatorData, 36) },
		"client data":        func(a *webauthn.AuthenticationResponse) { flipInside(a.Response.ClientDataJSON, 3) },
		"user handle":        func(a *webauthn.AuthenticationResponse) { a.Response.UserHandle = []byte("mallory") },
	} {
		c := begin(t, relyingparty.Policy{})
		a := l.assert(c.Challenge, alice.ID)
		change(&a)
		_, err := party.Authenticate(c, []*relyingparty.Registration{r}, a, false)
		wantRefused(t, name, err)
	}
	_, err = party.Authenticate(begin(t, relyingparty.Policy{}), []*relyingparty.Registration{r}, l.assert(c.Challenge, nil), false)
	wantRefused(t, "another challenge", err)
	c = begin(t, relyingparty.Policy{RequireUserVerification: true})
	_, err = party.Authenticate(c, []*relyingparty.Registration{r}, l.assert(c.Challenge, nil), false)
	wantRefused(t, "no user verification", err)

	l.flags = 0
	c = begin(t, relyingparty.Policy{})
	_, err = party.Authenticate(c, []*relyingparty.Registration{r}, l.assert(c.Challenge, nil), false)
	wantRefused(t, "no user presence", err)
	c = begin(t, latticeOnly)
	_, err = party.Register(c, alice, l.register(c.Challenge))
	wantRefused(t, "a registration without user presence", err)
}

func TestSelfAttestationIsVerified(t *testing.T) {
	l := newLattice(t)
	c := begin(t, latticeOnly)
	r := l.register(c.Challenge)
	flipInside(r.Response.AttestationObject, 2500) // in the signature, which comes before the authenticator data
	_, err := party.Register(c, alice, r)
	wantRefused(t, "a changed signature", err)

	l.claimed = cose.MLDSA65
	c = begin(t, latticeOnly)
	_, err = party.Register(c, alice, l.register(c.Challenge))
	wantRefused(t, "another algorithm than the key's", err)
	l.claimed = cose.MLDSA44
	c = begin(t, es256)
	_, err = party.Register(c, alice, l.register(c.Challenge))
	wantRefused(t, "an algorithm that was not offered", err)
}

// TestSilent: an assertion without a user is verified and not accepted.
func TestSilent(t *testing.T) {
	k := newKey(t, "a")
	r := registered(t, k, alice)
	k.flags = 0
	c := begin(t, relyingparty.Policy{Silent: true})
	a, err := party.Authenticate(c, []*relyingparty.Registration{r}, k.assert(c.Challenge, nil), false)
	if err != nil {
		t.Fatal(err)
	}
	if a.Verified || !a.Silent || a.UserPresent {
		t.Errorf("%+v", a)
	}
	if err := a.Check(r); err != nil {
		t.Errorf("the stored assertion: %v", err)
	}
	for name, change := range map[string]func(*relyingparty.Assertion){
		"accepted":    func(a *relyingparty.Assertion) { a.Verified = true },
		"not silent":  func(a *relyingparty.Assertion) { a.Silent, a.Verified = false, true },
		"with a user": func(a *relyingparty.Assertion) { a.UserPresent = true },
	} {
		changed := *a
		change(&changed)
		if changed.Check(r) == nil {
			t.Errorf("%s: verified", name)
		}
	}
	c = begin(t, relyingparty.Policy{Silent: true})
	response := k.assert(c.Challenge, nil)
	flipInside(response.Response.Signature, 1)
	_, err = party.Authenticate(c, []*relyingparty.Registration{r}, response, false)
	wantRefused(t, "signature", err)
}

// TestExtensionsAreHeldToWhatWasAsked: go-webauthn hears of the extensions that
// were asked for, at once and when a record is checked again.
func TestExtensionsAreHeldToWhatWasAsked(t *testing.T) {
	k := newKey(t, "a")
	yes, no := true, false
	for _, c := range []struct {
		name  string
		asked webauthn.ExtensionInputs
		told  webauthn.ExtensionOutputs
		fails bool
	}{
		{"nothing", webauthn.ExtensionInputs{}, webauthn.ExtensionOutputs{}, false},
		{"credProps", webauthn.ExtensionInputs{CredProps: true}, webauthn.ExtensionOutputs{CredProps: &webauthn.CredProps{RK: &yes}}, false},
		{"credProps unasked", webauthn.ExtensionInputs{}, webauthn.ExtensionOutputs{CredProps: &webauthn.CredProps{RK: &yes}}, true},
		{"prf", webauthn.ExtensionInputs{PRF: &webauthn.PRFInputs{}}, webauthn.ExtensionOutputs{PRF: &webauthn.PRFOutputs{Enabled: &yes}}, false},
		{"uvm", webauthn.ExtensionInputs{UVM: true}, webauthn.ExtensionOutputs{UVM: [][]uint64{{2, 4, 2}}}, false},
		{"large blob required", webauthn.ExtensionInputs{LargeBlob: &webauthn.LargeBlobInputs{Support: "required"}},
			webauthn.ExtensionOutputs{LargeBlob: &webauthn.LargeBlobOutputs{Supported: &no}}, true},
		{"large blob preferred", webauthn.ExtensionInputs{LargeBlob: &webauthn.LargeBlobInputs{Support: "preferred"}},
			webauthn.ExtensionOutputs{LargeBlob: &webauthn.LargeBlobOutputs{Supported: &no}}, false},
		{"a blob that was not stored", webauthn.ExtensionInputs{CredBlob: []byte("blob")}, webauthn.ExtensionOutputs{CredBlob: &no}, true},
		{"protection that was not given", webauthn.ExtensionInputs{ProtectionPolicy: "userVerificationRequired", EnforceProtectionPolicy: true},
			webauthn.ExtensionOutputs{}, true},
	} {
		policy := es256
		policy.Asked = relyingparty.Ask(c.asked)
		ceremony := begin(t, policy)
		response := k.register(ceremony.Challenge)
		response.ClientExtensionResults = c.told.Results()
		r, err := party.Register(ceremony, alice, response)
		if c.fails {
			wantRefused(t, c.name, err)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if again := stored(t, r); again.Check() != nil {
			t.Errorf("%s: stored: %v", c.name, again.Check())
		}
		if r.Asked != nil {
			r.Asked.Extensions = nil
			wantRefused(t, c.name+" forgotten", r.Check())
		}
	}
}

// stored is a registration from its JSON form.
func stored(t *testing.T, r *relyingparty.Registration) *relyingparty.Registration {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	again, err := relyingparty.ParseRegistration(text)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// TestAskedKeepsNoSecrets: of blobs and salts only that there was one is kept.
func TestAskedKeepsNoSecrets(t *testing.T) {
	write := webauthn.Bytes("written")
	got := relyingparty.Ask(webauthn.ExtensionInputs{
		PRF: &webauthn.PRFInputs{Eval: &webauthn.PRFValues{First: []byte("input")}}, CredBlob: []byte("blob"),
		LargeBlob: &webauthn.LargeBlobInputs{Write: &write}, AppID: "https://example.com", UVM: true,
	})
	want := &relyingparty.Asked{
		Extensions: []string{"appid", "credBlob", "largeBlob", "prf", "uvm"},
		AppID:      "https://example.com", CredBlob: true, LargeBlobWrite: true,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if relyingparty.Ask(webauthn.ExtensionInputs{}) != nil {
		t.Error("nothing was asked")
	}
}
