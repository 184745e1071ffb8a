package virtual_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// blobModel has the largeBlob extension in place of largeBlobKey.
func blobModel(p *virtual.Profile) {
	p.Extensions = []string{"largeBlob", "credProtect", "hmac-secret"}
	p.Options["largeBlobs"] = false
}

// writeBlob leaves a blob with a credential.
func (r *rig) writeBlob(id, data []byte, originalSize int) {
	r.t.Helper()
	body := r.ok(cmdGetAssertion, assertion(id).with(m{4: s{"largeBlob": s{"write": data, "originalSize": originalSize}}}))
	r.wantUnsigned(body, 8, map[any]any{"written": true})
}

// wantUnsigned checks unsignedExtensionOutputs, and that nothing was signed of
// the extension.
func (r *rig) wantUnsigned(body map[any]any, member uint64, want any) {
	r.t.Helper()
	got, _ := body[member].(map[any]any)
	if want == nil {
		expect(r.t, "unsigned outputs", len(got), 0)
		return
	}
	if !reflect.DeepEqual(got, map[any]any{"largeBlob": want}) {
		r.t.Fatalf("unsigned outputs %v, want %v", got, want)
	}
	expect(r.t, "ED flag", body[uint64(2)].([]byte)[32]&flagED, byte(0))
}

func TestLargeBlobExtension(t *testing.T) {
	r := newRig(t, model(blobModel))
	supported := func(request m, support string) map[any]any {
		return r.ok(cmdMakeCredential, request.with(m{6: s{"largeBlob": s{"support": support}}}))
	}
	r.wantUnsigned(supported(discoverable("one"), "required"), 6, map[any]any{"supported": true})
	r.wantUnsigned(supported(discoverable("two"), "preferred"), 6, map[any]any{"supported": true})
	r.wantUnsigned(supported(creation(), "preferred"), 6, map[any]any{"supported": false})
	r.want(0x2c, cmdMakeCredential, creation().with(m{6: s{"largeBlob": s{"support": "required"}}}))

	one, other := r.make(discoverable("three")), r.make(creation())
	read := func(request m) map[any]any {
		return r.ok(cmdGetAssertion, request.with(m{4: s{"largeBlob": s{"read": true}}}))
	}
	r.wantUnsigned(read(assertion(one.id)), 8, nil)
	r.writeBlob(one.id, []byte("first"), 11)
	r.writeBlob(one.id, []byte("second"), 12)
	want := map[any]any{"blob": []byte("second"), "originalSize": uint64(12)}
	r.wantUnsigned(read(assertion(one.id)), 8, want)
	r.wantUnsigned(read(assertion()), 8, want) // the newest of those found
	r.load()
	r.wantUnsigned(read(assertion(one.id)), 8, want)
	r.wantUnsigned(r.ok(cmdGetAssertion, assertion(one.id)), 8, nil)

	write := m{4: s{"largeBlob": s{"write": []byte{1}, "originalSize": 1}}}
	for name, request := range map[string]m{
		"no allowList":        assertion().with(write),
		"two in the list":     assertion(one.id, other.id).with(write),
		"not discoverable":    assertion(other.id).with(write),
		"more than there is":  assertion(one.id).with(m{4: s{"largeBlob": s{"write": make([]byte, 1025), "originalSize": 1}}}),
		"more, in the second": assertion(one.id).with(m{4: s{"largeBlob": s{"write": make([]byte, 1030), "originalSize": 1}}}),
	} {
		t.Run(name, func(t *testing.T) {
			r.cfg.Profile.LargeBlobs = 1024
			r.cfg.Profile.MaxMessage = 2000
			r.load()
			r.wantUnsigned(r.ok(cmdGetAssertion, request), 8, map[any]any{"written": false})
			r.wantUnsigned(read(assertion(one.id)), 8, want)
		})
	}
	r.ok(cmdReset, nil)
	for name := range r.records() {
		if bytes.HasPrefix([]byte(name), []byte("blob")) {
			t.Errorf("record %s is left", name)
		}
	}
}

func TestBlobsGoWithTheirCredentials(t *testing.T) {
	r := newRig(t, model(blobModel))
	one := r.make(discoverable("one"))
	r.writeBlob(one.id, []byte("blob"), 4)
	before := len(r.records())
	r.make(discoverable("one")) // overwrites
	expect(t, "records", len(r.records()), before-1)
	r.load()
}

func TestInputsOfTheLargeBlobExtension(t *testing.T) {
	r := newRig(t, model(blobModel))
	c := r.make(discoverable("one"))
	for _, test := range []struct {
		name  string
		input any
		want  byte
	}{
		{"text", "x", 0x11},
		{"nothing", s{}, 0x12},
		{"support is a number", s{"support": 1}, 0x11},
		{"unknown support", s{"support": "x"}, 0x12},
		{"unknown member", s{"support": "preferred", "x": 1}, 0},
	} {
		request := discoverable("one").with(m{6: s{"largeBlob": test.input}})
		if got, _ := r.raw(message(t, cmdMakeCredential, request)); got != test.want {
			t.Errorf("makeCredential, %s: status %02x, want %02x", test.name, got, test.want)
		}
	}
	c = r.make(discoverable("one"))
	for _, test := range []struct {
		name  string
		input any
		want  byte
	}{
		{"text", "x", 0x11},
		{"nothing", s{}, 0x12},
		{"read is a number", s{"read": 1}, 0x11},
		{"no read", s{"read": false}, 0x12},
		{"write is text", s{"write": "x", "originalSize": 1}, 0x11},
		{"size is text", s{"write": []byte{1}, "originalSize": "x"}, 0x11},
		{"no size", s{"write": []byte{1}}, 0x12},
		{"no write", s{"originalSize": 1}, 0x12},
		{"read with a size", s{"read": true, "originalSize": 1}, 0x12},
		{"read and write", s{"read": true, "write": []byte{1}, "originalSize": 1}, 0x12},
		{"write, not read", s{"read": false, "write": []byte{1}, "originalSize": 1}, 0},
		{"read", s{"read": true}, 0},
	} {
		request := assertion(c.id).with(m{4: s{"largeBlob": test.input}})
		if got, _ := r.raw(message(t, cmdGetAssertion, request)); got != test.want {
			t.Errorf("getAssertion, %s: status %02x, want %02x", test.name, got, test.want)
		}
	}
	// A model without it does not look.
	newRig(t).make(discoverable("one").with(m{6: s{"largeBlob": "x"}}))
}

// TestPermissionForTheLargeBlobExtension is the choice of which permission a
// write needs.
func TestPermissionForTheLargeBlobExtension(t *testing.T) {
	for _, test := range []struct {
		choice      bool
		permissions int
		pin         bool
		want        bool
	}{
		{false, 2, true, true}, {false, 2 | permLBW, true, true},
		{true, 2, true, false}, {true, 2 | permLBW, true, true}, {true, 0, false, true},
	} {
		r := newRig(t, model(blobModel), model(func(p *virtual.Profile) { p.Choices.BlobPermission = test.choice }))
		c := r.make(discoverable("one"))
		request := assertion(c.id).with(m{4: s{"largeBlob": s{"write": []byte{1}, "originalSize": 1}}})
		if test.pin {
			r.setPIN()
			p := r.agree(2)
			request = p.take(p.getTokenWith(pin, test.permissions, rpID)).ga(request)
		}
		r.wantUnsigned(r.ok(cmdGetAssertion, request), 8, map[any]any{"written": test.want})
	}
}
