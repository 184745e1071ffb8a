package virtual_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// Commands since CTAP 2.1.
const (
	cmdBio        = 0x09
	cmdCredMgmt   = 0x0a
	cmdLargeBlobs = 0x0c
	cmdConfig     = 0x0d
	cmdBioPre     = 0x40
	cmdCredPre    = 0x41
)

// Permissions.
const (
	permCM   = 0x04
	permBE   = 0x08
	permLBW  = 0x10
	permACFG = 0x20
	permPCMR = 0x40
)

// tokenFor gets a token by PIN with permissions that need no relying party.
func (r *rig) tokenFor(permissions int) tok {
	r.t.Helper()
	p := r.agree(2)
	return p.take(p.getTokenWith(pin, permissions, absent{}))
}

func (r *rig) cmToken() tok { r.t.Helper(); return r.tokenFor(permCM) }

// persistent gets the persistent token.
func (r *rig) persistent() []byte {
	r.t.Helper()
	return r.tokenFor(permPCMR).token.Bytes()
}

// cm, be and acfg are requests of the management commands, authorised by the
// token. params may be nil for none.
func (k tok) cm(sub int, params m) m {
	return m{1: sub, 3: k.protocol}.params(2, params, 4, k, []byte{byte(sub)})
}

func (k tok) be(sub int, params m) m {
	return m{1: 1, 2: sub, 4: k.protocol}.params(3, params, 5, k, []byte{1, byte(sub)})
}

func (k tok) acfg(sub int, params m) m {
	head := append(bytes.Repeat([]byte{0xff}, 32), 0x0d, byte(sub))
	return m{1: sub, 3: k.protocol}.params(2, params, 4, k, head)
}

// params adds subCommandParams, if there are any, and a pinUvAuthParam over head
// and params.
func (base m) params(at int, params m, authAt int, k tok, head []byte) m {
	if params != nil {
		base[at] = params
		b, err := wire.Encode(params)
		if err != nil {
			panic(err) // of a test's own request
		}
		head = append(head, b...)
	}
	base[authAt] = k.token.Authenticate(head)
	return base
}

// openIdentifier undoes encIdentifier by hand.
func openIdentifier(t testing.TB, token []byte, label string, b []byte) []byte {
	t.Helper()
	key, err := hkdf.Key(sha256.New, token, make([]byte, 32), label, 16)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	plain := make([]byte, 16)
	cipher.NewCBCDecrypter(block, b[:16]).CryptBlocks(plain, b[16:])
	return plain
}
