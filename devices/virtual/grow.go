package virtual

import (
	"crypto"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512" // of ES384 and ES512
	"errors"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"sync"

	"filippo.io/mldsa"
)

// A private key that is longer than 32 bytes grows from a seed of that size, the
// same one each time. So credential IDs are no longer for it, and nothing else
// has to be stored.

// growECDSA makes keys on a curve. A number that is no key of the curve, which
// is rare, is left out.
func growECDSA(curve elliptic.Curve) func([]byte) (crypto.Signer, error) {
	name, size := curve.Params().Name, (curve.Params().BitSize+7)/8
	return func(seed []byte) (crypto.Signer, error) {
		var err error
		for try := range 64 {
			private, e := hkdf.Expand(sha256.New, seed, fmt.Sprint(name, try), size)
			if e != nil {
				return nil, e
			}
			private[0] &= byte(1<<(8-(8*size-curve.Params().BitSize)) - 1)
			var signer crypto.Signer
			if signer, err = parseECDSA(curve, private); err == nil {
				return signer, nil
			}
		}
		return nil, err
	}
}

// growMLDSA makes keys of a parameter set; its own seeds are 32 bytes.
func growMLDSA(parameters mldsa.Parameters) func([]byte) (crypto.Signer, error) {
	return func(seed []byte) (crypto.Signer, error) {
		key, err := mldsa.NewPrivateKey(parameters, seed)
		if err != nil {
			return nil, err
		}
		return repeatableMLDSA{key}, nil
	}
}

// repeatableMLDSA is an ML-DSA key that signs without a random source (FIPS 204
// §3.4, the deterministic variant).
type repeatableMLDSA struct{ *mldsa.PrivateKey }

// Sign ignores the random source.
func (r repeatableMLDSA) Sign(_ io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	return r.SignDeterministic(message, opts)
}

// Sizes of RSA keys in bits.
const (
	rsaBits     = 2048
	rsaExponent = 65537
)

// growRSA makes an RSA key. Since Go 1.26 crypto/rsa draws its primes from the
// system's random source whatever it is handed, so that they are looked for here:
// as FIPS 186-5 §A.1.3 has it, with its two top bits set, so that the modulus has
// its full length. It takes a good part of a second.
func growRSA(seed []byte) (crypto.Signer, error) {
	key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int), E: rsaExponent}, D: new(big.Int)}
	stream := rand.NewChaCha8([32]byte(seed))
	e, one := big.NewInt(rsaExponent), big.NewInt(1)
	phi := big.NewInt(1)
	for range 2 {
		p := growPrime(stream, e)
		key.Primes = append(key.Primes, p)
		phi.Mul(phi, new(big.Int).Sub(p, one))
	}
	key.N.Mul(key.Primes[0], key.Primes[1])
	if key.D.ModInverse(e, phi) == nil {
		return nil, errors.New("RSA key: the exponent has no inverse")
	}
	key.Precompute()
	if err := key.Validate(); err != nil {
		return nil, fmt.Errorf("RSA key: %w", err)
	}
	return key, nil
}

// primorial is the product of the small primes: what has a factor in common with
// it need not be looked at closely.
var primorial = sync.OnceValue(func() *big.Int {
	product := big.NewInt(1)
	for n := int64(2); n < 2000; n++ {
		if p := big.NewInt(n); p.ProbablyPrime(0) { // which is exact for small numbers
			product.Mul(product, p)
		}
	}
	return product
})

// growPrime finds a prime p of half the size with gcd(p-1, e) = 1.
func growPrime(stream io.Reader, e *big.Int) *big.Int {
	const size = rsaBits / 2 / 8
	b := make([]byte, size)
	one := big.NewInt(1)
	coprime := func(x, y *big.Int) bool { return new(big.Int).GCD(nil, nil, x, y).Cmp(one) == 0 }
	for {
		_, _ = io.ReadFull(stream, b) // a ChaCha8 never fails
		b[0] |= 0xc0
		b[size-1] |= 1
		p := new(big.Int).SetBytes(b)
		if coprime(p, primorial()) && coprime(new(big.Int).Sub(p, one), e) && p.ProbablyPrime(5) {
			return p
		}
	}
}
