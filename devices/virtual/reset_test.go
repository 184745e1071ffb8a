package virtual_test

import (
	"maps"
	"reflect"
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
		touches := r.touches
		r.want(0x30, cmdReset, nil)
		expect(t, "touches when late", r.touches, touches)
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
