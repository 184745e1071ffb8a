package ctap2_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

// a relying party of the test vectors
const (
	exampleHash = "a379a6f6eeafb9a55e378c118034e2751e682fab9f2d30ab13d2125586ce1947" // of example.com
	exampleRP   = "a1 626964 6b 6578616d706c652e636f6d"
	publicKey   = "6474797065 6a 7075626c69632d6b6579" // "type": "public-key"
)

func manager(t testing.TB, p pinuv.Protocol, option string, steps ...step) *ctap2.CredentialManager {
	t.Helper()
	info := &ctap2.Info{Options: map[string]bool{option: true}}
	m, err := ctap2.New(play(t, steps...), ctap2.Config{}).CredentialManagement(info, vectorToken(t, p))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func credMgmt(t testing.TB, steps ...step) *ctap2.CredentialManager {
	return manager(t, pinuv.Two, ctap2.OptionCredMgmt, steps...)
}

func TestCredentialsMetadata(t *testing.T) {
	want := "a3 01 01 03 02 04" + vectorMAC(t, "credentialManagement getCredsMetadata", "01")
	got, err := credMgmt(t, step{"0a" + want, "00 a2 01 03 02 16"}).Metadata(t.Context())
	if err != nil || got.Existing != 3 || got.Remaining != 22 {
		t.Errorf("%+v, %v", got, err)
	}
	// An empty store is no error.
	if got, err = credMgmt(t, step{"0a" + want, "00 a2 01 00 02 18 19"}).Metadata(t.Context()); err != nil || got.Remaining != 25 {
		t.Errorf("%+v, %v", got, err)
	}
	prototype := step{"41 a3 01 01 03 01 04" + mac(t, pinuv.One, "01"), "00 a2 01 00 02 05"}
	if _, err := manager(t, pinuv.One, ctap2.OptionCredentialMgmtPreview, prototype).Metadata(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNoCredentialManagement(t *testing.T) {
	info := &ctap2.Info{Options: map[string]bool{ctap2.OptionCredMgmt: false}}
	if _, err := answering(t, "00").CredentialManagement(info, nil); !errors.Is(err, ctap2.ErrUnsupported) {
		t.Error(err)
	}
}

// The prototype is for keys that have nothing else.
func TestCredentialManagementBeforeItsPrototype(t *testing.T) {
	info := &ctap2.Info{Options: map[string]bool{ctap2.OptionCredMgmt: true, ctap2.OptionCredentialMgmtPreview: true}}
	m, err := ctap2.New(play(t, step{"0a a1 01 01", "36"}), ctap2.Config{}).CredentialManagement(info, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Metadata(t.Context()); !errors.Is(err, ctap2.StatusPUATRequired) {
		t.Error(err)
	}
}

func rpsBegin(t testing.TB) string {
	return "0a a3 01 02 03 02 04" + mac(t, pinuv.Two, "02")
}

func credentialsBegin(t testing.TB) string {
	params := "a1 01 5820" + exampleHash
	return "0a a4 01 04 02" + params + "03 02 04" + vectorMAC(t, "credentialManagement enumerateCredentialsBegin", "04"+params)
}

func collectRPs(t testing.TB, m *ctap2.CredentialManager) ([]ctap2.StoredRP, error) {
	var all []ctap2.StoredRP
	for rp, err := range m.RelyingParties(t.Context()) {
		if err != nil {
			return all, err
		}
		all = append(all, rp)
	}
	return all, nil
}

func TestRelyingParties(t *testing.T) {
	other := strings.Repeat("77", 32)
	got, err := collectRPs(t, credMgmt(t,
		step{rpsBegin(t), "00 a3 03" + exampleRP + "04 5820" + exampleHash + "05 02"},
		step{"0a a1 01 03", "00 a2 03 a2 626964 61 61 646e616d65 61 41 04 5820" + other},
	))
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	if got[0].ID != "example.com" || hex.EncodeToString(got[0].IDHash) != exampleHash || !got[0].Complete() {
		t.Errorf("%+v", got[0])
	}
	if got[1].Name != "A" || got[1].Complete() {
		t.Errorf("a hash of another ID: %+v", got[1])
	}
}

func TestNoRelyingParties(t *testing.T) {
	for name, answer := range map[string]string{"the standard's way": "2e", "a count of none": "00 a1 05 00"} {
		if got, err := collectRPs(t, credMgmt(t, step{rpsBegin(t), answer})); err != nil || len(got) != 0 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

const credentialAnswer = "06 a3 626964 4101 646e616d65 65616c696365 6b646973706c61794e616d65 65416c696365" +
	"07 a2 626964 420a0b" + publicKey

func TestCredentials(t *testing.T) {
	m := credMgmt(t,
		step{credentialsBegin(t), "00 a7" + credentialAnswer + "08" + coseKey + "09 02 0a 03 0b 5820" + hash + "0c f5"},
		step{"0a a1 01 05", "00 a3" + credentialAnswer + "08" + coseKey},
	)
	var got []ctap2.StoredCredential
	for c, err := range m.Credentials(t.Context(), unhex(t, exampleHash)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, c)
	}
	payment := true
	want := ctap2.StoredCredential{
		User: ctap2.User{ID: []byte{1}, Name: "alice", DisplayName: "Alice"},
		ID:   ctap2.Descriptors([]byte{10, 11})[0], PublicKey: unhex(t, coseKey),
		CredProtect: ctap2.CredProtectRequired, LargeBlobKey: unhex(t, hash), ThirdPartyPayment: &payment,
	}
	if len(got) != 2 || !reflect.DeepEqual(got[0], want) {
		t.Fatalf("%+v", got)
	}
	if got[1].LargeBlobKey != nil || got[1].CredProtect != 0 || got[1].ThirdPartyPayment != nil {
		t.Errorf("%+v", got[1])
	}
	if key, err := got[0].Key(); err != nil || key.Alg != cose.ES256 {
		t.Errorf("%+v, %v", key, err)
	}
}

// TestNestedEnumeration: all relying parties are read before the body of the
// loop asks for credentials, which would end their enumeration.
func TestNestedEnumeration(t *testing.T) {
	m := credMgmt(t,
		step{rpsBegin(t), "00 a3 03" + exampleRP + "04 5820" + exampleHash + "05 02"},
		step{"0a a1 01 03", "00 a2 03" + exampleRP + "04 5820" + exampleHash},
		step{credentialsBegin(t), "00 a3" + credentialAnswer + "09 01"},
		step{credentialsBegin(t), "00 a3" + credentialAnswer + "09 01"},
	)
	n := 0
	for rp, err := range m.RelyingParties(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range m.Credentials(t.Context(), rp.IDHash) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	if n != 2 {
		t.Errorf("%d credentials", n)
	}
}

// TestBrokenOffEnumeration: who leaves the loop early leaves nothing behind on
// the key; and the sequence can be ranged over again.
func TestBrokenOffEnumeration(t *testing.T) {
	steps := []step{
		{rpsBegin(t), "00 a3 03" + exampleRP + "04 5820" + exampleHash + "05 02"},
		{"0a a1 01 03", "00 a2 03" + exampleRP + "04 5820" + exampleHash},
	}
	seq := credMgmt(t, append(steps, steps...)...).RelyingParties(t.Context())
	for range 2 {
		for _, err := range seq {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
	}
}

func TestFailedEnumeration(t *testing.T) {
	first := "00 a3 03" + exampleRP + "04 5820" + exampleHash
	for _, c := range []struct {
		name  string
		steps []step
		read  int
		want  error
	}{
		{"the token is not good for it", []step{{rpsBegin(t), "33"}}, 0, ctap2.StatusPINAuthInvalid},
		{"the key forgot where it was", []step{{rpsBegin(t), first + "05 03"}, {"0a a1 01 03", "30"}}, 1, ctap2.StatusNotAllowed},
		{"no total", []step{{rpsBegin(t), "00 a2 03" + exampleRP + "04 5820" + exampleHash}}, 0, ctap2.ErrMissingMember},
		{"no relying party", []step{{rpsBegin(t), "00 a2 04 5820" + exampleHash + "05 01"}}, 0, ctap2.ErrMissingMember},
		{"a short hash", []step{{rpsBegin(t), "00 a3 03" + exampleRP + "04 41 00 05 01"}}, 0, nil},
		{"no hash", []step{{rpsBegin(t), "00 a2 03" + exampleRP + "05 01"}}, 0, nil},
		{"millions", []step{{rpsBegin(t), first + "05 1affffffff"}}, 0, nil},
		{"no answer", []step{{rpsBegin(t), "00"}}, 0, ctap2.ErrEmptyResponse},
		{"the total is text", []step{{rpsBegin(t), first + "05 6133"}}, 0, nil},
	} {
		got, err := collectRPs(t, credMgmt(t, c.steps...))
		var bad *ctap2.ResponseError
		isBad := errors.As(err, &bad)
		if len(got) != c.read || c.want != nil && !errors.Is(err, c.want) || c.want == nil && !isBad {
			t.Errorf("%s: %d read, %v", c.name, len(got), err)
		}
	}
}

func TestBadCredentials(t *testing.T) {
	for name, answer := range map[string]string{
		"no user":           "00 a2 07 a2 626964 420a0b" + publicKey + "09 01",
		"no ID":             "00 a2 06 a1 626964 4101 09 01",
		"an empty ID":       "00 a3 06 a1 626964 4101 07 a2 626964 40" + publicKey + "09 01",
		"a short blob key":  "00 a4" + credentialAnswer + "09 01 0b 4100",
		"a total of 65536":  "00 a3" + credentialAnswer + "09 1a 00010000",
		"no total at all":   "00 a2" + credentialAnswer,
		"a duplicate total": "00 a4" + credentialAnswer + "09 01 09 01",
	} {
		for _, err := range credMgmt(t, step{credentialsBegin(t), answer}).Credentials(t.Context(), unhex(t, exampleHash)) {
			var bad *ctap2.ResponseError
			if !errors.As(err, &bad) || bad.Subcommand != "enumerateCredentialsBegin" {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// A key that cannot be read does not keep a credential from being listed, or it
// could never be deleted.
func TestUnreadablePublicKeyIsListed(t *testing.T) {
	answer := "00 a4" + credentialAnswer + "08 a1 01 05 09 01"
	for c, err := range credMgmt(t, step{credentialsBegin(t), answer}).Credentials(t.Context(), unhex(t, exampleHash)) {
		if err != nil {
			t.Fatal(err)
		}
		if key, err := c.Key(); err != nil || key.Type != 5 {
			t.Errorf("%+v, %v", key, err)
		}
		c.PublicKey = nil
		if _, err := c.Key(); !errors.Is(err, cose.ErrInvalid) {
			t.Errorf("no key: %v", err)
		}
	}
}

func TestDeleteCredential(t *testing.T) {
	id := ctap2.Descriptor{ID: []byte{1, 2, 3, 4}, Transports: []string{"usb"}} // as the vector has it: two members
	params := "a1 02 a2 626964 44 01020304" + publicKey
	want := "0a a4 01 06 02" + params + "03 02 04" + vectorMAC(t, "credentialManagement deleteCredential", "06"+params)
	if err := credMgmt(t, step{want, "00"}).Delete(t.Context(), id); err != nil {
		t.Error(err)
	}
	if err := credMgmt(t, step{want, "2e"}).Delete(t.Context(), id); !errors.Is(err, ctap2.StatusNoCredentials) {
		t.Error(err)
	}
}

func TestUpdateUser(t *testing.T) {
	id := ctap2.Descriptors([]byte{1, 2, 3, 4})[0]
	for _, c := range []struct {
		user ctap2.User
		hex  string
	}{
		{ctap2.User{ID: []byte{9}, Name: "bob"}, "a2 626964 4109 646e616d65 63 626f62"},
		{ctap2.User{ID: []byte{9}}, "a1 626964 4109"}, // removes both names
	} {
		params := "a2 02 a2 626964 44 01020304" + publicKey + "03" + c.hex
		want := "0a a4 01 07 02" + params + "03 02 04" + mac(t, pinuv.Two, "07"+params)
		if err := credMgmt(t, step{want, "00"}).UpdateUser(t.Context(), id, c.user); err != nil {
			t.Error(err)
		}
	}
	err := manager(t, pinuv.One, ctap2.OptionCredentialMgmtPreview).UpdateUser(t.Context(), id, ctap2.User{})
	if !errors.Is(err, ctap2.ErrUnsupported) {
		t.Errorf("the prototype: %v", err)
	}
}

// The hash that the vectors use is the one of the ID that they name.
func TestExampleHash(t *testing.T) {
	if h := sha256.Sum256([]byte("example.com")); !bytes.Equal(h[:], unhex(t, exampleHash)) {
		t.Errorf("%x", h)
	}
}
