package virtual_test

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

func TestMembersOfGetAssertion(t *testing.T) {
	r := newRig(t)
	known := r.make(creation())
	tests := []struct {
		name    string
		changes m
		want    byte
	}{
		{"valid", m{}, 0},
		{"no rpId", m{1: absent{}}, 0x14},
		{"no clientDataHash", m{2: absent{}}, 0x14},
		{"rpId is bytes", m{1: []byte("x")}, 0x11},
		{"clientDataHash is text", m{2: "x"}, 0x11},
		{"allowList is a map", m{3: s{}}, 0x11},
		{"extensions are an array", m{4: []any{}}, 0x11},
		{"options are an array", m{5: []any{}}, 0x11},
		{"pinUvAuthParam is text", m{6: "x", 7: 1}, 0x11},
		{"pinUvAuthProtocol is text", m{6: []byte{1}, 7: "x"}, 0x11},
		{"rpId is empty", m{1: ""}, 0x02},
		{"clientDataHash of 31 bytes", m{2: hash[:31]}, 0x03},
		{"clientDataHash of 33 bytes", m{2: append(hash[:32:32], 0)}, 0x03},
		{"unknown rpId", m{1: "other.example"}, 0x2e},
		{"descriptor is text", m{3: []any{"x"}}, 0x11},
		{"descriptor without id", m{3: []any{s{"type": "public-key"}}}, 0x12},
		{"descriptor without type", m{3: []any{s{"id": known.id}}}, 0x12},
		{"descriptor.id is text", m{3: []any{s{"id": "x", "type": "public-key"}}}, 0x11},
		{"malformed after the right one", m{3: append(descriptors(known.id), s{})}, 0x12},
		{"unknown type", m{3: []any{s{"id": known.id, "type": "x"}}}, 0x2e},
		{"unknown type first", m{3: append([]any{s{"id": known.id, "type": "x"}}, descriptors(known.id)...)}, 0},
		{"transports and unknown members", m{3: []any{s{"id": known.id, "type": "public-key", "transports": []any{"nfc"}, "x": 1}}}, 0},
		{"right one last of 8", m{3: descriptors(append(ids(7), known.id)...)}, 0},
		{"9 descriptors", m{3: descriptors(append(ids(8), known.id)...)}, 0x15},
		{"ids of odd sizes", m{3: descriptors([]byte{}, []byte{1}, make([]byte, 300))}, 0x2e},
		{"empty allowList is none", m{3: []any{}}, 0x2e},
		{"no allowList", m{3: absent{}}, 0x2e},
		{"unknown extension", m{4: s{"x": 1}}, 0},
		{"credProtect means nothing here", m{4: s{"credProtect": "x"}}, 0},
		{"hmac-secret is true", m{4: s{"hmac-secret": true}}, 0x11},
		{"unknown member", m{99: s{}}, 0},
		{"up is a number", m{5: s{"up": 1}}, 0x11},
		{"unknown option", m{5: s{"x": 1}}, 0},
		{"uv", m{5: s{"uv": true}}, 0x2c},
		{"no uv", m{5: s{"uv": false}}, 0},
		{"rk", m{5: s{"rk": true}}, 0x2b},
		{"no rk", m{5: s{"rk": false}}, 0x2b},
		{"uv and rk", m{5: s{"rk": false, "uv": true}}, 0x2c},
		{"no up", m{5: s{"up": false}}, 0},
		{"param without protocol", m{6: []byte{1}}, 0x14},
		{"protocol 0", m{6: []byte{1}, 7: 0}, 0x02},
		{"protocol 3", m{6: []byte{1}, 7: 3}, 0x02},
		{"junk param on a key without PIN", m{6: []byte{1}, 7: 1}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := r.records()
			r.want(test.want, cmdGetAssertion, assertion(known.id).with(test.changes))
			if changed := !maps.Equal(before, r.records()); changed != (test.want == 0) {
				t.Fatalf("state changed: %v", changed)
			}
		})
	}
}

func TestAssertionOfAWrappedCredential(t *testing.T) {
	r := newRig(t)
	c := r.make(creation())
	a := r.assert(assertion(c.id), c)
	want := map[any]any{
		uint64(1): map[any]any{"id": c.id, "type": "public-key"},
		uint64(2): a.raw,
		uint64(3): a.body[uint64(3)],
	}
	if !reflect.DeepEqual(a.body, want) {
		t.Fatalf("answer is %v", a.body)
	}
	expect(t, "size of authData", len(a.raw), 37)
	expect(t, "flags", a.flags, byte(flagUP))
	for i := range c.id {
		tampered := bytes.Clone(c.id)
		tampered[i] ^= 1
		r.want(0x2e, cmdGetAssertion, assertion(tampered))
	}
	r.want(0x2e, cmdGetAssertion, assertion(c.id).with(m{1: "other.example"}))
	other := newRig(t, func(c *virtual.Config) { c.Rand = seeded(9) })
	other.want(0x2e, cmdGetAssertion, assertion(c.id))
}

func TestAssertionWithoutUserPresence(t *testing.T) {
	r := newRig(t)
	c := r.make(creation())
	touches := r.touches()
	a := r.assert(assertion(c.id).with(m{5: s{"up": false}}), c)
	expect(t, "flags", a.flags, byte(0))
	expect(t, "touches", r.touches(), touches)
	r.want(0x2e, cmdGetAssertion, assertion(make([]byte, 64)).with(m{5: s{"up": false}}))
	r.want(0x2e, cmdGetAssertion, assertion(make([]byte, 64)))
	expect(t, "touches for what is not there", r.touches(), touches)
}

func TestOneOfSeveralAllowedAnswers(t *testing.T) {
	r := newRig(t)
	first, second := r.make(discoverable("one")), r.make(discoverable("two"))
	third := r.make(creation())
	a := r.assert(assertion(make([]byte, 64), third.id, second.id, first.id), third)
	if !bytes.Equal(a.id, third.id) || a.user != nil || a.body[uint64(5)] != nil {
		t.Fatalf("answer %v", a.body)
	}
	r.want(0x30, cmdGetNextAssertion, nil)
	a = r.assert(assertion(second.id, first.id), second)
	if want := (map[any]any{"id": []byte("two")}); !reflect.DeepEqual(a.user, want) {
		t.Fatalf("user %v", a.user)
	}
}

// accounts makes one discoverable credential for each name.
func (r *rig) accounts(names ...string) []made {
	var list []made
	for _, name := range names {
		list = append(list, r.make(discoverable(name)))
	}
	return list
}

// users is who answers a getAssertion and the getNextAssertions after it.
func (r *rig) users(request m, credentials []made) string {
	r.t.Helper()
	a := r.assert(request, credentials...)
	names := string(a.user["id"].([]byte))
	n, several := a.body[uint64(5)].(uint64)
	for range n - 1 {
		if !several {
			break
		}
		next := r.next(credentials...)
		names += " " + string(next.user["id"].([]byte))
		if next.body[uint64(5)] != nil || next.flags != a.flags {
			r.t.Fatalf("next answer %v", next.body)
		}
	}
	return names
}

func TestNewestAccountFirst(t *testing.T) {
	r := newRig(t)
	credentials := r.accounts("one", "two", "three")
	touches := r.touches()
	expect(t, "order", r.users(assertion(), credentials), "three two one")
	expect(t, "touches", r.touches()-touches, 1)
	r.want(0x30, cmdGetNextAssertion, nil) // one too many
	credentials = append(credentials, r.make(discoverable("one")))
	expect(t, "order after an overwrite", r.users(assertion(), credentials), "one three two")
	r.key.PowerCycle()
	expect(t, "order after a power cycle", r.users(assertion(), credentials), "one three two")
	r.load()
	expect(t, "order after loading", r.users(assertion(), credentials), "one three two")
}

func TestNamesNeedUserVerificationAndSeveralAccounts(t *testing.T) {
	r := newRig(t)
	r.accounts("one")
	full := map[any]any{"id": []byte("two"), "name": "two@example.com", "displayName": "The two"}
	r.setPIN()
	a := r.assert(r.token().ga(assertion()))
	if want := (map[any]any{"id": []byte("one")}); !reflect.DeepEqual(a.user, want) {
		t.Errorf("only account, verified: %v", a.user)
	}
	r.make(r.token().mc(discoverable("two")))
	if a = r.assert(r.token().ga(assertion())); !reflect.DeepEqual(a.user, full) {
		t.Errorf("one of two, verified: %v", a.user)
	}
	expect(t, "next name", r.next().user["name"], any("one@example.com"))
	if a = r.assert(assertion()); len(a.user) != 1 {
		t.Errorf("one of two, not verified: %v", a.user)
	}
	expect(t, "members of the next user", len(r.next().user), 1)
}

func TestWhatEndsGetNextAssertion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.accounts("one", "two", "three")
		r.want(0x30, cmdGetNextAssertion, nil)
		tests := []struct {
			name string
			do   func()
			ends bool
		}{
			{"nothing", func() {}, false},
			{"30 seconds", func() { time.Sleep(30 * time.Second) }, false},
			{"30 seconds twice", func() {
				time.Sleep(30 * time.Second)
				r.next()
				time.Sleep(30 * time.Second)
			}, false},
			{"31 seconds", func() { time.Sleep(31 * time.Second) }, true},
			{"getInfo", func() { r.ok(cmdGetInfo, nil) }, true},
			{"another getAssertion that fails", func() { r.want(0x14, cmdGetAssertion, nil) }, true},
			{"an unknown command", func() { r.want(0x01, 0x77, nil) }, true},
			{"a power cycle", func() { r.key.PowerCycle() }, true},
			{"loading", func() { r.load() }, true},
		}
		for _, test := range tests {
			r.assert(assertion())
			test.do()
			want := byte(0)
			if test.ends {
				want = 0x30
			}
			if got, _ := r.raw([]byte{cmdGetNextAssertion}); got != want {
				t.Errorf("after %s: status %02x, want %02x", test.name, got, want)
			}
		}
		r.want(0x30, cmdGetInfo+4, nil)
	})
}

func TestTokenExpiryEndsGetNextAssertion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var names []string
		for i := range 40 {
			names = append(names, fmt.Sprint("user", i))
		}
		r.accounts(names...)
		r.setPIN()
		r.assert(r.token().ga(assertion()))
		for range 20 { // ten minutes
			time.Sleep(30 * time.Second)
			r.next()
		}
		time.Sleep(time.Second)
		r.want(0x30, cmdGetNextAssertion, nil)

		r.assert(assertion()) // no token, no end
		for range 21 {
			time.Sleep(30 * time.Second)
			r.next()
		}
	})
}

func TestCounter(t *testing.T) {
	r := newRig(t)
	c := r.make(creation())
	expect(t, "first", c.count, 1)
	expect(t, "second", r.assert(assertion(c.id)).count, 2)
	r.want(0x2e, cmdGetAssertion, assertion(make([]byte, 64)))
	r.want(0x2c, cmdMakeCredential, creation().with(m{7: s{"up": false}}))
	expect(t, "after failures", r.make(discoverable("one")).count, 3)
	r.key.PowerCycle()
	expect(t, "after a power cycle", r.assert(assertion()).count, 4)
	r.load()
	expect(t, "after loading", r.assert(assertion()).count, 5)
	r.become(func(p *virtual.Profile) { p.Counter = virtual.CounterNone })
	expect(t, "switched off", r.assert(assertion()).count, 0)
	expect(t, "switched off", r.make(creation()).count, 0)
	r.become(func(p *virtual.Profile) { p.Counter = virtual.CounterGlobal })
	expect(t, "switched on again", r.assert(assertion()).count, 6)
}
