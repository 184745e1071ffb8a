package virtual_test

import (
	"bytes"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

var allAlgorithms = []cose.Algorithm{
	cose.ES256, cose.EdDSA, cose.ES384, cose.ES512, cose.RS256, cose.ESP256, cose.ESP384, cose.ESP512,
	cose.Ed25519, cose.MLDSA44, cose.MLDSA65, cose.MLDSA87,
}

// TestAlgorithms makes and uses a credential of each algorithm, wrapped and
// stored, on a key that is loaded in between, twice: keys and signatures are the
// same both times.
func TestAlgorithms(t *testing.T) {
	for _, algorithm := range allAlgorithms {
		t.Run(algorithm.String(), func(t *testing.T) {
			if first, second := signed(t, algorithm), signed(t, algorithm); !bytes.Equal(first, second) {
				t.Fatal("two runs differ")
			}
		})
	}
}

// signed returns all that a key with the algorithm says.
func signed(t *testing.T, algorithm cose.Algorithm) (all []byte) {
	r := newRig(t, model(func(p *virtual.Profile) { p.Algorithms = []cose.Algorithm{algorithm} }))
	r.want(0x26, cmdMakeCredential, creation().with(m{4: []any{s{"alg": -65535, "type": "public-key"}}}))
	for _, rk := range []bool{false, true} {
		if rk && algorithm == cose.RS256 { // slow, and the same code as the others
			continue
		}
		request := creation().with(m{4: []any{s{"alg": int64(algorithm), "type": "public-key"}}, 7: s{"rk": rk}})
		c := r.make(request)
		r.load()
		a := r.assert(assertion(c.id))
		key, err := cose.Parse(encode(t, c.key))
		if err != nil || key.Alg != algorithm {
			t.Fatalf("key of %v, %v", key.Alg, err)
		}
		sig := a.body[uint64(3)].([]byte)
		if err := key.Verify(append(bytes.Clone(a.raw), otherHash[:]...), sig); err != nil {
			t.Fatal(err)
		}
		all = append(append(all, c.raw...), sig...)
	}
	return all
}

// TestSelfAttestationOfEachAlgorithm signs with the credential's own key.
func TestSelfAttestationOfEachAlgorithm(t *testing.T) {
	for _, algorithm := range allAlgorithms {
		if algorithm == cose.RS256 {
			continue
		}
		r := newRig(t, model(func(p *virtual.Profile) {
			p.Algorithms = []cose.Algorithm{algorithm}
			p.Attestation.Kind = virtual.AttestationSelf
		}))
		c := r.make(creation().with(m{4: []any{s{"alg": int64(algorithm), "type": "public-key"}}}))
		key, err := cose.Parse(encode(t, c.key))
		if err != nil {
			t.Fatal(err)
		}
		expect(t, "alg", c.statement()["alg"], any(int64(algorithm)))
		if err := key.Verify(c.signed(), c.statement()["sig"].([]byte)); err != nil {
			t.Errorf("%v: %v", algorithm, err)
		}
	}
}
