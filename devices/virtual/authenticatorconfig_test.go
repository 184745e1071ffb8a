package virtual_test

import (
	"context"
	"maps"
	"reflect"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

func (r *rig) acfgToken() tok { r.t.Helper(); return r.tokenFor(permACFG) }

func TestGateOfConfig(t *testing.T) {
	r := newRig(t)
	r.ok(cmdConfig, m{1: 1}) // nothing protects the key, so nothing is asked for
	r.setPIN()
	token := r.acfgToken()
	good := token.acfg(1, nil)
	for _, test := range []struct {
		name    string
		request m
		want    byte
	}{
		{"good", good, 0},
		{"good again", good, 0},
		{"nothing", m{}, 0x14},
		{"subCommand is text", m{1: "x"}, 0x11},
		{"params are an array", good.with(m{2: []any{}}), 0x11},
		{"protocol is text", good.with(m{3: "x"}), 0x11},
		{"param is text", good.with(m{4: "x"}), 0x11},
		{"unknown subcommand", token.acfg(5, nil), 0x3e},
		{"subcommand 0", token.acfg(0, nil), 0x3e},
		{"vendor prototype that the model has not", token.acfg(0xff, m{1: 1}), 0x3e},
		{"no param", m{1: 1}, 0x36},
		{"no protocol", good.with(m{3: absent{}}), 0x14},
		{"protocol 3", good.with(m{3: 3}), 0x02},
		{"protocol 1", good.with(m{3: 1}), 0x33},
		{"cut param", good.with(m{4: good[4].([]byte)[:16]}), 0x33},
		{"wrong param", good.with(m{4: flip(good[4].([]byte))}), 0x33},
		{"param of another subcommand", good.with(m{1: 4}), 0x33},
		{"ignored params, authorised", token.acfg(1, m{1: 1}), 0},
		{"params that were not authorised", good.with(m{2: m{1: 1}}), 0x33},
	} {
		if got, _ := r.raw(message(t, cmdConfig, test.request)); got != test.want {
			t.Errorf("%s: status %02x, want %02x", test.name, got, test.want)
		}
	}
	r.want(0x33, cmdConfig, r.cmToken().acfg(1, nil))
	r.become(func(p *virtual.Profile) { p.Choices.ConfigSubcommand = 0x02 })
	r.want(0x02, cmdConfig, m{1: 5})
	r.become(func(p *virtual.Profile) { p.Options["authnrCfg"] = false })
	r.want(0x01, cmdConfig, m{1: 1})
}

func TestEnableEnterpriseAttestation(t *testing.T) {
	r := newRig(t)
	expect(t, "ep", r.option("ep"), any(false))
	r.want(0x02, cmdMakeCredential, creation().with(m{10: 2}))
	r.ok(cmdConfig, m{1: 1})
	r.ok(cmdConfig, m{1: 1})
	expect(t, "ep", r.option("ep"), any(true))
	r.load()
	expect(t, "ep after loading", r.option("ep"), any(true))
	r.ok(cmdReset, nil)
	expect(t, "ep after a reset", r.option("ep"), any(false))
	// A model that comes with it on loses it to a reset for good.
	r = newRig(t, model(func(p *virtual.Profile) { p.Options["ep"] = true }))
	expect(t, "ep", r.option("ep"), any(true))
	r.ok(cmdReset, nil)
	r.load()
	expect(t, "ep after a reset", r.option("ep"), any(false))
	r.ok(cmdConfig, m{1: 1})
	expect(t, "ep", r.option("ep"), any(true))
}

func TestToggleAlwaysUV(t *testing.T) {
	r := newRig(t)
	is := func(always, notRequired bool) {
		t.Helper()
		expect(t, "alwaysUv", r.option("alwaysUv"), any(always))
		expect(t, "makeCredUvNotRqd", r.option("makeCredUvNotRqd"), any(notRequired))
	}
	is(false, true)
	r.ok(cmdConfig, m{1: 2})
	is(true, false)
	r.load()
	is(true, false)
	r.want(0x36, cmdConfig, m{1: 1}) // wants a token, and there is nothing to get one with
	r.want(0x36, cmdMakeCredential, creation())
	r.ok(cmdConfig, m{1: 2}) // but this it can do
	is(false, true)
	r.setPIN()
	r.ok(cmdConfig, r.acfgToken().acfg(2, nil))
	r.want(0x36, cmdConfig, m{1: 2})
	is(true, false)
	r.key.PowerCycle()
	r.ok(cmdReset, nil)
	is(false, true)

	r = newRig(t, model(func(p *virtual.Profile) { p.Options["alwaysUv"], p.AlwaysUVStays = true, true }))
	is(true, false)
	r.want(0x27, cmdConfig, m{1: 2})
	r = newRig(t, model(func(p *virtual.Profile) { delete(p.Options, "clientPin"); p.Options["alwaysUv"] = true }))
	r.want(0x27, cmdConfig, m{1: 1})
}

func TestSetMinPINLength(t *testing.T) {
	r := newRig(t)
	r.ok(cmdConfig, m{1: 3, 2: m{1: 4}})
	r.want(0x37, cmdConfig, m{1: 3, 2: m{1: 3}})
	r.want(0x37, cmdConfig, m{1: 3, 2: m{1: 64}})
	r.want(0x37, cmdConfig, m{1: 3, 2: m{1: uint64(1)<<32 + 4}})
	r.want(0x35, cmdConfig, m{1: 3, 2: m{3: true}})
	r.want(0x37, cmdConfig, m{1: 3, 2: m{1: 3, 3: true}}) // the policy is looked at first
	for _, params := range []m{{1: "x"}, {1: -1}, {2: "x"}, {2: []any{1}}, {3: 1}, {4: 1}} {
		r.want(0x11, cmdConfig, m{1: 3, 2: params})
	}
	r.ok(cmdConfig, m{1: 3})
	r.ok(cmdConfig, m{1: 3, 2: m{}})
	r.ok(cmdConfig, m{1: 3, 2: m{3: false, 4: false, 99: 1}})
	r.ok(cmdConfig, m{1: 3, 2: m{1: 5}})
	expect(t, "minPINLength", r.info()[uint64(0x0d)], any(uint64(5)))
	r.want(0x37, cmdConfig, m{1: 3, 2: m{1: 4}})
	r.want(0x37, cmdClientPIN, r.agree(2).setPIN("1234"))
	r.ok(cmdClientPIN, r.agree(2).setPIN("12345"))
	r.load()
	expect(t, "minPINLength after loading", r.info()[uint64(0x0d)], any(uint64(5)))
	expect(t, "forcePINChange", r.info()[uint64(0x0c)], any(false))
	p := r.agree(2)
	k := p.take(p.getTokenWith("12345", permACFG, absent{}))
	r.ok(cmdConfig, k.acfg(3, m{1: 5}))
	expect(t, "forcePINChange for the same length", r.info()[uint64(0x0c)], any(false))
	r.ok(cmdConfig, k.acfg(3, m{1: 6}))
	expect(t, "forcePINChange for a longer one", r.info()[uint64(0x0c)], any(true))
	r.want(0x33, cmdConfig, k.acfg(3, m{1: 6})) // the token has ended
	r.want(0x37, cmdClientPIN, r.agree(2).changePIN("12345", "54321"))
	r.ok(cmdClientPIN, r.agree(2).changePIN("12345", "543210"))
	expect(t, "forcePINChange", r.info()[uint64(0x0c)], any(false))
	r.key.PowerCycle()
	r.ok(cmdReset, nil)
	expect(t, "minPINLength after a reset", r.info()[uint64(0x0d)], any(uint64(4)))
	r.setPIN()
}

func TestForceChangePIN(t *testing.T) {
	r := newRig(t)
	r.setPIN()
	k := r.acfgToken()
	r.ok(cmdConfig, k.acfg(3, m{3: true}))
	expect(t, "forcePINChange", r.info()[uint64(0x0c)], any(true))
	r.want(0x33, cmdConfig, k.acfg(3, nil))
	p := r.agree(2)
	r.want(0x31, cmdClientPIN, p.getToken(pin))
	r.want(0x37, cmdClientPIN, p.getTokenWith(pin, permACFG, absent{}))
	r.want(0x37, cmdClientPIN, p.changePIN(pin, pin))
	r.ok(cmdClientPIN, p.changePIN(pin, "567890"))
	expect(t, "forcePINChange", r.info()[uint64(0x0c)], any(false))
}

// tells makes a credential at the relying party and returns what the key tells
// it about PINs.
func (r *rig) tells(rp string) map[any]any {
	r.t.Helper()
	body := r.ok(cmdMakeCredential, creation().with(m{2: s{"id": rp}, 6: s{"minPinLength": true, "pinComplexityPolicy": true}}))
	raw := body[uint64(2)].([]byte)
	if raw[32]&flagED == 0 {
		return nil
	}
	_, rest := decodeFirst(r.t, raw[37+18+64:])
	extensions, _ := decodeFirst(r.t, rest)
	return extensions
}

func TestRelyingPartiesThatMayLearnAboutPINs(t *testing.T) {
	r := newRig(t, model(func(p *virtual.Profile) { p.PIN.RPIDs = []string{"first.example"}; p.PIN.MaxRPIDs = 3 }))
	told := map[any]any{"minPinLength": uint64(4), "pinComplexityPolicy": false}
	check := func(want ...string) {
		t.Helper()
		for _, rp := range []string{"first.example", "a.example", "b.example", "c.example", "d.example"} {
			got := r.tells(rp)
			for _, w := range want {
				if w == rp {
					expect(t, rp+" is told all", maps.Equal(got, told), true)
					got = nil
				}
			}
			expect(t, rp+" is told", len(got), 0)
		}
	}
	check("first.example")
	r.ok(cmdConfig, m{1: 3, 2: m{2: texts("a.example", "b.example")}})
	check("a.example", "b.example") // they replace the earlier one
	r.ok(cmdConfig, m{1: 3, 2: m{2: texts("b.example", "c.example", "d.example")}})
	r.load()
	check("b.example", "c.example", "d.example")
	r.want(0x28, cmdConfig, m{1: 3, 2: m{1: 6, 2: texts("a", "b", "c", "d")}})
	r.ok(cmdConfig, m{1: 3, 2: m{2: []any{}}}) // an empty list changes nothing
	check("b.example", "c.example", "d.example")
	r.key.PowerCycle()
	r.ok(cmdReset, nil)
	check("first.example")
	r.become(func(p *virtual.Profile) { p.Extensions = []string{"hmac-secret"} })
	r.want(0x02, cmdConfig, m{1: 3, 2: m{2: texts("a.example")}})
}

func TestPINComplexityPolicy(t *testing.T) {
	r := newRig(t)
	r.setPIN()
	expect(t, "policy", r.info()[uint64(0x1b)], any(false))
	r.ok(cmdConfig, r.acfgToken().acfg(3, m{2: texts(rpID), 4: true}))
	expect(t, "policy", r.info()[uint64(0x1b)], any(true))
	expect(t, "forcePINChange of a simple PIN", r.info()[uint64(0x0c)], any(true))
	r.load()
	for pin2, want := range map[string]byte{"1111": 0x37, "4321": 0x37, "2345": 0x37, "1212": 0x37} {
		r.want(want, cmdClientPIN, r.agree(2).changePIN(pin, pin2))
	}
	r.ok(cmdClientPIN, r.agree(2).changePIN(pin, "2580"))
	p := r.agree(2)
	k := p.take(p.getTokenWith("2580", permACFG, absent{}))
	r.ok(cmdConfig, k.acfg(3, m{4: true}))
	r.ok(cmdConfig, k.acfg(3, m{4: false})) // it stays on
	expect(t, "policy", r.info()[uint64(0x1b)], any(true))
	expect(t, "forcePINChange of a complex PIN", r.info()[uint64(0x0c)], any(false))
	r.key.PowerCycle()
	r.ok(cmdReset, nil)
	expect(t, "policy after a reset", r.info()[uint64(0x1b)], any(false))
	on := true
	r = newRig(t, model(func(p *virtual.Profile) { p.PIN.Complexity = &on }))
	r.want(0x37, cmdClientPIN, r.agree(2).setPIN(pin))
	r.ok(cmdConfig, m{1: 3, 2: m{2: texts(rpID)}})
	expect(t, "what a relying party is told", r.tells(rpID)["pinComplexityPolicy"], any(true))
	// A model without the policy does not look at the parameter.
	r = newRig(t, model(func(p *virtual.Profile) { p.PIN.Complexity = nil }))
	r.ok(cmdConfig, m{1: 3, 2: m{4: 1}})
	r.setPIN()
}

func TestLongTouchForReset(t *testing.T) {
	brief := func(c *virtual.Config) {
		c.Presence = func(context.Context) virtual.Decision { return virtual.DecisionGranted }
	}
	r := newRig(t, brief)
	r.ok(cmdReset, nil)
	r.ok(cmdConfig, m{1: 4})
	expect(t, "longTouchForReset", r.info()[uint64(0x18)], any(true))
	r.load()
	r.want(0x27, cmdReset, nil)
	r.make(creation()) // elsewhere a touch will do
	r.cfg.Presence = virtual.Auto()
	r.load()
	r.ok(cmdReset, nil)
	expect(t, "longTouchForReset after a reset", r.info()[uint64(0x18)], any(false))
	on := true
	r = newRig(t, brief, model(func(p *virtual.Profile) { p.Reset.LongTouch = &on }))
	r.want(0x27, cmdReset, nil)
}

func TestVendorPrototype(t *testing.T) {
	r := newRig(t, model(func(p *virtual.Profile) {
		p.ConfigCommands = []uint64{0xff}
		p.VendorConfigCommands = []uint64{7, 1 << 63}
	}))
	for _, test := range []struct {
		params any
		want   byte
	}{{m{1: 7}, 0}, {m{1: uint64(1) << 63, 2: "x"}, 0}, {m{1: 8}, 0x02}, {m{}, 0x14}, {m{1: "x"}, 0x11}} {
		r.want(test.want, cmdConfig, m{1: 0xff, 2: test.params})
	}
	r.want(0x14, cmdConfig, m{1: 0xff})
	r.want(0x3e, cmdConfig, m{1: 1})
}

// A setMinPINLength that the store refuses has done nothing.
func TestConfigIsAllOrNothing(t *testing.T) {
	r := newRig(t)
	r.setPIN()
	before, info := r.records(), r.info()
	plug := &pulledPlug{Store: r.cfg.Store, changes: 2} // for the PIN's tries
	r.cfg.Store = plug
	r.load()
	k := r.acfgToken()
	r.want(0x7f, cmdConfig, k.acfg(3, m{1: 8, 2: texts("a"), 3: true}))
	r.want(0x7f, cmdConfig, k.acfg(2, nil))
	r.want(0x7f, cmdConfig, k.acfg(1, nil))
	r.want(0x7f, cmdConfig, k.acfg(4, nil))
	expect(t, "records are the same", maps.Equal(before, r.records()), true)
	if after := r.info(); !reflect.DeepEqual(after, info) {
		t.Fatalf("getInfo is %v, want %v", after, info)
	}
}
