package virtual_test

import (
	"bytes"
	"context"
	"time"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// descriptorOf is how a credential is named.
func descriptorOf(id []byte) s { return s{"id": id, "type": "public-key"} }

// capture asks for the next sample.
func (r *rig) capture(token tok, id []byte) { r.t.Helper(); r.ask(cmdBio, token.be(2, m{1: id})) }

// begun begins an enrolment.
func (r *rig) begun() (tok, []byte) {
	r.t.Helper()
	r.setPIN()
	token := r.tokenFor(permBE)
	return token, r.ok(cmdBio, token.be(1, nil))[uint64(4)].([]byte)
}

// managingScenes are about the management commands.
var managingScenes = []scene{
	// credentialManagement
	{"cm-empty-metadata-refused", nil, func(r *rig) { r.setPIN(); r.ask(cmdCredMgmt, r.cmToken().cm(1, nil)) }, "CredentialManagement 01: status 2e, not 00"},
	{"cm-total-rps-off-by-one", nil, func(r *rig) { r.shelved(); r.ask(cmdCredMgmt, r.cmToken().cm(2, nil)) }, "CredentialManagement 02: 5 is 3, not 2"},
	{"cm-total-off-by-one", nil, func(r *rig) { r.shelved(); r.ask(cmdCredMgmt, r.cmToken().cm(4, m{1: rpHash(rpID)})) }, "CredentialManagement 04: 9 is 3, not 2"},
	{"cm-last-rp-lost", nil, func(r *rig) {
		r.shelved()
		token := r.cmToken()
		r.ask(cmdCredMgmt, token.cm(2, nil))
		r.ask(cmdCredMgmt, token.cm(3, nil))
	}, "CredentialManagement 03: status 30, not 00"},
	{"cm-bound-token-reads-all", nil, func(r *rig) {
		r.shelved()
		p := r.agree(2)
		r.ask(cmdCredMgmt, p.take(p.getTokenWith(pin, permCM, rpID)).cm(2, nil))
	}, "CredentialManagement 02: status 00, not 33"},
	{"cm-delete-does-nothing", nil, func(r *rig) {
		one := r.shelved()
		token := r.cmToken()
		r.ask(cmdCredMgmt, token.cm(6, m{2: descriptorOf(one.id)}))
		r.ask(cmdCredMgmt, token.cm(1, nil))
	}, "CredentialManagement 01: 1 is 3, not 2; 2 is 97, not 98"},
	{"cm-delete-first", nil, func(r *rig) {
		r.shelved()
		two := r.make(r.token().mc(discoverable("new")))
		r.ask(cmdCredMgmt, r.cmToken().cm(6, m{2: descriptorOf(two.id)}))
		r.ask(cmdGetAssertion, assertion(two.id))
	}, "GetAssertion: status 00, not 2e"},
	{"cm-update-other-user", nil, func(r *rig) {
		one := r.shelved()
		r.ask(cmdCredMgmt, r.cmToken().cm(7, m{2: descriptorOf(one.id), 3: s{"id": []byte("other"), "name": "x"}}))
	}, "CredentialManagement 07: status 00, not 02"},
	{"cm-update-keeps-names", nil, func(r *rig) {
		one := r.shelved()
		token := r.cmToken()
		r.ok(cmdCredMgmt, token.cm(7, m{2: descriptorOf(one.id), 3: s{"id": []byte("one"), "name": "x"}}))
		r.ask(cmdCredMgmt, token.cm(4, m{1: rpHash(rpID)}))
	}, "CredentialManagement 04: 6.displayName is \"The one\", not absent"},
	{"cm-next-survives-commands", nil, func(r *rig) {
		r.shelved()
		token := r.cmToken()
		r.ask(cmdCredMgmt, token.cm(2, nil))
		r.ask(cmdGetInfo, nil)
		r.ask(cmdCredMgmt, token.cm(3, nil))
	}, "CredentialManagement 03: status 00, not 30"},
	{"cm-protection-shown-as-1", nil, func(r *rig) { r.shelved(); r.ask(cmdCredMgmt, r.cmToken().cm(4, m{1: rpHash(rpID)})) }, "CredentialManagement 04: a is 1, not 2"},
	{"cm-blob-key-missing", nil, func(r *rig) { r.shelved(); r.ask(cmdCredMgmt, r.cmToken().cm(4, m{1: rpHash(rpID)})) }, "CredentialManagement 04: b is absent, not 32 bytes"},
	{"cm-empty-list-ok", nil, func(r *rig) { r.setPIN(); r.ask(cmdCredMgmt, r.cmToken().cm(2, nil)) }, "CredentialManagement 02: status 00, not 2e"},

	// bioEnrollment
	{"bio-timeout-as-error", with(everything, sensing("")), func(r *rig) { r.setPIN(); r.ask(cmdBio, r.tokenFor(permBE).be(1, nil)) }, "BioEnrollment 01: status 2f, not 00"},
	{"bio-cancel-ignored", with(everything), func(r *rig) {
		token, id := r.begun()
		r.ok(cmdBio, m{1: 1, 2: 3})
		r.capture(token, id)
	}, "BioEnrollment 02: status 00, not 2c"},
	{"bio-empty-list-ok", with(everything), func(r *rig) { r.setPIN(); r.ask(cmdBio, r.tokenFor(permBE).be(4, nil)) }, "BioEnrollment 04: status 00, not 2c"},
	{"bio-name-limit-ignored", with(everything), func(r *rig) {
		r.setPIN()
		id := r.enrol("thumb")
		r.ask(cmdBio, r.tokenFor(permBE).be(5, m{1: id, 2: string(bytes.Repeat([]byte("x"), 65))}))
	}, "BioEnrollment 05: status 00, not 03"},
	{"bio-remove-does-nothing", with(everything), func(r *rig) {
		r.setPIN()
		id := r.enrol("thumb")
		token := r.tokenFor(permBE)
		r.ask(cmdBio, token.be(6, m{1: id}))
		r.ask(cmdBio, token.be(4, nil))
	}, "BioEnrollment 04: status 00, not 2c"},
	{"bio-store-never-full", with(everything, model(func(p *virtual.Profile) { p.UV.Fingers = 1 })), func(r *rig) {
		r.setPIN()
		r.enrol("thumb")
		r.ask(cmdBio, r.tokenFor(permBE).be(1, nil))
	}, "BioEnrollment 01: status 00, not 17"},
	{"bio-remaining-off-by-one", with(everything), func(r *rig) { r.begun() }, "BioEnrollment 01: 6 is 4, not 3"},
	{"bio-fingers-merged", with(everything, changing("thumb", "other")), func(r *rig) { token, id := r.begun(); r.capture(token, id) }, "BioEnrollment 02: 5 is 0, not 10; 6 is 2, not 3"},

	// authenticatorConfig
	{"cfg-min-pin-lowered", with(model(func(p *virtual.Profile) { p.PIN.MinLength = 6 })), func(r *rig) { r.ask(cmdConfig, m{1: 3, 2: m{1: 4}}) }, "Config 03: status 00, not 37"},
	{"cfg-force-change-missed", nil, func(r *rig) {
		r.setPIN()
		r.ok(cmdConfig, r.acfgToken().acfg(3, m{1: 6}))
		r.ask(cmdGetInfo, nil)
	}, "GetInfo: c is false, not true"},
	{"cfg-one-rp-id", nil, func(r *rig) {
		r.ok(cmdConfig, m{1: 3, 2: m{2: texts("other.example", rpID)}})
		r.make(extensions(s{"minPinLength": true}))
	}, "MakeCredential: authData.extensions is absent, not a map of 1; authData.flags is \"41\", not \"c1\""},
	{"cfg-rp-ids-added", nil, func(r *rig) {
		r.ok(cmdConfig, m{1: 3, 2: m{2: texts(rpID)}})
		r.ok(cmdConfig, m{1: 3, 2: m{2: texts("other.example")}})
		r.make(extensions(s{"minPinLength": true}))
	}, "MakeCredential: authData.extensions is a map of 1, not absent; authData.flags is \"c1\", not \"41\""},
	{"cfg-params-swapped", nil, func(r *rig) { r.setPIN(); r.ask(cmdConfig, r.acfgToken().acfg(1, nil)) }, "Config 01: status 11, not 00"},
	{"cfg-always-uv-uncoupled", nil, func(r *rig) { r.ok(cmdConfig, m{1: 2}); r.ask(cmdGetInfo, nil) }, "GetInfo: 4.makeCredUvNotRqd is true, not false"},
	{"cfg-always-uv-does-nothing", nil, func(r *rig) { r.ask(cmdConfig, m{1: 2}); r.ask(cmdGetInfo, nil) }, "GetInfo: 1 is [\"U2F_V2\" \"FIDO_2_0\" \"FIDO_2_1\" \"FIDO_2_3\"], not [\"FIDO_2_0\" \"FIDO_2_1\" \"FIDO_2_3\"]; 4.alwaysUv is false, not true; 4.makeCredUvNotRqd is true, not false"},
	{"cfg-prefix-missing", nil, func(r *rig) { r.setPIN(); r.ask(cmdConfig, r.acfgToken().acfg(1, nil)) }, "Config 01: status 33, not 00"},
	{"cfg-no-pin-before-policy", nil, func(r *rig) { r.ask(cmdConfig, m{1: 3, 2: m{1: 3, 3: true}}) }, "Config 03: status 35, not 37"},
	{"cfg-force-change-without-pin", nil, func(r *rig) { r.ask(cmdConfig, m{1: 3, 2: m{3: true}}) }, "Config 03: status 00, not 35"},

	// largeBlobs
	{"lb-hash-unchecked", nil, func(r *rig) { r.ask(cmdLargeBlobs, m{2: make([]byte, 40), 3: 0, 4: 40}) }, "LargeBlobs: status 00, not 3d"},
	{"lb-sequence-unchecked", nil, func(r *rig) {
		r.ok(cmdLargeBlobs, m{2: array(40)[:10], 3: 0, 4: 40})
		r.ask(cmdLargeBlobs, m{2: array(40)[20:30], 3: 20})
	}, "LargeBlobs: status 00, not 04"},
	{"lb-token-not-needed", nil, func(r *rig) { r.setPIN(); r.ask(cmdLargeBlobs, m{2: array(40), 3: 0, 4: 40}) }, "LargeBlobs: status 00, not 36"},
	{"lb-capacity-ignored", nil, func(r *rig) { r.ask(cmdLargeBlobs, m{2: make([]byte, 40), 3: 0, 4: 5000}) }, "LargeBlobs: status 00, not 18"},
	{"lb-read-past-end-refused", nil, func(r *rig) { r.ask(cmdLargeBlobs, m{1: 100, 3: 0}) }, "LargeBlobs: status 02, not 00"},
	{"lb-fragment-limit-ignored", nil, func(r *rig) { r.ask(cmdLargeBlobs, m{2: make([]byte, 1150), 3: 0, 4: 1200}) }, "LargeBlobs: status 00, not 03"},
	{"lb-offset-big-endian", nil, func(r *rig) {
		r.setPIN()
		r.setBlobs(r.tokenFor(permLBW), array(600))
	}, "LargeBlobs: status 33, not 00"},

	// reset and selection
	{"reset-any-time", nil, func(r *rig) { r.wait(11 * time.Second); r.ask(cmdReset, nil) }, "Reset: status 00, not 30"},
	{"reset-without-touch", with(refusing), func(r *rig) { r.ask(cmdReset, nil) }, "Reset: status 00, not 27"},
	{"reset-keeps-pin", nil, func(r *rig) { r.setPIN(); r.ok(cmdReset, nil); r.ask(cmdGetInfo, nil) }, "GetInfo: 4.clientPin is true, not false"},
	{"reset-keeps-credentials", nil, func(r *rig) { r.accounts("one"); r.ok(cmdReset, nil); r.ask(cmdGetAssertion, assertion()) }, "GetAssertion: status 00, not 2e"},
	{"reset-keeps-settings", nil, func(r *rig) {
		r.ok(cmdConfig, m{1: 3, 2: m{1: 6}})
		r.ok(cmdReset, nil)
		r.ask(cmdGetInfo, nil)
	}, "GetInfo: d is 6, not 4"},
	{"reset-keeps-secrets", nil, func(r *rig) {
		id := r.make(creation()).id
		r.ok(cmdReset, nil)
		r.ask(cmdGetAssertion, assertion(id))
	}, "GetAssertion: status 00, not 2e"},
	{"reset-keeps-blobs", nil, func(r *rig) {
		r.ok(cmdLargeBlobs, m{2: array(40), 3: 0, 4: 40})
		r.ok(cmdReset, nil)
		r.ask(cmdLargeBlobs, m{1: 100, 3: 0})
	}, "LargeBlobs: 1 has other bytes"},
	{"reset-transport-ignored", with(model(func(p *virtual.Profile) { p.Reset.Transports = []string{"nfc"} })), func(r *rig) { r.ask(cmdReset, nil) }, "Reset: status 00, not 27"},
	{"reset-short-touch", with(model(func(p *virtual.Profile) { on := true; p.Reset.LongTouch = &on }), tapping), func(r *rig) { r.ask(cmdReset, nil) }, "Reset: status 00, not 27"},
	{"selection-without-touch", with(refusing), func(r *rig) { r.ask(cmdSelection, nil) }, "Selection: status 00, not 27"},
	{"selection-denied-as-timeout", with(refusing), func(r *rig) { r.ask(cmdSelection, nil) }, "Selection: status 2f, not 27"},
}

// shelved is the key of shelf; the first credential of example.com comes back.
func (r *rig) shelved() made {
	r.t.Helper()
	one := r.make(discoverable("one").with(m{6: s{"credProtect": 2, "largeBlobKey": true}}))
	r.make(discoverable("two"))
	r.ok(cmdMakeCredential, anywhere(discoverable("three")))
	r.setPIN()
	return one
}

// sensing is a user who puts the finger on the sensor.
func sensing(finger string) func(*virtual.Config) {
	return func(c *virtual.Config) { c.Finger = virtual.Touching(finger) }
}

// changing is one who takes another finger each time.
func changing(fingers ...string) func(*virtual.Config) {
	return func(c *virtual.Config) {
		next := 0
		c.Finger = func(context.Context) virtual.Sample {
			finger := fingers[next%len(fingers)]
			next++
			return virtual.Sample{Finger: finger}
		}
	}
}

// tapping is a user who touches for a moment.
func tapping(c *virtual.Config) {
	c.Presence = func(context.Context) virtual.Decision { return virtual.DecisionGranted }
}
