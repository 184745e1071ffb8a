package cose_test

import (
	"encoding/asn1"
	"math/big"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/fixtures"
)

func FuzzVerify(f *testing.F) {
	for _, v := range fixtures.WebAuthn().Ceremonies {
		f.Add([]byte(v.PublicKey), []byte(v.AuthenticatorData), []byte(v.Signature))
	}
	for _, v := range fixtures.MLDSA() {
		b, err := wire.Encode(map[int]any{1: 7, 3: v.Algorithm, -1: []byte(v.PublicKey)})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, []byte(v.Message), []byte(v.Signature))
	}
	zero, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int), new(big.Int)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(fixtures.WebAuthn().Ceremonies[0].PublicKey), []byte{}, zero)
	f.Fuzz(func(t *testing.T, public, message, signature []byte) {
		key, err := cose.Parse(public)
		if err != nil {
			return
		}
		_ = key.Verify(message, signature)
		der, err := key.SPKI()
		if err != nil {
			return
		}
		if _, err := cose.FromSPKI(der, key.Alg); err != nil {
			t.Fatalf("own SPKI %x: %v", der, err)
		}
	})
}
