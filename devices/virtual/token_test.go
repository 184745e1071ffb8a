package virtual_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// TestPermissionsThatCanBeAsked is the table of CTAP 2.3 §6.5.5.7: what a token
// by PIN and one by built-in verification can be asked for, on models that have
// everything, and on ones that lack what a permission is for.
func TestPermissionsThatCanBeAsked(t *testing.T) {
	const none = 0x30 // UV is not configured; everything before that was right
	without := func(ids ...string) func(*virtual.Profile) {
		return func(p *virtual.Profile) {
			for _, id := range ids {
				delete(p.Options, id)
			}
		}
	}
	for _, test := range []struct {
		name        string
		change      func(*virtual.Profile)
		permissions any
		rpID        any
		byPIN, byUV byte
	}{
		{"none", without(), 0, rpID, 0x02, 0x02},
		{"no member", without(), absent{}, rpID, 0x14, 0x14},
		{"text", without(), "x", rpID, 0x11, 0x11},
		{"mc", without(), 0x01, rpID, 0, none},
		{"ga", without(), 0x02, rpID, 0, none},
		{"mc and ga", without(), 0x03, rpID, 0, none},
		{"mc without rpId", without(), 0x01, absent{}, 0x14, 0x14},
		{"ga without rpId", without(), 0x02, absent{}, 0x14, 0x14},
		{"mc where a PIN is not enough", func(p *virtual.Profile) { p.Options["noMcGaPermissionsWithClientPin"] = true }, 0x01, rpID, 0x40, none},
		{"ga where a PIN is not enough", func(p *virtual.Profile) { p.Options["noMcGaPermissionsWithClientPin"] = true }, 0x02, rpID, 0x40, none},
		{"cm", without(), 0x04, absent{}, 0, none},
		{"cm with rpId", without(), 0x04, rpID, 0, none},
		{"cm without credMgmt", without("credMgmt"), 0x04, absent{}, 0x40, 0x40},
		{"cm with the preview", func(p *virtual.Profile) {
			delete(p.Options, "credMgmt")
			p.Options["credentialMgmtPreview"] = true
		}, 0x04, absent{}, 0, none},
		{"be", without(), 0x08, absent{}, 0, none},
		{"be without bioEnroll", without("bioEnroll"), 0x08, absent{}, 0x40, none},
		{"be without uvBioEnroll", without("uvBioEnroll"), 0x08, absent{}, 0, 0x40},
		{"lbw", without(), 0x10, absent{}, 0, none},
		{"lbw without largeBlobs", without("largeBlobs"), 0x10, absent{}, 0x40, 0x40},
		{"acfg", without(), 0x20, absent{}, 0, none},
		{"acfg without authnrCfg", without("authnrCfg"), 0x20, absent{}, 0x40, none},
		{"acfg without uvAcfg", without("uvAcfg"), 0x20, absent{}, 0, 0x40},
		{"pcmr", without(), 0x40, absent{}, 0, none},
		{"pcmr with cm", without(), 0x44, absent{}, 0x40, 0x40},
		{"pcmr with mc", without(), 0x41, rpID, 0x40, 0x40},
		{"pcmr with an undefined one", without(), 0xc0, absent{}, 0, none},
		{"pcmr without perCredMgmtRO", without("perCredMgmtRO"), 0x40, absent{}, 0x40, 0x40},
		{"undefined", without(), 0x80, absent{}, 0, none},
		{"mc and undefined", without(), 0x181, rpID, 0, none},
		{"mc and cm", without(), 0x05, rpID, 0, none},
		{"all that can be", without(), 0x3f, rpID, 0, none},
		{"enormous", without(), uint64(1) << 63, absent{}, 0, none},
	} {
		r := newRig(t, func(c *virtual.Config) { c.Profile = virtual.FingerprintProfile() }, model(test.change))
		r.setPIN()
		p := r.agree(2)
		request := p.getTokenWith(pin, 1, test.rpID).with(m{9: test.permissions})
		if got, _ := r.raw(message(t, cmdClientPIN, request)); got != test.byPIN {
			t.Errorf("%s: status %02x, want %02x", test.name, got, test.byPIN)
		}
		if got, _ := r.raw(message(t, cmdClientPIN, request.with(m{2: 6}))); got != test.byUV {
			t.Errorf("%s by built-in verification: status %02x, want %02x", test.name, got, test.byUV)
		}
		r.wantRetries(8, false)
	}
}

func TestLegacyTokenTakesNoPermissions(t *testing.T) {
	r := newRig(t)
	p := r.agree(2)
	r.want(0x35, cmdClientPIN, p.getToken(pin))
	r.want(0x35, cmdClientPIN, p.getTokenWith(pin, 3, rpID))
	r.setPIN()
	r.want(0x02, cmdClientPIN, p.getToken(pin).with(m{9: 1}))
	r.want(0x02, cmdClientPIN, p.getToken(pin).with(m{10: rpID}))
	r.wantRetries(8, false)
}

// The matrix of what a token may do: which permissions it has, whether it is
// bound, and what it is used for.
func TestWhatATokenMayDo(t *testing.T) {
	type use struct {
		cmd  byte
		rpID string
	}
	mc, mcOther := use{cmdMakeCredential, rpID}, use{cmdMakeCredential, "other.example"}
	ga, gaOther := use{cmdGetAssertion, rpID}, use{cmdGetAssertion, "other.example"}
	legacy := func(p *platform) m { return p.getToken(pin) }
	with := func(permissions int, rpID any) func(*platform) m {
		return func(p *platform) m { return p.getTokenWith(pin, permissions, rpID) }
	}
	tests := []struct {
		name string
		ask  func(*platform) m
		may  []use
	}{
		{"legacy", legacy, []use{mc, mcOther, ga, gaOther}},
		{"mc", with(1, rpID), []use{mc}},
		{"ga", with(2, rpID), []use{ga}},
		{"mc and ga", with(3, rpID), []use{mc, ga}},
		{"mc and ga elsewhere", with(3, "other.example"), []use{mcOther, gaOther}},
		{"nothing", with(0x80, absent{}), nil},
	}
	for _, protocol := range []int{1, 2} {
		r := newRig(t)
		r.ok(cmdMakeCredential, discoverable("one"))
		r.ok(cmdMakeCredential, discoverable("one").with(m{2: s{"id": "other.example"}}))
		r.setPIN()
		for _, test := range tests {
			for _, u := range []use{mc, mcOther, ga, gaOther} {
				p := r.agree(protocol)
				token := p.take(test.ask(p))
				want := byte(0x33)
				for _, may := range test.may {
					if may == u {
						want = 0
					}
				}
				if got := r.use(token, u.cmd, u.rpID); got != want {
					t.Errorf("protocol %d, token for %s, command %02x at %s: %02x, want %02x",
						protocol, test.name, u.cmd, u.rpID, got, want)
				}
			}
		}
	}
}

func (r *rig) use(token tok, cmd byte, rpID string) byte {
	request := token.mc(discoverable("one").with(m{2: s{"id": rpID}}))
	if cmd == cmdGetAssertion {
		request = token.ga(assertion().with(m{1: rpID}))
	}
	status, _ := r.raw(message(r.t, cmd, request))
	return status
}

func TestTokenIsForOneOperation(t *testing.T) {
	r := newRig(t)
	c := r.make(creation())
	r.setPIN()
	silent := m{5: s{"up": false}}

	token := r.token()
	r.ok(cmdGetAssertion, token.ga(assertion(c.id)).with(silent))
	r.ok(cmdGetAssertion, token.ga(assertion(c.id)).with(silent)) // does not use it up
	r.make(token.mc(discoverable("one")))
	r.want(0x33, cmdMakeCredential, token.mc(discoverable("two")))
	r.want(0x33, cmdGetAssertion, token.ga(assertion(c.id)))

	token = r.token()
	expect(t, "flags", r.assert(token.ga(assertion(c.id))).flags, byte(flagUP|flagUV))
	r.want(0x33, cmdGetAssertion, token.ga(assertion(c.id)).with(silent))

	token = r.token() // what fails before the touch uses nothing up
	r.want(0x33, cmdMakeCredential, r.wrongParam(token.mc(creation())))
	r.want(0x2e, cmdGetAssertion, token.ga(assertion(make([]byte, 64))))
	r.want(0x19, cmdMakeCredential, token.mc(creation().with(m{5: descriptors(c.id)})))
	r.make(token.mc(creation()))
}

func (r *rig) wrongParam(request m) m {
	bad := bytes.Clone(request[8].([]byte))
	bad[0] ^= 1
	return request.with(m{8: bad})
}

func TestLegacyTokenBindsToTheFirstRelyingParty(t *testing.T) {
	r := newRig(t)
	c := r.make(creation())
	r.ok(cmdMakeCredential, discoverable("one").with(m{2: s{"id": "other.example"}}))
	r.setPIN()
	p := r.agree(1)
	token := p.take(p.getToken(pin))
	silent := m{5: s{"up": false}}
	r.assert(token.ga(assertion(c.id)).with(silent))
	r.want(0x33, cmdGetAssertion, token.ga(assertion().with(m{1: "other.example"})).with(silent))
	r.assert(token.ga(assertion(c.id)).with(silent))
}

func TestWhatEndsAToken(t *testing.T) {
	ends := map[string]func(r *rig){
		"another token": func(r *rig) { r.token() },
		"another token of the other protocol": func(r *rig) {
			p := r.agree(1)
			p.take(p.getToken(pin))
		},
		"changing the PIN": func(r *rig) { r.ok(cmdClientPIN, r.agree(2).changePIN(pin, "567890")) },
		"a power cycle":    func(r *rig) { r.key.PowerCycle() },
		"loading":          func(r *rig) { r.load() },
	}
	for name, end := range ends {
		r := newRig(t)
		r.setPIN()
		token := r.token()
		end(r)
		if status, _ := r.raw(message(t, cmdMakeCredential, token.mc(creation()))); status != 0x33 {
			t.Errorf("after %s: %02x", name, status)
		}
	}
	r := newRig(t)
	r.setPIN()
	token := r.token()
	r.wrong(0x31) // a failed attempt does not
	r.make(token.mc(creation()))
}

func TestResetEndsTheToken(t *testing.T) {
	r := newRig(t)
	r.setPIN()
	token := r.token()
	r.ok(cmdReset, nil)
	r.setPIN()
	r.want(0x33, cmdMakeCredential, token.mc(creation()))
}

func TestTokenTimers(t *testing.T) {
	silent := m{5: s{"up": false}}
	tests := []struct {
		name      string
		transport virtual.Transport
		waits     []time.Duration // before each use
		want      byte            // of the last one
	}{
		{"USB, first use in time", virtual.USB, []time.Duration{30 * time.Second}, 0},
		{"USB, first use too late", virtual.USB, []time.Duration{30*time.Second + 1}, 0x33},
		{"NFC, first use in time", virtual.NFC, []time.Duration{19800 * time.Millisecond}, 0},
		{"NFC, first use too late", virtual.NFC, []time.Duration{19801 * time.Millisecond}, 0x33},
		{"used, then long idle", virtual.USB, []time.Duration{time.Second, 599 * time.Second}, 0},
		{"used, then too long", virtual.USB, []time.Duration{time.Second, 599*time.Second + 1}, 0x33},
		{"use does not extend", virtual.NFC, []time.Duration{time.Second, 299 * time.Second, 301 * time.Second}, 0x33},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(c *virtual.Config) { c.Transport = test.transport })
				c := r.make(creation())
				r.setPIN()
				token := r.token()
				var got byte
				for _, wait := range test.waits {
					time.Sleep(wait)
					got, _ = r.raw(message(t, cmdGetAssertion, token.ga(assertion(c.id)).with(silent)))
				}
				expect(t, "status", got, test.want)
			})
		})
	}
}

// A clock other than the system's drives the same timers.
func TestConfiguredClock(t *testing.T) {
	now := time.Unix(1e9, 0)
	r := newRig(t, func(c *virtual.Config) { c.Now = func() time.Time { return now } })
	r.setPIN()
	token := r.token()
	now = now.Add(31 * time.Second)
	r.want(0x33, cmdMakeCredential, token.mc(creation()))
	r.want(0x30, cmdReset, nil)
}
