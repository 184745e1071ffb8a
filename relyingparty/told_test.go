package relyingparty_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/relyingparty"
)

// extended has a key say things of extensions, under its signature.
func (k *key) extended(attested bool, outputs map[string]any) []byte {
	k.count++
	d := authdata.Data{RPIDHash: sha256.Sum256([]byte("example.com")), Flags: k.flags, SignCount: k.count, Extensions: map[string]wire.Raw{}}
	for name, v := range outputs {
		raw, err := wire.Encode(v)
		if err != nil {
			k.t.Fatal(err)
		}
		d.Extensions[name] = raw
	}
	if attested {
		pub, err := cose.FromPublic(&k.private.PublicKey, cose.ES256)
		if err != nil {
			k.t.Fatal(err)
		}
		d.Credential = &authdata.Credential{ID: k.id, Key: pub}
	}
	b, err := d.Bytes()
	if err != nil {
		k.t.Fatal(err)
	}
	return b
}

// told is what an assertion of the registration says of these outputs, read back
// from its JSON form and checked.
func told(t *testing.T, k *key, r *relyingparty.Registration, outputs map[string]any) *relyingparty.Told {
	t.Helper()
	c := begin(t, relyingparty.Policy{})
	client := webauthn.ClientData{Type: webauthn.TypeGet, Challenge: c.Challenge, Origin: origin}
	data := k.extended(false, outputs)
	response := webauthn.NewAuthenticationResponse(k.id, client.JSON(), data, k.sign(data, client.Hash()), nil)
	a, err := party.Authenticate(c, []*relyingparty.Registration{r}, response, false)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	again, err := relyingparty.ParseAssertion(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Check(r); err != nil {
		t.Errorf("%v: the stored assertion: %v", outputs, err)
	}
	return again.Extensions
}

// TestTold: what a key signed of extensions is shown, and holds a stored record
// to it.
func TestTold(t *testing.T) {
	k := newKey(t, "a")
	c := begin(t, es256)
	client := webauthn.ClientData{Type: webauthn.TypeCreate, Challenge: c.Challenge, Origin: origin}
	data := k.extended(true, map[string]any{"credProtect": 2, "hmac-secret": true, "credBlob": false, "minPinLength": 6, "pinComplexityPolicy": true, "unknown": "x"})
	statement, err := wire.Encode(map[string]any{"alg": -7, "sig": k.sign(data, client.Hash())})
	if err != nil {
		t.Fatal(err)
	}
	object, err := webauthn.AttestationObject(webauthn.ConveyanceDirect, "packed", statement, data)
	if err != nil {
		t.Fatal(err)
	}
	response, err := webauthn.NewRegistrationResponse(client.JSON(), object, data, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := party.Register(c, alice, response)
	if err != nil {
		t.Fatal(err)
	}
	yes, no, six := true, false, uint(6)
	want := &relyingparty.Told{
		ProtectionPolicy: "userVerificationOptionalWithCredentialIDList", HMACSecret: &yes, CredBlob: &no, MinPINLength: &six, PINComplexityPolicy: &yes,
	}
	if r = stored(t, r); !reflect.DeepEqual(r.Extensions, want) || r.Check() != nil {
		t.Errorf("%+v, %v", r.Extensions, r.Check())
	}
	r.Extensions.ProtectionPolicy = "userVerificationRequired"
	if err := r.Check(); !errors.Is(err, relyingparty.ErrRecord) {
		t.Errorf("a changed policy: %v", err)
	}

	r = registered(t, k, alice)
	blob, none := webauthn.Bytes("blob"), webauthn.Bytes(nil)
	for name, c := range map[string]struct {
		outputs map[string]any
		want    *relyingparty.Told
	}{
		"nothing":           {nil, nil},
		"blob":              {map[string]any{"credBlob": []byte("blob"), "thirdPartyPayment": true}, &relyingparty.Told{GetCredBlob: &blob, ThirdPartyPayment: &yes}},
		"no blob, no uvm":   {map[string]any{"credBlob": []byte{}, "uvm": []any{}}, &relyingparty.Told{GetCredBlob: &none}},
		"uvm":               {map[string]any{"uvm": [][]uint64{{2, 4, 2}}}, &relyingparty.Told{UVM: [][]uint64{{2, 4, 2}}}},
		"of the wrong kind": {map[string]any{"credBlob": 7, "thirdPartyPayment": "yes", "credProtect": 9}, &relyingparty.Told{}},
	} {
		if got := told(t, k, r, c.outputs); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
