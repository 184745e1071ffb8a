package u2f

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

// The known certificates are not ours to ship; a made-up one stands in for them.
func TestMend(t *testing.T) {
	bad := append(append(bytes.Repeat([]byte{7}, 300), 1), bytes.Repeat([]byte{9}, 256)...)
	hash := sha256.Sum256(bad)
	before := bytes.Clone(bad)
	got := mend(bad, []string{hex.EncodeToString(hash[:])})
	want := bytes.Clone(bad)
	want[300] = 0
	if !bytes.Equal(got, want) || !bytes.Equal(bad, before) {
		t.Errorf("%x", got)
	}
}
