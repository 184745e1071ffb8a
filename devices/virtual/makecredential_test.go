package virtual_test

import (
	"bytes"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

func TestMakeCredential(t *testing.T) {
	r := newRig(t)
	got := r.make(creation())
	expect(t, "fmt", got.body[uint64(1)], any("packed"))
	expect(t, "flags", got.flags, byte(flagUP|flagAT))
	expect(t, "touches", r.touches(), 1)
	expect(t, "members of the answer", len(got.body), 3)
	if !bytes.Equal(got.aaguid, virtual.DefaultAAGUID[:]) {
		t.Errorf("AAGUID is %x", got.aaguid)
	}
	wantKey := map[any]any{
		uint64(1): uint64(2), uint64(3): int64(-7), int64(-1): uint64(1),
		int64(-2): got.key[int64(-2)], int64(-3): got.key[int64(-3)],
	}
	if !reflect.DeepEqual(got.key, wantKey) {
		t.Errorf("COSE key is %v", got.key)
	}
	if a := r.assert(assertion(got.id), got); !bytes.Equal(a.id, got.id) {
		t.Fatalf("credential %x answers", a.id)
	}
}

func TestMakeCredentialWithEdDSA(t *testing.T) {
	r := newRig(t)
	got := r.make(creation().with(m{4: []any{eddsa}}))
	want := map[any]any{uint64(1): uint64(1), uint64(3): int64(-8), int64(-1): uint64(6), int64(-2): got.key[int64(-2)]}
	if !reflect.DeepEqual(got.key, want) {
		t.Errorf("COSE key is %v", got.key)
	}
	a := r.assert(assertion(got.id), got)
	expect(t, "size of the signature", len(a.body[uint64(3)].([]byte)), 64)
}

func TestMembersOfMakeCredential(t *testing.T) {
	long := strings.Repeat("x", 65)
	tests := []struct {
		name    string
		changes m
		want    byte
	}{
		{"no clientDataHash", m{1: absent{}}, 0x14},
		{"no rp", m{2: absent{}}, 0x14},
		{"no user", m{3: absent{}}, 0x14},
		{"no pubKeyCredParams", m{4: absent{}}, 0x14},
		{"clientDataHash is text", m{1: "x"}, 0x11},
		{"rp is text", m{2: "x"}, 0x11},
		{"user is bytes", m{3: []byte{1}}, 0x11},
		{"pubKeyCredParams is a map", m{4: s{}}, 0x11},
		{"excludeList is a map", m{5: s{}}, 0x11},
		{"extensions are an array", m{6: []any{}}, 0x11},
		{"options are an array", m{7: []any{}}, 0x11},
		{"pinUvAuthParam is text", m{8: "x", 9: 1}, 0x11},
		{"pinUvAuthProtocol is text", m{8: []byte{1}, 9: "x"}, 0x11},
		{"pinUvAuthProtocol is negative", m{8: []byte{1}, 9: -1}, 0x11},
		{"enterpriseAttestation is bool", m{10: true}, 0x11},
		{"attestationFormatsPreference is text", m{11: "packed"}, 0x11},
		{"attestationFormatsPreference of numbers", m{11: []any{1}}, 0x11},
		{"clientDataHash is null", m{1: nil}, 0x11},

		{"clientDataHash of 0 bytes", m{1: []byte{}}, 0x03},
		{"clientDataHash of 31 bytes", m{1: hash[:31]}, 0x03},
		{"clientDataHash of 33 bytes", m{1: append(hash[:32:32], 0)}, 0x03},
		{"rp without id", m{2: s{"name": "x"}}, 0x14},
		{"rp.id is bytes", m{2: s{"id": []byte("x")}}, 0x11},
		{"rp.id is empty", m{2: s{"id": ""}}, 0x02},
		{"rp.name is bytes", m{2: s{"id": "x", "name": []byte("x")}}, 0x11},
		{"user without id", m{3: s{"name": "x"}}, 0x14},
		{"user.id is text", m{3: s{"id": "x"}}, 0x11},
		{"user.id is empty", m{3: s{"id": []byte{}}}, 0x03},
		{"user.id of 64 bytes", m{3: s{"id": make([]byte, 64)}}, 0},
		{"user.id of 65 bytes", m{3: s{"id": make([]byte, 65)}}, 0x03},
		{"user.name is a number", m{3: s{"id": []byte{1}, "name": 1}}, 0x11},
		{"user.displayName is a bool", m{3: s{"id": []byte{1}, "displayName": true}}, 0x11},
		{"long names", m{2: s{"id": rpID, "name": long}, 3: s{"id": []byte{1}, "name": long, "displayName": long}}, 0},
		{"icons of any type", m{2: s{"id": rpID, "icon": 1}, 3: s{"id": []byte{1}, "icon": []any{}}}, 0},
		{"unknown members", m{2: s{"id": rpID, "x": 1}, 3: s{"id": []byte{1}, "x": nil}, 99: s{}}, 0},

		{"no parameters", m{4: []any{}}, 0x26},
		{"parameter is a number", m{4: []any{1}}, 0x11},
		{"parameter without alg", m{4: []any{s{"type": "public-key"}}}, 0x12},
		{"parameter without type", m{4: []any{s{"alg": -7}}}, 0x12},
		{"alg is text", m{4: []any{s{"alg": "x", "type": "public-key"}}}, 0x11},
		{"type is a number", m{4: []any{s{"alg": -7, "type": 1}}}, 0x11},
		{"unknown alg", m{4: []any{s{"alg": -257, "type": "public-key"}}}, 0x26},
		{"alg 0", m{4: []any{s{"alg": 0, "type": "public-key"}}}, 0x26},
		{"enormous alg", m{4: []any{s{"alg": uint64(1) << 63, "type": "public-key"}}}, 0x26},
		{"unknown type", m{4: []any{s{"alg": -7, "type": "private-key"}}}, 0x26},
		{"known after unknown", m{4: []any{s{"alg": -257, "type": "public-key"}, s{"alg": -7, "type": "x"}, es256}}, 0},
		{"unknown member of a parameter", m{4: []any{s{"alg": -7, "type": "public-key", "x": 1}}}, 0},
		{"malformed after a good one", m{4: []any{es256, s{"alg": -7}}}, 0x12},

		{"empty excludeList", m{5: []any{}}, 0},
		{"unknown id", m{5: descriptors(make([]byte, 64))}, 0},
		{"ids of odd sizes", m{5: descriptors([]byte{}, []byte{1}, make([]byte, 63), make([]byte, 300))}, 0},
		{"descriptor is text", m{5: []any{"x"}}, 0x11},
		{"descriptor without id", m{5: []any{s{"type": "public-key"}}}, 0x12},
		{"descriptor without type", m{5: []any{s{"id": []byte{1}}}}, 0x12},
		{"descriptor.id is text", m{5: []any{s{"id": "x", "type": "public-key"}}}, 0x11},
		{"descriptor.type is bytes", m{5: []any{s{"id": []byte{1}, "type": []byte{1}}}}, 0x11},
		{"transports", m{5: []any{s{"id": []byte{1}, "type": "public-key", "transports": []any{"usb"}}}}, 0},
		{"8 descriptors", m{5: descriptors(ids(8)...)}, 0},
		{"9 descriptors", m{5: descriptors(ids(9)...)}, 0x15},

		{"unknown extension", m{6: s{"x": s{"y": 1}}}, 0},
		{"credProtect is text", m{6: s{"credProtect": "x"}}, 0x11},
		{"credProtect is negative", m{6: s{"credProtect": -1}}, 0x11},
		{"credProtect 0", m{6: s{"credProtect": 0}}, 0x2c},
		{"credProtect 4", m{6: s{"credProtect": 4}}, 0x2c},
		{"credProtect 257", m{6: s{"credProtect": 257}}, 0x2c},
		{"hmac-secret is a number", m{6: s{"hmac-secret": 1}}, 0x11},
		{"hmac-secret is a map", m{6: s{"hmac-secret": m{}}}, 0x11},

		{"rk is a number", m{7: s{"rk": 1}}, 0x11},
		{"uv is text", m{7: s{"uv": "x"}}, 0x11},
		{"up is null", m{7: s{"up": nil}}, 0x11},
		{"unknown option", m{7: s{"x": 1}}, 0},
		{"all options as they must be", m{7: s{"rk": true, "uv": false, "up": true}}, 0},
		{"uv", m{7: s{"uv": true}}, 0x2c},
		{"no up", m{7: s{"up": false}}, 0x2c},

		{"param without protocol", m{8: []byte{1}}, 0x14},
		{"protocol 0", m{8: []byte{1}, 9: 0}, 0x02},
		{"protocol 3", m{8: []byte{1}, 9: 3}, 0x02},
		{"protocol 255", m{8: []byte{1}, 9: 255}, 0x02},
		{"protocol 2^32+1", m{8: []byte{1}, 9: uint64(1)<<32 + 1}, 0x02},
		{"protocol without param", m{9: 3}, 0},
		{"junk param on a key without PIN", m{8: []byte{1}, 9: 1}, 0},
		{"uv and a param", m{7: s{"uv": true}, 8: []byte{1}, 9: 1}, 0},
		{"enterpriseAttestation 1", m{10: 1}, 0x02},
		{"enterpriseAttestation 3", m{10: 3}, 0x02},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			before := r.records()
			r.want(test.want, cmdMakeCredential, creation().with(test.changes))
			if test.want != 0 && !maps.Equal(before, r.records()) {
				t.Fatal("a refused request changed the state")
			}
		})
	}
}

// ids are n credential IDs that look right and are nobody's.
func ids(n int) [][]byte {
	list := make([][]byte, n)
	for i := range list {
		list[i] = bytes.Repeat([]byte{byte(i + 1)}, 64)
	}
	return list
}

// Steps come in the order of the standard: of two things that are wrong, the
// earlier step is heard of.
func TestOrderOfStepsInMakeCredential(t *testing.T) {
	r := newRig(t)
	known := r.make(creation())
	r.setPIN()
	faults := []struct {
		name    string
		changes m
		want    byte
	}{
		{"empty param", m{8: []byte{}}, 0x31},
		{"protocol 3", m{8: []byte{1}, 9: 3}, 0x02},
		{"no algorithm", m{4: []any{}}, 0x26},
		{"up=false", m{7: s{"rk": true, "up": false}}, 0x2c},
		{"no param", m{7: s{"rk": true}, 8: absent{}}, 0x36},
		{"enterprise attestation", m{10: 1}, 0x02},
		{"wrong param", m{8: []byte{1}, 9: 2}, 0x33},
		{"excluded", m{5: descriptors(known.id)}, 0x19},
		{"credProtect 9", m{6: s{"credProtect": 9}}, 0x2c},
	}
	for i, first := range faults {
		for _, second := range faults[i:] {
			request := creation().with(second.changes).with(first.changes)
			if got, _ := r.raw(message(t, cmdMakeCredential, request)); got != first.want {
				t.Errorf("%s and %s: status %02x, want %02x", first.name, second.name, got, first.want)
			}
		}
	}
}

func TestFirstSupportedAlgorithmWins(t *testing.T) {
	r := newRig(t)
	for want, params := range map[int64][]any{-7: {es256, eddsa}, -8: {s{"alg": -37, "type": "public-key"}, eddsa, es256}} {
		got := r.make(creation().with(m{4: params}))
		expect(t, "algorithm", got.key[uint64(3)], any(want))
	}
}

func TestEmptyPinUvAuthParamAsksForATouch(t *testing.T) {
	r := newRig(t)
	for _, want := range []byte{0x35, 0x31} {
		touches := r.touches()
		r.want(want, cmdMakeCredential, creation().with(m{8: []byte{}, 9: 1}))
		r.want(want, cmdMakeCredential, creation().with(m{8: []byte{}}))
		r.want(want, cmdGetAssertion, assertion().with(m{6: []byte{}, 7: 1}))
		r.want(want, cmdGetAssertion, assertion().with(m{6: []byte{}}))
		expect(t, "touches", r.touches()-touches, 4)
		if want == 0x35 {
			r.setPIN()
		}
	}
	r.cfg.Presence = virtual.Denied()
	r.load()
	r.want(0x27, cmdMakeCredential, creation().with(m{8: []byte{}}))
}

func TestWhenMakeCredentialNeedsAToken(t *testing.T) {
	for _, test := range []struct {
		name            string
		pin, rk, always bool
		want            byte
		flags           byte
	}{
		{"no PIN", false, true, false, 0, flagUP | flagAT},
		{"no PIN, always", false, true, true, 0, flagUP | flagAT},
		{"PIN, not discoverable", true, false, false, 0, flagUP | flagAT},
		{"PIN, discoverable", true, true, false, 0x36, flagUP | flagUV | flagAT},
		{"PIN, not discoverable, always", true, false, true, 0x36, flagUP | flagUV | flagAT},
		{"PIN, discoverable, always", true, true, true, 0x36, flagUP | flagUV | flagAT},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, model(func(p *virtual.Profile) { p.Options["makeCredUvNotRqd"] = !test.always }))
			request := creation().with(m{7: s{"rk": test.rk}})
			if test.pin {
				r.setPIN()
			}
			r.want(test.want, cmdMakeCredential, request)
			if test.want != 0 {
				request = r.token().mc(request)
			}
			expect(t, "flags", r.make(request).flags, test.flags)
		})
	}
}

func TestPinUvAuthParamOfMakeCredential(t *testing.T) {
	r := newRig(t)
	r.setPIN()
	token := r.token()
	good := token.mc(creation())
	param := good[8].([]byte)
	for i := range param {
		bad := bytes.Clone(param)
		bad[i] ^= 1
		r.want(0x33, cmdMakeCredential, good.with(m{8: bad}))
	}
	r.want(0x33, cmdMakeCredential, good.with(m{8: param[:16]}))
	r.want(0x33, cmdMakeCredential, good.with(m{8: append(bytes.Clone(param), 0)}))
	r.want(0x33, cmdMakeCredential, good.with(m{9: 1}))
	r.want(0x33, cmdMakeCredential, good.with(m{1: otherHash[:]}))
	expect(t, "touches", r.touches(), 0)
	got := r.make(good.with(m{7: s{"uv": true}})) // the param wins over uv
	expect(t, "flags", got.flags, byte(flagUP|flagUV|flagAT))
}

func TestExcludeList(t *testing.T) {
	r := newRig(t)
	wrapped, stored := r.make(creation()), r.make(discoverable("one"))
	other := r.ok(cmdMakeCredential, creation().with(m{2: s{"id": "other.example"}}))
	otherID := bytes.Clone(other[uint64(2)].([]byte)[55 : 55+64])
	for name, id := range map[string][]byte{"wrapped": wrapped.id, "stored": stored.id} {
		touches := r.touches()
		r.want(0x19, cmdMakeCredential, creation().with(m{5: descriptors(id)}))
		expect(t, "touches for the "+name+" one", r.touches()-touches, 1)
		r.want(0x19, cmdMakeCredential, creation().with(m{5: descriptors(append(ids(7), id)...)}))
		r.ok(cmdMakeCredential, creation().with(m{5: []any{s{"id": id, "type": "other"}}}))
		r.ok(cmdMakeCredential, creation().with(m{2: s{"id": "third.example"}, 5: descriptors(id)}))
	}
	r.ok(cmdMakeCredential, creation().with(m{5: descriptors(otherID)}))
	r.want(0x19, cmdMakeCredential, creation().with(m{2: s{"id": "other.example"}, 5: descriptors(otherID)}))
	tampered := bytes.Clone(wrapped.id)
	for i := range tampered {
		tampered[i] ^= 0x80
		r.ok(cmdMakeCredential, creation().with(m{5: descriptors(tampered)}))
		tampered[i] ^= 0x80
	}
	// Whether the user agrees makes no difference to what the platform hears.
	r.cfg.Presence = virtual.Denied()
	r.load()
	r.want(0x19, cmdMakeCredential, creation().with(m{5: descriptors(wrapped.id)}))
	r.want(0x27, cmdMakeCredential, creation())
}

func TestSameAccountIsOverwritten(t *testing.T) {
	r := newRig(t)
	first := r.make(discoverable("one"))
	second := r.make(discoverable("one"))
	if bytes.Equal(first.id, second.id) {
		t.Fatal("same ID twice")
	}
	expect(t, "remaining", r.ok(cmdGetInfo, nil)[uint64(0x14)], any(uint64(99)))
	a := r.assert(assertion(), first, second)
	if _, several := a.body[uint64(5)]; several || !bytes.Equal(a.id, second.id) {
		t.Fatalf("assertion %v", a.body)
	}
	r.want(0x2e, cmdGetAssertion, assertion(first.id))
	// A credential that is not discoverable replaces nothing.
	r.make(creation().with(m{3: s{"id": []byte("one")}}))
	if a := r.assert(assertion()); !bytes.Equal(a.id, second.id) {
		t.Fatalf("credential %x answers", a.id)
	}
	// Nor does one of another relying party.
	r.ok(cmdMakeCredential, discoverable("one").with(m{2: s{"id": "other.example"}}))
	r.assert(assertion(second.id), second)
}

func TestKeyStoreFull(t *testing.T) {
	r := newRig(t, model(func(p *virtual.Profile) { p.MaxCredentials = 2 }))
	r.make(discoverable("one"))
	r.make(discoverable("two"))
	expect(t, "remaining", r.ok(cmdGetInfo, nil)[uint64(0x14)], any(uint64(0)))
	before := r.records()
	r.want(0x28, cmdMakeCredential, discoverable("three"))
	if !maps.Equal(before, r.records()) {
		t.Fatal("the refused one changed the state")
	}
	r.make(discoverable("two"))
	r.make(creation())
	r.become(func(p *virtual.Profile) { p.MaxCredentials = 1 }) // fewer than there are
	expect(t, "remaining", r.ok(cmdGetInfo, nil)[uint64(0x14)], any(uint64(0)))
}

func TestNamesAreCutBetweenCharacters(t *testing.T) {
	r := newRig(t)
	name := "a" + strings.Repeat("é", 40) // 81 bytes
	r.make(discoverable("other"))
	r.setPIN()
	r.make(r.token().mc(discoverable("one").with(m{3: s{"id": []byte("one"), "name": name, "displayName": "短い"}})))
	a := r.assert(r.token().ga(assertion()))
	expect(t, "name", a.user["name"], any("a"+strings.Repeat("é", 31)))
	expect(t, "displayName", a.user["displayName"], any("短い"))
}

func TestExtensionOutputsOfMakeCredential(t *testing.T) {
	r := newRig(t)
	for _, test := range []struct {
		input s
		want  map[any]any
	}{
		{s{}, nil},
		{s{"unknown": true}, nil},
		{s{"hmac-secret": false}, nil},
		{s{"hmac-secret": true}, map[any]any{"hmac-secret": true}},
		{s{"credProtect": 1}, map[any]any{"credProtect": uint64(1)}},
		{s{"credProtect": 2}, map[any]any{"credProtect": uint64(2)}},
		{s{"credProtect": 3, "hmac-secret": true, "x": 1}, map[any]any{"credProtect": uint64(3), "hmac-secret": true}},
	} {
		got := r.make(creation().with(m{6: test.input}))
		if !reflect.DeepEqual(got.extensions, test.want) {
			t.Errorf("outputs of %v are %v", test.input, got.extensions)
		}
		expect(t, "ED flag", got.flags&flagED != 0, test.want != nil)
	}
}
