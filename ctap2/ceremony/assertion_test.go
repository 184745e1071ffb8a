package ceremony_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/ceremony"
	"github.com/touchstone-fido/touchstone/ctap2/largeblob"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/fixtures"
)

func requestOptions(t testing.TB, extensions string, ids ...[]byte) *webauthn.RequestOptions {
	t.Helper()
	o, err := webauthn.ParseRequestOptions([]byte(`{"challenge": "AA", "userVerification": "discouraged", "extensions": ` + extensions + `}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		o.Allow = append(o.Allow, webauthn.Descriptor{Type: "public-key", ID: id})
	}
	return o
}

func newAssertion(t testing.TB, info *ctap2.Info, o *webauthn.RequestOptions) *ceremony.Assertion {
	t.Helper()
	a, err := ceremony.NewAssertion(info, o, "a", make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

func TestAssertionRequest(t *testing.T) {
	a := newAssertion(t, keyWith(nil), requestOptions(t, `{}`, id1))
	want := &ctap2.GetAssertionRequest{RPID: "a", ClientDataHash: make([]byte, 32), AllowList: ctap2.Descriptors(id1)}
	if !reflect.DeepEqual(a.Request, want) {
		t.Errorf("%+v", a.Request)
	}
	if p := (ceremony.Purpose{Permissions: ga, RPID: "a", Requirement: "discouraged"}); a.Purpose() != p {
		t.Errorf("%+v", a.Purpose())
	}
}

func TestAssertionExtensions(t *testing.T) {
	array := opt{"largeBlobs": true}
	for _, c := range []struct {
		name, in string
		info     *ctap2.Info
		want     map[string]any
		perms    ctap2.Permission
		verify   webauthn.Requirement
	}{
		{"not supported", `{"getCredBlob": true, "uvm": true, "prf": {"eval": {"first": "AQ"}}, "payment": {"isPayment": true}, "largeBlob": {"read": true}}`, keyWith(nil), nil, ga, "discouraged"},
		{"simple ones", `{"getCredBlob": true, "uvm": true, "payment": {"isPayment": true}}`, keyWith(nil, everyExtension...), map[string]any{"credBlob": true, "uvm": true, "thirdPartyPayment": true}, ga, "discouraged"},
		{"prf", `{"prf": {"eval": {"first": "AQ"}}}`, keyWith(nil, everyExtension...), nil, ga, "preferred"},
		{"read", `{"largeBlob": {"read": true}}`, keyWith(array, everyExtension...), map[string]any{"largeBlobKey": true}, ga, "discouraged"},
		{"write", `{"largeBlob": {"write": "AQ"}}`, keyWith(array, everyExtension...), map[string]any{"largeBlobKey": true}, ga | lbw, "discouraged"},
		{"write without the command", `{"largeBlob": {"write": "AQ"}}`, keyWith(nil, everyExtension...), nil, ga, "discouraged"},
		{"nothing to do", `{"largeBlob": {"read": false}}`, keyWith(array, everyExtension...), nil, ga, "discouraged"},
	} {
		a := newAssertion(t, c.info, requestOptions(t, c.in, id1))
		if !reflect.DeepEqual(a.Request.Extensions, c.want) || a.Purpose().Permissions != c.perms || a.Purpose().Requirement != c.verify {
			t.Errorf("%s: %v, %+v", c.name, a.Request.Extensions, a.Purpose())
		}
	}
	// By the extension of CTAP 2.3 there is no permission to ask for.
	for in, member := range map[string]string{`{"largeBlob": {"read": true}}`: "read", `{"largeBlob": {"write": "AQ"}}`: "write"} {
		a := newAssertion(t, keyWith(nil, "largeBlob"), requestOptions(t, in, id1))
		b, err := wire.Encode(a.Request.Extensions)
		if err != nil || !strings.Contains(string(b), member) || a.Purpose().Permissions != ga {
			t.Errorf("%s: %x, %v, %v", in, b, err, a.Purpose().Permissions)
		}
	}
}

func TestAssertionRefuses(t *testing.T) {
	for _, c := range []struct {
		in   string
		ids  [][]byte
		want error
	}{
		{`{"appidExclude": "https://a"}`, nil, webauthn.NotSupportedError},
		{`{"prf": {"evalByCredential": {"AQ": {"first": "AQ"}}}}`, nil, webauthn.NotSupportedError},
		{`{"prf": {"evalByCredential": {"AQ": {"first": "AQ"}}}}`, [][]byte{id1}, webauthn.SyntaxError},
		{`{"largeBlob": {"write": "AQ"}}`, [][]byte{id1, id2}, webauthn.NotSupportedError},
		{`{"hmacGetSecret": {"salt1": "AQ"}}`, nil, webauthn.TypeError},
	} {
		if a, err := ceremony.NewAssertion(keyWith(nil), requestOptions(t, c.in, c.ids...), "a", nil); !errors.Is(err, c.want) || a != nil {
			t.Errorf("%s: %v", c.in, err)
		}
	}
	o := requestOptions(t, `{}`)
	o.Allow = []webauthn.Descriptor{{Type: "later", ID: id1}}
	if _, err := ceremony.NewAssertion(keyWith(nil), o, "a", nil); !errors.Is(err, webauthn.NotAllowedError) {
		t.Errorf("nothing that is known: %v", err)
	}
}

// got is an assertion with extension outputs.
func got(t testing.TB, outputs map[string]any) *ctap2.Assertion {
	t.Helper()
	return &ctap2.Assertion{AuthData: authdata.Data{Extensions: raws(t, outputs)}}
}

// TestPRFInARequest: from the inputs in JSON to the results in JSON, by the
// vectors of WebAuthn L3.
func TestPRFInARequest(t *testing.T) {
	for _, v := range fixtures.WebAuthn().PRF {
		client, info := vectorClient(t, v)
		a := newAssertion(t, info, requestOptions(t, `{"prf": {"eval": `+prfInputs(v)+`}}`))
		if err := a.Prepare(t.Context(), client, nil); err != nil {
			t.Fatal(err)
		}
		compareSaltEnc(t, a.Request.Extensions[ctap2.ExtensionHMACSecret], v)
		results, err := a.Results(t.Context(), client, nil, got(t, map[string]any{"hmac-secret": []byte(v.OutputEnc)}))
		want := `{"prf":{"results":` + prfResults(v) + `}}`
		if text, _ := json.Marshal(results.Results()); err != nil || string(text) != want {
			t.Errorf("%s, %v, want %s", text, err, want)
		}
		// A next assertion may come without an output.
		results, err = a.Results(t.Context(), client, nil, got(t, nil))
		if text, _ := json.Marshal(results.Results()); err != nil || string(text) != `{"prf":{}}` {
			t.Errorf("%s, %v", text, err)
		}
	}
}

// TestPRFByCredential: of several credentials with inputs of their own, the one
// on the key is found before the salts are chosen.
func TestPRFByCredential(t *testing.T) {
	v := fixtures.WebAuthn().PRF[2] // protocol one
	in := fmt.Sprintf(`{"prf": {"eval": {"first": "AA"}, "evalByCredential": {%q: %s}}}`, webauthn.Bytes(id2).String(), prfInputs(v))
	info := keyWith(nil, everyExtension...)
	info.PINUVAuthProtocols, info.MaxCredentialCountInList = []pinuv.Protocol{pinuv.One}, 2
	a := newAssertion(t, info, requestOptions(t, in, id1, id2))
	if err := a.Prepare(t.Context(), play(t, step{silent(false, id1, id2), assertionOf(id2)}, agreement(1)), nil); err != nil {
		t.Fatal(err)
	}
	compareSaltEnc(t, a.Request.Extensions[ctap2.ExtensionHMACSecret], v)
	compareList(t, "allow", a.Request.AllowList, [][]byte{id2}, nil)
	// None is there: the list stays, and eval is as good as any.
	a = newAssertion(t, info, requestOptions(t, in, id1, id2))
	err := a.Prepare(t.Context(), play(t, step{silent(false, id1, id2), "2e"}, agreement(1)), nil)
	compareList(t, "allow", a.Request.AllowList, [][]byte{id1, id2}, err)
}

func TestHMACGetSecret(t *testing.T) {
	v := fixtures.WebAuthn().PRF[1] // two salts
	client, info := vectorClient(t, v)
	in := fmt.Sprintf(`{"hmacGetSecret": {"salt1": %q, "salt2": %q}}`, webauthn.Bytes(v.Salts[0]).String(), webauthn.Bytes(v.Salts[1]).String())
	a := newAssertion(t, info, requestOptions(t, in))
	if err := a.Prepare(t.Context(), client, nil); err != nil {
		t.Fatal(err)
	}
	compareSaltEnc(t, a.Request.Extensions[ctap2.ExtensionHMACSecret], v)
	results, err := a.Results(t.Context(), client, nil, got(t, map[string]any{"hmac-secret": []byte(v.OutputEnc)}))
	want := fmt.Sprintf(`{"hmacGetSecret":{"output1":%q,"output2":%q}}`, webauthn.Bytes(v.Outputs[0]).String(), webauthn.Bytes(v.Outputs[1]).String())
	if text, _ := json.Marshal(results.Results()); err != nil || string(text) != want {
		t.Errorf("%s, %v", text, err)
	}
}

// A CTAP 2.0 key without a PIN says nothing of protocols, and has hmac-secret
// under protocol one.
func TestHMACSecretWithoutAPIN(t *testing.T) {
	info := keyWith(nil, "hmac-secret")
	info.PINUVAuthProtocols = nil
	a := newAssertion(t, info, requestOptions(t, `{"prf": {"eval": {"first": "AQ"}}}`))
	if err := a.Prepare(t.Context(), play(t, agreement(1)), nil); err != nil {
		t.Error(err)
	}
}

func TestAssertionResults(t *testing.T) {
	for _, c := range []struct {
		name, in string
		outputs  map[string]any
		want     string
	}{
		{"none", `{}`, nil, `{}`},
		{"credBlob", `{"getCredBlob": true}`, map[string]any{"credBlob": []byte{1}}, `{"getCredBlob":"AQ"}`},
		{"an empty one", `{"getCredBlob": true}`, map[string]any{"credBlob": []byte{}}, `{"getCredBlob":""}`},
		{"no credBlob", `{"getCredBlob": true}`, nil, `{}`},
		{"uvm", `{"uvm": true}`, map[string]any{"uvm": [][]int{{1, 2, 3}}}, `{"uvm":[[1,2,3]]}`},
		{"not asked for", `{}`, map[string]any{"credBlob": []byte{1}}, `{}`},
		{"appid", `{"appid": "https://a"}`, nil, `{"appid":false}`},
	} {
		a := newAssertion(t, keyWith(nil, everyExtension...), requestOptions(t, c.in))
		results, err := a.Results(t.Context(), nil, nil, got(t, c.outputs))
		if text, _ := json.Marshal(results.Results()); err != nil || string(text) != c.want {
			t.Errorf("%s: %s, %v, want %s", c.name, text, err, c.want)
		}
	}
	a := newAssertion(t, keyWith(nil, "uvm"), requestOptions(t, `{"uvm": true}`))
	var bad *ctap2.OutputError
	if _, err := a.Results(t.Context(), nil, nil, got(t, map[string]any{"uvm": 1})); !errors.As(err, &bad) {
		t.Error(err)
	}
}

// blobKey is a key with a large-blob array, which it takes over as it comes.
type blobKey struct {
	t      *testing.T
	stored []byte
	refuse bool
}

func (k *blobKey) Exchange(_ context.Context, msg []byte) ([]byte, error) {
	var r struct {
		Set   []byte `cbor:"2,keyasint"`
		Param []byte `cbor:"5,keyasint"`
	}
	if err := wire.Decode(msg[1:], &r); err != nil {
		k.t.Fatal(err)
	}
	switch {
	case r.Set == nil:
		b, err := wire.Encode(map[int]any{1: k.stored})
		return append([]byte{0}, b...), err
	case k.refuse || len(r.Param) != 32:
		return []byte{byte(ctap2.StatusPINAuthInvalid)}, nil
	}
	k.stored = r.Set
	return []byte{0}, nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

var _ io.Reader = zeros{}

// TestLargeBlobOfTheArray reads and writes by a largeBlobKey (CTAP 2.1).
func TestLargeBlobOfTheArray(t *testing.T) {
	k := &blobKey{t: t, stored: vectors.LargeBlob.Initial}
	client := ctap2.New(k, ctap2.Config{Rand: zeros{}})
	info := keyWith(opt{"largeBlobs": true}, everyExtension...)
	key := bytes.Repeat([]byte{5}, largeblob.KeySize)
	run := func(in string, token *pinuv.Token, key []byte) string {
		t.Helper()
		a := newAssertion(t, info, requestOptions(t, in, id1))
		results, err := a.Results(t.Context(), client, token, &ctap2.Assertion{LargeBlobKey: key})
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(results.Results())
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	const read, write = `{"largeBlob": {"read": true}}`, `{"largeBlob": {"write": "aGVsbG8"}}`
	for _, c := range []struct {
		name, in, want string
		token          *pinuv.Token
		key            []byte
	}{
		{"nothing yet", read, `{"largeBlob":{}}`, nil, key},
		{"written", write, `{"largeBlob":{"written":true}}`, vectorToken(t), key},
		{"there", read, `{"largeBlob":{"blob":"aGVsbG8"}}`, nil, key},
		{"of another credential", read, `{"largeBlob":{}}`, nil, bytes.Repeat([]byte{6}, 32)},
		{"of a credential without a key", read, `{"largeBlob":{}}`, nil, nil},
		{"without a token", `{"largeBlob": {"write": "AQ"}}`, `{"largeBlob":{"written":false}}`, nil, key},
		{"without a key", write, `{"largeBlob":{"written":false}}`, vectorToken(t), nil},
	} {
		if text := run(c.in, c.token, c.key); text != c.want {
			t.Errorf("%s: %s, want %s", c.name, text, c.want)
		}
	}
	if text := run(read, nil, key); text != `{"largeBlob":{"blob":"aGVsbG8"}}` {
		t.Errorf("after a write that failed: %s", text)
	}
	// A key without large blobs.
	a := newAssertion(t, keyWith(nil), requestOptions(t, write, id1))
	results, err := a.Results(t.Context(), client, nil, &ctap2.Assertion{})
	if text, _ := json.Marshal(results.Results()); err != nil || string(text) != `{"largeBlob":{"written":false}}` {
		t.Errorf("%s, %v", text, err)
	}
}

// TestLargeBlobOfTheExtension reads and writes by largeBlob (CTAP 2.3).
func TestLargeBlobOfTheExtension(t *testing.T) {
	packed, err := largeblob.Deflate([]byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, in string
		output   map[string]any
		want     string
	}{
		{"read", `{"largeBlob": {"read": true}}`, map[string]any{"blob": packed, "originalSize": 5}, `{"largeBlob":{"blob":"aGVsbG8"}}`},
		{"none", `{"largeBlob": {"read": true}}`, map[string]any{}, `{"largeBlob":{}}`},
		{"written", `{"largeBlob": {"write": "AQ"}}`, map[string]any{"written": true}, `{"largeBlob":{"written":true}}`},
		{"not written", `{"largeBlob": {"write": "AQ"}}`, map[string]any{"written": false}, `{"largeBlob":{"written":false}}`},
		{"no word", `{"largeBlob": {"write": "AQ"}}`, nil, `{"largeBlob":{"written":false}}`},
	} {
		a := newAssertion(t, keyWith(nil, "largeBlob"), requestOptions(t, c.in, id1))
		answer := &ctap2.Assertion{}
		if c.output != nil {
			answer.UnsignedExtensionOutputs = raws(t, map[string]any{"largeBlob": c.output})
		}
		results, err := a.Results(t.Context(), nil, nil, answer)
		if text, _ := json.Marshal(results.Results()); err != nil || string(text) != c.want {
			t.Errorf("%s: %s, %v, want %s", c.name, text, err, c.want)
		}
	}
}

func TestAppID(t *testing.T) {
	info := keyWith(nil)
	info.MaxCredentialCountInList = 1
	a := newAssertion(t, info, requestOptions(t, `{"appid": "https://a.b/c"}`, id1, id2))
	a.Request.Authorize(vectorToken(t))
	if err := a.Prepare(t.Context(), play(t, step{silent(false, id1), "2e"}, step{silent(false, id2), "2e"}), nil); err != nil {
		t.Fatal(err)
	}
	if !a.UseAppID() {
		t.Fatal("there is an AppID")
	}
	want := &ctap2.GetAssertionRequest{RPID: "https://a.b/c", ClientDataHash: make([]byte, 32), AllowList: ctap2.Descriptors(id1, id2)}
	if !reflect.DeepEqual(a.Request, want) {
		t.Errorf("%+v", a.Request)
	}
	results, err := a.Results(t.Context(), nil, nil, got(t, nil))
	if text, _ := json.Marshal(results.Results()); err != nil || string(text) != `{"appid":true}` {
		t.Errorf("%s, %v", text, err)
	}
	if a.UseAppID() {
		t.Error("twice")
	}
	for name, o := range map[string]*webauthn.RequestOptions{"no AppID": requestOptions(t, `{}`, id1), "nothing allowed": requestOptions(t, `{"appid": "https://a.b/c"}`)} {
		if newAssertion(t, keyWith(nil), o).UseAppID() {
			t.Error(name)
		}
	}
}

func TestExceptions(t *testing.T) {
	for _, c := range []struct {
		err  error
		want webauthn.Exception
	}{
		{nil, ""},
		{ctap2.StatusCredentialExcluded, webauthn.InvalidStateError},
		{fmt.Errorf("%w: %w", webauthn.ConstraintError, ctap2.ErrUnsupported), webauthn.ConstraintError},
		{ceremony.ErrNotAsAsked, webauthn.NotAllowedError},
		{webauthn.CheckOrigin("http://a", "a"), webauthn.SecurityError},
		{ctap2.StatusUnsupportedAlgorithm, webauthn.NotSupportedError},
		{ctap2.StatusNoCredentials, webauthn.NotAllowedError},
		{context.Canceled, webauthn.NotAllowedError},
	} {
		if got := ceremony.Exception(c.err); got != c.want {
			t.Errorf("%v is %s, want %s", c.err, got, c.want)
		}
	}
}
