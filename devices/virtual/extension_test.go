package virtual_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

func TestCredBlob(t *testing.T) {
	r := newRig(t)
	full := bytes.Repeat([]byte{7}, 64)
	get := func(c made) any {
		return r.assert(assertion(c.id).with(m{4: s{"credBlob": true}}), c).extensions["credBlob"]
	}
	for _, test := range []struct {
		name   string
		input  []byte
		rk     bool
		stored bool
	}{
		{"some bytes", []byte("blob"), true, true},
		{"none", []byte{}, true, true},
		{"as much as fits", full, true, true},
		{"one more", append(full[:64:64], 0), true, false},
		{"not discoverable", []byte("blob"), false, false},
	} {
		c := r.make(discoverable(test.name).with(m{6: s{"credBlob": test.input}, 7: s{"rk": test.rk}}))
		expect(t, test.name, c.extensions["credBlob"], any(test.stored))
		want := []byte{}
		if test.stored {
			want = test.input
		}
		r.load()
		if got := get(c); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: blob is %x", test.name, got)
		}
	}
	c := r.make(discoverable("without"))
	if got := get(c); !reflect.DeepEqual(got, []byte{}) {
		t.Errorf("blob of a credential without one is %x", got)
	}
	expect(t, "outputs for false", len(r.assert(assertion(c.id).with(m{4: s{"credBlob": false}})).extensions), 0)
	r.want(0x11, cmdMakeCredential, discoverable("x").with(m{6: s{"credBlob": "x"}}))
	r.want(0x11, cmdGetAssertion, assertion(c.id).with(m{4: s{"credBlob": 1}}))
}

func TestLargeBlobKey(t *testing.T) {
	r := newRig(t)
	one := r.make(discoverable("one").with(m{6: s{"largeBlobKey": true}}))
	two := r.make(discoverable("two").with(m{6: s{"largeBlobKey": true}}))
	three := r.make(discoverable("three"))
	key := one.body[uint64(5)].([]byte)
	expect(t, "size of the key", len(key), 32)
	expect(t, "keys are the same", bytes.Equal(key, two.body[uint64(5)].([]byte)), false)
	expect(t, "signed outputs", len(one.extensions), 0)
	r.load()
	ask := m{4: s{"largeBlobKey": true}}
	for name, test := range map[string]struct {
		request m
		want    any
	}{
		"one":      {assertion(one.id).with(ask), key},
		"three":    {assertion(three.id).with(ask), nil},
		"unasked":  {assertion(one.id), nil},
		"found":    {assertion().with(ask), nil}, // three is the newest
		"not sent": {assertion(one.id).with(m{4: s{}}), nil},
	} {
		a := r.assert(test.request)
		if got := a.body[uint64(7)]; !reflect.DeepEqual(got, test.want) && !(got == nil && test.want == nil) {
			t.Errorf("%s: key %x", name, got)
		}
		expect(t, "signed outputs", len(a.extensions), 0)
	}
	r.assert(assertion().with(ask))
	a := r.next()
	expect(t, "key of the next one", bytes.Equal(a.body[uint64(7)].([]byte), two.body[uint64(5)].([]byte)), true)
	for _, test := range []struct {
		changes m
		want    byte
	}{
		{m{6: s{"largeBlobKey": false}}, 0x2c}, {m{6: s{"largeBlobKey": true}, 7: s{"rk": false}}, 0x2c},
		{m{6: s{"largeBlobKey": true}, 7: absent{}}, 0x2c}, {m{6: s{"largeBlobKey": 1}}, 0x11},
	} {
		r.want(test.want, cmdMakeCredential, discoverable("four").with(test.changes))
	}
	r.want(0x2c, cmdGetAssertion, assertion(one.id).with(m{4: s{"largeBlobKey": false}}))
	r.want(0x11, cmdGetAssertion, assertion(one.id).with(m{4: s{"largeBlobKey": "x"}}))
}

func TestHMACSecretMC(t *testing.T) {
	salts := append(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)...)
	for _, rk := range []bool{false, true} {
		for _, protocol := range []int{1, 2} {
			for _, size := range []int{32, 64} {
				r := newRig(t)
				p := r.agree(protocol)
				c := r.make(creation().with(m{6: s{"hmac-secret": true, "hmac-secret-mc": p.salts(salts[:size])}, 7: s{"rk": rk}}))
				expect(t, "outputs", len(c.extensions), 2)
				expect(t, "hmac-secret", c.extensions["hmac-secret"], any(true))
				got := p.decrypt(c.extensions["hmac-secret-mc"].([]byte))
				if want := r.secrets(2, assertion(c.id), salts[:size]); !bytes.Equal(got, want) {
					t.Errorf("rk=%v, protocol %d: %x, want %x", rk, protocol, got, want)
				}
			}
		}
	}
	r := newRig(t) // and with user verification
	r.setPIN()
	p := r.agree(2)
	token := r.token()
	c := r.make(token.mc(creation()).with(m{6: s{"hmac-secret": true, "hmac-secret-mc": p.salts(salts)}}))
	got := p.decrypt(c.extensions["hmac-secret-mc"].([]byte))
	expect(t, "secret with user verification", bytes.Equal(got, r.secrets(2, r.token().ga(assertion(c.id)), salts)), true)
	expect(t, "secret without", bytes.Equal(got, r.secrets(2, assertion(c.id), salts)), false)
}

func TestBadHMACSecretMCInputs(t *testing.T) {
	r := newRig(t)
	p := r.agree(2)
	good := p.salts(make([]byte, 32))
	for _, test := range []struct {
		name  string
		input s
		want  byte
	}{
		{"good", s{"hmac-secret": true, "hmac-secret-mc": good}, 0},
		{"without hmac-secret", s{"hmac-secret-mc": good}, 0x14},
		{"with hmac-secret false", s{"hmac-secret": false, "hmac-secret-mc": good}, 0x14},
		{"true", s{"hmac-secret": true, "hmac-secret-mc": true}, 0x11},
		{"empty", s{"hmac-secret": true, "hmac-secret-mc": m{}}, 0x14},
		{"wrong MAC", s{"hmac-secret": true, "hmac-secret-mc": good.with(m{3: flip(good[3].([]byte))})}, 0x33},
		{"protocol 3", s{"hmac-secret": true, "hmac-secret-mc": good.with(m{4: 3})}, 0x02},
		{"16 bytes", s{"hmac-secret": true, "hmac-secret-mc": p.salts(make([]byte, 16))}, 0x02},
		{"no key", s{"hmac-secret": true, "hmac-secret-mc": good.with(m{1: m{}})}, 0x02},
	} {
		before := len(r.records())
		if got, _ := r.raw(message(t, cmdMakeCredential, discoverable(test.name).with(m{6: test.input}))); got != test.want {
			t.Errorf("%s: status %02x, want %02x", test.name, got, test.want)
		}
		expect(t, "a record more", len(r.records()) > before, test.want == 0)
	}
	r.become(func(p *virtual.Profile) { p.Extensions = []string{"hmac-secret"} })
	c := r.make(creation().with(m{6: s{"hmac-secret": true, "hmac-secret-mc": true}}))
	expect(t, "outputs of a model without it", len(c.extensions), 1)
}

// A key without protocol one cannot be asked without naming a protocol.
func TestHMACSecretWithoutProtocolOne(t *testing.T) {
	r := newRig(t, onlyProtocol(2))
	c := r.make(creation())
	p := r.agree(2)
	good := p.salts(make([]byte, 32))
	r.ok(cmdGetAssertion, assertion(c.id).with(m{4: s{"hmac-secret": good}}))
	r.want(0x33, cmdGetAssertion, assertion(c.id).with(m{4: s{"hmac-secret": good.with(m{4: absent{}})}}))
	r.want(0x02, cmdGetAssertion, assertion(c.id).with(m{4: s{"hmac-secret": good.with(m{4: 1})}}))
	r.want(0x02, cmdClientPIN, m{1: 1, 2: 2})
	r.want(0x02, cmdMakeCredential, creation().with(m{8: []byte{1}, 9: 1}))
}

func TestNextAssertionsMayLeaveHMACSecretOut(t *testing.T) {
	r := newRig(t, model(func(p *virtual.Profile) { p.Choices.OneSecret = true }))
	r.accounts("one", "two")
	p := r.agree(2)
	a := r.assert(assertion().with(m{4: s{"hmac-secret": p.salts(make([]byte, 32))}}))
	expect(t, "outputs", len(a.extensions), 1)
	expect(t, "outputs of the next one", len(r.next().extensions), 0)
}

func TestThirdPartyPayment(t *testing.T) {
	r := newRig(t)
	for _, rk := range []bool{false, true} {
		for _, test := range []struct {
			input any
			want  bool
		}{{true, true}, {false, false}, {absent{}, false}} {
			request := creation().with(m{7: s{"rk": rk}})
			if test.input != (absent{}) {
				request[6] = s{"thirdPartyPayment": test.input}
			}
			c := r.make(request)
			expect(t, "outputs of makeCredential", len(c.extensions), 0)
			r.load()
			a := r.assert(assertion(c.id).with(m{4: s{"thirdPartyPayment": true}}), c)
			expect(t, "output", a.extensions["thirdPartyPayment"], any(test.want))
			expect(t, "outputs for false", len(r.assert(assertion(c.id).with(m{4: s{"thirdPartyPayment": false}})).extensions), 0)
		}
	}
	r.want(0x11, cmdMakeCredential, creation().with(m{6: s{"thirdPartyPayment": 1}}))
	r.want(0x11, cmdGetAssertion, assertion().with(m{4: s{"thirdPartyPayment": 1}}))
}

func TestUVM(t *testing.T) {
	finger := "thumb"
	r := thumbKey(t, &finger)
	r.become(func(p *virtual.Profile) { p.UV.KeyProtection, p.UV.MatcherProtection = 10, 4 })
	ask := m{4: s{"uvm": true}}
	c := r.make(creation().with(m{6: s{"uvm": true}}))
	const presence, finger2, passcode = 1, 2, 0x800
	for name, test := range map[string]struct {
		got  made
		want uint64
	}{
		"touch":         {c, presence},
		"PIN":           {r.make(r.token().mc(creation()).with(m{6: s{"uvm": true}})), passcode},
		"finger":        {r.make(creation().with(m{6: s{"uvm": true}, 7: s{"uv": true}})), finger2},
		"finger, token": {r.make(r.uvToken(1, rpID).mc(creation()).with(m{6: s{"uvm": true}})), finger2},
	} {
		want := []any{[]any{test.want, uint64(10), uint64(4)}}
		if got := test.got.extensions["uvm"]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: uvm is %v", name, got)
		}
	}
	for name, test := range map[string]struct {
		request m
		want    uint64
	}{
		"touch": {assertion(c.id).with(ask), presence}, "PIN": {r.token().ga(assertion(c.id)).with(ask), passcode},
		"finger": {assertion(c.id).with(ask).with(m{5: s{"uv": true}}), finger2},
	} {
		if name == "PIN" { // the token above may be another's by now
			test.request = r.token().ga(assertion(c.id)).with(ask)
		}
		want := []any{[]any{test.want, uint64(10), uint64(4)}}
		if got := r.assert(test.request).extensions["uvm"]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: uvm is %v", name, got)
		}
	}
	expect(t, "outputs for false", len(r.make(creation().with(m{6: s{"uvm": false}})).extensions), 0)
	expect(t, "outputs for false", len(r.assert(assertion(c.id).with(m{4: s{"uvm": false}})).extensions), 0)
	r.want(0x11, cmdMakeCredential, creation().with(m{6: s{"uvm": 1}}))
	r.want(0x11, cmdGetAssertion, assertion(c.id).with(m{4: s{"uvm": 1}}))
}

func TestPINPolicyExtensions(t *testing.T) {
	r := newRig(t)
	r.ok(cmdConfig, m{1: 3, 2: m{1: 6, 2: texts(rpID)}})
	c := r.make(creation().with(m{6: s{"minPinLength": true, "pinComplexityPolicy": true, "credProtect": 1}}))
	want := map[any]any{"minPinLength": uint64(6), "pinComplexityPolicy": false, "credProtect": uint64(1)}
	if !reflect.DeepEqual(c.extensions, want) {
		t.Errorf("outputs %v", c.extensions)
	}
	for _, name := range []string{"minPinLength", "pinComplexityPolicy"} {
		expect(t, "outputs for false", len(r.make(creation().with(m{6: s{name: false}})).extensions), 0)
		r.want(0x11, cmdMakeCredential, creation().with(m{6: s{name: 1}}))
		r.ok(cmdGetAssertion, assertion(c.id).with(m{4: s{name: 1}})) // means nothing there
	}
}

// An extension that the model does not have is not looked at, and has no output.
func TestExtensionsFollowTheProfile(t *testing.T) {
	inputs := s{"credProtect": "x", "credBlob": 1, "largeBlobKey": 1, "largeBlob": 1, "minPinLength": 1,
		"pinComplexityPolicy": 1, "hmac-secret": 1, "hmac-secret-mc": 1, "thirdPartyPayment": 1, "uvm": 1}
	r := newRig(t, model(func(p *virtual.Profile) { p.Extensions = nil }))
	c := r.make(discoverable("one").with(m{6: inputs}))
	a := r.assert(assertion(c.id).with(m{4: inputs}))
	expect(t, "outputs", len(c.extensions)+len(a.extensions), 0)
	expect(t, "members", len(c.body), 3)
	for name, input := range inputs {
		if name == "largeBlob" { // the default model has it not
			continue
		}
		newRig(t).want(0x11, cmdMakeCredential, discoverable("one").with(m{6: s{name: input}}))
	}
}

func TestDefaultCredProtect(t *testing.T) {
	r := newRig(t, model(func(p *virtual.Profile) { p.CredProtect = 2 }))
	c := r.make(discoverable("one"))
	expect(t, "outputs unasked", len(c.extensions), 0)
	r.want(0x2e, cmdGetAssertion, assertion())
	r.assert(assertion(c.id), c)
	c = r.make(discoverable("two").with(m{6: s{"credProtect": 1}}))
	r.assert(assertion(), c)
	r = newRig(t, model(func(p *virtual.Profile) { p.Choices.CredProtect = 0x02 }))
	r.want(0x02, cmdMakeCredential, creation().with(m{6: s{"credProtect": 4}}))
}

// onlyProtocol is a model with one PIN/UV auth protocol.
func onlyProtocol(n uint) func(*virtual.Config) {
	return model(func(p *virtual.Profile) { p.PINProtocols = p.PINProtocols[2-n : 3-n] })
}

func TestModelsWithOneProtocol(t *testing.T) {
	for n := range 2 {
		protocol := n + 1
		r := newRig(t, onlyProtocol(uint(protocol)))
		r.want(0x02, cmdClientPIN, m{1: 3 - protocol, 2: 2})
		p := r.agree(protocol)
		r.ok(cmdClientPIN, p.setPIN(pin))
		r.make(p.take(p.getToken(pin)).mc(creation()))
	}
	r := newRig(t, model(func(p *virtual.Profile) { p.PINProtocols = nil }))
	r.want(0x01, cmdClientPIN, m{2: 1})
}
