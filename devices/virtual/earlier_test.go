package virtual_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/devices/virtual/statefile"
)

// earlier is what testdata/state-1.key holds, as the version that wrote it told:
// a key with a PIN and one wrong try, discoverable credentials one and two, and
// two others, of which the guarded one has credProtect level 3. Bytes are in
// hexadecimal.
type earlier struct {
	PIN, RPID                  string
	Retries, Count             int
	Root, Salt                 string
	Wrapped, Guarded, One, Two earlierCredential
}

type earlierCredential struct{ ID, PublicKey, HMACSecret string }

func (c earlierCredential) made(t *testing.T) made {
	return made{authData: authData{id: unhex(t, c.ID), key: decode(t, unhex(t, c.PublicKey))}}
}

func loadEarlier(t *testing.T) (r *rig, want earlier) {
	t.Helper()
	b, err := os.ReadFile("testdata/state-1.key.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	if b, err = os.ReadFile("testdata/state-1.key"); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "copy.key")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	store, err := statefile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return newRig(t, func(c *virtual.Config) { c.Store = store }), want
}

// TestEarlierStateFile loads a file that the first version wrote.
func TestEarlierStateFile(t *testing.T) {
	r, want := loadEarlier(t)
	wrapped, guarded := want.Wrapped.made(t), want.Guarded.made(t)
	one, two := want.One.made(t), want.Two.made(t)
	r.wantRetries(want.Retries, false)
	if !bytes.Equal(r.key.AttestationRoot().Raw, unhex(t, want.Root)) {
		t.Error("another root")
	}
	expect(t, "count", r.assert(assertion(wrapped.id), wrapped).count, uint32(want.Count+1))
	r.assert(assertion(one.id), one)
	expect(t, "who is found", r.users(assertion(), []made{one, two}), "two")
	r.want(0x2e, cmdGetAssertion, assertion(guarded.id))
	for _, c := range []struct {
		id     []byte
		secret string
	}{{wrapped.id, want.Wrapped.HMACSecret}, {one.id, want.One.HMACSecret}} {
		if got := r.secrets(2, assertion(c.id), unhex(t, want.Salt)); !bytes.Equal(got, unhex(t, c.secret)) {
			t.Errorf("hmac-secret of %x is %x", c.id, got)
		}
	}
	r.assert(r.token().ga(assertion(guarded.id)), guarded)
	r.wantRetries(8, false)
	r.leaf(r.make(r.token().mc(discoverable("three"))))
	r.load()
	expect(t, "remaining", r.ok(cmdGetInfo, nil)[uint64(0x14)], any(uint64(97)))
}
