package virtual_test

import (
	"context"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// getUVToken asks for a token by built-in user verification.
func (p *platform) getUVToken(permissions int, rpID any) m {
	return m{1: p.protocol, 2: 6, 3: p.cose, 9: permissions, 10: rpID}.with(nil)
}

func (r *rig) uvToken(permissions int, rpID any) tok {
	r.t.Helper()
	p := r.agree(2)
	return p.take(p.getUVToken(permissions, rpID))
}

func (r *rig) uvRetries() int {
	r.t.Helper()
	return int(r.ok(cmdClientPIN, m{2: 7})[uint64(5)].(uint64))
}

// thumbKey is a key on which the thumb is enrolled, with a PIN, that the finger
// touches.
func thumbKey(t testing.TB, finger *string, changes ...func(*virtual.Config)) *rig {
	t.Helper()
	was := *finger
	*finger = "thumb"
	r := newRig(t, append([]func(*virtual.Config){fingerprint(finger)}, changes...)...)
	r.setPIN()
	r.enrol("Thumb")
	*finger = was
	return r
}

func TestTokenByBuiltInUV(t *testing.T) {
	finger := "thumb"
	r := thumbKey(t, &finger)
	for _, protocol := range []int{1, 2} {
		p := r.agree(protocol)
		token := p.take(p.getUVToken(3, rpID))
		touches := r.touches()
		c := r.make(token.mc(discoverable("one")))
		expect(t, "flags", c.flags, byte(flagUP|flagUV|flagAT))
		expect(t, "touches", r.touches(), touches) // the finger was touch enough
		r.want(0x33, cmdMakeCredential, token.mc(creation()))
		token = p.take(p.getUVToken(3, rpID))
		a := r.assert(token.ga(assertion(c.id)), c)
		expect(t, "flags", a.flags, byte(flagUP|flagUV))
		expect(t, "touches", r.touches(), touches)
	}
	r.metadata(r.uvToken(permCM, absent{}))
	r.ok(cmdConfig, r.uvToken(permACFG, absent{}).acfg(1, nil))
	expect(t, "pcmr by UV", r.metadata(r.uvToken(permPCMR, absent{})), "1/99")
}

// Who was verified by a finger need not touch the key to hear of a credential
// that is there.
func TestExcludedWithoutATouch(t *testing.T) {
	finger := "thumb"
	r := thumbKey(t, &finger)
	c := r.make(r.uvToken(1, rpID).mc(creation()))
	touches := r.touches()
	r.want(0x19, cmdMakeCredential, r.uvToken(1, rpID).mc(creation().with(m{5: descriptors(c.id)})))
	r.want(0x19, cmdMakeCredential, creation().with(m{5: descriptors(c.id), 7: s{"uv": true}}))
	expect(t, "touches", r.touches(), touches)
	r.want(0x19, cmdMakeCredential, r.token().mc(creation().with(m{5: descriptors(c.id)})))
	expect(t, "touches after a PIN", r.touches(), touches+1)
}

// The touch that came with a token counts as long as the token may wait for its
// first use.
func TestTouchOfAUVTokenIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		finger := "thumb"
		r := thumbKey(t, &finger)
		c := r.make(r.uvToken(1, rpID).mc(discoverable("one")))
		token := r.uvToken(2, rpID)
		silent := m{5: s{"up": false}}
		time.Sleep(20 * time.Second)
		r.assert(token.ga(assertion(c.id)).with(silent))
		time.Sleep(11 * time.Second)
		touches := r.touches()
		r.assert(token.ga(assertion(c.id)))
		expect(t, "touches", r.touches()-touches, 1)
	})
}

func TestMembersOfGetUVToken(t *testing.T) {
	finger := "thumb"
	r := thumbKey(t, &finger)
	p := r.agree(2)
	good := p.getUVToken(3, rpID)
	r.wantChecked(map[string]m{"getTokenUsingUV": good})
	r.want(0x02, cmdClientPIN, good.with(m{3: m{1: 2, 3: -25, -1: 1, -2: p32, -3: p32}}))
	expect(t, "uv retries", r.uvRetries(), 5)
	r.ok(cmdClientPIN, good)
}

func TestUVRetries(t *testing.T) {
	finger := "ring"
	r := thumbKey(t, &finger)
	expect(t, "uv retries", r.uvRetries(), 5)
	wrong := func(want byte) {
		t.Helper()
		r.want(want, cmdClientPIN, r.agree(2).getUVToken(3, rpID))
	}
	wrong(0x3f)
	expect(t, "uv retries", r.uvRetries(), 4) // the platform is to try again
	finger = "thumb"
	r.uvToken(3, rpID)
	expect(t, "uv retries", r.uvRetries(), 5)
	finger = "ring"
	for range 4 {
		wrong(0x3f)
	}
	r.load()
	expect(t, "uv retries after loading", r.uvRetries(), 1)
	wrong(0x3c)
	finger = "thumb"
	wrong(0x3c) // the right finger is too late
	expect(t, "uv retries", r.uvRetries(), 0)
	expect(t, "uv", r.option("uv"), any(true))
	r.want(0x36, cmdMakeCredential, creation().with(m{7: s{"uv": true}}))
	r.token() // the PIN gives them back
	expect(t, "uv retries", r.uvRetries(), 5)
	r.uvToken(3, rpID)
}

func TestUVCountSinceLastPINEntry(t *testing.T) {
	finger := "thumb"
	r := thumbKey(t, &finger)
	count := func() any { return r.info()[uint64(0x17)] }
	expect(t, "count", count(), any(uint64(0)))
	r.uvToken(3, rpID)
	finger = "ring"
	r.want(0x3f, cmdClientPIN, r.agree(2).getUVToken(3, rpID))
	expect(t, "count", count(), any(uint64(2)))
	r.load()
	expect(t, "count after loading", count(), any(uint64(2)))
	r.token()
	expect(t, "count after the PIN", count(), any(uint64(0)))
}

// A right finger gives the tries of the PIN back, too.
func TestUVRestoresPINRetries(t *testing.T) {
	finger := "thumb"
	r := thumbKey(t, &finger)
	r.wrong(0x31)
	r.wantRetries(7, false)
	r.uvToken(3, rpID)
	r.wantRetries(8, false)
}

func TestUVIsPaidBeforeTheComparison(t *testing.T) {
	finger := "thumb"
	r := thumbKey(t, &finger)
	memory := r.cfg.Store
	r.cfg.Store = &pulledPlug{Store: memory, changes: 1}
	r.load()
	r.want(0x7f, cmdClientPIN, r.agree(2).getUVToken(3, rpID))
	r.cfg.Store = memory
	r.load()
	expect(t, "uv retries", r.uvRetries(), 4)
}

// uvOption asks for a credential, or an assertion, with the option uv.
func uvOption(id []byte) map[string]struct {
	cmd     byte
	request m
} {
	type command = struct {
		cmd     byte
		request m
	}
	return map[string]command{
		"makeCredential": {cmdMakeCredential, creation().with(m{7: s{"uv": true}})},
		"getAssertion":   {cmdGetAssertion, assertion(id).with(m{5: s{"uv": true}})},
	}
}

// The option uv, and what the commands say when it does not work.
func TestUVOption(t *testing.T) {
	for _, test := range []struct {
		name       string
		change     func(*virtual.Profile)
		finger     string
		mc, ga     byte
		usedPerTry int
	}{
		{"right finger", func(*virtual.Profile) {}, "thumb", 0, 0, 0},
		{"wrong finger", func(*virtual.Profile) {}, "ring", 0x36, 0x36, 3},
		{"nobody", func(*virtual.Profile) {}, "", 0x2f, 0x2f, 0},
		{"wrong finger, no way back to the PIN", func(p *virtual.Profile) { p.Options["noMcGaPermissionsWithClientPin"] = true }, "ring", 0x27, 0x27, 3},
		{"wrong finger, as one implementation has it", func(p *virtual.Profile) { p.Choices.DeniedUV = true }, "ring", 0x27, 0x36, 3},
		{"tries used up", func(p *virtual.Profile) { p.UV.InternalAttempts, p.Options["noMcGaPermissionsWithClientPin"] = 5, true }, "ring", 0x32, 0x32, 5},
	} {
		t.Run(test.name, func(t *testing.T) {
			finger := test.finger
			for name, want := range map[string]byte{"makeCredential": test.mc, "getAssertion": test.ga} {
				r := thumbKey(t, &finger)
				c := r.make(r.token().mc(creation()))
				r.become(test.change)
				command := uvOption(c.id)[name]
				touches := r.touches()
				status, body := r.raw(message(t, command.cmd, command.request))
				expect(t, name, status, want)
				expect(t, "touches", r.touches(), touches)
				expect(t, "uv retries", r.uvRetries(), 5-test.usedPerTry)
				if status == 0 {
					expect(t, "UV flag", decode(t, body)[uint64(2)].([]byte)[32]&(flagUP|flagUV), byte(flagUP|flagUV))
				}
			}
		})
	}
}

// The option means nothing where no finger is enrolled.
func TestUVOptionWithoutFingers(t *testing.T) {
	for _, test := range []struct {
		versions []string
		want     byte
	}{{[]string{"FIDO_2_1"}, 0x2c}, {[]string{"FIDO_2_0"}, 0x2b}} {
		finger := "thumb"
		r := newRig(t, fingerprint(&finger), model(func(p *virtual.Profile) { p.Versions = test.versions }))
		c := r.make(creation())
		for name, command := range uvOption(c.id) {
			if got, _ := r.raw(message(t, command.cmd, command.request)); got != test.want {
				t.Errorf("%v, %s: %02x, want %02x", test.versions, name, got, test.want)
			}
		}
	}
}

// A model that verifies users without enrolling them over CTAP.
func TestBuiltInUVWithoutBioEnrollment(t *testing.T) {
	r := newRig(t, model(func(p *virtual.Profile) {
		p.Options["uv"] = true
		p.UV = virtual.UVProfile{Retries: 3, InternalAttempts: 2, PreferredAttempts: 1}
	}), func(c *virtual.Config) { c.Finger = virtual.Touching("anybody") })
	expect(t, "uv", r.option("uv"), any(true))
	c := r.make(r.uvToken(1, rpID).mc(creation()))
	r.want(0x27, cmdMakeCredential, creation().with(m{7: s{"rk": true}})) // there is no PIN to use
	a := r.assert(assertion(c.id).with(m{5: s{"uv": true}}), c)
	expect(t, "flags", a.flags, byte(flagUP|flagUV))
	r.cfg.Finger = func(context.Context) virtual.Sample {
		return virtual.Sample{Finger: "anybody", Status: virtual.SamplePoorQuality}
	}
	r.load()
	// With one preferred attempt the key tries again by itself, and then is out.
	r.want(0x3f, cmdClientPIN, r.agree(2).getUVToken(1, rpID))
	expect(t, "uv retries", r.uvRetries(), 1)
	r.want(0x3c, cmdClientPIN, r.agree(2).getUVToken(1, rpID))
	r.want(0x32, cmdGetAssertion, assertion(c.id).with(m{5: s{"uv": true}}))
}

func TestUserAtTheSensor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		finger := "thumb"
		r := thumbKey(t, &finger)
		before := r.records()
		for _, test := range []struct {
			name string
			user virtual.Finger
			want byte
		}{
			{"refuses", func(context.Context) virtual.Sample { return virtual.Sample{Denied: true} }, 0x27},
			{"waits too long", func(ctx context.Context) virtual.Sample { <-ctx.Done(); return virtual.Sample{Finger: "thumb"} }, 0x2f},
			{"does nothing", virtual.Touching(""), 0x2f},
		} {
			r.cfg.Finger = test.user
			r.load()
			r.want(test.want, cmdClientPIN, r.agree(2).getUVToken(3, rpID))
			expect(t, "records are the same when the user "+test.name, maps.Equal(before, r.records()), true)
		}
		r.cfg.Finger = func(ctx context.Context) virtual.Sample { <-ctx.Done(); return virtual.Sample{} }
		r.load()
		expect(t, "cancelled", r.cancelled(message(t, cmdClientPIN, r.agree(2).getUVToken(3, rpID))), 0x2d)
	})
}

func TestPINLockoutAndUV(t *testing.T) {
	for outlives, want := range map[bool]byte{false: 0x3c, true: 0} {
		finger := "thumb"
		r := thumbKey(t, &finger, func(c *virtual.Config) { c.Profile.Choices.UVOutlivesPIN = outlives })
		for _, status := range []byte{0x31, 0x31, 0x34, 0x31, 0x31, 0x34, 0x31, 0x32} {
			r.wrong(status)
			if status == 0x34 {
				r.key.PowerCycle()
			}
		}
		r.want(want, cmdClientPIN, r.agree(2).getUVToken(3, rpID))
		r.want(0x32, cmdClientPIN, r.agree(2).getToken(pin)) // the finger does not lift that
	}
}

func TestAlwaysUV(t *testing.T) {
	finger := "thumb"
	always := func(c *virtual.Config) { c.Profile.Options["alwaysUv"] = true }
	r := thumbKey(t, &finger, always)
	c := r.make(creation()) // verified unasked
	expect(t, "flags", c.flags, byte(flagUP|flagUV|flagAT))
	expect(t, "flags", r.assert(assertion(c.id), c).flags, byte(flagUP|flagUV))
	expect(t, "flags in silence", r.assert(assertion(c.id).with(m{5: s{"up": false}}), c).flags, byte(0))
	finger = "ring"
	r.want(0x36, cmdMakeCredential, creation())
	r.want(0x36, cmdGetAssertion, assertion(c.id))

	r = newRig(t, model(func(p *virtual.Profile) { p.Options["alwaysUv"] = true })) // nothing to verify with
	r.want(0x36, cmdMakeCredential, creation())
	r.want(0x36, cmdGetAssertion, assertion())
	r.want(0x2e, cmdGetAssertion, assertion().with(m{5: s{"up": false}}))
	r.setPIN()
	r.want(0x36, cmdMakeCredential, creation())
	c = r.make(r.token().mc(creation()))
	r.want(0x36, cmdGetAssertion, assertion(c.id))
	r.assert(r.token().ga(assertion(c.id)), c)
	r.become(func(p *virtual.Profile) { p.Options["noMcGaPermissionsWithClientPin"] = true })
	r.want(0x27, cmdMakeCredential, creation())
	r.want(0x27, cmdGetAssertion, assertion(c.id))
}

func TestLegacyTokenWhereAPINIsNotEnough(t *testing.T) {
	r := newRig(t, model(func(p *virtual.Profile) { p.Options["noMcGaPermissionsWithClientPin"] = true }))
	r.setPIN()
	token := r.legacy()
	r.want(0x33, cmdMakeCredential, token.mc(creation()))
	r.want(0x27, cmdMakeCredential, discoverable("one"))
}

func TestRollingTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, model(func(p *virtual.Profile) {
			p.Timers.TokenRolling, p.Timers.TokenMaximum, p.Timers.InitialUsage = 20*time.Second, time.Minute, 5*time.Second
		}))
		c := r.make(creation())
		r.setPIN()
		for _, test := range []struct {
			waits []int // seconds before each use
			want  byte
		}{{[]int{5}, 0}, {[]int{6}, 0x33}, {[]int{5, 20}, 0}, {[]int{5, 21}, 0x33}, {[]int{5, 20, 20, 15}, 0}, {[]int{5, 20, 20, 16}, 0x33}} {
			token := r.token()
			var got byte
			for _, wait := range test.waits {
				time.Sleep(time.Duration(wait) * time.Second)
				got, _ = r.raw(message(t, cmdGetAssertion, token.ga(assertion(c.id)).with(m{5: s{"up": false}})))
			}
			expect(t, "status", got, test.want)
		}
	})
}
