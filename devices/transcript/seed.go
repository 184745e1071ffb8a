package transcript

import (
	"io"
	mathrand "math/rand/v2"
)

// SeedSize is the size of a seed in bytes.
const SeedSize = 32

// Randomness is what grows from a tape's seed: ChaCha8, which math/rand/v2
// promises not to change. It is as good as the seed is secret. A seed of another
// size is cut, or filled up with zeros.
func Randomness(seed []byte) io.Reader {
	var s [SeedSize]byte
	copy(s[:], seed)
	return mathrand.NewChaCha8(s)
}
