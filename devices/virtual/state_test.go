package virtual_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/largeblob"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// used is a key with everything a store can hold.
func used(t testing.TB, changes ...func(*virtual.Config)) *rig {
	r := newRig(t, append([]func(*virtual.Config){everything}, changes...)...)
	credentials := r.accounts("one", "two")
	r.assert(assertion(credentials[0].id)) // which has a counter of its own
	r.writeBlob(credentials[0].id, []byte("blob"), 4)
	r.setPIN()
	r.enrol("thumb")
	r.uvToken(permBE, absent{})
	r.setBlobs(r.tokenFor(permLBW), largeblob.Serialize([]wire.Raw{{0xa0}}))
	r.ok(cmdConfig, r.tokenFor(permACFG).acfg(3, m{1: 4, 2: []any{rpID}}))
	return r
}

// everything is a key with all that keys can have.
func everything(c *virtual.Config) {
	c.Profile = virtual.FingerprintProfile()
	c.Profile.Counter = virtual.CounterPerCredential
	c.Profile.Attestation.Intermediate = true
	c.Profile.Extensions = append(c.Profile.Extensions, "largeBlob")
	c.Finger = virtual.Touching("thumb")
}

func TestStateSurvivesLoading(t *testing.T) {
	r := newRig(t)
	wrapped := r.make(creation())
	credentials := append(r.accounts("one", "two"), r.make(discoverable("ed").with(m{4: []any{eddsa}})), wrapped)
	r.setPIN()
	root := r.key.AttestationRoot().Raw
	if err := r.key.Close(); err != nil {
		t.Fatal(err)
	}
	r.load()
	expect(t, "accounts", r.users(assertion(), credentials), "ed two one")
	r.assert(r.token().ga(assertion(wrapped.id)), wrapped)
	if !bytes.Equal(root, r.key.AttestationRoot().Raw) {
		t.Fatal("another root")
	}
	info := r.ok(cmdGetInfo, nil)
	expect(t, "clientPin", info[uint64(4)].(map[any]any)["clientPin"], any(true))
	expect(t, "remaining", info[uint64(0x14)], any(uint64(97)))
}

func TestNothingIsStoredForWrappedCredentials(t *testing.T) {
	r := newRig(t, model(func(p *virtual.Profile) { p.Counter = virtual.CounterNone }))
	before := r.records()
	c := r.make(creation())
	r.assert(assertion(c.id), c)
	if !maps.Equal(before, r.records()) {
		t.Fatal("the store changed")
	}
}

func TestTheModelOfAStoredKeyIsKept(t *testing.T) {
	r := newRig(t, model(func(p *virtual.Profile) { p.AAGUID = [16]byte{7} }))
	r.become(func(p *virtual.Profile) { p.AAGUID = [16]byte{} })
	expect(t, "AAGUID", r.make(creation()).aaguid[0], 7)
	r.cfg.Profile.AAGUID = [16]byte{8}
	if _, err := virtual.New(r.cfg); err == nil {
		t.Fatal("a key became one of another model")
	}
}

// Every record that is missing, damaged or from a later version is named, and
// the store is left as it was.
func TestBadRecordsAreNamed(t *testing.T) {
	damages := []struct {
		name string
		do   func(b []byte) []byte // nil removes the record
		want error
	}{
		{"missing", func([]byte) []byte { return nil }, virtual.ErrMissing},
		{"empty", func([]byte) []byte { return []byte{} }, virtual.ErrCorrupt},
		{"cut", func(b []byte) []byte { return b[:len(b)-1] }, virtual.ErrCorrupt},
		{"longer", func(b []byte) []byte { return append(b, 0) }, virtual.ErrCorrupt},
		{"not a map", func([]byte) []byte { return []byte{0x80} }, virtual.ErrCorrupt},
		{"an empty map", func([]byte) []byte { return []byte{0xa0} }, virtual.ErrCorrupt},
		{"of version 0", version(0), virtual.ErrCorrupt},
		{"of version 3", version(3), virtual.ErrNewer},
		{"long-winded", func(b []byte) []byte { return bytes.Replace(b, []byte{0, 2}, []byte{0, 0x18, 2}, 1) }, virtual.ErrCorrupt},
	}
	needed := map[string]bool{"identity": true, "secrets": true, "pin": true, "counter": true}
	good := used(t).records()
	for name := range good {
		for _, damage := range damages {
			if damage.want == virtual.ErrMissing && !needed[name] {
				continue
			}
			t.Run(name[:min(len(name), 12)]+" is "+damage.name, func(t *testing.T) {
				store := storeOf(t, good)
				if b := damage.do([]byte(good[name])); b == nil {
					apply(t, store, nil, name)
				} else {
					apply(t, store, map[string][]byte{name: b})
				}
				wantBadRecord(t, store, name, damage.want)
			})
		}
	}
}

// version changes the version of a record, which is its first member.
func version(n byte) func([]byte) []byte {
	return func(b []byte) []byte {
		b[2] = n
		return b
	}
}

func storeOf(t testing.TB, records map[string]string) virtual.Store {
	store := virtual.NewMemory()
	for name, b := range records {
		apply(t, store, map[string][]byte{name: []byte(b)})
	}
	return store
}

func apply(t testing.TB, store virtual.Store, puts map[string][]byte, deletes ...string) {
	t.Helper()
	if err := store.Apply(puts, deletes); err != nil {
		t.Fatal(err)
	}
}

func wantBadRecord(t *testing.T, store virtual.Store, name string, want error) {
	t.Helper()
	before, err := store.Load()
	if err != nil {
		t.Fatal(err)
	}
	_, err = virtual.New(virtual.Config{Store: store})
	var bad *virtual.RecordError
	if !errors.As(err, &bad) || bad.Name != name || !errors.Is(err, want) {
		t.Fatalf("New: %v, want record %q and %v", err, name, want)
	}
	after, _ := store.Load()
	if !maps.EqualFunc(before, after, bytes.Equal) {
		t.Fatal("New changed the store")
	}
}

// Records that are well formed and make no sense.
func TestRecordsThatMakeNoSense(t *testing.T) {
	good := used(t).records()
	var names []string
	for name := range good {
		if strings.HasPrefix(name, "credential/") {
			names = append(names, name)
		}
	}
	tests := []struct {
		record  string
		changes map[any]any
	}{
		{"pin", map[any]any{uint64(3): 9}},
		{"pin", map[any]any{uint64(1): make([]byte, 15)}},
		{"secrets", map[any]any{uint64(1): make([]byte, 31)}},
		{"secrets", map[any]any{uint64(2): make([]byte, 33)}},
		{"counter", map[any]any{uint64(1): uint64(1) << 32}},
		{"counter", map[any]any{uint64(9): 1}},
		{"identity", map[any]any{uint64(1): make([]byte, 15)}},
		{"identity", map[any]any{uint64(3): []byte{1}}},
		{"identity", map[any]any{uint64(4): bytes.Repeat([]byte{1}, 32)}},
		{"identity", map[any]any{uint64(4): make([]byte, 32)}},
		{"identity", map[any]any{uint64(5): []byte{}}},
		{names[0], map[any]any{uint64(1): -65535}},
		{names[0], map[any]any{uint64(2): make([]byte, 32)}},
		{names[0], map[any]any{uint64(2): make([]byte, 31)}},
		{names[0], map[any]any{uint64(3): 0}},
		{names[0], map[any]any{uint64(3): 4}},
		{names[0], map[any]any{uint64(5): ""}},
		{names[0], map[any]any{uint64(7): []byte{}}},
		{names[0], map[any]any{uint64(7): make([]byte, 65)}},
		{"persistent", map[any]any{uint64(1): make([]byte, 31)}},
		{"persistent", map[any]any{uint64(2): make([]byte, 15)}},
		{"persistent", map[any]any{uint64(3): make([]byte, 17)}},
		{"attestation/u2f", map[any]any{uint64(1): bytes.Repeat([]byte{1}, 32)}},
		{"attestation/u2f", map[any]any{uint64(2): []byte{1}}},
		{"attestation/enterprise", map[any]any{uint64(1): make([]byte, 31)}},
		{"blobs", map[any]any{uint64(1): make([]byte, 17)}},
		{"blobs", map[any]any{uint64(1): []byte{}}},
		{"settings", map[any]any{uint64(1): 1}},
		{"uv", map[any]any{uint64(1): 26}},
		{withPrefix(good, "finger/"), map[any]any{uint64(1): ""}},
		{withPrefix(good, "count/"), map[any]any{uint64(9): 1}},
		{withPrefix(good, "blob/"), map[any]any{uint64(1): "x"}},
		{names[0], map[any]any{uint64(7): []byte("two"), uint64(4): 0}}, // older than the other account
	}
	for i, test := range tests {
		t.Run(fmt.Sprint(i, " ", test.record[:min(12, len(test.record))]), func(t *testing.T) {
			record := decode(t, []byte(good[test.record]))
			if name, ok := test.changes[uint64(7)].([]byte); ok && string(name) == string(record[uint64(7)].([]byte)) {
				test.changes[uint64(7)] = []byte("one") // whoever the other account is
			}
			maps.Copy(record, test.changes)
			store := storeOf(t, good)
			apply(t, store, map[string][]byte{test.record: encode(t, record)})
			wantBadRecord(t, store, test.record, virtual.ErrCorrupt)
		})
	}
}

// withPrefix is the name of a record that begins like this.
func withPrefix(records map[string]string, prefix string) string {
	for name := range records {
		if strings.HasPrefix(name, prefix) {
			return name
		}
	}
	return prefix
}

// What belongs to a credential that is not there is named, too.
func TestOrphans(t *testing.T) {
	good := used(t).records()
	for _, prefix := range []string{"count/", "blob/"} {
		store := storeOf(t, good)
		name := prefix + strings.Repeat("ab", 32)
		apply(t, store, map[string][]byte{name: []byte(good[withPrefix(good, prefix)])})
		wantBadRecord(t, store, name, virtual.ErrCorrupt)
	}
}

func TestUnknownRecords(t *testing.T) {
	good := used(t).records()
	for _, name := range []string{"blob", "blob/", "count/0", "finger", "credential/", "credential/00", "credential/zz", "", "PIN"} {
		store := storeOf(t, good)
		apply(t, store, map[string][]byte{name: {0xa1, 0, 1}})
		wantBadRecord(t, store, name, virtual.ErrUnknown)
	}
}

// brokenStore fails to load.
type brokenStore struct{ virtual.Store }

func (brokenStore) Load() (map[string][]byte, error) { return nil, errPlug }

func TestStoreFails(t *testing.T) {
	if _, err := virtual.New(virtual.Config{Store: brokenStore{virtual.NewMemory()}}); !errors.Is(err, errPlug) {
		t.Fatalf("New on a store that cannot be read: %v", err)
	}
	if _, err := virtual.New(virtual.Config{Store: &pulledPlug{Store: virtual.NewMemory()}}); !errors.Is(err, errPlug) {
		t.Fatalf("New on a store that cannot be written: %v", err)
	}
}

// When the store fails in the middle of a command, the key is what it was: in
// memory and in the store.
func TestStoreFailsInACommand(t *testing.T) {
	r := newRig(t)
	wrapped := r.make(creation())
	credentials := r.accounts("one", "two", "three")
	memory := r.cfg.Store
	plug := &pulledPlug{Store: memory, changes: 1}
	r.cfg.Store = plug
	var reported error
	r.cfg.OnError = func(err error) { reported = err }
	r.load()
	first := r.assert(assertion(), credentials...)
	before := r.records()
	for name, msg := range map[string][]byte{
		"makeCredential":               message(t, cmdMakeCredential, creation()),
		"makeCredential, new":          message(t, cmdMakeCredential, discoverable("four")),
		"makeCredential, an overwrite": message(t, cmdMakeCredential, discoverable("one")),
		"getAssertion":                 message(t, cmdGetAssertion, assertion(wrapped.id)),
		"setPIN":                       message(t, cmdClientPIN, r.agree(1).setPIN(pin)),
		"reset":                        message(t, cmdReset, nil),
	} {
		reported = nil
		if got, _ := r.raw(msg); got != 0x7f || !errors.Is(reported, errPlug) {
			t.Errorf("%s: status %02x, reported %v", name, got, reported)
		}
		if !maps.Equal(before, r.records()) {
			t.Errorf("%s changed the store", name)
		}
	}
	plug.changes = 1e6
	expect(t, "accounts", r.users(assertion(), credentials), "three two one")
	expect(t, "count", r.assert(assertion(wrapped.id), wrapped).count, first.count+4)
	expect(t, "clientPin", r.ok(cmdGetInfo, nil)[uint64(4)].(map[any]any)["clientPin"], any(false))
}

// A step of getNextAssertion that fails can be taken again.
func TestStoreFailsInGetNextAssertion(t *testing.T) {
	r := newRig(t)
	credentials := r.accounts("one", "two")
	plug := &pulledPlug{Store: r.cfg.Store, changes: 1}
	r.cfg.Store = plug
	r.load()
	r.assert(assertion(), credentials...)
	r.want(0x7f, cmdGetNextAssertion, nil)
	plug.changes = 1
	expect(t, "next", string(r.next(credentials...).user["id"].([]byte)), "one")
	r.want(0x30, cmdGetNextAssertion, nil)
}

func TestMemoryKeepsItsRecordsToItself(t *testing.T) {
	store := virtual.NewMemory()
	value := []byte{1}
	apply(t, store, map[string][]byte{"a": value})
	value[0] = 2
	records, _ := store.Load()
	records["a"][0] = 3
	records["b"] = nil
	records, _ = store.Load()
	if len(records) != 1 || records["a"][0] != 1 {
		t.Fatalf("records %v", records)
	}
	if err := store.Apply(map[string][]byte{"a": {9}}, []string{"a"}); err == nil {
		t.Fatal("a record was both put and deleted")
	}
}

// A random source that repeats itself on a loaded key must not make a new
// credential take the place of an old one.
func TestRepeatedRandomnessKeepsCredentialsApart(t *testing.T) {
	r := newRig(t)
	for i, name := range []string{"one", "two", "three"} {
		r.cfg.Rand = seeded(5)
		r.load()
		r.make(discoverable(name))
		expect(t, "remaining", r.ok(cmdGetInfo, nil)[uint64(0x14)], any(uint64(99-i)))
	}
}
