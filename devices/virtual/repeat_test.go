package virtual_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// session sets a key with a seeded random source up with all that a key can
// have, and sends it every command and subcommand. It returns all answers, and
// what is stored in the end. The key is in a field, where U2F does not wait.
func session(t *testing.T, seed byte) (answers []string, records map[string]string) {
	r := used(t, complete, func(c *virtual.Config) {
		c.Rand, c.Transport = seeded(seed), virtual.NFC
		c.Now = func() time.Time { return time.Unix(1e9, 0) }
	})
	reg := r.register()
	r.u2f(insAuthenticate, enforce, challenged(reg.handle...))
	r.make(r.token().mc(discoverable("ed").with(m{4: []any{eddsa}})))
	r.users(r.token().ga(assertion()), nil)
	r.key.PowerCycle()
	all := requests(newRig(t, complete))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		r.raw(all[name])
	}
	return r.heard, r.records()
}

func TestSeededRunsAreTheSame(t *testing.T) {
	first, firstRecords := session(t, 3)
	second, secondRecords := session(t, 3)
	other, otherRecords := session(t, 4)
	expect(t, "answers", len(second), len(first))
	different := 0
	for i := range first {
		if first[i] != second[i] {
			t.Errorf("answer %d differs: %x and %x", i, first[i], second[i])
		}
		if i < len(other) && first[i] != other[i] {
			different++
		}
	}
	if different < 25 {
		t.Errorf("%d answers of %d depend on the seed", different, len(first))
	}
	if !maps.Equal(firstRecords, secondRecords) || maps.Equal(firstRecords, otherRecords) {
		t.Error("records differ, or do not with another seed")
	}
}
