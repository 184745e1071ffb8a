package webauthn_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/fixtures"
)

const extensionsJSON = `{
	"appid": "https://example.com/a", "appidExclude": "https://example.com/b", "credProps": true, "uvm": true,
	"prf": {"eval": {"first": "AQ", "second": ""}, "evalByCredential": {"AQI": {"first": "Ag"}}},
	"largeBlob": {"support": "preferred", "read": true, "write": "AwM="},
	"payment": {"isPayment": true, "rpId": "example.com"},
	"credentialProtectionPolicy": "userVerificationRequired", "enforceCredentialProtectionPolicy": true,
	"credBlob": "BAQ", "getCredBlob": true, "minPinLength": true, "pinComplexityPolicy": true,
	"hmacCreateSecret": true, "hmacGetSecret": {"salt1": "BQ", "salt2": "Bg"},
	"later": 1
}`

func TestExtensionInputs(t *testing.T) {
	var got webauthn.ExtensionInputs
	if err := json.Unmarshal([]byte(extensionsJSON), &got); err != nil {
		t.Fatal(err)
	}
	write := webauthn.Bytes{3, 3}
	want := webauthn.ExtensionInputs{
		AppID: "https://example.com/a", AppIDExclude: "https://example.com/b", CredProps: true, UVM: true,
		PRF: &webauthn.PRFInputs{
			Eval:             &webauthn.PRFValues{First: []byte{1}, Second: []byte{}},
			EvalByCredential: map[string]webauthn.PRFValues{"AQI": {First: []byte{2}}},
		},
		LargeBlob: &webauthn.LargeBlobInputs{Support: "preferred", Read: true, Write: &write}, Payment: &webauthn.PaymentInputs{IsPayment: true},
		ProtectionPolicy: "userVerificationRequired", EnforceProtectionPolicy: true,
		CredBlob: []byte{4, 4}, GetCredBlob: true, MinPINLength: true, PINComplexityPolicy: true,
		HMACCreateSecret: true, HMACGetSecret: &webauthn.HMACGetSecret{Salt1: []byte{5}, Salt2: []byte{6}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
	for _, text := range []string{
		`[]`, `null`, `{"appid": 1}`, `{"prf": 1}`, `{"prf": {"eval": {}}}`, `{"prf": {"eval": {"first": 1}}}`, `{"prf": {"evalByCredential": {"AQ": null}}}`,
		`{"prf": {"evalByCredential": {"AQ": {"second": "AQ"}}}}`, `{"largeBlob": {"write": 1}}`, `{"largeBlob": true}`, `{"payment": {"isPayment": 1}}`,
		`{"credBlob": "!"}`, `{"hmacGetSecret": {}}`, `{"hmacGetSecret": {"salt1": "A"}}`, `{"credentialProtectionPolicy": 3}`,
	} {
		if err := json.Unmarshal([]byte(text), new(webauthn.ExtensionInputs)); !errors.Is(err, webauthn.TypeError) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestExtensionOutputs(t *testing.T) {
	yes, no, blob := true, false, webauthn.Bytes{1}
	got, err := json.Marshal(webauthn.ExtensionOutputs{
		AppID: &no, CredProps: &webauthn.CredProps{RK: &yes},
		PRF:       &webauthn.PRFOutputs{Enabled: &yes, Results: &webauthn.PRFValues{First: []byte{1}, Second: []byte{2}}},
		LargeBlob: &webauthn.LargeBlobOutputs{Blob: &blob, Written: &no}, CredBlob: &no, GetCredBlob: &blob,
		UVM: [][]uint64{{2, 4, 2}}, HMACCreate: &yes, HMACGetSecret: &webauthn.HMACOutputs{Output1: []byte{3}},
	}.Results())
	want := `{"appid":false,"credBlob":false,"credProps":{"rk":true},"getCredBlob":"AQ","hmacCreateSecret":true,"hmacGetSecret":{"output1":"Aw"},` +
		`"largeBlob":{"blob":"AQ","written":false},"prf":{"enabled":true,"results":{"first":"AQ","second":"Ag"}},"uvm":[[2,4,2]]}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v, want\n%s", got, err, want)
	}
	empty := webauthn.Bytes{}
	for want, o := range map[string]webauthn.ExtensionOutputs{
		`{}`: {}, `{"credProps":{}}`: {CredProps: &webauthn.CredProps{}}, `{"largeBlob":{}}`: {LargeBlob: &webauthn.LargeBlobOutputs{}},
		`{"getCredBlob":""}`: {GetCredBlob: &empty}, `{"largeBlob":{"blob":""}}`: {LargeBlob: &webauthn.LargeBlobOutputs{Blob: &empty}},
	} {
		if got, err := json.Marshal(o.Results()); err != nil || string(got) != want {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
}

// TestPRFVectors: WebAuthn L3 §16.17, from inputs to salts and from outputs to
// results.
func TestPRFVectors(t *testing.T) {
	for _, v := range fixtures.WebAuthn().PRF {
		in := webauthn.PRFValues{First: webauthn.Bytes(v.Inputs[0])}
		if len(v.Inputs) > 1 {
			in.Second = webauthn.Bytes(v.Inputs[1])
		}
		salts := in.Salts()
		if len(salts) != len(v.Salts) {
			t.Fatalf("%d salts", len(salts))
		}
		var outputs [][]byte
		for i, want := range v.Salts {
			if !bytes.Equal(salts[i], want) {
				t.Errorf("salt %d is %x, want %x", i+1, salts[i], want)
			}
			outputs = append(outputs, v.Outputs[i])
		}
		results := webauthn.PRFResults(outputs)
		if !bytes.Equal(results.First, v.Outputs[0]) || (results.Second != nil) != (len(outputs) == 2) {
			t.Errorf("results %+v", results)
		}
	}
	if webauthn.PRFResults(nil) != nil {
		t.Error("results of nothing")
	}
	// An empty input is an input.
	if salts := (webauthn.PRFValues{First: []byte{}, Second: []byte{}}).Salts(); len(salts) != 2 || !bytes.Equal(salts[0], salts[1]) {
		t.Errorf("%x", salts)
	}
}

func descriptors(ids ...string) []webauthn.Descriptor {
	var all []webauthn.Descriptor
	for _, id := range ids {
		all = append(all, webauthn.Descriptor{Type: "public-key", ID: []byte(id)})
	}
	return all
}

func TestPRFByCredential(t *testing.T) {
	eval, one := webauthn.PRFValues{First: []byte("eval")}, webauthn.PRFValues{First: []byte("one")}
	p := &webauthn.PRFInputs{Eval: &eval, EvalByCredential: map[string]webauthn.PRFValues{"AQ": one}} // the ID 01
	for id, want := range map[string]string{"\x01": "one", "\x02": "eval", "": "eval"} {
		if got := p.ValuesFor([]byte(id)); string(got.First) != want {
			t.Errorf("%x: %s, want %s", id, got.First, want)
		}
	}
	if v := (&webauthn.PRFInputs{}).ValuesFor([]byte{1}); v != nil {
		t.Errorf("%+v of nothing", v)
	}
	if v := (*webauthn.PRFInputs)(nil).ValuesFor([]byte{1}); v != nil {
		t.Errorf("%+v of no prf", v)
	}
	by := func(keys ...string) *webauthn.PRFInputs {
		in := &webauthn.PRFInputs{EvalByCredential: map[string]webauthn.PRFValues{}}
		for _, k := range keys {
			in.EvalByCredential[k] = one
		}
		return in
	}
	for _, c := range []struct {
		name  string
		in    *webauthn.PRFInputs
		allow []webauthn.Descriptor
		want  error
	}{
		{"no prf", nil, nil, nil},
		{"none by credential", by(), nil, nil},
		{"an allowed one", by("AQ"), descriptors("\x01", "\x02"), nil},
		{"with padding", by("AQ=="), descriptors("\x01"), nil},
		{"none is allowed", by("AQ"), nil, webauthn.NotSupportedError},
		{"another is allowed", by("AQ"), descriptors("\x02"), webauthn.SyntaxError},
		{"one of two", by("AQ", "Ag"), descriptors("\x01"), webauthn.SyntaxError},
		{"an empty key", by(""), descriptors(""), webauthn.SyntaxError},
		{"not base64url", by("A+=="), descriptors("\x01"), webauthn.SyntaxError},
	} {
		if err := c.in.CheckGet(c.allow); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestExtensionsOfTheOtherCeremony(t *testing.T) {
	data := webauthn.Bytes("x")
	two := descriptors("1", "2")
	for _, c := range []struct {
		name        string
		in          webauthn.ExtensionInputs
		allow       []webauthn.Descriptor
		create, get error
	}{
		{"none", webauthn.ExtensionInputs{}, nil, nil, nil},
		{"appid", webauthn.ExtensionInputs{AppID: "https://a"}, two, webauthn.NotSupportedError, nil},
		{"appidExclude", webauthn.ExtensionInputs{AppIDExclude: "https://a"}, two, nil, webauthn.NotSupportedError},
		{"prf by credential", webauthn.ExtensionInputs{PRF: &webauthn.PRFInputs{EvalByCredential: map[string]webauthn.PRFValues{"MQ": {}}}}, two, webauthn.NotSupportedError, nil},
		{"support", webauthn.ExtensionInputs{LargeBlob: &webauthn.LargeBlobInputs{Support: "required"}}, two, nil, webauthn.NotSupportedError},
		{"read", webauthn.ExtensionInputs{LargeBlob: &webauthn.LargeBlobInputs{Read: true}}, nil, webauthn.NotSupportedError, nil},
		{"write", webauthn.ExtensionInputs{LargeBlob: &webauthn.LargeBlobInputs{Write: &data}}, two[:1], webauthn.NotSupportedError, nil},
		{"write to two", webauthn.ExtensionInputs{LargeBlob: &webauthn.LargeBlobInputs{Write: &data}}, two, webauthn.NotSupportedError, webauthn.NotSupportedError},
		{"write to any", webauthn.ExtensionInputs{LargeBlob: &webauthn.LargeBlobInputs{Write: &data}}, nil, webauthn.NotSupportedError, webauthn.NotSupportedError},
		{"read and write", webauthn.ExtensionInputs{LargeBlob: &webauthn.LargeBlobInputs{Read: true, Write: &data}}, two[:1], webauthn.NotSupportedError, webauthn.NotSupportedError},
	} {
		if err := c.in.CheckCreate(); !errors.Is(err, c.create) {
			t.Errorf("%s at creation: %v, want %v", c.name, err, c.create)
		}
		if err := c.in.CheckGet(c.allow); !errors.Is(err, c.get) {
			t.Errorf("%s in a request: %v, want %v", c.name, err, c.get)
		}
	}
}

func TestProtectionPolicies(t *testing.T) {
	for name, want := range map[string]uint{
		"": 0, "userVerificationOptional": 1, "userVerificationOptionalWithCredentialIDList": 2, "userVerificationRequired": 3,
	} {
		if got, err := (webauthn.ExtensionInputs{ProtectionPolicy: name}).Protection(); got != want || err != nil {
			t.Errorf("%s is %d, %v", name, got, err)
		}
	}
	if _, err := (webauthn.ExtensionInputs{ProtectionPolicy: "4"}).Protection(); !errors.Is(err, webauthn.TypeError) {
		t.Error(err)
	}
}

func TestCheckAppID(t *testing.T) {
	for _, c := range []struct {
		origin, appID string
		ok            bool
	}{
		{"https://example.com", "https://example.com", true},
		{"https://login.example.com", "https://example.com/app-id.json", true},
		{"https://example.com:8443", "https://u2f.EXAMPLE.com/x", true},
		{"http://localhost:8080", "https://localhost/x", true},
		{"https://example.com", "http://example.com", false},
		{"https://example.com", "https://example.org/x", false},
		{"https://a.co.uk", "https://b.co.uk/x", false},
		{"https://example.com", "https://com/x", false},
		{"https://example.com", "https://", false},
		{"https://example.com", "://", false},
		{"null", "https://example.com", false},
		{"://", "https://example.com", false},
	} {
		err := webauthn.CheckAppID(c.origin, c.appID)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, webauthn.SecurityError) {
			t.Errorf("%s with %s: %v", c.origin, c.appID, err)
		}
	}
}

// TestWithoutSecrets: what goes to a relying party has no results of prf, and
// everything else.
func TestWithoutSecrets(t *testing.T) {
	yes, values := true, &webauthn.PRFValues{First: []byte("secret")}
	all := webauthn.ExtensionOutputs{
		CredBlob: &yes, PRF: &webauthn.PRFOutputs{Enabled: &yes, Results: values},
		HMACGetSecret: &webauthn.HMACOutputs{Output1: []byte("secret")},
	}
	want := webauthn.ExtensionOutputs{CredBlob: &yes, PRF: &webauthn.PRFOutputs{Enabled: &yes}}
	if got := all.WithoutSecrets(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if all.PRF.Results != values {
		t.Error("the outputs themselves were changed")
	}
}
