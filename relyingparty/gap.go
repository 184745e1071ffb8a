package relyingparty

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/metadata"
	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	lib "github.com/go-webauthn/webauthn/webauthn"

	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// Gap is a check that go-webauthn, as it is built into this program, cannot do,
// and that was done by ctap2/cose in its place. Everything else of the ceremony
// is go-webauthn's all the same.
type Gap string

// Gaps.
const (
	GapAttestation Gap = "attestation" // the signature of a self attestation
	GapSignature   Gap = "signature"   // the signature of an assertion
)

// lacks reports whether go-webauthn does not know an algorithm that package cose
// verifies: ML-DSA, which it takes from the standard library since Go 1.27.
func lacks(publicKey []byte) bool {
	key, err := cose.Parse(publicKey)
	if err != nil || key.Type != cose.TypeAKP || !key.Alg.Verifiable() {
		return false
	}
	_, err = webauthncose.ParsePublicKey(publicKey)
	return err != nil
}

// selfAttestation verifies a packed self attestation (WebAuthn L3 §8.2) by a key
// that go-webauthn lacks, and takes the statement out of what go-webauthn is to
// verify. Then mend puts it back into the credential; it is nil where there is
// no gap.
func selfAttestation(parsed *protocol.ParsedCredentialCreationData) (mend func(*lib.Credential), err error) {
	object := &parsed.Response.AttestationObject
	if object.Format != webauthn.FormatPacked || object.AttStatement["x5c"] != nil || !lacks(object.AuthData.AttData.CredentialPublicKey) {
		return nil, nil
	}
	_, statement, _, err := webauthn.ParseAttestationObject(parsed.Raw.AttestationResponse.AttestationObject)
	if err != nil {
		return nil, err
	}
	var s struct {
		Algorithm cose.Algorithm `cbor:"alg"`
		Signature []byte         `cbor:"sig"`
	}
	if err := wire.Decode(statement, &s); err != nil {
		return nil, fmt.Errorf("attestation statement: %w", err)
	}
	key, err := cose.Parse(object.AuthData.AttData.CredentialPublicKey)
	if err != nil {
		return nil, err
	}
	if s.Algorithm != key.Alg {
		return nil, fmt.Errorf("attestation statement: signed by %v with a key of %v", s.Algorithm, key.Alg)
	}
	if err := key.Verify(signed(object.RawAuthData, parsed.Raw.AttestationResponse.ClientDataJSON), s.Signature); err != nil {
		return nil, fmt.Errorf("attestation statement: %w", err)
	}
	object.Format, object.AttStatement = webauthn.FormatNone, nil
	return func(c *lib.Credential) {
		c.AttestationFormat, c.AttestationType = webauthn.FormatPacked, string(metadata.BasicSurrogate)
	}, nil
}

// signed is what an authenticator signs.
func signed(authData, clientDataJSON []byte) []byte {
	hash := sha256.Sum256(clientDataJSON)
	return slices.Concat(authData, hash[:])
}

// vouch verifies an assertion's signature by a key that go-webauthn lacks. For
// everything else go-webauthn gets the assertion under the signature of a key of
// one use, which stands in the returned registrations for the credential's own.
func vouch(stored []*Registration, parsed *protocol.ParsedCredentialAssertionData) ([]*Registration, []Gap, error) {
	r := find(stored, parsed.RawID)
	if r == nil || !lacks(r.PublicKey) {
		return stored, nil, nil
	}
	message := signed(parsed.Raw.AssertionResponse.AuthenticatorData, parsed.Raw.AssertionResponse.ClientDataJSON)
	key, err := cose.Parse(r.PublicKey)
	if err != nil {
		return nil, nil, err
	}
	if err := key.Verify(message, parsed.Response.Signature); err != nil {
		return nil, nil, err
	}
	public, signature, err := signOnce(message)
	if err != nil {
		return nil, nil, err
	}
	parsed.Response.Signature = signature
	return withKey(stored, r, public), []Gap{GapSignature}, nil
}

// withKey is the list with another public key for one of the registrations.
func withKey(stored []*Registration, r *Registration, publicKey []byte) []*Registration {
	standIn := *r
	standIn.PublicKey = publicKey
	others := slices.Clone(stored)
	others[slices.Index(others, r)] = &standIn
	return others
}

// signOnce signs with a new key, and returns its public half as a COSE_Key.
func signOnce(message []byte) (publicKey, signature []byte, err error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, nil, err
	}
	key, err := cose.FromPublic(public, cose.EdDSA)
	if err != nil {
		return nil, nil, err
	}
	publicKey, err = key.MarshalCBOR()
	return publicKey, ed25519.Sign(private, message), err
}
