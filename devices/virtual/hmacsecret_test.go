package virtual_test

import (
	"bytes"
	"testing"
)

// salts is the input of hmac-secret under a key agreement.
func (p *platform) salts(salts []byte) m {
	enc := p.encrypt(salts)
	return m{1: p.cose, 2: enc, 3: p.secret.Authenticate(enc), 4: p.protocol}
}

// secrets asks for the outputs for salts, decrypted.
func (r *rig) secrets(protocol int, request m, salts []byte) []byte {
	r.t.Helper()
	p := r.agree(protocol)
	a := r.assert(request.with(m{4: s{"hmac-secret": p.salts(salts)}}))
	expect(r.t, "ED flag", a.flags&flagED != 0, true)
	expect(r.t, "outputs", len(a.extensions), 1)
	return p.decrypt(a.extensions["hmac-secret"].([]byte))
}

func TestHMACSecret(t *testing.T) {
	r := newRig(t)
	saltA, saltB := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	for name, c := range map[string]made{
		"wrapped":              r.make(creation().with(m{6: s{"hmac-secret": true}})),
		"stored":               r.make(discoverable("one").with(m{6: s{"hmac-secret": true}})),
		"made without asking":  r.make(creation()),
		"Ed25519":              r.make(creation().with(m{4: []any{eddsa}})),
		"refused when made":    r.make(creation().with(m{6: s{"hmac-secret": false}})),
		"with credProtect two": r.make(creation().with(m{6: s{"credProtect": 2}})),
	} {
		t.Run(name, func(t *testing.T) {
			a := r.secrets(1, assertion(c.id), saltA)
			expect(t, "size", len(a), 32)
			b := r.secrets(2, assertion(c.id), saltB)
			both := append(bytes.Clone(a), b...)
			for _, protocol := range []int{1, 2} {
				if got := r.secrets(protocol, assertion(c.id), append(bytes.Clone(saltA), saltB...)); !bytes.Equal(got, both) {
					t.Fatalf("protocol %d gives %x, want %x", protocol, got, both)
				}
			}
			if bytes.Equal(a, b) {
				t.Fatal("salts do not matter")
			}
			r.key.PowerCycle()
			r.load()
			if got := r.secrets(2, assertion(c.id), saltA); !bytes.Equal(got, a) {
				t.Fatal("another secret after loading")
			}
		})
	}
}

func TestHMACSecretDependsOnCredentialAndUserVerification(t *testing.T) {
	r := newRig(t)
	one, two := r.make(creation()), r.make(creation())
	r.setPIN()
	seen := map[string]string{}
	for name, request := range map[string]func() m{
		"one":           func() m { return assertion(one.id) },
		"two":           func() m { return assertion(two.id) },
		"one, verified": func() m { return r.token().ga(assertion(one.id)) },
		"two, verified": func() m { return r.token().ga(assertion(two.id)) },
	} {
		secret := string(r.secrets(2, request(), make([]byte, 32)))
		if other, ok := seen[secret]; ok {
			t.Fatalf("%s and %s have the same secret", name, other)
		}
		seen[secret] = name
	}
}

func TestHMACSecretProtocolIsOneByDefault(t *testing.T) {
	r := newRig(t)
	c := r.make(creation())
	p := r.agree(1)
	a := r.assert(assertion(c.id).with(m{4: s{"hmac-secret": p.salts(make([]byte, 32)).with(m{4: absent{}})}}))
	if got := p.decrypt(a.extensions["hmac-secret"].([]byte)); !bytes.Equal(got, r.secrets(2, assertion(c.id), make([]byte, 32))) {
		t.Fatalf("secret %x", got)
	}
}

func TestBadHMACSecretInputs(t *testing.T) {
	r := newRig(t)
	c := r.make(creation())
	for _, protocol := range []int{1, 2} {
		p := r.agree(protocol)
		good := p.salts(make([]byte, 32))
		auth := good[3].([]byte)
		tests := []struct {
			name  string
			input m
			want  byte
		}{
			{"good", good, 0},
			{"unknown member", good.with(m{99: 1}), 0},
			{"no keyAgreement", good.with(m{1: absent{}}), 0x14},
			{"no saltEnc", good.with(m{2: absent{}}), 0x14},
			{"no saltAuth", good.with(m{3: absent{}}), 0x14},
			{"keyAgreement is bytes", good.with(m{1: []byte{1}}), 0x11},
			{"saltEnc is text", good.with(m{2: "x"}), 0x11},
			{"saltAuth is text", good.with(m{3: "x"}), 0x11},
			{"protocol is text", good.with(m{4: "x"}), 0x11},
			{"protocol 3", good.with(m{4: 3}), 0x02},
			{"protocol 0", good.with(m{4: 0}), 0x02},
			{"the other protocol", good.with(m{4: 3 - protocol}), 0x33},
			{"key off the curve", good.with(m{1: m{1: 2, 3: -25, -1: 1, -2: p32, -3: p32}}), 0x02},
			{"empty key", good.with(m{1: m{}}), 0x02},
			{"saltAuth cut", good.with(m{3: auth[:len(auth)-1]}), 0x33},
			{"saltAuth empty", good.with(m{3: []byte{}}), 0x33},
			{"saltAuth flipped", good.with(m{3: flip(auth)}), 0x33},
			{"no salt", p.salts(nil), 0x02},
			{"16 bytes", p.salts(make([]byte, 16)), 0x02},
			{"48 bytes", p.salts(make([]byte, 48)), 0x02},
			{"96 bytes", p.salts(make([]byte, 96)), 0x02},
			{"ciphertext of 0 bytes", p.ciphertext(0), 0x02},
			{"ciphertext of 8 bytes", p.ciphertext(8), 0x02},
			{"ciphertext of 15 bytes", p.ciphertext(15), 0x02},
			{"ciphertext of 31 bytes", p.ciphertext(31), 0x02},
			{"ciphertext of 33 bytes", p.ciphertext(33), 0x02},
		}
		for _, test := range tests {
			request := assertion(c.id).with(m{4: s{"hmac-secret": test.input}})
			if got, _ := r.raw(message(t, cmdGetAssertion, request)); got != test.want {
				t.Errorf("protocol %d, %s: status %02x, want %02x", protocol, test.name, got, test.want)
			}
		}
		silent := assertion(c.id).with(m{4: s{"hmac-secret": good}, 5: s{"up": false}})
		r.want(0x2b, cmdGetAssertion, silent)
	}
}

// ciphertext is an input with a saltEnc of any size, authenticated.
func (p *platform) ciphertext(size int) m {
	enc := make([]byte, size)
	return m{1: p.cose, 2: enc, 3: p.secret.Authenticate(enc), 4: p.protocol}
}

func flip(b []byte) []byte {
	b = bytes.Clone(b)
	b[len(b)-1] ^= 1
	return b
}

func TestNextAssertionsHaveOutputsToo(t *testing.T) {
	r := newRig(t)
	credentials := r.accounts("one", "two", "three")
	salt := bytes.Repeat([]byte{7}, 32)
	var want []string
	for i := range credentials {
		c := credentials[len(credentials)-1-i]
		want = append(want, string(r.secrets(2, assertion(c.id), salt)))
	}
	p := r.agree(2)
	a := r.assert(assertion().with(m{4: s{"hmac-secret": p.salts(salt)}}), credentials...)
	for i := range want {
		got := p.decrypt(a.extensions["hmac-secret"].([]byte))
		expect(t, "secret", string(got), want[i])
		if i < len(want)-1 {
			a = r.next(credentials...)
		}
	}
}
