// Package webauthn is what a WebAuthn Level 3 client does around CTAP2: it reads
// options and writes responses in the JSON forms that browsers use, builds
// clientDataJSON, holds the relying party ID against the origin, applies the
// attestation conveyance preference, and decides what extensions ask for.
// Verifying responses is the relying party's part and not done here.
//
//	options, err := webauthn.ParseCreationOptions(text)
//	data := webauthn.ClientData{Type: webauthn.TypeCreate, Challenge: challenge, Origin: origin}
//	if err := webauthn.CheckOrigin(origin, rpID); err != nil { ... }
//	hash := data.Hash() // the clientDataHash of makeCredential
package webauthn

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"unicode/utf8"
)

// Types of clientDataJSON (WebAuthn L3 §5.8.1).
const (
	TypeCreate = "webauthn.create"
	TypeGet    = "webauthn.get"
)

// ClientData is what a client puts under the authenticator's signature
// (CollectedClientData, WebAuthn L3 §5.8.1).
type ClientData struct {
	Type        string // TypeCreate or TypeGet
	Challenge   []byte
	Origin      string
	CrossOrigin bool
	TopOrigin   string // "" for none
}

// JSON is clientDataJSON, byte for byte as the standard's serialisation has it
// (WebAuthn L3 §5.8.1.1).
func (c ClientData) JSON() []byte {
	b := []byte(`{"type":`)
	b = appendString(b, c.Type)
	b = append(b, `,"challenge":`...)
	b = appendString(b, base64.RawURLEncoding.EncodeToString(c.Challenge))
	b = append(b, `,"origin":`...)
	b = appendString(b, c.Origin)
	b = append(b, `,"crossOrigin":`...)
	b = fmt.Appendf(b, "%t", c.CrossOrigin)
	if c.TopOrigin != "" {
		b = append(b, `,"topOrigin":`...)
		b = appendString(b, c.TopOrigin)
	}
	return append(b, '}')
}

// Hash is the SHA-256 of [ClientData.JSON], the clientDataHash of CTAP2.
func (c ClientData) Hash() []byte {
	h := sha256.Sum256(c.JSON())
	return h[:]
}

// appendString is the standard's CCDToString, which escapes less than
// encoding/json does.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < 0x20:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

// Bytes is binary data that JSON carries as base64url without padding.
type Bytes []byte

// MarshalText writes base64url without padding.
func (b Bytes) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, b), nil
}

// UnmarshalText reads base64url without padding, strictly: one text for each
// value.
func (b *Bytes) UnmarshalText(text []byte) error {
	out, err := base64.RawURLEncoding.Strict().AppendDecode(nil, text)
	if err != nil {
		return fmt.Errorf("base64url: %w", err)
	}
	*b = out
	return nil
}

// String is the base64url text.
func (b Bytes) String() string { return base64.RawURLEncoding.EncodeToString(b) }
