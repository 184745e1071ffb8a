package webauthn_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/fixtures"
)

// item is a response of a real key, with what the corpus says of it.
type item struct {
	ID       webauthn.Bytes
	Response struct {
		ClientDataJSON, AttestationObject, AuthenticatorData, Signature *webauthn.Bytes
	}
	Meta struct {
		AAGUID, Fmt, Flags, Registration string
		CredAlg                          int64
		SignCount                        uint32
		RPID                             string `json:"rpId"`
		PublicKey                        string `json:"credentialPublicKeyCOSE"`
	} `json:"_meta"`
}

func readItems(t *testing.T, kind string) map[string]item {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(fixtures.Corpus(t), "real", "*", kind, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no %s in the corpus (%v)", kind, err)
	}
	all := map[string]item{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var i item
		if err := json.Unmarshal(text, &i); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		all[file] = i
	}
	return all
}

// TestCorpusRegistrations reads every registration of a real key, verifies its
// attestation signature where the clientDataJSON is known, and writes it anew.
func TestCorpusRegistrations(t *testing.T) {
	counts := map[string]int{}
	for file, i := range readItems(t, "attestation") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			format, statement, raw, err := webauthn.ParseAttestationObject(*i.Response.AttestationObject)
			if err != nil {
				t.Fatal(err)
			}
			d, err := authdata.Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			compareRegistration(t, i, format, d)
			counts[format+" "+d.Credential.Key.Alg.String()]++
			if i.Response.ClientDataJSON == nil {
				counts["without clientDataJSON"]++
				return
			}
			verifyStatement(t, format, statement, raw, d, *i.Response.ClientDataJSON)
			writeRegistration(t, i, raw, d)
		})
	}
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%3d %s", counts[kind], kind)
	}
	if counts["packed ES256"] < 20 || counts["fido-u2f ES256"] < 17 || counts["packed ML-DSA-87"] < 1 {
		t.Error("fewer than there were")
	}
}

func compareRegistration(t *testing.T, i item, format string, d authdata.Data) {
	t.Helper()
	hash := sha256.Sum256([]byte(i.Meta.RPID))
	got := fmt.Sprint(format, " ", hex.EncodeToString([]byte{byte(d.Flags)}), " ", d.SignCount, " ", int64(d.Credential.Key.Alg))
	want := fmt.Sprint(i.Meta.Fmt, " ", i.Meta.Flags, " ", i.Meta.SignCount, " ", i.Meta.CredAlg)
	if got != want {
		t.Errorf("%s, the corpus says %s", got, want)
	}
	if i.Meta.AAGUID != "" && d.Credential.AAGUID.String() != i.Meta.AAGUID {
		t.Errorf("AAGUID %v, the corpus says %s", d.Credential.AAGUID, i.Meta.AAGUID)
	}
	if i.Meta.RPID != "" && d.RPIDHash != hash {
		t.Errorf("hash of another relying party than %s", i.Meta.RPID)
	}
	if !bytes.Equal(d.Credential.ID, i.ID) {
		t.Errorf("ID %x, the corpus says %x", d.Credential.ID, i.ID)
	}
}

// verifyStatement checks the signature of a statement, so that what was parsed
// is what was signed. Whose certificate it is, is not asked.
func verifyStatement(t *testing.T, format string, statement wire.Raw, raw []byte, d authdata.Data, clientData []byte) {
	t.Helper()
	var s struct {
		Algorithm cose.Algorithm `cbor:"alg"`
		Signature []byte         `cbor:"sig"`
		X5C       [][]byte       `cbor:"x5c"`
	}
	if err := wire.Decode(statement, &s); err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(clientData)
	signed := slices.Concat(raw, hash[:])
	switch format {
	case "none":
		return
	case "fido-u2f":
		s.Algorithm = cose.ES256
		k := d.Credential.Key
		signed = slices.Concat([]byte{0}, d.RPIDHash[:], hash[:], d.Credential.ID, []byte{4}, k.X, k.Y)
	}
	key := d.Credential.Key // of a self attestation
	if len(s.X5C) > 0 {
		key = certified(t, s.X5C[0], s.Algorithm)
	}
	if err := key.Verify(signed, s.Signature); err != nil {
		t.Error(err)
	}
}

// writeRegistration holds the response written to the key's own bytes.
func writeRegistration(t *testing.T, i item, raw []byte, d authdata.Data) {
	t.Helper()
	r, err := webauthn.NewRegistrationResponse(*i.Response.ClientDataJSON, *i.Response.AttestationObject, raw, []string{"usb"})
	if err != nil {
		t.Fatal(err)
	}
	back, err := cose.FromSPKI(r.Response.PublicKey, r.Response.PublicKeyAlgorithm)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, d.Credential.Key) {
		t.Errorf("SPKI holds %+v, the credential %+v", back, d.Credential.Key)
	}
}

// TestCorpusAssertions reads every assertion of a real key and verifies its
// signature with the key that was registered.
func TestCorpusAssertions(t *testing.T) {
	counts := map[string]int{}
	for file, i := range readItems(t, "assertion") {
		d, err := authdata.Parse(*i.Response.AuthenticatorData)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if got := hex.EncodeToString([]byte{byte(d.Flags)}); got != i.Meta.Flags || d.SignCount != i.Meta.SignCount {
			t.Errorf("%s: flags %s, counter %d", file, got, d.SignCount)
		}
		key, err := cose.Parse(unhex(t, i.Meta.PublicKey))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		hash := sha256.Sum256(*i.Response.ClientDataJSON)
		if err := key.Verify(slices.Concat(*i.Response.AuthenticatorData, hash[:]), *i.Response.Signature); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		counts[key.Alg.String()]++
	}
	t.Log(counts)
	if counts["ES256"] < 15 {
		t.Error("fewer than there were")
	}
}
