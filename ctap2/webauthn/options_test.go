package webauthn_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
)

const creationJSON = `{
	"rp": {"id": "example.com", "name": "Example"},
	"user": {"id": "AQI", "name": "alice", "displayName": "Alice"},
	"challenge": "-_8A",
	"pubKeyCredParams": [{"type": "public-key", "alg": -8}, {"type": "later", "alg": 1}, {"type": "public-key", "alg": -7}],
	"timeout": 60000,
	"excludeCredentials": [{"type": "public-key", "id": "AA==", "transports": ["usb", "later"]}, {"type": "later", "id": "AQ"}],
	"authenticatorSelection": {"authenticatorAttachment": "cross-platform", "residentKey": "required", "requireResidentKey": true, "userVerification": "discouraged"},
	"hints": ["security-key"],
	"attestation": "enterprise",
	"attestationFormats": ["packed", "none"],
	"extensions": {"credProps": true, "later": {"x": 1}},
	"later": [1, 2]
}`

func TestCreationOptions(t *testing.T) {
	got, err := webauthn.ParseCreationOptions([]byte(creationJSON))
	if err != nil {
		t.Fatal(err)
	}
	want := &webauthn.CreationOptions{
		RP:         webauthn.RelyingParty{ID: "example.com", Name: "Example"},
		User:       webauthn.User{ID: []byte{1, 2}, Name: "alice", DisplayName: "Alice"},
		Challenge:  []byte{0xfb, 0xff, 0},
		Parameters: []webauthn.Parameter{{"public-key", cose.EdDSA}, {"later", 1}, {"public-key", cose.ES256}},
		TimeoutMS:  60000,
		Exclude:    []webauthn.Descriptor{{"public-key", []byte{0}, []string{"usb", "later"}}, {"later", []byte{1}, nil}},
		Selection:  webauthn.AuthenticatorSelection{Attachment: "cross-platform", ResidentKey: "required", RequireResidentKey: true, UserVerification: "discouraged"},
		Hints:      []string{"security-key"}, Attestation: "enterprise", AttestationFormats: []string{"packed", "none"},
		Extensions: webauthn.ExtensionInputs{CredProps: true},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
	algorithms, err := got.Algorithms()
	if err != nil || !reflect.DeepEqual(algorithms, []cose.Algorithm{cose.EdDSA, cose.ES256}) {
		t.Errorf("%v, %v", algorithms, err)
	}
	if got.Timeout() != time.Minute || len(got.Excluded()) != 1 || got.Conveyance() != webauthn.ConveyanceEnterprise {
		t.Errorf("%v, %v, %v", got.Timeout(), got.Excluded(), got.Conveyance())
	}
	// What is written is read as the same.
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var again webauthn.CreationOptions
	if err := json.Unmarshal(text, &again); err != nil || !reflect.DeepEqual(&again, got) {
		t.Errorf("%s\nis read as %+v, %v", text, again, err)
	}
}

const leastCreation = `{"rp": {"name": "E"}, "user": {"id": "AQ", "name": "", "displayName": ""}, "challenge": "", "pubKeyCredParams": []}`

func TestCreationDefaults(t *testing.T) {
	for name, text := range map[string]string{
		"absent":            leastCreation,
		"null":              strings.Replace(leastCreation, `"challenge"`, `"timeout": null, "excludeCredentials": null, "authenticatorSelection": null, "hints": null, "attestation": null, "extensions": null, "challenge"`, 1),
		"nothing inside":    strings.Replace(leastCreation, `"challenge"`, `"authenticatorSelection": {}, "extensions": {}, "challenge"`, 1),
		"of a later level":  strings.Replace(leastCreation, `"challenge"`, `"authenticatorSelection": {"userVerification": "perhaps", "residentKey": "maybe"}, "attestation": "notarised", "challenge"`, 1),
		"in another letter": strings.Replace(leastCreation, `"challenge"`, `"Timeout": 5, "EXTENSIONS": {"credProps": true}, "challenge"`, 1),
	} {
		o, err := webauthn.ParseCreationOptions([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		algorithms, err := o.Algorithms()
		if err != nil || !reflect.DeepEqual(algorithms, []cose.Algorithm{cose.ES256, cose.RS256}) {
			t.Errorf("%s: %v, %v", name, algorithms, err)
		}
		if o.UserVerification() != webauthn.Preferred || o.ResidentKey() != webauthn.Discouraged || o.Conveyance() != webauthn.ConveyanceNone || o.Timeout() != 0 || o.Excluded() != nil {
			t.Errorf("%s: %+v", name, o)
		}
		if o.RP.ID != "" || len(o.Challenge) != 0 || !reflect.DeepEqual(o.Extensions, webauthn.ExtensionInputs{}) {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

func TestResidentKeyOfLevelOne(t *testing.T) {
	for _, c := range []struct {
		selection webauthn.AuthenticatorSelection
		want      webauthn.Requirement
	}{
		{webauthn.AuthenticatorSelection{RequireResidentKey: true}, webauthn.Required},
		{webauthn.AuthenticatorSelection{RequireResidentKey: true, ResidentKey: "preferred"}, webauthn.Preferred},
		{webauthn.AuthenticatorSelection{ResidentKey: "preferred"}, webauthn.Preferred},
		{webauthn.AuthenticatorSelection{RequireResidentKey: true, ResidentKey: "later"}, webauthn.Required},
	} {
		if got := (&webauthn.CreationOptions{Selection: c.selection}).ResidentKey(); got != c.want {
			t.Errorf("%+v: %v, want %v", c.selection, got, c.want)
		}
	}
}

func TestNoAlgorithmForPublicKeys(t *testing.T) {
	o := &webauthn.CreationOptions{Parameters: []webauthn.Parameter{{"later", cose.ES256}}}
	if _, err := o.Algorithms(); !errors.Is(err, webauthn.NotSupportedError) {
		t.Error(err)
	}
}

// TestCreationTypes: each member has its type, and the error names the member.
func TestCreationTypes(t *testing.T) {
	with := func(old, new string) string { return strings.Replace(creationJSON, old, new, 1) }
	for _, c := range []struct{ text, says string }{
		{"", "no JSON object"},
		{"[]", "no JSON object"},
		{"null", "no JSON object"},
		{creationJSON + "{}", "no JSON object"},
		{with(`"rp": {"id": "example.com", "name": "Example"},`, ""), "creation options: TypeError: rp is missing"},
		{with(`"challenge": "-_8A",`, ""), "challenge is missing"},
		{with(`"challenge"`, `"Challenge"`), "challenge is missing"},
		{with(`"name": "Example"`, `"x": 1`), "creation options.rp: TypeError: name is missing"},
		{with(`"rp": {"id": "example.com", "name": "Example"}`, `"rp": "example.com"`), "rp is no object"},
		{with(`"id": "example.com"`, `"id": 1`), "rp: TypeError: id is not a text"},
		{with(`"displayName": "Alice"`, `"display": "Alice"`), "user: TypeError: displayName is missing"},
		{with(`"AQI"`, `""`), "id of 0 bytes"},
		{with(`"AQI"`, `"`+strings.Repeat("AAAA", 22)+`"`), "id of 66 bytes"},
		{with(`"AQI"`, `"A+/="`), "id is not base64url"},
		{with(`"-_8A"`, `[1]`), "challenge is not a text"},
		{with(`"-_8A"`, `"-_8A="`), "challenge is not base64url"},
		{with(`"-_8A"`, `"-_8AB"`), "challenge is not base64url"},
		{with(`-8}`, `"ES256"}`), "pubKeyCredParams[0]: TypeError: alg is not a number"},
		{with(`-8}`, `-8.5}`), "alg is no integer"},
		{with(`"alg": -8`, `"algorithm": -8`), "pubKeyCredParams[0]: TypeError: alg is missing"},
		{with(`{"type": "later", "alg": 1}`, `null`), "pubKeyCredParams[1]: TypeError: null instead of an object"},
		{with(`60000`, `"60000"`), "timeout is not a number"},
		{with(`60000`, `-1`), "timeout of -1 ms"},
		{with(`60000`, `4294967296`), "timeout of 4294967296 ms"},
		{with(`60000`, `1e300`), "timeout is no integer"},
		{with(`"AA=="`, `"AA="`), "excludeCredentials[0]: TypeError: id is not base64url"},
		{with(`["usb", "later"]`, `"usb"`), "transports is not a list of texts"},
		{with(`"requireResidentKey": true`, `"requireResidentKey": "true"`), "authenticatorSelection: TypeError: requireResidentKey is not true or false"},
		{with(`"credProps": true`, `"credProps": 1`), "extensions: TypeError: credProps is not true or false"},
		{with(`["security-key"]`, `["security-key", 1]`), "hints is not a list of texts"},
		{with(`"attestation": "enterprise"`, `"attestation": {}`), "attestation is not a text"},
	} {
		_, err := webauthn.ParseCreationOptions([]byte(c.text))
		if !errors.Is(err, webauthn.TypeError) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, want %q", err, c.says)
		}
	}
}

const requestJSON = `{
	"challenge": "AAEC",
	"timeout": 1000.0,
	"rpId": "example.com",
	"allowCredentials": [{"type": "public-key", "id": "AQ"}, {"type": "later", "id": "Ag"}],
	"userVerification": "required",
	"hints": ["security-key", "later"],
	"extensions": {"appid": "https://example.com/app", "getCredBlob": true}
}`

func TestRequestOptions(t *testing.T) {
	got, err := webauthn.ParseRequestOptions([]byte(requestJSON))
	if err != nil {
		t.Fatal(err)
	}
	want := &webauthn.RequestOptions{
		Challenge: []byte{0, 1, 2}, TimeoutMS: 1000, RPID: "example.com",
		Allow:        []webauthn.Descriptor{{"public-key", []byte{1}, nil}, {"later", []byte{2}, nil}},
		Verification: "required", Hints: []string{"security-key", "later"},
		Extensions: webauthn.ExtensionInputs{AppID: "https://example.com/app", GetCredBlob: true},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
	allowed, err := got.Allowed()
	if err != nil || len(allowed) != 1 || got.UserVerification() != webauthn.Required || got.Timeout() != time.Second {
		t.Errorf("%v, %v, %v", allowed, err, got.UserVerification())
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var again webauthn.RequestOptions
	if err := json.Unmarshal(text, &again); err != nil || !reflect.DeepEqual(&again, got) {
		t.Errorf("%s\nis read as %+v, %v", text, again, err)
	}
}

// TestNothingIsAllowed: a list of which nothing is known is not a list of
// nothing, which would allow every discoverable credential.
func TestNothingIsAllowed(t *testing.T) {
	o, err := webauthn.ParseRequestOptions([]byte(`{"challenge": "AA", "allowCredentials": [{"type": "later", "id": "Ag"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Allowed(); !errors.Is(err, webauthn.NotAllowedError) {
		t.Error(err)
	}
	for _, text := range []string{`{"challenge": "AA"}`, `{"challenge": "AA", "allowCredentials": []}`} {
		o, err := webauthn.ParseRequestOptions([]byte(text))
		if err != nil || o.UserVerification() != webauthn.Preferred {
			t.Fatalf("%+v, %v", o, err)
		}
		if allowed, err := o.Allowed(); allowed != nil || err != nil {
			t.Errorf("%s: %v, %v", text, allowed, err)
		}
	}
}

func TestRequestTypes(t *testing.T) {
	for _, text := range []string{
		`{}`, `{"challenge": null}`, `{"challenge": 1}`, `{"challenge": "AA", "rpId": 1}`, `{"challenge": "AA", "allowCredentials": {}}`,
		`{"challenge": "AA", "allowCredentials": [{"type": "public-key"}]}`, `{"challenge": "AA", "userVerification": true}`,
		`{"challenge": "AA", "extensions": []}`, `{"challenge": "AA", "extensions": {"getCredBlob": 1}}`,
	} {
		if o, err := webauthn.ParseRequestOptions([]byte(text)); !errors.Is(err, webauthn.TypeError) || o != nil {
			t.Errorf("%s: %+v, %v", text, o, err)
		}
		if err := json.Unmarshal([]byte(text), new(webauthn.RequestOptions)); err == nil {
			t.Errorf("%s: read", text)
		}
	}
}
