package virtual_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// info is getInfo without the members that are encrypted anew each time, which
// must be 32 bytes.
func (r *rig) info() map[any]any {
	r.t.Helper()
	info := r.ok(cmdGetInfo, nil)
	for _, member := range []uint64{0x19, 0x1e} {
		if b, ok := info[member].([]byte); ok {
			expect(r.t, "size of an identifier", len(b), 32)
			delete(info, member)
		}
	}
	return info
}

// option is what getInfo says of an option; nil is nothing.
func (r *rig) option(id string) any {
	r.t.Helper()
	return r.info()[uint64(4)].(map[any]any)[id]
}

func texts(list ...string) (all []any) {
	for _, s := range list {
		all = append(all, s)
	}
	return all
}

func numbers(list ...uint64) (all []any) {
	for _, n := range list {
		all = append(all, n)
	}
	return all
}

func TestGetInfoOfAFactoryNewKey(t *testing.T) {
	r := newRig(t)
	want := map[any]any{
		uint64(0x01): texts("U2F_V2", "FIDO_2_0", "FIDO_2_1", "FIDO_2_3"),
		uint64(0x02): texts("credBlob", "credProtect", "hmac-secret", "hmac-secret-mc", "largeBlobKey",
			"minPinLength", "pinComplexityPolicy", "thirdPartyPayment", "uvm"),
		uint64(0x03): unhex(t, "61c5e308878a4352b3a554aead6cc6ea"),
		uint64(0x04): map[any]any{
			"rk": true, "up": true, "plat": false, "clientPin": false, "pinUvAuthToken": true,
			"makeCredUvNotRqd": true, "credMgmt": true, "perCredMgmtRO": true, "largeBlobs": true,
			"authnrCfg": true, "setMinPINLength": true, "alwaysUv": false, "ep": false,
		},
		uint64(0x05): uint64(1200),
		uint64(0x06): numbers(2, 1),
		uint64(0x07): uint64(8),
		uint64(0x08): uint64(64),
		uint64(0x09): texts("nfc", "usb"),
		uint64(0x0a): algorithms(-7, -8, -35, -36),
		uint64(0x0b): uint64(4096),
		uint64(0x0c): false,
		uint64(0x0d): uint64(4),
		uint64(0x0e): uint64(2),
		uint64(0x0f): uint64(64),
		uint64(0x10): uint64(8),
		uint64(0x14): uint64(100),
		uint64(0x16): texts("packed"),
		uint64(0x18): false,
		uint64(0x1a): texts("nfc", "usb"),
		uint64(0x1b): false,
		uint64(0x1d): uint64(63),
		uint64(0x1f): numbers(1, 2, 3, 4),
	}
	for range 2 {
		if got := r.info(); !reflect.DeepEqual(got, want) {
			t.Fatalf("getInfo is %v, want %v", got, want)
		}
	}
	expect(t, "touches", r.touches(), 0)
}

func algorithms(list ...int64) (all []any) {
	for _, alg := range list {
		all = append(all, map[any]any{"alg": alg, "type": "public-key"})
	}
	return all
}

// TestGetInfoFollowsTheProfile holds each member to what it is made of: a change
// of the profile, and the one member that changes with it.
func TestGetInfoFollowsTheProfile(t *testing.T) {
	on := true
	for _, test := range []struct {
		name   string
		change func(*virtual.Profile)
		member uint64
		want   any // nil when the member must not be there
	}{
		{"versions", func(p *virtual.Profile) { p.Versions = []string{"FIDO_2_1"} }, 0x01, texts("FIDO_2_1")},
		{"extensions", func(p *virtual.Profile) { p.Extensions = []string{"hmac-secret"} }, 0x02, texts("hmac-secret")},
		{"no extensions", func(p *virtual.Profile) { p.Extensions = nil }, 0x02, nil},
		{"AAGUID", func(p *virtual.Profile) { p.AAGUID = [16]byte{1} }, 0x03, append([]byte{1}, make([]byte, 15)...)},
		{"options", func(p *virtual.Profile) { p.Options = map[string]bool{"rk": true} }, 0x04, map[any]any{"rk": true}},
		{"no options", func(p *virtual.Profile) { p.Options = nil }, 0x04, nil},
		{"message", func(p *virtual.Profile) { p.MaxMessage = 7609 }, 0x05, uint64(7609)},
		{"protocols", func(p *virtual.Profile) { p.PINProtocols = []pinuv.Protocol{pinuv.One} }, 0x06, numbers(1)},
		{"no protocols", func(p *virtual.Profile) { p.PINProtocols = nil }, 0x06, nil},
		{"list", func(p *virtual.Profile) { p.MaxListLength = 0 }, 0x07, nil},
		{"credential ID", func(p *virtual.Profile) { p.MaxCredentialID = 128 }, 0x08, uint64(128)},
		{"no credential ID", func(p *virtual.Profile) { p.MaxCredentialID = 0 }, 0x08, nil},
		{"transports", func(p *virtual.Profile) { p.Transports = []string{"usb"} }, 0x09, texts("usb")},
		{"algorithms", func(p *virtual.Profile) { p.Algorithms = []cose.Algorithm{cose.EdDSA} }, 0x0a, algorithms(-8)},
		{"large blobs", func(p *virtual.Profile) { p.LargeBlobs = 2048 }, 0x0b, uint64(2048)},
		{"no large blobs", func(p *virtual.Profile) { p.Options["largeBlobs"] = false }, 0x0b, nil},
		{"no PIN to change", func(p *virtual.Profile) { delete(p.Options, "clientPin") }, 0x0c, nil},
		{"PIN", func(p *virtual.Profile) { p.PIN.MinLength = 6 }, 0x0d, uint64(6)},
		{"no PIN", func(p *virtual.Profile) { delete(p.Options, "clientPin") }, 0x0d, nil},
		{"firmware", func(p *virtual.Profile) { p.FirmwareVersion = 0x050701 }, 0x0e, uint64(0x050701)},
		{"no firmware", func(p *virtual.Profile) { p.FirmwareVersion = 0 }, 0x0e, nil},
		{"no credBlob", func(p *virtual.Profile) { p.Extensions = []string{"hmac-secret"} }, 0x0f, nil},
		{"RP IDs", func(p *virtual.Profile) { p.PIN.MaxRPIDs = 0 }, 0x10, uint64(0)},
		{"no RP IDs", func(p *virtual.Profile) { p.Options["setMinPINLength"] = false }, 0x10, nil},
		{"uv attempts", func(p *virtual.Profile) { p.UV.PreferredAttempts = 3 }, 0x11, uint64(3)},
		{"uv modality", func(p *virtual.Profile) { p.UV.Modality = 2 }, 0x12, uint64(2)},
		{"certifications", func(p *virtual.Profile) { p.Certifications = map[string]uint64{"FIDO": 1} }, 0x13, map[any]any{"FIDO": uint64(1)}},
		{"room", func(p *virtual.Profile) { p.MaxCredentials = 0 }, 0x14, uint64(0)},
		{"no room for lack of rk", func(p *virtual.Profile) { p.Options["rk"] = false }, 0x14, nil},
		{"vendor commands", func(p *virtual.Profile) { p.VendorConfigCommands = []uint64{1 << 60} }, 0x15, numbers(1 << 60)},
		{"empty list of vendor commands", func(p *virtual.Profile) { p.VendorConfigCommands = []uint64{} }, 0x15, []any{}},
		{"formats", func(p *virtual.Profile) { p.Attestation.Formats = []string{"fido-u2f", "packed"} }, 0x16, texts("fido-u2f", "packed")},
		{"no formats", func(p *virtual.Profile) { p.Attestation.Formats = nil }, 0x16, nil},
		{"uv count", func(p *virtual.Profile) { p.UV.CountsSincePIN = true }, 0x17, uint64(0)},
		{"long touch", func(p *virtual.Profile) { p.Reset.LongTouch = &on }, 0x18, true},
		{"no long touch", func(p *virtual.Profile) { p.Reset.LongTouch = nil }, 0x18, nil},
		{"no identifier", func(p *virtual.Profile) { p.EncIdentifier = false }, 0x19, nil},
		{"no transports for reset", func(p *virtual.Profile) { p.Reset.Transports = nil }, 0x1a, nil},
		{"complexity", func(p *virtual.Profile) { p.PIN.Complexity = &on }, 0x1b, true},
		{"no complexity", func(p *virtual.Profile) { p.PIN.Complexity = nil }, 0x1b, nil},
		{"complexity URL", func(p *virtual.Profile) { p.PIN.ComplexityURL = "https://x" }, 0x1c, []byte("https://x")},
		{"longest PIN", func(p *virtual.Profile) { p.PIN.MaxLength = 8 }, 0x1d, uint64(8)},
		{"no longest PIN", func(p *virtual.Profile) { p.PIN.MaxLength = 0 }, 0x1d, nil},
		{"no store state", func(p *virtual.Profile) { p.EncStoreState = false }, 0x1e, nil},
		{"config commands", func(p *virtual.Profile) { p.ConfigCommands = []uint64{2} }, 0x1f, numbers(2)},
		{"no config commands before CTAP 2.3", func(p *virtual.Profile) { p.Versions = []string{"FIDO_2_1"} }, 0x1f, nil},
		{"silence", func(p *virtual.Profile) { p.Silent = []uint64{0x14} }, 0x14, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, model(test.change))
			if got := r.ok(cmdGetInfo, nil)[test.member]; !reflect.DeepEqual(got, test.want) {
				t.Fatalf("member %02x is %v, want %v", test.member, got, test.want)
			}
		})
	}
}

func TestGetInfoOfAFingerprintKey(t *testing.T) {
	r := newRig(t, func(c *virtual.Config) { c.Profile = virtual.FingerprintProfile() })
	info := r.info()
	want := map[uint64]any{
		0x03: unhex(t, "4a4177834fd34e43a6614c6736cb52de"),
		0x11: uint64(3), 0x12: uint64(2), 0x17: uint64(0),
	}
	for member, v := range want {
		if !reflect.DeepEqual(info[member], v) {
			t.Errorf("member %02x is %v, want %v", member, info[member], v)
		}
	}
	options := info[uint64(4)].(map[any]any)
	for id, v := range map[string]bool{"uv": false, "bioEnroll": false, "uvBioEnroll": true, "uvAcfg": true} {
		expect(t, id, options[id], any(v))
	}
}

// TestProfilesThatCannotBe is the profiles that New refuses.
func TestProfilesThatCannotBe(t *testing.T) {
	for name, change := range map[string]func(*virtual.Profile){
		"no version":               func(p *virtual.Profile) { p.Versions = nil },
		"unknown version":          func(p *virtual.Profile) { p.Versions = []string{"FIDO_2_2"} },
		"unknown extension":        func(p *virtual.Profile) { p.Extensions = []string{"x"} },
		"unknown option":           func(p *virtual.Profile) { p.Options["x"] = true },
		"unknown format":           func(p *virtual.Profile) { p.Attestation.Formats = []string{"tpm"} },
		"unknown algorithm":        func(p *virtual.Profile) { p.Algorithms = []cose.Algorithm{cose.RS1} },
		"unknown protocol":         func(p *virtual.Profile) { p.PINProtocols = []pinuv.Protocol{3} },
		"unknown attestation":      func(p *virtual.Profile) { p.Attestation.Kind = 9 },
		"unknown counter":          func(p *virtual.Profile) { p.Counter = 9 },
		"small message":            func(p *virtual.Profile) { p.MaxMessage = 1023 },
		"large message":            func(p *virtual.Profile) { p.MaxMessage = 7610 },
		"negative list":            func(p *virtual.Profile) { p.MaxListLength = -1 },
		"short credential ID":      func(p *virtual.Profile) { p.CredentialIDLength = 63 },
		"long key handle":          func(p *virtual.Profile) { p.CredentialIDLength = 256 },
		"long credential ID":       func(p *virtual.Profile) { p.Versions, p.CredentialIDLength = []string{"FIDO_2_1"}, 1024 },
		"few large blobs":          func(p *virtual.Profile) { p.LargeBlobs = 1023 },
		"negative credBlob":        func(p *virtual.Profile) { p.MaxCredBlob = -1 },
		"negative room":            func(p *virtual.Profile) { p.MaxCredentials = -1 },
		"credProtect 4":            func(p *virtual.Profile) { p.CredProtect = 4 },
		"negative wait":            func(p *virtual.Profile) { p.Timers.Action = -1 },
		"negative window":          func(p *virtual.Profile) { p.Field.Window = -1 },
		"short PIN":                func(p *virtual.Profile) { p.PIN.MinLength = 3 },
		"longest PIN is too short": func(p *virtual.Profile) { p.PIN.MinLength, p.PIN.MaxLength = 8, 7 },
		"long PIN":                 func(p *virtual.Profile) { p.PIN.MaxLength = 64 },
		"no PIN retries":           func(p *virtual.Profile) { p.PIN.Retries = 0 },
		"9 PIN retries":            func(p *virtual.Profile) { p.PIN.Retries = 9 },
		"RP IDs without room":      func(p *virtual.Profile) { p.PIN.MaxRPIDs, p.PIN.RPIDs = 0, []string{"x"} },
		"no uv retries":            func(p *virtual.Profile) { p.Options["uv"] = false },
		"no room for fingers":      func(p *virtual.Profile) { p.Options["bioEnroll"] = false },
	} {
		cfg := virtual.Config{}
		model(change)(&cfg)
		if _, err := virtual.New(cfg); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	for _, p := range []*virtual.Profile{virtual.DefaultProfile(), virtual.FingerprintProfile()} {
		if _, err := virtual.New(virtual.Config{Profile: p}); err != nil {
			t.Error(err)
		}
	}
}

// TestProfileIsCopied changes a profile after a key was made of it.
func TestProfileIsCopied(t *testing.T) {
	p := virtual.FingerprintProfile()
	p.Certifications, p.VendorConfigCommands = map[string]uint64{"FIDO": 1}, []uint64{1}
	r := newRig(t, func(c *virtual.Config) { c.Profile = p })
	before := r.info()
	p.Versions[0], p.Extensions[0], p.Transports[0] = "x", "x", "x"
	p.Options["rk"], p.Certifications["FIDO"] = false, 2
	p.PINProtocols[0], p.Algorithms[0] = 9, 9
	p.ConfigCommands[0], p.VendorConfigCommands[0] = 9, 9
	p.Attestation.Formats[0], p.Reset.Transports[0] = "x", "x"
	*p.PIN.Complexity, *p.Reset.LongTouch = true, true
	if after := r.info(); !reflect.DeepEqual(before, after) {
		t.Fatalf("getInfo is %v, want %v", after, before)
	}
	copied := r.key.Profile()
	copied.Options["rk"] = false
	expect(t, "rk", r.option("rk"), any(true))
}

// decrypted opens encIdentifier or encCredStoreState with the persistent token.
func (r *rig) decrypted(member uint64, label string, token []byte) string {
	r.t.Helper()
	return string(openIdentifier(r.t, token, label, r.ok(cmdGetInfo, nil)[member].([]byte)))
}

func TestIdentifiers(t *testing.T) {
	r := newRig(t)
	r.setPIN()
	token := r.persistent()
	const device, store = "encIdentifier", "encCredStoreState"
	first := r.ok(cmdGetInfo, nil)
	second := r.ok(cmdGetInfo, nil)
	for _, member := range []uint64{0x19, 0x1e} {
		if bytes.Equal(first[member].([]byte), second[member].([]byte)) {
			t.Errorf("member %02x is the same twice", member)
		}
	}
	id, state := r.decrypted(0x19, device, token), r.decrypted(0x1e, store, token)
	same := func(what string, wantState bool) {
		t.Helper()
		expect(t, "identifier after "+what, r.decrypted(0x19, device, token) == id, true)
		now := r.decrypted(0x1e, store, token)
		expect(t, "store state is the same after "+what, now == state, wantState)
		state = now
	}
	same("nothing", true)
	r.make(creation())
	same("a credential that is not stored", true)
	c := r.make(r.token().mc(discoverable("one")))
	same("a new credential", false)
	r.assert(assertion(c.id))
	same("an assertion", true)
	r.key.PowerCycle()
	same("a power cycle", true)
	r.load()
	same("loading", true)
	r.ok(cmdCredMgmt, r.cmToken().cm(7, m{2: s{"id": c.id, "type": "public-key"}, 3: s{"id": []byte("one")}}))
	same("an update", false)
	r.ok(cmdCredMgmt, r.cmToken().cm(6, m{2: s{"id": c.id, "type": "public-key"}}))
	same("a deletion", false)
	r.key.PowerCycle()
	r.ok(cmdReset, nil)
	r.setPIN()
	token = r.persistent()
	expect(t, "identifier after a reset is the same", r.decrypted(0x19, device, token) == id, false)
	expect(t, "state after a reset is the same", r.decrypted(0x1e, store, token) == state, false)
}
