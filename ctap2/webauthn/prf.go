package webauthn

import (
	"bytes"
	"crypto/sha256"
	"fmt"
)

// PRFSalt maps an input of the prf extension to the salt of hmac-secret: SHA-256
// of "WebAuthn PRF", a zero byte and the input (WebAuthn L3 §10.1.4).
func PRFSalt(input []byte) []byte {
	h := sha256.New()
	h.Write([]byte("WebAuthn PRF\x00"))
	h.Write(input)
	return h.Sum(nil)
}

// Salts are the hmac-secret salts for the values, one or two of 32 bytes.
func (v PRFValues) Salts() [][]byte {
	salts := [][]byte{PRFSalt(v.First)}
	if v.Second != nil {
		salts = append(salts, PRFSalt(v.Second))
	}
	return salts
}

// CheckCreate refuses what prf has for getting assertions only, with
// [NotSupportedError].
func (p *PRFInputs) CheckCreate() error {
	if p != nil && p.EvalByCredential != nil {
		return fmt.Errorf("prf: %w: evalByCredential at creation", NotSupportedError)
	}
	return nil
}

// CheckGet holds evalByCredential to the allowed credentials: without any it is
// a [NotSupportedError], and every key must be the ID of one of them or it is a
// [SyntaxError] (WebAuthn L3 §10.1.4).
func (p *PRFInputs) CheckGet(allow []Descriptor) error {
	if p == nil || len(p.EvalByCredential) == 0 {
		return nil
	}
	if len(allow) == 0 {
		return fmt.Errorf("prf: %w: evalByCredential without allowCredentials", NotSupportedError)
	}
	for key := range p.EvalByCredential {
		id, err := decodeBase64URL(key)
		if err != nil || len(id) == 0 || !contains(allow, id) {
			return fmt.Errorf("prf: %w: evalByCredential has a key that is no allowed credential", SyntaxError)
		}
	}
	return nil
}

func contains(list []Descriptor, id []byte) bool {
	for _, d := range list {
		if bytes.Equal(d.ID, id) {
			return true
		}
	}
	return false
}

// ValuesFor are the inputs to evaluate for a credential: its own in
// evalByCredential, or else eval; nil for none.
func (p *PRFInputs) ValuesFor(credentialID []byte) *PRFValues {
	if p == nil {
		return nil
	}
	for key, v := range p.EvalByCredential {
		if id, err := decodeBase64URL(key); err == nil && bytes.Equal(id, credentialID) {
			return &v
		}
	}
	return p.Eval
}

// PRFResults are the outputs of one or two salts as prf hands them out; nil for
// none.
func PRFResults(outputs [][]byte) *PRFValues {
	switch len(outputs) {
	case 0:
		return nil
	case 1:
		return &PRFValues{First: outputs[0]}
	}
	return &PRFValues{First: outputs[0], Second: outputs[1]}
}
