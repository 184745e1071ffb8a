package enroll_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices/enroll"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/relyingparty"
)

// touching is a key that counts its touches.
func touching(t *testing.T, profile *virtual.Profile) (*scene, *int) {
	t.Helper()
	touches := new(int)
	return newScene(t, virtual.Config{Profile: profile, Presence: func(context.Context) virtual.Decision {
		*touches++
		return virtual.DecisionHeld
	}}), touches
}

// TestExtensions has a relying party ask for everything, and verify it: what
// comes back of the secrets is the client's, and not in the response.
func TestExtensions(t *testing.T) {
	s := newScene(t, virtual.Config{})
	s.setPIN("24680")
	ask := asking("24680", new([]enroll.PINRequest))
	prf := &webauthn.PRFInputs{Eval: &webauthn.PRFValues{First: []byte("one"), Second: []byte("two")}}
	o := create(enroll.Required, enroll.Required)
	o.Extensions = webauthn.ExtensionInputs{
		CredProps: true, UVM: true, MinPINLength: true, PRF: prf, CredBlob: []byte("blob"),
		LargeBlob:        &webauthn.LargeBlobInputs{Support: webauthn.SupportRequired},
		ProtectionPolicy: "userVerificationRequired", EnforceProtectionPolicy: true,
		Payment: &webauthn.PaymentInputs{IsPayment: true},
	}
	party := relyingparty.Party{ID: rpID, Origin: origin}
	ceremony, err := party.Begin(relyingparty.Policy{Algorithms: o.Algorithms, Asked: relyingparty.Ask(o.Extensions)})
	if err != nil {
		t.Fatal(err)
	}
	o.Challenge = ceremony.Challenge
	created := s.register(o, ask)
	r, err := party.Register(ceremony, relyingparty.User{ID: []byte{1}, Name: "alice"}, created.Response)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"credBlob":true,"credProps":{"rk":true},"largeBlob":{"supported":true},"prf":{"enabled":true},"uvm":[[2048,`
	if text, err := json.Marshal(created.Response.ClientExtensionResults); err != nil || !bytes.HasPrefix(text, []byte(want)) {
		t.Errorf("the relying party is told %s, %v", text, err)
	}
	secrets := created.Extensions.PRF.Results
	if secrets == nil || len(secrets.First) != 32 || len(secrets.Second) != 32 || bytes.Equal(secrets.First, secrets.Second) {
		t.Fatalf("results of prf at creation: %+v", secrets)
	}

	got := s.assert(ask, r, webauthn.ExtensionInputs{PRF: prf, GetCredBlob: true, LargeBlob: &webauthn.LargeBlobInputs{Read: true}})
	if e := got.Extensions; !reflect.DeepEqual(e.PRF.Results, secrets) || string(*e.GetCredBlob) != "blob" || e.LargeBlob.Blob != nil {
		t.Errorf("%+v", e)
	}
	if _, told := got.Response.ClientExtensionResults["prf"].(map[string]any)["results"]; told {
		t.Error("the relying party is told the secrets")
	}
	written := webauthn.Bytes("a large blob")
	got = s.assert(ask, r, webauthn.ExtensionInputs{LargeBlob: &webauthn.LargeBlobInputs{Write: &written}})
	if e := got.Extensions; !*e.LargeBlob.Written || got.WriteError != nil {
		t.Errorf("%+v, %v", e.LargeBlob, got.WriteError)
	}
	got = s.assert(ask, r, webauthn.ExtensionInputs{LargeBlob: &webauthn.LargeBlobInputs{Read: true}})
	if e := got.Extensions; !bytes.Equal(*e.LargeBlob.Blob, written) {
		t.Errorf("%+v", e.LargeBlob)
	}
}

// assert gets an assertion for a registration and has it verified.
func (s *scene) assert(ask enroll.Ask, r *relyingparty.Registration, in webauthn.ExtensionInputs) enroll.Got {
	s.t.Helper()
	ceremony, err := r.Party().Begin(relyingparty.Policy{Asked: relyingparty.Ask(in)})
	if err != nil {
		s.t.Fatal(err)
	}
	o := get(enroll.Required, r.CredentialID)
	o.Challenge, o.Extensions = ceremony.Challenge, in
	got, err := enroll.Get(s.t.Context(), s.conn, o, ask)
	if err != nil || len(got) != 1 {
		s.t.Fatalf("%v, %v", got, err)
	}
	if _, err := r.Party().Authenticate(ceremony, []*relyingparty.Registration{r}, got[0].Response, false); err != nil {
		s.t.Error(err)
	}
	return got[0]
}

// TestBlobThatIsTooLarge: the relying party hears that it was not written, the
// caller why.
func TestBlobThatIsTooLarge(t *testing.T) {
	s := newScene(t, virtual.Config{})
	o := create(enroll.Discouraged, enroll.Required)
	o.Extensions.LargeBlob = &webauthn.LargeBlobInputs{Support: webauthn.SupportRequired}
	created := s.register(o, enroll.Ask{})
	g := get(enroll.Discouraged, created.Response.RawID)
	noise := make(webauthn.Bytes, 5000) // that cannot be compressed
	if _, err := rand.NewChaCha8([32]byte{1}).Read(noise); err != nil {
		t.Fatal(err)
	}
	g.Extensions.LargeBlob = &webauthn.LargeBlobInputs{Write: &noise}
	got, err := enroll.Get(t.Context(), s.conn, g, enroll.Ask{})
	if err != nil {
		t.Fatal(err)
	}
	if *got[0].Extensions.LargeBlob.Written || !errors.Is(got[0].WriteError, ctap2.StatusLargeBlobStorageFull) {
		t.Errorf("%+v, %v", got[0].Extensions.LargeBlob, got[0].WriteError)
	}
}

// TestLongLists: lists that are longer than the key takes are searched in
// batches without a touch, and the person is asked for one.
func TestLongLists(t *testing.T) {
	profile := virtual.DefaultProfile()
	profile.MaxListLength = 2
	s, touches := touching(t, profile)
	created := s.register(create(enroll.Discouraged, enroll.Discouraged), enroll.Ask{})
	var ids [][]byte
	for i := range 6 {
		ids = append(ids, bytes.Repeat([]byte{byte(i + 1)}, 64))
	}
	strangers := ctap2.Descriptors(ids...)
	with := append(slices.Clone(strangers), ctap2.Descriptors(created.Response.RawID)...)

	for _, c := range []struct {
		name    string
		exclude []ctap2.Descriptor
		want    error
	}{{"one is there", with, ctap2.StatusCredentialExcluded}, {"none is there", strangers, nil}} {
		s.asked, *touches = nil, 0
		o := create(enroll.Discouraged, enroll.Discouraged)
		o.Exclude = c.exclude
		_, err := enroll.Create(t.Context(), s.conn, o, enroll.Ask{})
		if !errors.Is(err, c.want) || *touches != 1 || s.count("authenticatorGetAssertion") < 3 {
			t.Errorf("exclude, %s: %v after %d touches, %v", c.name, err, *touches, s.asked)
		}
	}
	for _, c := range []struct {
		name    string
		allow   []ctap2.Descriptor
		want    error
		touches int // the key asks nobody about a credential that it has not
	}{{"one is there", with, nil, 1}, {"none is there", strangers, ctap2.StatusNoCredentials, 0}} {
		s.asked, *touches = nil, 0
		o := get(enroll.Discouraged)
		o.Allow = c.allow
		_, err := enroll.Get(t.Context(), s.conn, o, enroll.Ask{})
		if !errors.Is(err, c.want) || *touches != c.touches || s.count("authenticatorGetAssertion") < 4 {
			t.Errorf("allow, %s: %v after %d touches, %v", c.name, err, *touches, s.asked)
		}
	}
}

func (s *scene) count(command string) int {
	n := 0
	for _, asked := range s.asked {
		if asked == command {
			n++
		}
	}
	return n
}

const appID = "https://example.com/app-id.json"

// TestAppID: a credential of U2F is found under its AppID, with one touch, and
// excludes another one.
func TestAppID(t *testing.T) {
	s, touches := touching(t, nil)
	old, err := s.conn.MakeCredential(t.Context(), &ctap2.MakeCredentialRequest{
		ClientDataHash: make([]byte, 32), RP: ctap2.RelyingParty{ID: appID}, User: ctap2.User{ID: []byte{1}},
		Parameters: ctap2.Parameters(-7),
	})
	if err != nil {
		t.Fatal(err)
	}
	newer := s.register(create(enroll.Discouraged, enroll.Discouraged), enroll.Ask{})
	oldID := old.AuthData.Credential.ID
	for _, c := range []struct {
		id      []byte
		byAppID bool
	}{{oldID, true}, {newer.Response.RawID, false}} {
		*touches = 0
		o := get(enroll.Discouraged, []byte("a stranger"), c.id)
		o.Extensions.AppID = appID
		got, err := enroll.Get(t.Context(), s.conn, o, enroll.Ask{})
		if err != nil || *got[0].Extensions.AppID != c.byAppID || !bytes.Equal(got[0].Response.RawID, c.id) || *touches != 1 {
			t.Errorf("%t: %+v, %v after %d touches", c.byAppID, got, err, *touches)
		}
	}
	*touches = 0
	o := create(enroll.Discouraged, enroll.Discouraged)
	o.Exclude, o.Extensions.AppIDExclude = ctap2.Descriptors(oldID), appID
	if _, err := enroll.Create(t.Context(), s.conn, o, enroll.Ask{}); !errors.Is(err, ctap2.StatusCredentialExcluded) || *touches != 1 {
		t.Errorf("excluded: %v after %d touches", err, *touches)
	}
	o.Exclude = ctap2.Descriptors([]byte("a stranger"))
	if c := s.register(o, enroll.Ask{}); !*c.Extensions.AppIDExclude {
		t.Errorf("%+v", c.Extensions)
	}
	o.Extensions.AppIDExclude = "https://example.org"
	if _, err := enroll.Create(t.Context(), s.conn, o, enroll.Ask{}); !errors.Is(err, webauthn.SecurityError) {
		t.Errorf("an AppID of somebody else: %v", err)
	}
	g := get(enroll.Discouraged, oldID)
	g.Extensions.AppID = "https://example.org"
	if _, err := enroll.Get(t.Context(), s.conn, g, enroll.Ask{}); !errors.Is(err, webauthn.SecurityError) {
		t.Errorf("an AppID of somebody else: %v", err)
	}
}

// TestEnterpriseAttestation asks for both kinds.
func TestEnterpriseAttestation(t *testing.T) {
	for _, c := range []struct {
		name    string
		listed  string // the relying party that the key has on its list
		kind    ctap2.EnterpriseAttestation
		granted bool
	}{
		{"vendor-facilitated", rpID, 0, true},
		{"vendor-facilitated, not on the list", "other.example", ctap2.EnterpriseVendor, false},
		{"platform-managed", "other.example", ctap2.EnterprisePlatform, true},
	} {
		profile := virtual.DefaultProfile()
		profile.Options["ep"] = true
		profile.Attestation.Enterprise.RPIDs = []string{c.listed}
		s := newScene(t, virtual.Config{Profile: profile})
		o := create(enroll.Discouraged, enroll.Required)
		o.Attestation, o.Enterprise = webauthn.ConveyanceEnterprise, c.kind
		if created := s.register(o, enroll.Ask{}); created.EnterpriseAttestation != c.granted {
			t.Errorf("%s: granted %t", c.name, created.EnterpriseAttestation)
		}
	}
}

func TestAttestationFormats(t *testing.T) {
	profile := virtual.DefaultProfile()
	profile.Attestation.Formats = []string{"packed", "fido-u2f"}
	s := newScene(t, virtual.Config{Profile: profile})
	for _, format := range []string{"packed", "fido-u2f"} {
		o := create(enroll.Discouraged, enroll.Discouraged)
		o.AttestationFormats = []string{"tpm", format}
		created := s.register(o, enroll.Ask{})
		if got, _, _, err := webauthn.ParseAttestationObject(created.Response.Response.AttestationObject); got != format || err != nil {
			t.Errorf("%s: %s, %v", format, got, err)
		}
	}
}

// TestSilent looks for a credential without a touch.
func TestSilent(t *testing.T) {
	s, touches := touching(t, nil)
	created := s.register(create(enroll.Discouraged, enroll.Discouraged), enroll.Ask{})
	*touches = 0
	o := get(enroll.Discouraged, created.Response.RawID)
	o.Silent = true
	got, err := enroll.Get(t.Context(), s.conn, o, enroll.Ask{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := authdata.Parse(got[0].Response.Response.AuthenticatorData)
	if err != nil || data.Flags.Has(authdata.FlagUP) || *touches != 0 {
		t.Errorf("flags %v, %v after %d touches", data.Flags, err, *touches)
	}
	o.Allow = ctap2.Descriptors([]byte("a stranger"))
	if _, err := enroll.Get(t.Context(), s.conn, o, enroll.Ask{}); !errors.Is(err, ctap2.StatusNoCredentials) || *touches != 0 {
		t.Errorf("%v after %d touches", err, *touches)
	}
}

// TestPINAfterAFinger: a key that verifies by itself, has no tokens for that and
// does not know the user, gets the PIN where it has one.
func TestPINAfterAFinger(t *testing.T) {
	options := map[string]bool{"rk": true, "uv": true, "clientPin": true}
	for _, refusal := range []ctap2.Status{ctap2.StatusPUATRequired, ctap2.StatusUVBlocked, ctap2.StatusUVInvalid} {
		s := newScene(t, virtual.Config{})
		s.setPIN("24680")
		s.answer = func(msg []byte) ([]byte, bool) {
			switch ctap2.Command(msg[0]) {
			case ctap2.CommandGetInfo:
				return info(t, options, nil), true
			case ctap2.CommandMakeCredential, ctap2.CommandGetAssertion:
				if asksForUV(t, msg) {
					return []byte{byte(refusal)}, true
				}
			}
			return nil, false
		}
		created := s.register(create(enroll.Required, enroll.Required), asking("24680", new([]enroll.PINRequest)))
		want := []string{"authenticatorGetInfo", "authenticatorMakeCredential", "getPINRetries", "getKeyAgreement", "getPinToken", "authenticatorMakeCredential"}
		if !slices.Equal(s.asked, want) || created.Verified != "pin" {
			t.Errorf("%v: asked %v, verified by %q", refusal, s.asked, created.Verified)
		}
		got, err := enroll.Get(t.Context(), s.conn, get(enroll.Required, created.Response.RawID), asking("24680", new([]enroll.PINRequest)))
		if err != nil || got[0].Verified != "pin" {
			t.Errorf("%v: %+v, %v", refusal, got, err)
		}
		options["clientPin"] = false
		if _, err := enroll.Get(t.Context(), s.conn, get(enroll.Required, created.Response.RawID), enroll.Ask{}); !errors.Is(err, refusal) {
			t.Errorf("%v without a PIN: %v", refusal, err)
		}
		options["clientPin"] = true
	}
}

// asksForUV reports whether a request has the option uv.
func asksForUV(t *testing.T, msg []byte) bool {
	t.Helper()
	options := map[ctap2.Command]int{ctap2.CommandMakeCredential: 7, ctap2.CommandGetAssertion: 5}[ctap2.Command(msg[0])]
	var members map[int]any
	if err := wire.Decode(msg[1:], &members); err != nil {
		t.Fatal(err)
	}
	set, _ := members[options].(map[any]any)
	return set["uv"] == true
}
