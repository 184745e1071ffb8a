package virtual_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// ctap20 is a model of CTAP 2.0: no tokens with permissions, and nothing that
// came later.
func ctap20(p *virtual.Profile) {
	*p = virtual.Profile{
		AAGUID:       virtual.DefaultAAGUID,
		Versions:     []string{"U2F_V2", "FIDO_2_0"},
		Extensions:   []string{"hmac-secret"},
		Options:      map[string]bool{"rk": true, "up": true, "plat": false, "clientPin": false},
		MaxMessage:   1200,
		PINProtocols: []pinuv.Protocol{pinuv.One},
		Algorithms:   p.Algorithms,
		PIN:          virtual.PINProfile{MinLength: 4, Retries: 8},

		MaxCredentials: 25,
	}
}

// TestVersions is what the versions of CTAP answer differently to the same
// request.
func TestVersions(t *testing.T) {
	type answers struct{ since21, before byte }
	for _, test := range []struct {
		name string
		do   func(r *rig) byte
		want answers
	}{
		{"empty pinUvAuthParam with a PIN", func(r *rig) byte {
			r.ok(cmdClientPIN, r.agree(1).setPIN(pin))
			return r.status(cmdMakeCredential, creation().with(m{8: []byte{}}))
		}, answers{0x31, 0x33}},
		{"empty pinUvAuthParam without", func(r *rig) byte {
			return r.status(cmdGetAssertion, assertion().with(m{6: []byte{}}))
		}, answers{0x35, 0x35}},
		{"makeCredential with uv", func(r *rig) byte {
			return r.status(cmdMakeCredential, creation().with(m{7: s{"uv": true}}))
		}, answers{0x2c, 0x2b}},
		{"getAssertion with uv", func(r *rig) byte {
			return r.status(cmdGetAssertion, assertion().with(m{5: s{"uv": true}}))
		}, answers{0x2c, 0x2b}},
		{"wrong padding", func(r *rig) byte {
			p := r.agree(1)
			enc := p.encrypt(make([]byte, 48))
			return r.status(cmdClientPIN, p.setPIN(pin).with(m{4: p.secret.Authenticate(enc), 5: enc}))
		}, answers{0x02, 0x37}},
		{"unknown PIN subcommand", func(r *rig) byte { return r.status(cmdClientPIN, m{1: 1, 2: 8}) }, answers{0x3e, 0x02}},
		{"token with permissions", func(r *rig) byte {
			r.ok(cmdClientPIN, r.agree(1).setPIN(pin))
			return r.status(cmdClientPIN, r.agree(1).getTokenWith(pin, 3, rpID))
		}, answers{0, 0x02}},
		{"selection", func(r *rig) byte { return r.status(cmdSelection, nil) }, answers{0, 0x01}},
		{"makeCredential with a PIN and no param", func(r *rig) byte {
			r.ok(cmdClientPIN, r.agree(1).setPIN(pin))
			return r.status(cmdMakeCredential, creation())
		}, answers{0, 0x36}}, // makeCredUvNotRqd came with 2.1
		{"enterprise attestation", func(r *rig) byte { return r.status(cmdMakeCredential, creation().with(m{10: 1})) }, answers{0x02, 0x02}},
	} {
		if got := test.do(newRig(t)); got != test.want.since21 {
			t.Errorf("CTAP 2.1 and later, %s: %02x, want %02x", test.name, got, test.want.since21)
		}
		if got := test.do(newRig(t, model(ctap20))); got != test.want.before {
			t.Errorf("CTAP 2.0, %s: %02x, want %02x", test.name, got, test.want.before)
		}
	}
}

func (r *rig) status(cmd byte, params m) byte {
	r.t.Helper()
	status, _ := r.raw(message(r.t, cmd, params))
	return status
}

// Before CTAP 2.1 the user touches the key before the platform learns that there
// is no credential.
func TestTouchForNothing(t *testing.T) {
	for touches, change := range []func(*virtual.Profile){func(*virtual.Profile) {}, ctap20} {
		r := newRig(t, model(change))
		r.want(0x2e, cmdGetAssertion, assertion(make([]byte, 64)))
		expect(t, "touches", r.touches(), touches)
		r.want(0x2e, cmdGetAssertion, assertion(make([]byte, 64)).with(m{5: s{"up": false}}))
		expect(t, "touches in silence", r.touches(), touches)
	}
	r := newRig(t, model(ctap20), func(c *virtual.Config) { c.Presence = virtual.Denied() })
	r.want(0x27, cmdGetAssertion, assertion())
}

// Before CTAP 2.1 each credential of the allowList makes an assertion.
func TestAllowListOfCTAP20(t *testing.T) {
	r := newRig(t, model(ctap20))
	first, second := r.make(creation()), r.make(creation())
	a := r.assert(assertion(first.id, make([]byte, 64), second.id), first)
	expect(t, "numberOfCredentials", a.body[uint64(5)], any(uint64(2)))
	a = r.next(second)
	expect(t, "second", bytes.Equal(a.id, second.id), true)
	r.want(0x30, cmdGetNextAssertion, nil)
}

// The token of CTAP 2.0 is good for everything, again and again, until the power
// goes, and is the same for all who ask.
func TestTokenOfCTAP20(t *testing.T) {
	r := newRig(t, model(ctap20))
	r.ok(cmdClientPIN, r.agree(1).setPIN(pin))
	p := r.agree(1)
	token := p.take(p.getToken(pin))
	for range 2 {
		c := r.make(token.mc(creation()))
		expect(t, "flags", c.flags, byte(flagUP|flagUV|flagAT))
		r.ok(cmdMakeCredential, token.mc(creation().with(m{2: s{"id": "other.example"}})))
		expect(t, "flags", r.assert(token.ga(assertion(c.id))).flags, byte(flagUP|flagUV))
		p = r.agree(1)
		again := p.take(p.getToken(pin))
		expect(t, "the token is the same", bytes.Equal(again.token.Bytes(), token.token.Bytes()), true)
	}
	r.key.PowerCycle()
	r.want(0x33, cmdMakeCredential, token.mc(creation()))
	p = r.agree(1)
	r.ok(cmdClientPIN, p.changePIN(pin, "567890"))
	p = r.agree(1)
	after := p.take(p.getToken("567890"))
	expect(t, "the token is another", bytes.Equal(after.token.Bytes(), token.token.Bytes()), false)
}

// A prototype of built-in verification tokens.
func TestUVTokenOfThePrototype(t *testing.T) {
	r := newRig(t, model(func(p *virtual.Profile) {
		ctap20(p)
		p.Versions = []string{"FIDO_2_0", "FIDO_2_1_PRE"}
		p.Options["uv"], p.Options["uvToken"] = true, true
		p.UV = virtual.UVProfile{Retries: 3, InternalAttempts: 1}
	}), func(c *virtual.Config) { c.Finger = virtual.Touching("thumb") })
	p := r.agree(1)
	token := p.take(m{1: 1, 2: 6, 3: p.cose})
	expect(t, "flags", r.make(token.mc(creation())).flags, byte(flagUP|flagUV|flagAT))
	r.want(0x14, cmdClientPIN, m{1: 1, 2: 6})
	r.cfg.Finger = virtual.Touching("")
	r.load()
	r.want(0x2f, cmdClientPIN, m{1: 1, 2: 6, 3: r.agree(1).cose})
}

// TestCommandsFollowTheProfile takes away what a command is for.
func TestCommandsFollowTheProfile(t *testing.T) {
	for _, test := range []struct {
		cmd    byte
		change func(*virtual.Profile)
	}{
		{cmdClientPIN, func(p *virtual.Profile) { p.PINProtocols = nil }},
		{cmdBio, func(p *virtual.Profile) { delete(p.Options, "bioEnroll") }},
		{cmdCredMgmt, func(p *virtual.Profile) { p.Options["credMgmt"] = false }},
		{cmdSelection, func(p *virtual.Profile) { p.Versions = []string{"FIDO_2_0"} }},
		{cmdLargeBlobs, func(p *virtual.Profile) { delete(p.Options, "largeBlobs") }},
		{cmdConfig, func(p *virtual.Profile) { delete(p.Options, "authnrCfg") }},
	} {
		r := newRig(t, func(c *virtual.Config) { c.Profile = virtual.FingerprintProfile() })
		if got := r.status(test.cmd, nil); got == 0x01 {
			t.Errorf("command %02x is not there", test.cmd)
		}
		r.become(test.change)
		if got := r.status(test.cmd, nil); got != 0x01 {
			t.Errorf("command %02x is there: %02x", test.cmd, got)
		}
	}
}

// TestPINSubcommandsFollowTheProfile takes away what a subcommand is for.
func TestPINSubcommandsFollowTheProfile(t *testing.T) {
	r := newRig(t, model(func(p *virtual.Profile) { delete(p.Options, "clientPin") }))
	for _, sub := range []int{1, 3, 4, 5, 7, 9} {
		r.want(0x3e, cmdClientPIN, m{1: 2, 2: sub})
	}
	r.ok(cmdClientPIN, m{1: 2, 2: 2}) // which hmac-secret needs
	c := r.make(creation())
	expect(t, "secret", len(r.secrets(2, assertion(c.id), make([]byte, 32))), 32)
	r = newRig(t, func(c *virtual.Config) { c.Profile = virtual.FingerprintProfile() })
	expect(t, "uv retries", r.uvRetries(), 5)
}

func TestRKOption(t *testing.T) {
	for _, test := range []struct {
		option      any
		rk, without byte
	}{{true, 0, 0}, {false, 0x2b, 0}, {absent{}, 0x2b, 0x2b}} {
		r := newRig(t, model(func(p *virtual.Profile) {
			delete(p.Options, "rk")
			if v, ok := test.option.(bool); ok {
				p.Options["rk"] = v
			}
		}))
		r.want(test.rk, cmdMakeCredential, creation().with(m{7: s{"rk": true}}))
		r.want(test.without, cmdMakeCredential, creation().with(m{7: s{"rk": false}}))
		r.make(creation())
	}
}

// The lengths of credential IDs, and lists without a limit.
func TestLengthsOfCredentialIDs(t *testing.T) {
	for _, length := range []int{64, 65, 96, 128, 255} {
		r := newRig(t, model(func(p *virtual.Profile) { p.CredentialIDLength, p.MaxListLength = length, 0 }))
		wrapped, stored := r.make(creation()), r.make(discoverable("one"))
		expect(t, "length of a wrapped one", len(wrapped.id), length)
		expect(t, "length of a stored one", len(stored.id), length)
		r.load()
		r.assert(assertion(append(ids(9), wrapped.id)...), wrapped)
		r.assert(assertion(stored.id), stored)
		expect(t, "length of a key handle", len(r.register().handle), length)
		for i := range length {
			tampered := bytes.Clone(wrapped.id)
			tampered[i] ^= 1
			r.want(0x2e, cmdGetAssertion, assertion(tampered))
		}
		r.want(0x2e, cmdGetAssertion, assertion(wrapped.id[:length-1]))
	}
	r := newRig(t, model(func(p *virtual.Profile) { p.CredentialIDLength = 128 }))
	long := r.make(creation())
	r.become(func(p *virtual.Profile) { p.CredentialIDLength = 0 })
	r.assert(assertion(long.id), long) // IDs of another length stay good
}

func TestCountersOfTheirOwn(t *testing.T) {
	r := newRig(t, model(func(p *virtual.Profile) { p.Counter = virtual.CounterPerCredential }))
	one, two := r.make(discoverable("one")), r.make(discoverable("two"))
	wrapped := r.make(creation())
	expect(t, "counts when made", fmt.Sprint(one.count, two.count, wrapped.count), "1 1 1")
	count := func(c made) uint32 { return r.assert(assertion(c.id), c).count }
	expect(t, "counts", fmt.Sprint(count(one), count(one), count(two), count(wrapped)), "2 3 2 2")
	r.load()
	expect(t, "counts after loading", fmt.Sprint(count(one), count(two), count(wrapped)), "4 3 3")
	again := r.make(discoverable("one"))
	expect(t, "count of the one that replaces it", again.count, 1)
	for name := range r.records() {
		expect(t, "a count is left", name == fmt.Sprintf("count/%x", one.id), false)
	}
	r.load()
	r.setPIN()
	r.ok(cmdCredMgmt, r.cmToken().cm(6, m{2: s{"id": two.id, "type": "public-key"}}))
	r.load()
}

// countingStore counts changes and the bytes of their values.
type countingStore struct {
	virtual.Store
	changes, bytes int
}

func (c *countingStore) Apply(puts map[string][]byte, deletes []string) error {
	c.changes++
	for _, b := range puts {
		c.bytes += len(b)
	}
	return c.Store.Apply(puts, deletes)
}

// An assertion costs one small change of the store, whatever the counters are
// and whatever is stored with the credential.
func TestAssertionsWriteLittle(t *testing.T) {
	for _, policy := range []virtual.CounterPolicy{virtual.CounterGlobal, virtual.CounterPerCredential, virtual.CounterNone} {
		store := &countingStore{Store: virtual.NewMemory()}
		r := newRig(t, func(c *virtual.Config) { c.Store = store }, model(func(p *virtual.Profile) { p.Counter = policy }))
		c := r.make(discoverable("one").with(m{6: s{"credBlob": make([]byte, 64), "largeBlobKey": true}}))
		wrapped := r.make(creation())
		for _, id := range [][]byte{c.id, wrapped.id} {
			store.changes, store.bytes = 0, 0
			r.assert(assertion(id))
			want := 1
			if policy == virtual.CounterNone {
				want = 0
			}
			expect(t, "changes", store.changes, want)
			expect(t, "bytes written are few", store.bytes <= 10, true)
		}
	}
}

func TestChoiceOfNoPIN(t *testing.T) {
	r := newRig(t, model(func(p *virtual.Profile) { p.Choices.NoPIN = 0x36 }))
	p := r.agree(2)
	for _, request := range []m{p.changePIN(pin, "567890"), p.getToken(pin), p.getTokenWith(pin, 1, rpID)} {
		r.want(0x36, cmdClientPIN, request)
	}
}

// TestPINProfile is the limits on PINs that a model has.
func TestPINProfile(t *testing.T) {
	r := newRig(t, model(func(p *virtual.Profile) { p.PIN.MinLength, p.PIN.MaxLength, p.PIN.Retries = 6, 8, 3 }))
	for pin, want := range map[string]byte{"12345": 0x37, "123456789": 0x37, "ééééééééé": 0x37} {
		r.want(want, cmdClientPIN, r.agree(2).setPIN(pin))
	}
	r.ok(cmdClientPIN, r.agree(2).setPIN("éééééé"))
	r.wantRetries(3, false)
	r.wrong(0x31)
	r.wrong(0x31)
	r.wrong(0x32)
	r.wantRetries(0, true)
	if slices.Contains([]byte{0}, r.status(cmdClientPIN, r.agree(2).getToken("éééééé"))) {
		t.Fatal("a blocked PIN is taken")
	}
}
