package pinuv

import (
	"crypto/hmac"
	"fmt"
)

// Token is a pinUvAuthToken, the key that authorises commands after a PIN or
// built-in user verification (CTAP 2.3 §6.5.2.1).
type Token struct {
	protocol Protocol
	key      []byte
}

// NewToken takes over the token's bytes. Protocol one has 16 or 32 of them
// (CTAP 2.0 allowed any multiple of 16), protocol two has 32.
func NewToken(p Protocol, key []byte) (*Token, error) {
	switch {
	case !p.Valid():
		return nil, fmt.Errorf("%w: %d", ErrProtocol, uint(p))
	case p == Two && len(key) != 32, len(key) == 0, len(key)%16 != 0:
		return nil, fmt.Errorf("token of %d bytes does not fit %v", len(key), p)
	}
	return &Token{protocol: p, key: key}, nil
}

// Protocol is the protocol under which the token was issued.
func (t *Token) Protocol() Protocol { return t.protocol }

// Authenticate makes a pinUvAuthParam over the message: HMAC-SHA-256 with the
// whole token, cut to 16 bytes for protocol one. CTAP 2.3 §6.5.6 and §6.5.7.
func (t *Token) Authenticate(message ...[]byte) []byte {
	return authenticate(t.protocol, t.key, message)
}

// Verify reports, in constant time, whether mac is the pinUvAuthParam of the
// message.
func (t *Token) Verify(mac []byte, message ...[]byte) bool {
	return hmac.Equal(mac, t.Authenticate(message...))
}

// Wipe overwrites the token. It must not be used afterwards.
func (t *Token) Wipe() {
	if t != nil {
		clear(t.key)
	}
}

// Bytes returns the token itself, not a copy, for the side that issues it.
func (t *Token) Bytes() []byte { return t.key }

// String hides the token from logs.
func (t *Token) String() string { return "pinuv.Token(hidden)" }

// GoString hides the token from logs.
func (t *Token) GoString() string { return t.String() }
