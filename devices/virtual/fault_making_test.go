package virtual_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// Users of scenes.
func nobody(c *virtual.Config) {
	c.Presence = func(context.Context) virtual.Decision { return virtual.DecisionTimedOut }
}

func refusing(c *virtual.Config) { c.Presence = virtual.Denied() }

// ask sends a request, whatever becomes of it.
func (r *rig) ask(cmd byte, params m) { r.t.Helper(); r.status(cmd, params) }

// bodied sends a request that is written by hand.
func (r *rig) bodied(cmd byte, body string) {
	r.t.Helper()
	r.raw(append([]byte{cmd}, unhex(r.t, body)...))
}

// setOption changes an option of the model.
func setOption(id string, value bool) func(*virtual.Config) {
	return model(func(p *virtual.Profile) { p.Options[id] = value })
}

// retries asks for the tries left.
func (r *rig) askRetries() { r.t.Helper(); r.ask(cmdClientPIN, m{2: 1}) }

// anywhere is a request for a credential of another relying party.
func anywhere(request m) m { return request.with(m{2: s{"id": "other.example"}}) }

func extensions(inputs s) m { return creation().with(m{6: inputs}) }

// makingScenes are about messages, getInfo and makeCredential.
var makingScenes = []scene{
	// messages
	{"cbor-unsorted-accepted", nil, func(r *rig) { r.bodied(cmdClientPIN, "a202010102") }, "ClientPIN 01: status 00, not 12"},
	{"cbor-long-heads-accepted", nil, func(r *rig) { r.bodied(cmdClientPIN, "a20118020201") }, "ClientPIN 01: status 00, not 12"},
	{"cbor-indefinite-accepted", nil, func(r *rig) { r.bodied(cmdClientPIN, "bf01020201ff") }, "ClientPIN 01: status 00, not 12"},
	{"cbor-deep-accepted", nil, func(r *rig) { r.bodied(cmdClientPIN, "a301020201186381818180") }, "ClientPIN 01: status 00, not 12"},
	{"cbor-bad-text-accepted", nil, func(r *rig) { r.bodied(cmdClientPIN, "a301020201186362c328") }, "ClientPIN 01: status 00, not 12"},
	{"cbor-trailing-accepted", nil, func(r *rig) { r.bodied(cmdClientPIN, "a20102020100") }, "ClientPIN: status 00, not 12"},
	{"unknown-member-refused", nil, func(r *rig) { r.ask(cmdClientPIN, m{2: 1, 99: 1}) }, "ClientPIN 01: status 12, not 00"},
	{"error-with-body", nil, func(r *rig) { r.ask(cmdGetNextAssertion, nil) }, "GetNextAssertion: an error with a body"},
	{"answer-with-trailing-byte", nil, func(r *rig) { r.askRetries() }, "ClientPIN 01: malformed"},
	{"message-limit-off-by-one", nil, func(r *rig) {
		r.raw(padded(r.t, creation(), virtual.DefaultMessage))
	}, "MakeCredential: status 39, not 00"},
	{"unknown-command-other", nil, func(r *rig) { r.ask(0x3f, nil) }, "command 0x3f: status 7f, not 01"},

	// getInfo
	{"info-options-unordered", nil, func(r *rig) { r.ask(cmdGetInfo, nil) }, "GetInfo: map keys out of order at 0x04"},
	{"info-long-integer", nil, func(r *rig) { r.ask(cmdGetInfo, nil) }, "GetInfo: integer or length not in shortest form at 0x05"},
	{"info-duplicate-member", nil, func(r *rig) { r.ask(cmdGetInfo, nil) }, "GetInfo: duplicate map key at "},
	{"info-indefinite-map", nil, func(r *rig) { r.ask(cmdGetInfo, nil) }, "GetInfo: indefinite length at "},
	{"info-fido-2-2", nil, func(r *rig) { r.ask(cmdGetInfo, nil) }, "GetInfo: 1 is [\"U2F_V2\" \"FIDO_2_0\" \"FIDO_2_1\" \"FIDO_2_3\" \"FIDO_2_2\"], not [\"U2F_V2\" \"FIDO_2_0\" \"FIDO_2_1\" \"FIDO_2_3\"]"},
	{"info-u2f-with-always-uv", with(setOption("alwaysUv", true)), func(r *rig) { r.ask(cmdGetInfo, nil) }, "GetInfo: 1 is [\"U2F_V2\" \"FIDO_2_0\" \"FIDO_2_1\" \"FIDO_2_3\"], not [\"FIDO_2_0\" \"FIDO_2_1\" \"FIDO_2_3\"]"},
	{"info-client-pin-stuck", nil, func(r *rig) { r.setPIN(); r.ask(cmdGetInfo, nil) }, "GetInfo: 4.clientPin is false, not true"},
	{"info-max-message-too-large", nil, func(r *rig) { r.ask(cmdGetInfo, nil) }, "GetInfo: 5 is 2200, not 1200"},
	{"info-remaining-stuck", nil, func(r *rig) { r.accounts("one"); r.ask(cmdGetInfo, nil) }, "GetInfo: 14 is 100, not 99"},
	{"info-other-aaguid", nil, func(r *rig) { r.ask(cmdGetInfo, nil) }, "GetInfo: 3 has other bytes"},
	{"info-lists-format-none", nil, func(r *rig) { r.ask(cmdGetInfo, nil) }, "GetInfo: 16 is [\"packed\" \"none\"], not [\"packed\"]"},
	{"info-algorithm-not-there", nil, func(r *rig) { r.ask(cmdGetInfo, nil) }, "GetInfo: a is [a map of 2 a map of 2 a map of 2 a map of 2 a map of 2], not [a map of 2 a map of 2 a map of 2 a map of 2]"},
	{"info-identifier-constant", nil, func(r *rig) {
		one, two := r.ok(cmdGetInfo, nil), r.ok(cmdGetInfo, nil)
		if bytes.Equal(one[uint64(0x19)].([]byte), two[uint64(0x19)].([]byte)) {
			r.t.Fatal("the same twice")
		}
	}, "GetInfo: 19 has other bytes; 1e has other bytes [the same twice]"},
	{"info-store-state-stuck", nil, func(r *rig) {
		r.setPIN()
		token := r.persistent()
		before := r.ok(cmdGetInfo, nil)
		r.make(r.token().mc(discoverable("one")))
		after := r.ok(cmdGetInfo, nil)
		state := func(info map[any]any) string {
			return string(openIdentifier(r.t, token, "encCredStoreState", info[uint64(0x1e)].([]byte)))
		}
		if state(before) == state(after) {
			r.t.Fatal("the state is the same")
		}
	}, "GetInfo: 19 has other bytes; 1e has other bytes [the state is the same]"},
	{"info-force-change-hidden", nil, func(r *rig) {
		r.setPIN()
		r.ok(cmdConfig, r.acfgToken().acfg(3, m{3: true}))
		r.ask(cmdGetInfo, nil)
	}, "GetInfo: c is false, not true"},
	{"info-min-pin-stuck", nil, func(r *rig) { r.ok(cmdConfig, m{1: 3, 2: m{1: 6}}); r.ask(cmdGetInfo, nil) }, "GetInfo: d is 4, not 6"},

	// makeCredential
	{"mc-exclude-list-ignored", nil, func(r *rig) {
		r.ask(cmdMakeCredential, creation().with(m{5: descriptors(r.make(creation()).id)}))
	}, "MakeCredential: status 00, not 19"},
	{"mc-exclude-first-only", nil, func(r *rig) {
		r.ask(cmdMakeCredential, creation().with(m{5: descriptors(make([]byte, 64), r.make(creation()).id)}))
	}, "MakeCredential: status 00, not 19"},
	{"mc-exclude-other-rp", nil, func(r *rig) {
		r.ask(cmdMakeCredential, anywhere(creation().with(m{5: descriptors(r.make(discoverable("one")).id)})))
	}, "MakeCredential: status 19, not 00"},
	{"mc-exclude-silently", nil, func(r *rig) {
		r.ask(cmdMakeCredential, creation().with(m{5: descriptors(r.make(creation()).id)}))
	}, "MakeCredential: touches 0, not 1"},
	{"mc-exclude-protected", nil, func(r *rig) {
		c := r.make(discoverable("one").with(m{6: s{"credProtect": 3}}))
		r.ask(cmdMakeCredential, creation().with(m{5: descriptors(c.id)}))
	}, "MakeCredential: status 19, not 00"},
	{"mc-no-touch", nil, func(r *rig) { r.make(creation()) }, "MakeCredential: touches 0, not 1"},
	{"mc-uv-flag-always", nil, func(r *rig) { r.make(creation()) }, "MakeCredential: authData.flags is \"45\", not \"41\""},
	{"mc-last-algorithm", nil, func(r *rig) { r.make(creation().with(m{4: []any{es256, eddsa}})) }, "MakeCredential: authData.key.-1 is 6, not 1; authData.key.-3 is absent, not 32 bytes; authData.key.1 is 1, not 2; authData.key.3 is -8, not -7"},
	{"mc-params-stop-early", nil, func(r *rig) { r.ask(cmdMakeCredential, creation().with(m{4: []any{es256, s{"alg": -8}}})) }, "MakeCredential: status 00, not 12"},
	{"mc-unknown-algorithm-refused", nil, func(r *rig) {
		r.ask(cmdMakeCredential, creation().with(m{4: []any{s{"alg": -999, "type": "public-key"}, es256}}))
	}, "MakeCredential: status 26, not 00"},
	{"mc-up-false-accepted", nil, func(r *rig) { r.ask(cmdMakeCredential, creation().with(m{7: s{"up": false}})) }, "MakeCredential: status 00, not 2c"},
	{"mc-uv-ignored", nil, func(r *rig) { r.ask(cmdMakeCredential, creation().with(m{7: s{"uv": true}})) }, "MakeCredential: status 00, not 2c"},
	{"unknown-option-refused", nil, func(r *rig) { r.ask(cmdMakeCredential, creation().with(m{7: s{"later": true}})) }, "MakeCredential: status 2b, not 00"},
	{"mc-rk-ignored", nil, func(r *rig) { r.ask(cmdMakeCredential, discoverable("one")); r.ask(cmdGetAssertion, assertion()) }, "MakeCredential: authData.id is \"64 bytes\", not \"32 bytes\""},
	{"mc-overwrite-kept", nil, func(r *rig) { r.accounts("one", "one"); r.ask(cmdGetAssertion, assertion()) }, "GetAssertion: 5 is 2, not absent"},
	{"mc-param-unchecked", nil, func(r *rig) { r.setPIN(); r.ask(cmdMakeCredential, r.wrongParam(r.token().mc(creation()))) }, "MakeCredential: status 00, not 33"},
	{"mc-uv-not-demanded", nil, func(r *rig) { r.setPIN(); r.ask(cmdMakeCredential, discoverable("one")) }, "MakeCredential: status 00, not 36"},
	{"probe-without-touch", with(refusing), func(r *rig) { r.ask(cmdMakeCredential, creation().with(m{8: []byte{}})) }, "MakeCredential: status 35, not 27"},
	{"probe-refused", nil, func(r *rig) { r.ask(cmdMakeCredential, creation().with(m{8: []byte{}})) }, "MakeCredential: status 14, not 35"},
	{"auth-protocol-guessed", nil, func(r *rig) { r.ask(cmdMakeCredential, creation().with(m{8: make([]byte, 32)})) }, "MakeCredential: status 33, not 14"},
	{"mc-long-names-refused", nil, func(r *rig) {
		r.ask(cmdMakeCredential, creation().with(m{3: s{"id": []byte{1}, "name": strings.Repeat("x", 65)}}))
	}, "MakeCredential: status 15, not 00"},
	{"mc-names-cut-in-character", nil, func(r *rig) {
		for _, user := range []string{"one", "two"} {
			r.make(discoverable(user).with(m{3: s{"id": []byte(user), "name": strings.Repeat("x", 63) + "ü"}}))
		}
		r.setPIN()
		r.ask(cmdGetAssertion, r.token().ga(assertion()))
	}, "GetAssertion: text is not UTF-8 at 0x04.\"name\""},
	{"client-data-hash-any-length", nil, func(r *rig) { r.ask(cmdMakeCredential, creation().with(m{1: make([]byte, 31)})) }, "MakeCredential: status 00, not 03"},
	{"mc-store-never-full", with(model(func(p *virtual.Profile) { p.MaxCredentials = 1 })), func(r *rig) {
		r.accounts("one")
		r.ask(cmdMakeCredential, discoverable("two"))
	}, "MakeCredential: status 00, not 28"},
	{"mc-format-preference-ignored", nil, func(r *rig) { r.ask(cmdMakeCredential, creation().with(m{11: texts("none")})) }, "MakeCredential: 1 is \"packed\", not \"none\"; 3 is a map of 3, not absent"},
	{"mc-unknown-extension-refused", nil, func(r *rig) { r.ask(cmdMakeCredential, extensions(s{"later": true})) }, "MakeCredential: status 16, not 00"},
	{"mc-timeout-as-action-timeout", with(nobody), func(r *rig) { r.ask(cmdMakeCredential, creation()) }, "MakeCredential: status 3a, not 27"},
	{"list-limit-ignored", nil, func(r *rig) {
		r.ask(cmdMakeCredential, creation().with(m{5: descriptors(slicesOf(9)...)}))
	}, "MakeCredential: status 00, not 15"},

	// enterprise attestation
	{"ep-granted-to-all", with(setOption("ep", true)), func(r *rig) { r.ask(cmdMakeCredential, creation().with(m{10: 1})) }, "MakeCredential: 3.x5c is [638 bytes], not [607 bytes]; 4 is true, not absent"},
	{"ep-disabled-accepted", nil, func(r *rig) { r.ask(cmdMakeCredential, creation().with(m{10: 1})) }, "MakeCredential: status 00, not 02"},
	{"ep-untold", with(setOption("ep", true)), func(r *rig) { r.ask(cmdMakeCredential, creation().with(m{10: 2})) }, "MakeCredential: 4 is absent, not true"},
	{"ep-any-value", with(setOption("ep", true)), func(r *rig) { r.ask(cmdMakeCredential, creation().with(m{10: 3})) }, "MakeCredential: status 00, not 2c"},
	{"cfg-enterprise-does-nothing", nil, func(r *rig) { r.ask(cmdConfig, m{1: 1}); r.ask(cmdGetInfo, nil) }, "GetInfo: 4.ep is false, not true"},

	// attestation and authenticator data
	{"att-signature-wrong", nil, func(r *rig) {
		c := r.make(creation())
		certificate := c.body[uint64(3)].(map[any]any)["x5c"].([]any)[0].([]byte)
		signedBy(r.t, pointOf(r.t, certificate), append(bytes.Clone(c.raw), hash[:]...), c.body[uint64(3)].(map[any]any)["sig"].([]byte))
	}, "MakeCredential: 3.sig has other bytes [signature is wrong]"},
	{"att-algorithm-wrong", nil, func(r *rig) { r.make(creation()) }, "MakeCredential: 3.alg is -8, not -7"},
	{"att-root-in-chain", nil, func(r *rig) { r.make(creation()) }, "MakeCredential: 3.x5c is [607 bytes 551 bytes], not [607 bytes]"},
	{"att-certificate-of-other-key", nil, func(r *rig) { r.make(creation()) }, "MakeCredential: 3.x5c is [573 bytes], not [607 bytes]"},
	{"cose-algorithm-missing", nil, func(r *rig) { r.make(creation()) }, "MakeCredential: authData.key.3 is absent, not -7"},
	{"ad-extensions-unordered", nil, func(r *rig) { r.make(extensions(s{"credProtect": 1, "hmac-secret": true})) }, "MakeCredential: authData.extensions encoding is \"map keys out of order\", not absent"},
	{"ad-at-flag-in-assertion", nil, func(r *rig) { r.ask(cmdGetAssertion, assertion(r.make(creation()).id)) }, "GetAssertion: authData.flags is \"41\", not \"01\""},
	{"ad-reserved-flag", nil, func(r *rig) { r.make(creation()) }, "MakeCredential: authData.flags is \"61\", not \"41\""},
	{"ad-ed-flag-missing", nil, func(r *rig) { r.make(extensions(s{"credProtect": 1})) }, "MakeCredential: authData.flags is \"41\", not \"c1\""},
	{"ad-rp-hash-wrong", nil, func(r *rig) { r.make(creation()) }, "MakeCredential: 3.sig has other bytes; authData.rpIdHash has other bytes [RP ID hash a279a6f6eeafb9a55e378c118034e2751e682fab9f2d30ab13d2125586ce1947]"},

	// extensions of makeCredential
	{"ext-protect-raised", nil, func(r *rig) { r.make(extensions(s{"credProtect": 2})) }, "MakeCredential: authData.extensions.credProtect is 3, not 2"},
	{"ext-protect-any-level", nil, func(r *rig) { r.ask(cmdMakeCredential, extensions(s{"credProtect": 4})) }, "MakeCredential: status 00, not 2c"},
	{"ext-cred-blob-cut", nil, func(r *rig) {
		r.make(discoverable("one").with(m{6: s{"credBlob": make([]byte, 65)}}))
	}, "MakeCredential: authData.extensions.credBlob is true, not false"},
	{"ext-cred-blob-lie", nil, func(r *rig) { r.make(extensions(s{"credBlob": []byte{1}})) }, "MakeCredential: authData.extensions.credBlob is true, not false"},
	{"ext-hmac-unasked", nil, func(r *rig) { r.make(creation()) }, "MakeCredential: authData.extensions is a map of 1, not absent; authData.flags is \"c1\", not \"41\""},
	{"ext-hmac-mc-alone", nil, func(r *rig) {
		r.ask(cmdMakeCredential, extensions(s{"hmac-secret-mc": r.agree(2).salts(make([]byte, 32))}))
	}, "MakeCredential: status 00, not 14"},
	{"ext-blob-key-not-discoverable", nil, func(r *rig) { r.ask(cmdMakeCredential, extensions(s{"largeBlobKey": true})) }, "MakeCredential: status 00, not 2c"},
	{"ext-min-pin-to-all", nil, func(r *rig) { r.make(extensions(s{"minPinLength": true})) }, "MakeCredential: authData.extensions is a map of 1, not absent; authData.flags is \"c1\", not \"41\""},
	{"ext-complexity-to-all", nil, func(r *rig) { r.make(extensions(s{"pinComplexityPolicy": true})) }, "MakeCredential: authData.extensions is a map of 1, not absent; authData.flags is \"c1\", not \"41\""},
	{"ext-uvm-wrong", nil, func(r *rig) { r.make(extensions(s{"uvm": true})) }, "MakeCredential: authData.extensions.uvm is [[2 1 1]], not [[1 1 1]]"},
}

// slicesOf makes n different credential IDs.
func slicesOf(n int) (list [][]byte) {
	for i := range n {
		list = append(list, bytes.Repeat([]byte{byte(i)}, 64))
	}
	return list
}

// pointOf is the public key that a certificate is for.
func pointOf(t testing.TB, der []byte) []byte {
	t.Helper()
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	b, err := certificate.PublicKey.(*ecdsa.PublicKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return b
}
