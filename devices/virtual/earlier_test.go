package virtual_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/largeblob"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
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

// loadEarlier makes a key of a copy of a file, and reads what it is to hold.
func loadEarlier(t *testing.T, file string, want any, changes ...func(*virtual.Config)) *rig {
	t.Helper()
	b, err := os.ReadFile(file + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, want); err != nil {
		t.Fatal(err)
	}
	if b, err = os.ReadFile(file); err != nil {
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
	return newRig(t, append(changes, func(c *virtual.Config) { c.Store = store })...)
}

// TestEarlierStateFile loads a file that the first version wrote.
func TestEarlierStateFile(t *testing.T) {
	var want earlier
	r := loadEarlier(t, "testdata/state-1.key", &want)
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

// writeState writes testdata/state-2.key anew. That is for the day on which a key
// can hold something more: files of released versions are kept as they are.
var writeState = flag.Bool("state", false, "write testdata/state-2.key anew")

// later is what testdata/state-2.key holds, as the version that wrote it told: a
// key with a PIN and a finger, a large-blob array, relying parties for minPinLength
// and credentials one and two, of which one has a large blob and a signature
// counter of its own. Bytes are in hexadecimal.
type later struct {
	PIN, Root, Blob, Array, Finger string
	Count                          uint32
	One, Two                       earlierCredential
}

func writeLater(t *testing.T) {
	const file = "testdata/state-2.key"
	if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	store, err := statefile.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var want later
	r := newRig(t, everything, func(c *virtual.Config) { c.Store = store })
	credentials := r.accounts("one", "two")
	r.writeBlob(credentials[0].id, []byte("blob"), 4)
	r.setPIN()
	want.Finger = hex.EncodeToString(r.enrol("thumb"))
	r.setBlobs(r.tokenFor(permLBW), largeblob.Serialize([]wire.Raw{{0xa0}}))
	r.ok(cmdConfig, r.tokenFor(permACFG).acfg(3, m{1: 4, 2: []any{rpID}}))
	want.Count = r.assert(assertion(credentials[0].id), credentials[0]).count
	for i, into := range []*earlierCredential{&want.One, &want.Two} {
		into.ID, into.PublicKey = hex.EncodeToString(credentials[i].id), hex.EncodeToString(encode(t, credentials[i].key))
	}
	want.PIN, want.Root = pin, hex.EncodeToString(r.key.AttestationRoot().Raw)
	want.Blob, want.Array = hex.EncodeToString([]byte("blob")), hex.EncodeToString(r.blobs())
	text, err := json.MarshalIndent(want, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".json", append(text, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestPresentStateFile loads a file with all that this version keeps, so that the
// next ones go on reading it.
func TestPresentStateFile(t *testing.T) {
	if *writeState {
		writeLater(t)
	}
	var want later
	r := loadEarlier(t, "testdata/state-2.key", &want, everything)
	one, two := want.One.made(t), want.Two.made(t)
	if !bytes.Equal(r.key.AttestationRoot().Raw, unhex(t, want.Root)) {
		t.Error("another root")
	}
	expect(t, "count", r.assert(assertion(one.id), one).count, want.Count+1)
	expect(t, "who is found", r.users(assertion(), []made{one, two}), "two one")
	expect(t, "large-blob array", hex.EncodeToString(r.blobs()), want.Array)
	body := r.ok(cmdGetAssertion, assertion(one.id).with(m{4: s{"largeBlob": s{"read": true}}}))
	r.wantUnsigned(body, 8, map[any]any{"blob": unhex(t, want.Blob), "originalSize": uint64(4)})
	fingers := r.ok(cmdBio, r.tokenFor(permBE).be(4, nil))[uint64(7)].([]any)
	expect(t, "finger", hex.EncodeToString(fingers[0].(map[any]any)[uint64(1)].([]byte)), want.Finger)
	r.want(0x00, cmdGetAssertion, assertion(one.id).with(m{5: s{"uv": true}}))
	r.wantRetries(8, false)
}
