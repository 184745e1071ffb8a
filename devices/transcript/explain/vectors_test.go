package explain

import (
	"crypto/sha256"
	"slices"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/fixtures"
)

// ceremonyTape is a vector of WebAuthn L3 §16 as a session with a key.
func ceremonyTape(t *testing.T, v fixtures.Ceremony) []byte {
	t.Helper()
	var object struct {
		Format    string   `cbor:"fmt"`
		AuthData  []byte   `cbor:"authData"`
		Statement wire.Raw `cbor:"attStmt"`
	}
	if err := wire.Decode(v.AttestationObject, &object); err != nil {
		t.Fatal(err)
	}
	key, ok := credentialKey(object.AuthData)
	if !ok {
		t.Fatal("no credential")
	}
	made, got := sha256.Sum256(v.ClientDataJSON), sha256.Sum256(v.GetClientDataJSON)
	descriptor := map[string]any{"id": []byte(v.CredentialID), "type": "public-key"}
	create := cbor(t, 1, map[int]any{
		1: made[:], 2: map[string]any{"id": "example.org"}, 3: map[string]any{"id": []byte{1}},
		4: []any{map[string]any{"alg": int64(key.Alg), "type": "public-key"}},
	})
	text := exchange(create, cbor(t, 0, map[int]any{1: object.Format, 2: object.AuthData, 3: object.Statement}))
	_, get, _ := strings.Cut(string(exchange(
		cbor(t, 2, map[int]any{1: "example.org", 2: got[:], 3: []any{descriptor}}),
		cbor(t, 0, map[int]any{1: descriptor, 2: []byte(v.AuthenticatorData), 3: []byte(v.Signature)}))), "\n")
	return append(text, get...)
}

// TestVectorsAreVerified: what the standard's own test vectors sign is found to
// hold, whatever the attestation format.
func TestVectorsAreVerified(t *testing.T) {
	signedFormats := []string{"packed", "fido-u2f"}
	for _, v := range fixtures.WebAuthn().Ceremonies {
		if len(v.Signature) == 0 {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			story := read(t, ceremonyTape(t, v), Options{})
			made, got := story.Steps[1], story.Steps[3]
			raw, _ := find(made.Fields, "authData", "attestedCredentialData", "credentialPublicKey", "alg")
			alg, _ := cose.AlgorithmByName(raw.Note)
			if value(got.Fields, "verified") == "" && alg.Verifiable() {
				t.Errorf("the assertion is not verified: %q", lines(story))
			}
			if slices.Contains(signedFormats, value(made.Fields, "fmt")) && value(made.Fields, "verified") == "" && alg.Verifiable() {
				t.Errorf("the attestation is not verified: %q", lines(story))
			}
			for _, line := range lines(story) {
				if strings.Contains(line, "does not hold") {
					t.Error(line)
				}
			}
		})
	}
}
