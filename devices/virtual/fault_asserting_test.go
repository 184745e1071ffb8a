package virtual_test

import (
	"bytes"
	"time"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// silent is a request without a touch.
func silent(request m) m { return request.with(m{5: s{"up": false}}) }

// secret is a request for hmac-secret.
func (r *rig) secretOf(request m, salts []byte) m {
	return request.with(m{4: s{"hmac-secret": r.agree(2).salts(salts)}})
}

// fresh is the same key, taken from its store.
func (r *rig) fresh() { r.t.Helper(); r.load() }

// assertingScenes are about assertions, their counters, U2F and what is stored.
var assertingScenes = []scene{
	// getAssertion
	{"ga-no-touch", nil, func(r *rig) { r.assert(assertion(r.make(creation()).id)) }, "GetAssertion: touches 0, not 1"},
	{"ga-silent-up-flag", nil, func(r *rig) { r.assert(silent(assertion(r.make(creation()).id))) }, "GetAssertion: authData.flags is \"01\", not \"00\""},
	{"ga-silent-wants-touch", nil, func(r *rig) { r.assert(silent(assertion(r.make(creation()).id))) }, "GetAssertion: touches 1, not 0"},
	{"ga-rk-accepted", nil, func(r *rig) { r.ask(cmdGetAssertion, assertion(r.make(creation()).id).with(m{5: s{"rk": false}})) }, "GetAssertion: status 00, not 2b"},
	{"ga-other-rp", nil, func(r *rig) {
		r.ask(cmdGetAssertion, assertion(r.make(discoverable("one")).id).with(m{1: "other.example"}))
	}, "GetAssertion: status 00, not 2e"},
	{"ga-oldest-first", nil, func(r *rig) { r.accounts("one", "two"); r.assert(assertion()) }, "GetAssertion: 1.id has other bytes; 3 has other bytes; 4.id has other bytes"},
	{"ga-count-always", nil, func(r *rig) { r.assert(assertion(r.make(creation()).id)) }, "GetAssertion: 5 is 1, not absent"},
	{"ga-names-without-uv", nil, func(r *rig) { r.accounts("one", "two"); r.assert(assertion()) }, "GetAssertion: 4.displayName is \"The two\", not absent; 4.name is \"two@example.com\", not absent"},
	{"ga-user-missing", nil, func(r *rig) { r.accounts("one"); r.assert(assertion()) }, "GetAssertion: 4 is absent, not a map of 1"},
	{"ga-credential-missing", nil, func(r *rig) { r.ask(cmdGetAssertion, assertion(r.make(creation()).id)) }, "GetAssertion: 1 is absent, not a map of 2"},
	{"ga-transports-refused", nil, func(r *rig) {
		id := r.make(creation()).id
		r.ask(cmdGetAssertion, assertion().with(m{3: []any{s{"id": id, "type": "public-key", "transports": texts("usb")}}}))
	}, "GetAssertion: status 12, not 00"},
	{"ga-unknown-type-refused", nil, func(r *rig) {
		id := r.make(creation()).id
		r.ask(cmdGetAssertion, assertion().with(m{3: []any{s{"id": id, "type": "other"}, s{"id": id, "type": "public-key"}}}))
	}, "GetAssertion: status 22, not 00"},
	{"ga-param-unchecked", nil, func(r *rig) {
		id := r.make(creation()).id
		r.setPIN()
		r.ask(cmdGetAssertion, assertion(id).with(m{6: make([]byte, 32), 7: 2}))
	}, "GetAssertion: status 00, not 33"},
	{"ga-uv-flag-always", nil, func(r *rig) { r.assert(assertion(r.make(creation()).id)) }, "GetAssertion: authData.flags is \"05\", not \"01\""},
	{"ga-always-uv-ignored", nil, func(r *rig) {
		id := r.make(creation()).id
		r.setPIN()
		r.ok(cmdConfig, r.acfgToken().acfg(2, nil))
		r.ask(cmdGetAssertion, assertion(id))
	}, "GetAssertion: status 00, not 36"},
	{"ga-signature-without-hash", nil, func(r *rig) { c := r.make(creation()); r.assert(assertion(c.id), c) }, "GetAssertion: 3 has other bytes [signature is wrong]"},

	// getNextAssertion
	{"next-survives-commands", nil, func(r *rig) {
		r.accounts("one", "two")
		r.assert(assertion())
		r.ask(cmdGetInfo, nil)
		r.ask(cmdGetNextAssertion, nil)
	}, "GetNextAssertion: status 00, not 30"},
	{"next-never-expires", nil, func(r *rig) {
		r.accounts("one", "two")
		r.assert(assertion())
		r.wait(31 * time.Second)
		r.ask(cmdGetNextAssertion, nil)
	}, "GetNextAssertion: status 00, not 30"},
	{"next-flags-cleared", nil, func(r *rig) {
		r.accounts("one", "two")
		r.setPIN()
		r.assert(r.token().ga(assertion()))
		r.next()
	}, "GetNextAssertion: authData.flags is \"01\", not \"05\""},
	{"next-repeats-first", nil, func(r *rig) { r.accounts("one", "two"); r.assert(assertion()); r.next() }, "GetNextAssertion: 1.id has other bytes; 3 has other bytes; 4.id has other bytes"},
	{"next-one-too-many", nil, func(r *rig) {
		r.accounts("one", "two")
		r.assert(assertion())
		r.next()
		r.ask(cmdGetNextAssertion, nil)
	}, "GetNextAssertion: status 00, not 30"},
	{"next-resets-pin-retries", nil, func(r *rig) {
		r.setPIN()
		r.ask(cmdClientPIN, r.agree(2).getToken("9999"))
		r.ask(cmdGetNextAssertion, nil)
		r.askRetries()
	}, "ClientPIN 01: 3 is 8, not 7"},
	{"next-survives-power", nil, func(r *rig) {
		r.accounts("one", "two")
		r.assert(assertion())
		r.key.PowerCycle()
		r.ask(cmdGetNextAssertion, nil)
	}, "GetNextAssertion: status 00, not 30"},

	// extensions of getAssertion
	{"ext-protect-2-as-1", nil, func(r *rig) {
		r.make(discoverable("one").with(m{6: s{"credProtect": 2}}))
		r.ask(cmdGetAssertion, assertion())
	}, "GetAssertion: status 00, not 2e"},
	{"ext-protect-3-as-2", nil, func(r *rig) {
		c := r.make(discoverable("one").with(m{6: s{"credProtect": 3}}))
		r.ask(cmdGetAssertion, assertion(c.id))
	}, "GetAssertion: status 00, not 2e"},
	{"ext-hmac-one-secret", nil, func(r *rig) {
		id := r.make(creation()).id
		salt := make([]byte, 32)
		plain := r.secrets(2, assertion(id), salt)
		r.setPIN()
		if bytes.Equal(plain, r.secrets(2, r.token().ga(assertion(id)), salt)) {
			r.t.Fatal("one secret")
		}
	}, "GetAssertion: 3 has other bytes; authData.extensions.hmac-secret has other bytes [one secret]"},
	{"ext-hmac-same-for-all", nil, func(r *rig) {
		salt := make([]byte, 32)
		one, two := r.make(creation()).id, r.make(creation()).id
		if bytes.Equal(r.secrets(2, assertion(one), salt), r.secrets(2, assertion(two), salt)) {
			r.t.Fatal("one secret for two credentials")
		}
	}, "GetAssertion: 3 has other bytes; authData.extensions.hmac-secret has other bytes [one secret for two credentials]"},
	{"ext-hmac-auth-unchecked", nil, func(r *rig) {
		id := r.make(creation()).id
		input := r.agree(2).salts(make([]byte, 32))
		r.ask(cmdGetAssertion, assertion(id).with(m{4: s{"hmac-secret": input.with(m{3: make([]byte, 32)})}}))
	}, "GetAssertion: status 00, not 33"},
	{"ext-hmac-protocol-refused", nil, func(r *rig) {
		id := r.make(creation()).id
		r.ask(cmdGetAssertion, r.secretOf(assertion(id), make([]byte, 32)))
	}, "GetAssertion: status 14, not 00"},
	{"ext-hmac-silent", nil, func(r *rig) {
		id := r.make(creation()).id
		r.ask(cmdGetAssertion, silent(r.secretOf(assertion(id), make([]byte, 32))))
	}, "GetAssertion: status 00, not 2b"},
	{"ext-hmac-second-as-first", nil, func(r *rig) {
		salts := append(make([]byte, 32), bytes.Repeat([]byte{1}, 32)...)
		b := r.secrets(2, assertion(r.make(creation()).id), salts)
		if bytes.Equal(b[:32], b[32:]) {
			r.t.Fatal("one output twice")
		}
	}, "GetAssertion: 3 has other bytes; authData.extensions.hmac-secret has other bytes [one output twice]"},
	{"ext-blob-key-changes", nil, func(r *rig) {
		c := r.make(discoverable("one").with(m{6: s{"largeBlobKey": true}}))
		a := r.assert(assertion(c.id).with(m{4: s{"largeBlobKey": true}}))
		if !bytes.Equal(c.body[uint64(5)].([]byte), a.body[uint64(7)].([]byte)) {
			r.t.Fatal("another key")
		}
	}, "MakeCredential: 5 has other bytes [another key]"},
	{"ext-blob-write-unnamed", with(model(blobModel)), func(r *rig) {
		r.accounts("one")
		r.ask(cmdGetAssertion, assertion().with(m{4: s{"largeBlob": s{"write": []byte{1}, "originalSize": 1}}}))
	}, "GetAssertion: 8.largeBlob.written is true, not false"},
	{"ext-payment-always", nil, func(r *rig) {
		r.assert(assertion(r.make(creation()).id).with(m{4: s{"thirdPartyPayment": true}}))
	}, "GetAssertion: authData.extensions.thirdPartyPayment is true, not false"},

	// counters and what is stored
	{"ctr-stuck", nil, func(r *rig) { id := r.make(creation()).id; r.assert(assertion(id)) }, "GetAssertion: authData.count is 1, not 2"},
	{"ctr-falls", nil, func(r *rig) {
		id := r.make(creation()).id
		r.assert(assertion(id))
		r.key.PowerCycle()
		r.assert(assertion(id))
	}, "GetAssertion: authData.count is 1, not 3"},
	{"ctr-jumps", nil, func(r *rig) { r.make(creation()) }, "MakeCredential: authData.count is 20000, not 1"},
	{"state-credential-lost", nil, func(r *rig) { r.accounts("one"); r.fresh(); r.ask(cmdGetAssertion, assertion()) }, "GetAssertion: status 2e, not 00"},
	{"state-counter-lost", nil, func(r *rig) {
		id := r.make(creation()).id
		r.assert(assertion(id))
		r.fresh()
		r.assert(assertion(id))
	}, "GetAssertion: authData.count is 1, not 3"},
	{"state-pin-lost", nil, func(r *rig) { r.setPIN(); r.fresh(); r.ask(cmdGetInfo, nil) }, "GetInfo: 4.clientPin is false, not true"},
	{"state-blobs-lost", nil, func(r *rig) {
		r.ok(cmdLargeBlobs, m{2: array(40), 3: 0, 4: 40})
		r.fresh()
		r.ask(cmdLargeBlobs, m{1: 100, 3: 0})
	}, "LargeBlobs: 1 has other bytes"},
	{"state-settings-lost", nil, func(r *rig) { r.ok(cmdConfig, m{1: 3, 2: m{1: 6}}); r.fresh(); r.ask(cmdGetInfo, nil) }, "GetInfo: d is 4, not 6"},

	// U2F
	{"u2f-no-touch", with(refusing), func(r *rig) { r.u2f(insRegister, 3, challenged()) }, "U2F 01: status word 9000, not 6985"},
	{"u2f-check-signs", with(onNFC), func(r *rig) { r.u2f(insAuthenticate, checkOnly, challenged(r.register().handle...)) }, "U2F 02: status word 9000, not 6985"},
	{"u2f-unknown-handle-other", with(onNFC), func(r *rig) { r.u2f(insAuthenticate, enforce, challenged(make([]byte, 64)...)) }, "U2F 02: status word 6f00, not 6a80"},
	{"u2f-silent-up-flag", with(onNFC), func(r *rig) { r.u2f(insAuthenticate, dontEnforce, challenged(r.register().handle...)) }, "U2F 02: flags 01, not 00"},
	{"u2f-with-always-uv", with(onNFC, setOption("alwaysUv", true)), func(r *rig) { r.u2f(insVersion, 0, nil) }, "U2F 03: status word 9000, not 6986"},
	{"u2f-signature-swapped", with(onNFC), func(r *rig) {
		reg := r.register()
		b, _ := r.u2f(insAuthenticate, enforce, challenged(reg.handle...))
		reg.authenticated(r.t, flagUP, b)
	}, "U2F 02: other bytes [signature is wrong]"},
	{"u2f-uses-protected", with(onNFC, func(c *virtual.Config) { c.Presence = virtual.Auto() }), func(r *rig) {
		c := r.make(extensions(s{"credProtect": 3}))
		r.u2f(insAuthenticate, enforce, challenged(c.id...))
	}, "U2F 02: status word 9000, not 6a80"},
	{"u2f-class-ignored", with(onNFC), func(r *rig) { r.apdu([]byte{0x80, insVersion, 0, 0}) }, "U2F 03: status word 9000, not 6e00"},
	{"u2f-instruction-ignored", with(onNFC), func(r *rig) { r.u2f(0x44, 0, nil) }, "U2F 44: status word 9000, not 6d00"},
	{"u2f-version-with-data", with(onNFC), func(r *rig) { r.u2f(insVersion, 0, []byte{1}) }, "U2F 03: status word 9000, not 6700"},
}
