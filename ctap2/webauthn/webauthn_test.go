package webauthn_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/fixtures"
)

var unhex = fixtures.Unhex

func TestClientDataBytes(t *testing.T) {
	for _, c := range []struct {
		data webauthn.ClientData
		want string
	}{
		{
			webauthn.ClientData{Type: webauthn.TypeCreate, Challenge: []byte{0xfb, 0xff, 0}, Origin: "https://example.com"},
			`{"type":"webauthn.create","challenge":"-_8A","origin":"https://example.com","crossOrigin":false}`,
		},
		{
			webauthn.ClientData{Type: webauthn.TypeGet, Origin: "https://a<b>&c", CrossOrigin: true, TopOrigin: "https://top"},
			`{"type":"webauthn.get","challenge":"","origin":"https://a<b>&c","crossOrigin":true,"topOrigin":"https://top"}`,
		},
		{
			webauthn.ClientData{Type: webauthn.TypeGet, Origin: "q\"b\\n\nu\u2028\x7f\u00e9"},
			`{"type":"webauthn.get","challenge":"","origin":"q\"b\\n\u000au` + "\u2028\x7f\u00e9" + `","crossOrigin":false}`,
		},
	} {
		got := c.data.JSON()
		if string(got) != c.want {
			t.Errorf("\n got %s\nwant %s", got, c.want)
		}
		var back struct{ Origin string }
		if err := json.Unmarshal(got, &back); err != nil || back.Origin != c.data.Origin {
			t.Errorf("%s reads as %q, %v", got, back.Origin, err)
		}
		if h := sha256.Sum256(got); !reflect.DeepEqual(c.data.Hash(), h[:]) {
			t.Errorf("hash %x", c.data.Hash())
		}
	}
}

func TestPRFSaltVector(t *testing.T) {
	v := fixtures.PINUV().PRF
	if got := webauthn.PRFSalt(v.Input); !bytes.Equal(got, v.Salt) {
		t.Errorf("%x, want %x", got, v.Salt)
	}
}

func TestBytesAreStrict(t *testing.T) {
	for text, want := range map[string]string{`""`: "", `"AA"`: "\x00", `"-_8"`: "\xfb\xff"} {
		var b webauthn.Bytes
		if err := json.Unmarshal([]byte(text), &b); err != nil || string(b) != want {
			t.Errorf("%s: %x, %v", text, b, err)
		}
		if again, _ := json.Marshal(webauthn.Bytes(want)); string(again) != text {
			t.Errorf("%x is written %s", want, again)
		}
	}
	for _, text := range []string{`"AA=="`, `"+/8"`, `"A"`, `"AB"`, `"A A"`, `1`} {
		if err := json.Unmarshal([]byte(text), new(webauthn.Bytes)); err == nil {
			t.Errorf("%s was read", text)
		}
	}
}

func TestCheckOrigin(t *testing.T) {
	for _, c := range []struct {
		origin, rpID string
		ok           bool
	}{
		{"https://example.com", "example.com", true},
		{"https://login.example.com", "example.com", true},
		{"https://login.example.com:8443", "example.com", true},
		{"https://EXAMPLE.com", "example.com", true},
		{"http://localhost:8080", "localhost", true},
		{"http://app.localhost", "app.localhost", true},
		{"https://localhost", "localhost", true},
		{"http://example.com", "example.com", false},
		{"https://badexample.com", "example.com", false},
		{"https://example.com", "login.example.com", false},
		{"https://example.com", "com", false},
		{"https://foo.co.uk", "co.uk", false},
		{"https://alice.github.io", "github.io", false},
		{"https://alice.github.io", "alice.github.io", true},
		{"https://example.com/", "example.com", false},
		{"https://example.com/path", "example.com", false},
		{"https://user@example.com", "example.com", false},
		{"https://127.0.0.1", "127.0.0.1", false},
		{"https://example.com", "Example.com", false},
		{"https://example.com", "", false},
		{"https://example.com", ".com", false},
		{"https://example.com", "https://example.com", false},
		{"ftp://example.com", "example.com", false},
		{"example.com", "example.com", false},
		{"https://", "example.com", false},
		{"://", "example.com", false},
		{"null", "example.com", false},
	} {
		err := webauthn.CheckOrigin(c.origin, c.rpID)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, webauthn.ErrOrigin) {
			t.Errorf("%s with %s: %v", c.origin, c.rpID, err)
		}
	}
	if err := webauthn.CheckOrigin(webauthn.DefaultOrigin("example.org"), "example.org"); err != nil {
		t.Error(err)
	}
}

func newAuthData(t testing.TB, aaguid authdata.AAGUID) []byte {
	t.Helper()
	v := fixtures.PINUV()
	b, err := authdata.Data{Flags: authdata.FlagUP, Credential: &authdata.Credential{
		AAGUID: aaguid, ID: []byte{1, 2},
		Key: cose.Key{Type: cose.TypeEC2, Alg: cose.ES256, Curve: cose.CurveP256, X: []byte(v.Platform.X), Y: []byte(v.Platform.Y)},
	}}.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAttestationConveyance(t *testing.T) {
	self := wire.Raw(unhex(t, "a1 63616c67 26"))
	certified := wire.Raw(unhex(t, "a2 63616c67 26 63783563 80"))
	known := authdata.AAGUID{1}
	for _, c := range []struct {
		name      string
		prefer    webauthn.Conveyance
		format    string
		statement wire.Raw
		aaguid    authdata.AAGUID
		keeps     bool
	}{
		{"direct", webauthn.ConveyanceDirect, "packed", certified, known, true},
		{"enterprise", webauthn.ConveyanceEnterprise, "packed", certified, known, true},
		{"none", webauthn.ConveyanceNone, "packed", certified, known, false},
		{"none, self, model told", webauthn.ConveyanceNone, "packed", self, known, false},
		{"none, self, no model", webauthn.ConveyanceNone, "packed", self, authdata.AAGUID{}, true},
		{"none, certified, no model", webauthn.ConveyanceNone, "packed", certified, authdata.AAGUID{}, false},
		{"none, U2F", webauthn.ConveyanceNone, "fido-u2f", self, authdata.AAGUID{}, false},
		{"no statement", webauthn.ConveyanceDirect, "none", nil, known, false},
		{"a statement that is not canonical", webauthn.ConveyanceDirect, "packed", wire.Raw(unhex(t, "bf 61 61 c2 00 ff")), known, true},
	} {
		data := newAuthData(t, c.aaguid)
		object, err := webauthn.AttestationObject(c.prefer, c.format, c.statement, data)
		if err != nil {
			t.Fatal(err)
		}
		if err := wire.Canonical(object); err != nil && wire.Canonical(c.statement) == nil {
			t.Errorf("%s: %v", c.name, err)
		}
		format, statement, authData, err := webauthn.ParseAttestationObject(object)
		wantFormat, wantStatement := "none", wire.Raw{0xa0}
		if c.keeps {
			wantFormat, wantStatement = c.format, c.statement
		}
		if err != nil || format != wantFormat || !reflect.DeepEqual(statement, wantStatement) || !reflect.DeepEqual(authData, data) {
			t.Errorf("%s: %s %x, %v", c.name, format, statement, err)
		}
	}
	if _, _, _, err := webauthn.ParseAttestationObject([]byte{0x80}); err == nil {
		t.Error("a list is an attestation object")
	}
}

func TestRegistrationResponse(t *testing.T) {
	data := newAuthData(t, authdata.AAGUID{})
	r, err := webauthn.NewRegistrationResponse([]byte("{}"), []byte{0xa0}, data, []string{"usb", "nfc", "usb"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	response := got["response"].(map[string]any)
	if got["id"] != "AQI" || got["rawId"] != "AQI" || got["type"] != "public-key" || got["authenticatorAttachment"] != "cross-platform" {
		t.Errorf("%s", b)
	}
	if !reflect.DeepEqual(response["transports"], []any{"nfc", "usb"}) || response["publicKeyAlgorithm"] != -7.0 || response["clientDataJSON"] != "e30" {
		t.Errorf("%s", b)
	}
	if _, err := webauthn.NewRegistrationResponse(nil, nil, data[:37], nil); err == nil {
		t.Error("authenticator data without a credential was taken")
	}
}

func TestAuthenticationResponse(t *testing.T) {
	b, err := json.Marshal(webauthn.NewAuthenticationResponse([]byte{1}, []byte("{}"), []byte{2}, []byte{3}, nil))
	want := `{"id":"AQ","rawId":"AQ","type":"public-key","authenticatorAttachment":"cross-platform","clientExtensionResults":{},"response":{"clientDataJSON":"e30","authenticatorData":"Ag","signature":"Aw"}}`
	if err != nil || string(b) != want {
		t.Errorf("%s, %v", b, err)
	}
}

func FuzzCheckOrigin(f *testing.F) {
	f.Add("https://login.example.com:8443", "example.com")
	f.Add("http://localhost", "localhost")
	f.Add("https://[::1]", "::1")
	f.Fuzz(func(t *testing.T, origin, rpID string) {
		if webauthn.CheckOrigin(origin, rpID) == nil && !strings.Contains(strings.ToLower(origin), rpID) {
			t.Fatalf("%q may use %q", origin, rpID)
		}
	})
}

func FuzzParseAttestationObject(f *testing.F) {
	object, err := webauthn.AttestationObject(webauthn.ConveyanceDirect, "packed", wire.Raw{0xa0}, newAuthData(f, authdata.AAGUID{}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(object)
	f.Fuzz(func(t *testing.T, b []byte) {
		format, statement, authData, err := webauthn.ParseAttestationObject(b)
		if err != nil {
			return
		}
		if _, err := webauthn.AttestationObject(webauthn.ConveyanceNone, format, statement, authData); err != nil {
			t.Fatalf("cannot be written again: %v", err)
		}
	})
}
