package virtual_test

import (
	"bytes"
	"crypto/sha256"
	"time"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// mistaken tries a PIN that is not the right one, n times.
func (r *rig) mistaken(n int) {
	r.t.Helper()
	for range n {
		r.ask(cmdClientPIN, r.agree(2).getToken("9999"))
	}
}

// recalled tries the right one.
func (r *rig) recalled() { r.t.Helper(); r.ask(cmdClientPIN, r.agree(2).getToken(pin)) }

// padded is a request to set a PIN whose padding is by hand.
func (p *platform) setPadded(b []byte) m {
	enc := p.encrypt(b)
	return m{1: p.protocol, 2: 3, 3: p.cose, 4: p.secret.Authenticate(enc), 5: enc}
}

// locked is a key without tries, and not blocked for the session.
func (r *rig) locked() {
	r.t.Helper()
	for range 3 {
		r.mistaken(3)
		r.key.PowerCycle()
	}
}

func complexityPolicy(c *virtual.Config) {
	on := true
	model(func(p *virtual.Profile) { p.PIN.Complexity = &on })(c)
}

// tokenScenes are about PINs, fingers and tokens.
var tokenScenes = []scene{
	// clientPIN
	{"pin-agreement-wants-alg", nil, func(r *rig) {
		p := r.agree(2)
		p.cose = p.cose.with(m{3: -7})
		r.ask(cmdClientPIN, p.setPIN(pin))
	}, "ClientPIN 03: status 02, not 00"},
	{"pin-retries-want-protocol", nil, func(r *rig) { r.askRetries() }, "ClientPIN 01: status 14, not 00"},
	{"pin-padding-unchecked", nil, func(r *rig) { r.ask(cmdClientPIN, r.agree(2).setPadded(append([]byte(pin), make([]byte, 28)...))) }, "ClientPIN 03: status 00, not 02"},
	{"pin-64-bytes-accepted", nil, func(r *rig) { r.ask(cmdClientPIN, r.agree(2).setPadded(bytes.Repeat([]byte("1"), 64))) }, "ClientPIN 03: status 00, not 37"},
	{"pin-length-in-bytes", nil, func(r *rig) { r.ask(cmdClientPIN, r.agree(2).setPIN("üüü")) }, "ClientPIN 03: status 00, not 37"},
	{"pin-min-length-off-by-one", nil, func(r *rig) { r.ask(cmdClientPIN, r.agree(2).setPIN("123")) }, "ClientPIN 03: status 00, not 37"},
	{"pin-set-twice", nil, func(r *rig) { r.setPIN(); r.ask(cmdClientPIN, r.agree(2).setPIN("5678")) }, "ClientPIN 03: status 00, not 33"},
	{"pin-wrong-is-free", nil, func(r *rig) { r.setPIN(); r.mistaken(1); r.askRetries() }, "ClientPIN 01: 3 is 8, not 7"},
	{"pin-retries-not-restored", nil, func(r *rig) { r.setPIN(); r.mistaken(1); r.recalled(); r.askRetries() }, "ClientPIN 01: 3 is 6, not 8"},
	{"pin-retries-in-memory", nil, func(r *rig) { r.setPIN(); r.mistaken(1); r.fresh(); r.askRetries() }, "ClientPIN 01: 3 is 8, not 7"},
	{"pin-hash-compared-in-part", nil, func(r *rig) {
		r.setPIN()
		p := r.agree(2)
		half := sha256.Sum256([]byte(pin))
		r.ask(cmdClientPIN, p.getToken(pin).with(m{6: p.encrypt(append(half[:8:8], make([]byte, 8)...))}))
	}, "ClientPIN 05: status 00, not 31"},
	{"auth-param-compared-in-part", nil, func(r *rig) {
		r.setPIN()
		request := r.token().mc(creation())
		half := append(bytes.Clone(request[8].([]byte)[:16]), make([]byte, 16)...)
		r.ask(cmdMakeCredential, request.with(m{8: half}))
	}, "MakeCredential: status 00, not 33"},
	{"pin-no-auth-block", nil, func(r *rig) { r.setPIN(); r.mistaken(3) }, "ClientPIN 05: status 31, not 34"},
	{"pin-right-while-blocked", nil, func(r *rig) { r.setPIN(); r.mistaken(3); r.recalled() }, "ClientPIN 05: status 00, not 34"},
	{"pin-blocked-ignored", nil, func(r *rig) { r.setPIN(); r.locked(); r.recalled() }, "ClientPIN 05: status 00, not 32"},
	{"pin-auth-block-survives-power", nil, func(r *rig) { r.setPIN(); r.mistaken(3); r.key.PowerCycle(); r.recalled() }, "ClientPIN 05: status 34, not 00"},
	{"pin-change-keeps-token", nil, func(r *rig) {
		r.setPIN()
		token := r.token()
		r.ok(cmdClientPIN, r.agree(2).changePIN(pin, "5678"))
		r.ask(cmdMakeCredential, token.mc(creation()))
	}, "MakeCredential: status 00, not 33"},
	{"pin-change-keeps-persistent-token", nil, func(r *rig) {
		r.setPIN()
		token := r.tokenFor(permPCMR)
		r.ok(cmdClientPIN, r.agree(2).changePIN(pin, "5678"))
		r.ask(cmdCredMgmt, token.cm(1, nil))
	}, "CredentialManagement 01: status 00, not 33"},
	{"pin-agreement-key-kept", nil, func(r *rig) {
		r.setPIN()
		p := r.agree(2)
		r.ask(cmdClientPIN, p.getToken("9999"))
		r.ask(cmdClientPIN, p.getToken(pin))
	}, "ClientPIN 05: status 00, not 31"},
	{"pin-agreement-survives-power", nil, func(r *rig) {
		r.setPIN()
		p := r.agree(2)
		r.key.PowerCycle()
		r.ask(cmdClientPIN, p.getToken(pin))
	}, "ClientPIN 05: status 00, not 31"},
	{"pin-force-change-ignored", nil, func(r *rig) {
		r.setPIN()
		r.ok(cmdConfig, r.acfgToken().acfg(3, m{3: true}))
		r.ask(cmdClientPIN, r.agree(2).getTokenWith(pin, 3, rpID))
	}, "ClientPIN 09: status 00, not 37"},
	{"pin-force-change-to-same", nil, func(r *rig) {
		r.setPIN()
		r.ok(cmdConfig, r.acfgToken().acfg(3, m{3: true}))
		r.ask(cmdClientPIN, r.agree(2).changePIN(pin, pin))
	}, "ClientPIN 04: status 00, not 37"},
	{"pin-token-zero-iv", nil, func(r *rig) {
		r.setPIN()
		body := r.ok(cmdClientPIN, r.agree(2).getToken(pin))
		if bytes.Equal(body[uint64(2)].([]byte)[:16], make([]byte, 16)) {
			r.t.Fatal("the IV is zero")
		}
	}, "ClientPIN 05: 2 has other bytes [the IV is zero]"},
	{"pin-complexity-ignored", with(complexityPolicy), func(r *rig) { r.ask(cmdClientPIN, r.agree(2).setPIN("1111")) }, "ClientPIN 03: status 00, not 37"},
	{"pin-policy-costs-a-try", nil, func(r *rig) {
		r.setPIN()
		r.ask(cmdClientPIN, r.agree(2).changePIN(pin, "1"))
		r.askRetries()
	}, "ClientPIN 01: 3 is 7, not 8"},
	{"pin-not-set-as-invalid", nil, func(r *rig) { r.recalled() }, "ClientPIN 05: status 31, not 35"},

	// built-in user verification
	{"uv-wrong-is-free", nil, func(r *rig) { r.strangers(1); r.ask(cmdClientPIN, m{2: 7}) }, "ClientPIN 07: 5 is 5, not 4"},
	{"uv-any-finger", nil, func(r *rig) { r.strangers(1) }, "ClientPIN 06: status 00, not 3f"},
	{"uv-blocked-ignored", nil, func(r *rig) {
		r.strangers(5)
		r.become(func(*virtual.Profile) { r.cfg.Finger = virtual.Touching("thumb") })
		r.ask(cmdClientPIN, r.agree(2).getUVToken(3, rpID))
	}, "ClientPIN 06: status 00, not 3c"},
	{"uv-retries-not-restored", nil, func(r *rig) {
		r.strangers(1)
		r.become(func(*virtual.Profile) { r.cfg.Finger = virtual.Touching("thumb") })
		r.ask(cmdClientPIN, r.agree(2).getUVToken(3, rpID))
		r.ask(cmdClientPIN, m{2: 7})
	}, "ClientPIN 07: 5 is 3, not 5"},

	// tokens
	{"token-permission-unchecked", nil, func(r *rig) {
		r.setPIN()
		p := r.agree(2)
		r.ask(cmdMakeCredential, p.take(p.getTokenWith(pin, 2, rpID)).mc(creation()))
	}, "MakeCredential: status 00, not 33"},
	{"token-rp-unchecked", nil, func(r *rig) { r.setPIN(); r.ask(cmdMakeCredential, r.token().mc(anywhere(creation()))) }, "MakeCredential: status 00, not 33"},
	{"token-not-spent", nil, func(r *rig) {
		r.setPIN()
		token := r.token()
		r.make(token.mc(creation()))
		r.ask(cmdMakeCredential, token.mc(creation()))
	}, "MakeCredential: status 00, not 33"},
	{"token-legacy-unbound", nil, func(r *rig) {
		id := r.make(creation()).id
		r.setPIN()
		token := r.legacy()
		r.ok(cmdGetAssertion, silent(token.ga(assertion(id))))
		r.ask(cmdMakeCredential, token.mc(anywhere(creation())))
	}, "MakeCredential: status 00, not 33"},
	{"token-legacy-manages", nil, func(r *rig) { r.setPIN(); r.ask(cmdCredMgmt, r.legacy().cm(1, nil)) }, "CredentialManagement 01: status 00, not 33"},
	{"token-legacy-with-permissions", nil, func(r *rig) {
		r.setPIN()
		r.ask(cmdClientPIN, r.agree(2).getToken(pin).with(m{9: 3, 10: rpID}))
	}, "ClientPIN 05: status 00, not 02"},
	{"token-older-valid", nil, func(r *rig) {
		r.setPIN()
		token := r.token()
		r.token()
		r.ask(cmdMakeCredential, token.mc(creation()))
	}, "MakeCredential: status 00, not 33"},
	{"token-survives-power", nil, func(r *rig) {
		r.setPIN()
		token := r.token()
		r.key.PowerCycle()
		r.ask(cmdMakeCredential, token.mc(creation()))
	}, "MakeCredential: status 00, not 33"},
	{"token-survives-reset", nil, func(r *rig) {
		r.setPIN()
		token := r.token()
		r.ok(cmdReset, nil)
		r.setPIN()
		r.ask(cmdMakeCredential, token.mc(creation()))
	}, "MakeCredential: status 00, not 33"},
	{"token-never-expires", nil, func(r *rig) {
		r.setPIN()
		token := r.cmToken()
		r.ok(cmdCredMgmt, token.cm(1, nil))
		r.wait(11 * time.Minute)
		r.ask(cmdCredMgmt, token.cm(1, nil))
	}, "CredentialManagement 01: status 00, not 33"},
	{"token-unused-never-expires", nil, func(r *rig) {
		r.setPIN()
		token := r.cmToken()
		r.wait(31 * time.Second)
		r.ask(cmdCredMgmt, token.cm(1, nil))
	}, "CredentialManagement 01: status 00, not 33"},
	{"token-without-permissions", nil, func(r *rig) { r.setPIN(); r.ask(cmdClientPIN, r.agree(2).getTokenWith(pin, 0, rpID)) }, "ClientPIN 09: status 00, not 02"},
	{"token-without-rp-id", nil, func(r *rig) { r.setPIN(); r.ask(cmdClientPIN, r.agree(2).getTokenWith(pin, 3, absent{})) }, "ClientPIN 09: status 00, not 14"},
	{"token-ungrantable-granted", nil, func(r *rig) { r.setPIN(); r.ask(cmdClientPIN, r.agree(2).getTokenWith(pin, permBE, absent{})) }, "ClientPIN 09: status 00, not 40"},
	{"token-persistent-writes", nil, func(r *rig) {
		c := r.make(discoverable("one"))
		r.setPIN()
		r.ask(cmdCredMgmt, r.tokenFor(permPCMR).cm(6, m{2: s{"id": c.id, "type": "public-key"}}))
	}, "CredentialManagement 06: status 00, not 33"},
	{"cm-permission-unchecked", nil, func(r *rig) { r.setPIN(); r.ask(cmdCredMgmt, r.tokenFor(permACFG).cm(1, nil)) }, "CredentialManagement 01: status 00, not 33"},
	{"bio-permission-unchecked", with(everything), func(r *rig) { r.setPIN(); r.ask(cmdBio, r.tokenFor(permACFG).be(1, nil)) }, "BioEnrollment 01: status 00, not 33"},
	{"lb-permission-unchecked", nil, func(r *rig) {
		r.setPIN()
		r.ask(cmdLargeBlobs, r.tokenFor(permACFG).lb(m{2: array(40), 3: 0, 4: 40}))
	}, "LargeBlobs: status 00, not 33"},
	{"cfg-permission-unchecked", nil, func(r *rig) { r.setPIN(); r.ask(cmdConfig, r.cmToken().acfg(1, nil)) }, "Config 01: status 00, not 33"},
}

// strangers makes the key one on which the thumb is enrolled, and puts another
// finger on it n times.
func (r *rig) strangers(n int) {
	r.t.Helper()
	r.cfg.Profile, r.cfg.Store = virtual.FingerprintProfile(), virtual.NewMemory()
	r.cfg.Finger = virtual.Touching("thumb")
	r.load()
	r.setPIN()
	r.enrol("Thumb")
	r.cfg.Finger = virtual.Touching("other")
	r.load()
	for range n {
		r.ask(cmdClientPIN, r.agree(2).getUVToken(3, rpID))
	}
}
