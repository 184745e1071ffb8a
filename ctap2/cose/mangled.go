package cose

import (
	"bytes"
	"crypto/ed25519"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// mangledHead is how Firefox 117 (authenticator-rs before its pull request 292)
// began the Ed25519 key of any authenticator when it wrote authenticator data
// anew: the type and the curve are names where numbers belong, the map is
// announced with three pairs and has four, and the fourth, x, is a list of
// numbers. Registrations with it are stored for good.
var mangledHead = []byte("\xa3\x01\x63OKP\x03\x27\x20\x67Ed25519")

// parseMangled reads such a key. Where it ends is known, since the last pair is.
func parseMangled(b []byte) (key Key, rest []byte, err error) {
	var label int64
	var x []uint8
	rest, err = wire.DecodeFirst(b[len(mangledHead):], &label)
	if err == nil {
		rest, err = wire.DecodeFirst(rest, &x)
	}
	switch {
	case err != nil:
		return Key{}, nil, fmt.Errorf("%w: mangled Ed25519 key: %w", ErrInvalid, err)
	case label != labelX || len(x) != ed25519.PublicKeySize:
		return Key{}, nil, fmt.Errorf("%w: mangled Ed25519 key with %d bytes under %d", ErrInvalid, len(x), label)
	}
	return Key{Type: TypeOKP, Alg: EdDSA, Curve: CurveEd25519, X: x}, rest, nil
}

func isMangled(b []byte) bool { return bytes.HasPrefix(b, mangledHead) }
