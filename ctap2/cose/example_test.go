package cose_test

import (
	"errors"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2/cose"
)

// Verify a signature with a credential's public key.
func ExampleKey_Verify() {
	key := cose.Key{Type: cose.TypeOKP, Curve: cose.CurveEd25519, Alg: cose.EdDSA, X: make([]byte, 32)}
	err := key.Verify([]byte("authenticator data and client data hash"), make([]byte, 64))
	fmt.Println(err, errors.Is(err, cose.ErrSignature))
	// Output: EdDSA: signature does not verify true
}
