package cose

import (
	"fmt"

	"filippo.io/mldsa"
)

// parameters are the ML-DSA parameter sets (FIPS 204 §4) by algorithm.
var parameters = map[Algorithm]mldsa.Parameters{
	MLDSA44: mldsa.MLDSA44(),
	MLDSA65: mldsa.MLDSA65(),
	MLDSA87: mldsa.MLDSA87(),
}

// mldsa reads an AKP key. Unlike the other types it says nothing of its
// parameters beside the algorithm.
func (k Key) mldsa() (*mldsa.PublicKey, error) {
	set, ok := parameters[k.Alg]
	if !ok {
		return nil, fmt.Errorf("%w: algorithm key pair under %v", ErrUnsupported, k.Alg)
	}
	pub, err := mldsa.NewPublicKey(set, k.Pub)
	if err != nil {
		return nil, fmt.Errorf("%w: %v key of %d bytes: %w", ErrInvalid, k.Alg, len(k.Pub), err)
	}
	return pub, nil
}
