package ctap2_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

var (
	hash    = strings.Repeat("c1", 32)
	rpHash  = strings.Repeat("5a", 32)
	coseKey = "a5 0102 0326 2001 2158 20" + strings.Repeat("11", 32) + "2258 20" + strings.Repeat("22", 32)

	// the authenticator data of a new credential with ID 0a0b
	newAuthData = rpHash + "41 00000001" + strings.Repeat("00", 16) + "0002 0a0b" + coseKey
	// and of an assertion
	gotAuthData = rpHash + "01 00000002"

	makeCredentialAnswer = "00 a3 01 66 7061636b6564 02" + bstr(newAuthData) + "03 a2 63616c67 26 63736967 42 3000"
	assertionAnswer      = "00 a3 01 a2 626964 42 0a0b 6474797065 6a 7075626c69632d6b6579 02" + bstr(gotAuthData) + "03 42 3000"
)

// bstr is the CBOR byte string of hex data under 256 bytes long.
func bstr(data string) string {
	data = strings.Join(strings.Fields(data), "")
	return "58" + hex.EncodeToString([]byte{byte(len(data) / 2)}) + data
}

func token(t testing.TB, p pinuv.Protocol) *pinuv.Token {
	t.Helper()
	tok, err := pinuv.NewToken(p, bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func TestMakeCredentialRequest(t *testing.T) {
	r := &ctap2.MakeCredentialRequest{
		ClientDataHash: unhex(t, hash),
		RP:             ctap2.RelyingParty{ID: "example.com", Name: "Example"},
		User:           ctap2.User{ID: []byte{1}, Name: "alice"},
		Parameters:     ctap2.Parameters(cose.ES256, cose.EdDSA),
	}
	const head = "01 a"
	plain := "01 5820 $ 02 a2 626964 6b6578616d706c652e636f6d 646e616d65 674578616d706c65" +
		"03 a2 626964 4101 646e616d65 65616c696365" +
		"04 82 a2 63616c67 26 6474797065 6a7075626c69632d6b6579 a2 63616c67 27 6474797065 6a7075626c69632d6b6579"
	plain = strings.Replace(plain, "$", hash, 1)
	c := ctap2.New(play(t, step{head + "4" + plain, makeCredentialAnswer}), ctap2.Config{})
	if _, err := c.MakeCredential(t.Context(), r); err != nil {
		t.Fatal(err)
	}

	r.ExcludeList = ctap2.Descriptors([]byte{9})
	r.Extensions = map[string]any{"credProtect": ctap2.CredProtectRequired}
	r.Options = map[string]bool{"uv": false, "rk": true}
	r.EnterpriseAttestation = 2
	r.AttestationFormats = []string{"none"}
	r.Authorize(token(t, pinuv.One))
	everything := plain + "05 81 a2 626964 4109 6474797065 6a7075626c69632d6b6579" +
		"06 a1 6b6372656450726f74656374 03" + "07 a2 62726b f5 627576 f4" +
		"08 50" + hex.EncodeToString(token(t, pinuv.One).Authenticate(unhex(t, hash))) + "09 01 0a 02 0b 81 646e6f6e65"
	c = ctap2.New(play(t, step{head + "b" + everything, makeCredentialAnswer}), ctap2.Config{})
	if _, err := c.MakeCredential(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

func TestEmptyPINUVAuthParamIsSent(t *testing.T) {
	r := &ctap2.GetAssertionRequest{RPID: "a", ClientDataHash: unhex(t, hash), PINUVAuthParam: []byte{}}
	c := ctap2.New(play(t, step{"02 a3 01 6161 02 5820" + hash + "06 40", "31"}), ctap2.Config{})
	if _, err := c.GetAssertion(t.Context(), r); !errors.Is(err, ctap2.StatusPINInvalid) {
		t.Error(err)
	}
}

// TestVerifyUser adds the option uv and leaves the caller's map alone.
func TestVerifyUser(t *testing.T) {
	mine := map[string]bool{"rk": true, "uv": false}
	makes := &ctap2.MakeCredentialRequest{Options: mine}
	makes.VerifyUser()
	gets := &ctap2.GetAssertionRequest{}
	gets.VerifyUser()
	if !reflect.DeepEqual(makes.Options, map[string]bool{"rk": true, "uv": true}) || !reflect.DeepEqual(gets.Options, map[string]bool{"uv": true}) || mine["uv"] {
		t.Errorf("%v, %v, %v", makes.Options, gets.Options, mine)
	}
}

func TestMakeCredentialResponse(t *testing.T) {
	r, err := answering(t, makeCredentialAnswer).MakeCredential(t.Context(), &ctap2.MakeCredentialRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Format != "packed" || !bytes.Equal(r.AuthData.Credential.ID, []byte{10, 11}) || r.AuthData.SignCount != 1 || len(r.Remarks) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestMakeCredentialNewerMembers(t *testing.T) {
	answer := "00 a5 01 646e6f6e65 02" + bstr(newAuthData) + "04 f5 05 5820" + hash + "06 a1 616b 01"
	r, err := answering(t, answer).MakeCredential(t.Context(), &ctap2.MakeCredentialRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if !r.EnterpriseAttestation || !bytes.Equal(r.LargeBlobKey, unhex(t, hash)) || string(r.UnsignedExtensionOutputs["k"]) != "\x01" || r.Statement != nil {
		t.Errorf("%+v", r)
	}
}

func TestIncompleteAnswers(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		kind         error
	}{
		{"no fmt", "00 a1 02" + bstr(newAuthData), ctap2.ErrMissingMember},
		{"no authData", "00 a1 01 646e6f6e65", authdata.ErrTruncated},
		{"no credential", "00 a2 01 646e6f6e65 02" + bstr(gotAuthData), ctap2.ErrMissingMember},
		{"authData is text", "00 a2 01 646e6f6e65 02 6161", nil},
	} {
		_, err := answering(t, c.answer).MakeCredential(t.Context(), &ctap2.MakeCredentialRequest{})
		var bad *ctap2.ResponseError
		if !errors.As(err, &bad) || c.kind != nil && !errors.Is(err, c.kind) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	_, err := answering(t, "00 a1 02"+bstr(gotAuthData)).GetAssertion(t.Context(), &ctap2.GetAssertionRequest{})
	if !errors.Is(err, ctap2.ErrMissingMember) {
		t.Errorf("no signature: %v", err)
	}
}

func TestNonCanonicalAnswerIsReadWithARemark(t *testing.T) {
	answer := "00 a3 02" + bstr(gotAuthData) + "01 a2 6474797065 6a 7075626c69632d6b6579 626964 42 0a0b 03 42 3000"
	a, err := answering(t, answer).GetAssertion(t.Context(), &ctap2.GetAssertionRequest{})
	if err != nil || !bytes.Equal(a.Credential.ID, []byte{10, 11}) {
		t.Fatalf("%+v, %v", a, err)
	}
	var rules []wire.Rule
	for _, r := range a.Remarks {
		rules = append(rules, r.Rule)
	}
	if !reflect.DeepEqual(rules, []wire.Rule{wire.RuleKeyOrder, wire.RuleKeyOrder}) {
		t.Errorf("remarks %v", a.Remarks)
	}
}

func TestAssertionMembers(t *testing.T) {
	answer := "00 a8 01 a2 626964 42 0a0b 6474797065 6a 7075626c69632d6b6579 02" + bstr(gotAuthData) +
		"03 42 3000 04 a2 626964 4101 646e616d65 65616c6963c3 05 02 06 f5 07 5820" + hash + "08 a1 616b 01"
	a, err := answering(t, answer).GetAssertion(t.Context(), &ctap2.GetAssertionRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if a.User.Name != "alic\xc3" || a.NumberOfCredentials != 2 || !a.UserSelected || len(a.LargeBlobKey) != 32 || len(a.UnsignedExtensionOutputs) != 1 {
		t.Errorf("%+v", a)
	}
	if len(a.Remarks) != 1 || a.Remarks[0].Rule != wire.RuleUTF8 {
		t.Errorf("a name cut in mid-character: remarks %v", a.Remarks)
	}
}

func TestCTAP20LeavesOutTheOnlyCredential(t *testing.T) {
	answer := "00 a2 02" + bstr(gotAuthData) + "03 42 3000"
	one := &ctap2.GetAssertionRequest{AllowList: ctap2.Descriptors([]byte{5})}
	if a, err := answering(t, answer).GetAssertion(t.Context(), one); err != nil || !bytes.Equal(a.Credential.ID, []byte{5}) {
		t.Errorf("%+v, %v", a, err)
	}
	two := &ctap2.GetAssertionRequest{AllowList: ctap2.Descriptors([]byte{5}, []byte{6})}
	if a, err := answering(t, answer).GetAssertion(t.Context(), two); err != nil || len(a.Credential.ID) != 0 {
		t.Errorf("a guess among two: %+v, %v", a, err)
	}
}

func TestGetAssertionsAsksForAll(t *testing.T) {
	first := "00 a3 02" + bstr(gotAuthData) + "03 42 3000 05 03"
	next := "00 a2 02" + bstr(gotAuthData) + "03 42 3001"
	ask := "02 a2 01 6161 02 5820" + hash
	r := &ctap2.GetAssertionRequest{RPID: "a", ClientDataHash: unhex(t, hash)}
	all, err := ctap2.New(play(t, step{ask, first}, step{"08", next}, step{"08", next}), ctap2.Config{}).GetAssertions(t.Context(), r)
	if err != nil || len(all) != 3 || all[2].Signature[1] != 1 {
		t.Errorf("%d assertions, %v", len(all), err)
	}
	_, err = ctap2.New(play(t, step{ask, first}, step{"08", "30"}), ctap2.Config{}).GetAssertions(t.Context(), r)
	if !errors.Is(err, ctap2.StatusNotAllowed) {
		t.Errorf("the second is refused: %v", err)
	}
	huge := "00 a3 02" + bstr(gotAuthData) + "03 42 3000 05 1affffffff"
	var bad *ctap2.ResponseError
	if _, err = ctap2.New(play(t, step{ask, huge}), ctap2.Config{}).GetAssertions(t.Context(), r); !errors.As(err, &bad) {
		t.Errorf("four thousand million credentials: %v", err)
	}
}

func BenchmarkMakeCredentialDecode(b *testing.B) {
	c := answering(b, makeCredentialAnswer)
	for b.Loop() {
		if _, err := c.MakeCredential(b.Context(), &ctap2.MakeCredentialRequest{}); err != nil {
			b.Fatal(err)
		}
	}
}
