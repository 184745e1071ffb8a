package virtual_test

import (
	"maps"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

func TestResetForgetsEverything(t *testing.T) {
	r := newRig(t)
	baseline := r.info()
	before := r.records()
	wrapped := r.make(creation())
	stored := r.accounts("one", "two")[0]
	r.setPIN()
	r.wrong(0x31)
	r.ok(cmdReset, nil)
	if got := r.info(); !reflect.DeepEqual(got, baseline) {
		t.Fatalf("getInfo is %v", got)
	}
	for range 2 {
		r.want(0x2e, cmdGetAssertion, assertion(wrapped.id, stored.id))
		r.want(0x2e, cmdGetAssertion, assertion())
		r.wantRetries(8, false)
		r.load()
	}
	after := r.records()
	expect(t, "identity", after["identity"], before["identity"])
	expect(t, "pin", after["pin"], before["pin"])
	expect(t, "counter", after["counter"], before["counter"])
	expect(t, "number of records", len(after), len(before))
	expect(t, "same secrets", after["secrets"] == before["secrets"], false)
	expect(t, "first count", r.make(creation()).count, 1)
}

func TestResetLiftsTheBlock(t *testing.T) {
	r := newRig(t)
	r.setPIN()
	r.wrong(0x31)
	r.wrong(0x31)
	r.wrong(0x34)
	r.ok(cmdReset, nil)
	r.wantRetries(8, false)
	r.setPIN()
	r.token()
}

func TestResetWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		time.Sleep(10 * time.Second)
		r.ok(cmdReset, nil)
		time.Sleep(time.Nanosecond)
		touches := r.touches()
		r.want(0x30, cmdReset, nil)
		expect(t, "touches when late", r.touches(), touches)
		r.key.PowerCycle()
		r.ok(cmdReset, nil)
		time.Sleep(11 * time.Second)
		r.want(0x30, cmdReset, nil)
		r.load()
		r.ok(cmdReset, nil)
	})
}

// A touch that comes after the window is good enough: the request was in time.
func TestResetTouchedLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *virtual.Config) { c.Presence = virtual.Delayed(20 * time.Second) })
		r.ok(cmdReset, nil)
		r.want(0x30, cmdReset, nil)
	})
}

func TestResetIsAllOrNothing(t *testing.T) {
	r := newRig(t)
	c := r.make(discoverable("one"))
	memory := r.cfg.Store
	r.cfg.Store = &pulledPlug{Store: memory}
	r.load()
	before := r.records()
	r.want(0x7f, cmdReset, nil)
	if !maps.Equal(before, r.records()) {
		t.Fatal("state changed")
	}
	r.want(0x7f, cmdGetAssertion, assertion(c.id)) // found, but the counter cannot be kept
	r.cfg.Store = memory
	r.load()
	r.assert(assertion(c.id), c)
}

// TestResetOfAKeyWithEverything compares a key that everything was done to with
// one of its model that was never used.
func TestResetOfAKeyWithEverything(t *testing.T) {
	names := func(r *rig) []string { return slices.Sorted(maps.Keys(r.records())) }
	fresh, r := newRig(t, everything), used(t)
	r.ok(cmdConfig, r.tokenFor(permACFG).acfg(2, nil))
	r.ok(cmdConfig, r.tokenFor(permACFG).acfg(4, nil))
	before := r.records()
	r.key.PowerCycle()
	r.ok(cmdReset, nil)
	for range 2 {
		if got, want := names(r), names(fresh); !slices.Equal(got, want) {
			t.Fatalf("records %v, want %v", got, want)
		}
		if got, want := r.info(), fresh.info(); !reflect.DeepEqual(got, want) {
			t.Fatalf("getInfo is %v, want %v", got, want)
		}
		expect(t, "large blobs", len(r.blobs()), 17)
		expect(t, "uv retries", r.uvRetries(), 5)
		r.load()
	}
	after := r.records()
	for _, kept := range []string{"identity", "attestation/u2f", "attestation/enterprise"} {
		expect(t, "the "+kept+" is kept", before[kept] == after[kept], true)
	}
	for _, changed := range []string{"secrets", "persistent"} {
		expect(t, "the "+changed+" record is kept", before[changed] == after[changed], false)
	}
}
