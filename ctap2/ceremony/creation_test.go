package ceremony_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/ceremony"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/fixtures"
)

// keyWith is a getInfo with extensions and options.
func keyWith(o opt, extensions ...string) *ctap2.Info {
	info := infoOf(o)
	info.Extensions = extensions
	info.MaxCredBlobLength = 32
	return info
}

var everyExtension = []string{
	"credProtect", "credBlob", "largeBlobKey", "minPinLength", "pinComplexityPolicy", "hmac-secret", "hmac-secret-mc", "thirdPartyPayment", "uvm",
}

func creationOptions(t testing.TB, extensions string) *webauthn.CreationOptions {
	t.Helper()
	o, err := webauthn.ParseCreationOptions([]byte(`{
		"rp": {"name": "Example"}, "user": {"id": "AQ", "name": "alice", "displayName": "Alice"}, "challenge": "AA",
		"pubKeyCredParams": [{"type": "public-key", "alg": -7}], "authenticatorSelection": {"residentKey": "preferred", "userVerification": "discouraged"},
		"attestation": "direct", "extensions": ` + extensions + `}`))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestCreationRequest(t *testing.T) {
	o := creationOptions(t, `{}`)
	o.Exclude = []webauthn.Descriptor{{Type: "public-key", ID: []byte{7}, Transports: []string{"usb"}}, {Type: "later", ID: []byte{8}}}
	o.AttestationFormats = []string{"packed"}
	info := keyWith(opt{"rk": true, "ep": true})
	hash := make([]byte, 32)
	c, err := ceremony.NewCreation(info, o, "example.com", hash)
	if err != nil {
		t.Fatal(err)
	}
	want := &ctap2.MakeCredentialRequest{
		ClientDataHash: hash, RP: ctap2.RelyingParty{ID: "example.com", Name: "Example"},
		User: ctap2.User{ID: []byte{1}, Name: "alice", DisplayName: "Alice"}, Parameters: ctap2.Parameters(cose.ES256),
		ExcludeList: ctap2.Descriptors([]byte{7}), Options: opt{"rk": true},
	}
	if !reflect.DeepEqual(c.Request, want) {
		t.Errorf("\n got %+v\nwant %+v", c.Request, want)
	}
	if p := (ceremony.Purpose{Permissions: mc | ga, RPID: "example.com", Requirement: "discouraged", Discoverable: true}); c.Purpose() != p {
		t.Errorf("%+v", c.Purpose())
	}
	// A key without passkeys makes what is preferred otherwise.
	if c, err = ceremony.NewCreation(keyWith(opt{"rk": false}), creationOptions(t, `{}`), "example.com", hash); err != nil || c.Discoverable || c.Request.Options != nil {
		t.Errorf("%+v, %v", c, err)
	}
	if p := (ceremony.Purpose{Permissions: mc, RPID: "example.com", Requirement: "discouraged"}); c.Purpose() != p {
		t.Errorf("%+v", c.Purpose())
	}
}

func TestAttestationWishes(t *testing.T) {
	knows := keyWith(opt{"ep": true})
	knows.Members = map[uint64]wire.Raw{uint64(ctap2.InfoAttestationFormats): {0x80}}
	for _, c := range []struct {
		info    *ctap2.Info
		wish    webauthn.Conveyance
		ep      ctap2.EnterpriseAttestation
		formats []string
	}{
		{knows, "none", 0, []string{"none"}},
		{knows, "", 0, []string{"none"}},
		{knows, "direct", 0, []string{"tpm", "packed"}},
		{knows, "enterprise", ctap2.EnterpriseVendor, []string{"tpm", "packed"}},
		{keyWith(opt{"ep": false}), "enterprise", 0, nil},
		{keyWith(opt{"ep": true}), "none", 0, nil},
	} {
		o := creationOptions(t, `{}`)
		o.Attestation, o.AttestationFormats = c.wish, []string{"tpm", "packed"}
		got, err := ceremony.NewCreation(c.info, o, "a", nil)
		if err != nil || got.Request.EnterpriseAttestation != c.ep || !slices.Equal(got.Request.AttestationFormats, c.formats) {
			t.Errorf("%s: %+v, %v", c.wish, got.Request, err)
		}
	}
}

func TestCreationExtensions(t *testing.T) {
	array := opt{"rk": true, "largeBlobs": true}
	for _, c := range []struct {
		name, in string
		info     *ctap2.Info
		want     map[string]any
	}{
		{"none", `{}`, keyWith(array, everyExtension...), nil},
		{"not supported", `{"credBlob": "AQ", "minPinLength": true, "uvm": true, "prf": {}, "payment": {"isPayment": true}, "largeBlob": {"support": "preferred"}, "credentialProtectionPolicy": "userVerificationRequired"}`, keyWith(opt{"rk": true}), nil},
		{"credProtect", `{"credentialProtectionPolicy": "userVerificationRequired", "enforceCredentialProtectionPolicy": true}`, keyWith(nil, "credProtect"), map[string]any{"credProtect": ctap2.CredProtectRequired}},
		{"a policy that all have", `{"credentialProtectionPolicy": "userVerificationOptional", "enforceCredentialProtectionPolicy": true}`, keyWith(nil), nil},
		{"credBlob", `{"credBlob": "AQI"}`, keyWith(nil, "credBlob"), map[string]any{"credBlob": []byte{1, 2}}},
		{"credBlob too long", `{"credBlob": "` + strings.Repeat("AAAA", 11) + `"}`, keyWith(nil, "credBlob"), nil},
		{"policies", `{"minPinLength": true, "pinComplexityPolicy": true}`, keyWith(nil, everyExtension...), map[string]any{"minPinLength": true, "pinComplexityPolicy": true}},
		{"payment", `{"payment": {"isPayment": true}}`, keyWith(nil, everyExtension...), map[string]any{"thirdPartyPayment": true}},
		{"no payment", `{"payment": {"isPayment": false}}`, keyWith(nil, everyExtension...), nil},
		{"uvm", `{"uvm": true}`, keyWith(nil, everyExtension...), map[string]any{"uvm": true}},
		{"prf", `{"prf": {}}`, keyWith(nil, everyExtension...), map[string]any{"hmac-secret": true}},
		{"hmacCreateSecret", `{"hmacCreateSecret": true}`, keyWith(nil, everyExtension...), map[string]any{"hmac-secret": true}},
		{"large blob of CTAP 2.1", `{"largeBlob": {"support": "required"}}`, keyWith(array, everyExtension...), map[string]any{"largeBlobKey": true}},
		{"large blob of CTAP 2.3", `{"largeBlob": {"support": "preferred"}}`, keyWith(opt{"rk": true}, "largeBlob"), map[string]any{"largeBlob": map[string]any{"support": "preferred"}}},
		{"large blob in a word of a later level", `{"largeBlob": {"support": "perhaps"}}`, keyWith(array, everyExtension...), nil},
		{"large blob without the command", `{"largeBlob": {"support": "preferred"}}`, keyWith(opt{"rk": true}, "largeBlobKey"), nil},
		{"large blob of a credential that is not discoverable", `{"largeBlob": {"support": "preferred"}}`, keyWith(opt{"largeBlobs": true}, "largeBlobKey"), nil},
	} {
		got, err := ceremony.NewCreation(c.info, creationOptions(t, c.in), "a", nil)
		if err != nil || !reflect.DeepEqual(got.Request.Extensions, c.want) {
			t.Errorf("%s: %v, %v, want %v", c.name, got.Request.Extensions, err, c.want)
		}
	}
}

func TestCreationRefuses(t *testing.T) {
	for _, c := range []struct {
		name, in string
		change   func(*webauthn.CreationOptions)
		info     *ctap2.Info
		want     error
	}{
		{"discoverable", `{}`, func(o *webauthn.CreationOptions) { o.Selection.ResidentKey = "required" }, keyWith(opt{"rk": false}), webauthn.ConstraintError},
		{"algorithms", `{}`, func(o *webauthn.CreationOptions) { o.Parameters[0].Type = "later" }, keyWith(nil), webauthn.NotSupportedError},
		{"enforced policy", `{"credentialProtectionPolicy": "userVerificationRequired", "enforceCredentialProtectionPolicy": true}`, nil, keyWith(nil), webauthn.NotSupportedError},
		{"unknown policy", `{"credentialProtectionPolicy": "x"}`, nil, keyWith(nil), webauthn.TypeError},
		{"large blob", `{"largeBlob": {"support": "required"}}`, nil, keyWith(nil), webauthn.NotSupportedError},
		{"appid", `{"appid": "https://a"}`, nil, keyWith(nil), webauthn.NotSupportedError},
	} {
		o := creationOptions(t, c.in)
		if c.change != nil {
			c.change(o)
		}
		if got, err := ceremony.NewCreation(c.info, o, "a", nil); !errors.Is(err, c.want) || got != nil {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}

// TestPRFWantsVerification: the secret of prf is another one without it.
func TestPRFWantsVerification(t *testing.T) {
	for in, want := range map[string]webauthn.Requirement{`{}`: "discouraged", `{"prf": {}}`: "preferred", `{"hmacCreateSecret": true}`: "preferred"} {
		c, err := ceremony.NewCreation(keyWith(nil, everyExtension...), creationOptions(t, in), "a", nil)
		if err != nil || c.Requirement != want {
			t.Errorf("%s: %v, %v", in, c.Requirement, err)
		}
	}
	o := creationOptions(t, `{"prf": {}}`)
	o.Selection.UserVerification = "required"
	if c, err := ceremony.NewCreation(keyWith(nil, everyExtension...), o, "a", nil); err != nil || c.Requirement != "required" {
		t.Errorf("%v, %v", c.Requirement, err)
	}
}

// made is an answer with extension outputs.
func made(t testing.TB, outputs map[string]any) *ctap2.MakeCredentialResponse {
	t.Helper()
	r := &ctap2.MakeCredentialResponse{AuthData: authdata.Data{Extensions: raws(t, outputs)}}
	return r
}

func raws(t testing.TB, outputs map[string]any) map[string]wire.Raw {
	t.Helper()
	all := map[string]wire.Raw{}
	for name, v := range outputs {
		b, err := wire.Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = b
	}
	return all
}

func TestCreationResults(t *testing.T) {
	array := opt{"rk": true, "largeBlobs": true}
	for _, c := range []struct {
		name, in string
		info     *ctap2.Info
		outputs  map[string]any
		change   func(*ctap2.MakeCredentialResponse)
		want     string
	}{
		{"none", `{}`, keyWith(array), nil, nil, `{}`},
		{"credProps", `{"credProps": true}`, keyWith(array), nil, nil, `{"credProps":{"rk":true}}`},
		{"credProps of another", `{"credProps": true}`, keyWith(opt{"rk": false}), nil, nil, `{"credProps":{"rk":false}}`},
		{"prf", `{"prf": {}}`, keyWith(nil, everyExtension...), map[string]any{"hmac-secret": true}, nil, `{"prf":{"enabled":true}}`},
		{"prf of a key that has none", `{"prf": {"eval": {"first": "AQ"}}, "hmacCreateSecret": true}`, keyWith(nil), nil, nil, `{"hmacCreateSecret":false,"prf":{"enabled":false}}`},
		{"credBlob", `{"credBlob": "AQ"}`, keyWith(nil, "credBlob"), map[string]any{"credBlob": true}, nil, `{"credBlob":true}`},
		{"credBlob of a key that has none", `{"credBlob": "AQ"}`, keyWith(nil), nil, nil, `{"credBlob":false}`},
		{"uvm", `{"uvm": true}`, keyWith(nil, "uvm"), map[string]any{"uvm": [][]int{{2, 4, 2}}}, nil, `{"uvm":[[2,4,2]]}`},
		{"large blob of CTAP 2.1", `{"largeBlob": {"support": "required"}}`, keyWith(array, "largeBlobKey"), nil, func(r *ctap2.MakeCredentialResponse) { r.LargeBlobKey = make([]byte, 32) }, `{"largeBlob":{"supported":true}}`},
		{"no large blob of CTAP 2.1", `{"largeBlob": {"support": "preferred"}}`, keyWith(array, "largeBlobKey"), nil, nil, `{"largeBlob":{"supported":false}}`},
		{"large blob of CTAP 2.3", `{"largeBlob": {"support": "preferred"}}`, keyWith(nil, "largeBlob"), nil, func(r *ctap2.MakeCredentialResponse) {
			r.UnsignedExtensionOutputs = raws(t, map[string]any{"largeBlob": map[string]bool{"supported": true}})
		}, `{"largeBlob":{"supported":true}}`},
		{"appidExclude", `{"appidExclude": "https://a"}`, keyWith(nil), nil, nil, `{"appidExclude":true}`},
		{"policies are in the authenticator data only", `{"minPinLength": true, "credentialProtectionPolicy": "userVerificationRequired"}`, keyWith(nil, everyExtension...), map[string]any{"minPinLength": 6, "credProtect": 1}, nil, `{}`},
	} {
		creation, err := ceremony.NewCreation(c.info, creationOptions(t, c.in), "a", nil)
		if err != nil {
			t.Fatal(err)
		}
		r := made(t, c.outputs)
		if c.change != nil {
			c.change(r)
		}
		results, err := creation.Results(r)
		if got, _ := json.Marshal(results.Results()); err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v, want %s", c.name, got, err, c.want)
		}
	}
}

// TestCreationThatIsNotAsAsked: what was to be enforced is looked for in what
// came back.
func TestCreationThatIsNotAsAsked(t *testing.T) {
	enforce := `{"credentialProtectionPolicy": "userVerificationRequired", "enforceCredentialProtectionPolicy": true}`
	for _, c := range []struct {
		name, in string
		outputs  map[string]any
		want     error
	}{
		{"a weaker policy", enforce, map[string]any{"credProtect": 2}, ceremony.ErrNotAsAsked},
		{"no policy", enforce, nil, ceremony.ErrNotAsAsked},
		{"the policy", enforce, map[string]any{"credProtect": 3}, nil},
		{"no blob", `{"largeBlob": {"support": "required"}}`, nil, ceremony.ErrNotAsAsked},
	} {
		creation, err := ceremony.NewCreation(keyWith(opt{"rk": true, "largeBlobs": true}, everyExtension...), creationOptions(t, c.in), "a", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := creation.Results(made(t, c.outputs)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	creation, err := ceremony.NewCreation(keyWith(nil, "uvm"), creationOptions(t, `{"uvm": true}`), "a", nil)
	if err != nil {
		t.Fatal(err)
	}
	var bad *ctap2.OutputError
	if _, err := creation.Results(made(t, map[string]any{"uvm": 1})); !errors.As(err, &bad) {
		t.Error(err)
	}
}

// prfInputs is the input of prf for a vector of WebAuthn L3 §16.17, in JSON.
func prfInputs(v fixtures.PRFVector) string {
	s := fmt.Sprintf(`{"first": %q`, webauthn.Bytes(v.Inputs[0]).String())
	if len(v.Inputs) > 1 {
		s += fmt.Sprintf(`, "second": %q`, webauthn.Bytes(v.Inputs[1]).String())
	}
	return s + "}"
}

func prfResults(v fixtures.PRFVector) string {
	s := fmt.Sprintf(`{"first":%q`, webauthn.Bytes(v.Outputs[0]).String())
	if len(v.Outputs) > 1 {
		s += fmt.Sprintf(`,"second":%q`, webauthn.Bytes(v.Outputs[1]).String())
	}
	return s + "}"
}

// vectorClient is a client with the platform key and IV of a vector.
func vectorClient(t testing.TB, v fixtures.PRFVector) (*ctap2.Client, *ctap2.Info) {
	s := &script{t: t, steps: []step{agreement(pinuv.Protocol(v.Protocol))}}
	random := append(bytes.Clone(vectors.Platform.D), v.IV...)
	info := keyWith(nil, everyExtension...)
	info.PINUVAuthProtocols = []pinuv.Protocol{pinuv.Protocol(v.Protocol)}
	return ctap2.New(s, ctap2.Config{Rand: bytes.NewReader(random)}), info
}

// TestPRFAtCreation: from the inputs in JSON to the results in JSON, by the
// vectors of WebAuthn L3.
func TestPRFAtCreation(t *testing.T) {
	for _, v := range fixtures.WebAuthn().PRF {
		client, info := vectorClient(t, v)
		creation, err := ceremony.NewCreation(info, creationOptions(t, `{"prf": {"eval": `+prfInputs(v)+`}}`), "a", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := creation.Prepare(t.Context(), client, nil); err != nil {
			t.Fatal(err)
		}
		compareSaltEnc(t, creation.Request.Extensions[ctap2.ExtensionHMACSecretMC], v)
		if creation.Request.Extensions[ctap2.ExtensionHMACSecret] != true {
			t.Error("hmac-secret is not asked for")
		}
		results, err := creation.Results(made(t, map[string]any{"hmac-secret": true, "hmac-secret-mc": []byte(v.OutputEnc)}))
		want := `{"prf":{"enabled":true,"results":` + prfResults(v) + `}}`
		if got, _ := json.Marshal(results.Results()); err != nil || string(got) != want {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
		creation.Close()
	}
}

func compareSaltEnc(t *testing.T, input any, v fixtures.PRFVector) {
	t.Helper()
	b, err := wire.Encode(input)
	if err != nil {
		t.Fatal(err)
	}
	var sent struct {
		SaltEnc []byte `cbor:"2,keyasint"`
	}
	if err := wire.Decode(b, &sent); err != nil || !bytes.Equal(sent.SaltEnc, v.SaltEnc) {
		t.Errorf("%x, %v, want %x", sent.SaltEnc, err, v.SaltEnc)
	}
}

func TestPrepareShrinksTheExcludeList(t *testing.T) {
	o := creationOptions(t, `{}`)
	o.Exclude = []webauthn.Descriptor{{Type: "public-key", ID: id1}, {Type: "public-key", ID: id2}}
	info := keyWith(nil)
	info.MaxCredentialCountInList = 1
	c, err := ceremony.NewCreation(info, o, "a", make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	err = c.Prepare(t.Context(), play(t, step{silent(true, id1), "2e"}, step{silent(true, id2), assertionOf(id2)}), vectorToken(t))
	compareList(t, "exclude", c.Request.ExcludeList, [][]byte{id2}, err)
}

func TestExcludedByAppID(t *testing.T) {
	ask := strings.Replace(silent(false, id1), "01"+text("a"), "01"+text("https://a.b/c"), 1)
	for answer, want := range map[string]bool{"2e": false, assertionOf(id1): true} {
		o := creationOptions(t, `{"appidExclude": "https://a.b/c"}`)
		o.Exclude = []webauthn.Descriptor{{Type: "public-key", ID: id1}}
		c, err := ceremony.NewCreation(keyWith(nil), o, "a", nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.ExcludedByAppID(t.Context(), play(t, step{ask, answer})); got != want || err != nil {
			t.Errorf("%v, %v", got, err)
		}
	}
	c, err := ceremony.NewCreation(keyWith(nil), creationOptions(t, `{}`), "a", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.ExcludedByAppID(t.Context(), play(t)); got || err != nil {
		t.Errorf("without the extension: %v, %v", got, err)
	}
}
