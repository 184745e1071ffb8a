package virtual_test

import (
	"context"
	"maps"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// fingerprint is a key with a sensor that the finger touches.
func fingerprint(finger *string) func(*virtual.Config) {
	return func(c *virtual.Config) {
		c.Profile = virtual.FingerprintProfile()
		c.Finger = func(context.Context) virtual.Sample { return virtual.Sample{Finger: *finger} }
	}
}

// sample is what an answer tells of one.
func (r *rig) sample(status int, remaining uint64, body map[any]any) {
	r.t.Helper()
	expect(r.t, "sample status", body[uint64(5)], any(uint64(status)))
	expect(r.t, "remaining samples", body[uint64(6)], any(remaining))
}

// enrol enrols the finger that touches the sensor, and returns its template ID.
// A PIN must be set.
func (r *rig) enrol(name string) []byte {
	r.t.Helper()
	token := r.tokenFor(permBE)
	body := r.ok(cmdBio, token.be(1, nil))
	id := body[uint64(4)].([]byte)
	for body[uint64(6)] != uint64(0) {
		body = r.ok(cmdBio, token.be(2, m{1: id}))
		expect(r.t, "sample status", body[uint64(5)], any(uint64(0)))
	}
	r.ok(cmdBio, token.be(5, m{1: id, 2: name}))
	return id
}

func TestBioEnrollment(t *testing.T) {
	finger := "thumb"
	r := newRig(t, fingerprint(&finger))
	expect(t, "modality", r.ok(cmdBio, m{6: true})[uint64(1)], any(uint64(1)))
	want := map[any]any{uint64(2): uint64(1), uint64(3): uint64(4), uint64(8): uint64(64)}
	if got := r.ok(cmdBio, m{1: 1, 2: 7}); !reflect.DeepEqual(got, want) {
		t.Errorf("sensor info %v", got)
	}
	r.setPIN()
	token := r.tokenFor(permBE)
	r.want(0x2c, cmdBio, token.be(4, nil))
	body := r.ok(cmdBio, token.be(1, nil))
	id := body[uint64(4)].([]byte)
	r.sample(0, 3, body)
	r.sample(0, 2, r.ok(cmdBio, token.be(2, m{1: id})))
	r.sample(0, 1, r.ok(cmdBio, token.be(2, m{1: id, 3: 500})))
	expect(t, "bioEnroll before the last sample", r.option("bioEnroll"), any(false))
	body = r.ok(cmdBio, token.be(2, m{1: id}))
	r.sample(0, 0, body)
	expect(t, "members", len(body), 2)
	expect(t, "bioEnroll", r.option("bioEnroll"), any(true))
	expect(t, "uv", r.option("uv"), any(true))
	r.want(0x2c, cmdBio, token.be(2, m{1: id})) // it is whole

	finger = "index"
	second := r.enrol("Index")
	token = r.tokenFor(permBE)
	r.ok(cmdBio, token.be(5, m{1: id, 2: strings.Repeat("x", 64)}))
	r.load()
	token = r.tokenFor(permBE)
	r.wantFingers(token, map[any]any{uint64(1): id, uint64(2): strings.Repeat("x", 64)}, map[any]any{uint64(1): second, uint64(2): "Index"})
	r.ok(cmdBio, token.be(5, m{1: id, 2: ""}))
	r.wantFingers(token, map[any]any{uint64(1): id}, map[any]any{uint64(1): second, uint64(2): "Index"})
	r.ok(cmdBio, token.be(6, m{1: id}))
	r.want(0x2c, cmdBio, token.be(6, m{1: id}))
	r.want(0x2c, cmdBio, token.be(5, m{1: id, 2: "x"}))
	r.wantFingers(token, map[any]any{uint64(1): second, uint64(2): "Index"})
	r.ok(cmdBio, token.be(6, m{1: second}))
	expect(t, "bioEnroll without fingers", r.option("bioEnroll"), any(false))
	expect(t, "uv without fingers", r.option("uv"), any(false))
}

func (r *rig) wantFingers(token tok, want ...any) {
	r.t.Helper()
	if got := r.ok(cmdBio, token.be(4, nil)); !reflect.DeepEqual(got, map[any]any{uint64(7): want}) {
		r.t.Fatalf("fingers %v, want %v", got, want)
	}
}

// What comes before each subcommand, and what each needs.
func TestGateOfBioEnrollment(t *testing.T) {
	finger := "thumb"
	r := newRig(t, fingerprint(&finger))
	r.setPIN()
	id := r.enrol("Thumb")
	token := r.tokenFor(permBE)
	other := func() tok { return r.tokenFor(permCM) }
	type row struct {
		name    string
		request m
		want    byte
	}
	tests := []row{
		{"nothing", m{}, 0x14},
		{"getModality false", m{6: false}, 0x14},
		{"getModality is a number", m{6: 1}, 0x11},
		{"modality is text", m{1: "x", 2: 7}, 0x11},
		{"subCommand is text", m{1: 1, 2: "x"}, 0x11},
		{"subCommandParams is an array", m{1: 1, 2: 7, 3: []any{}}, 0x11},
		{"protocol is text", m{1: 1, 2: 7, 4: "x"}, 0x11},
		{"param is text", m{1: 1, 2: 7, 5: "x"}, 0x11},
		{"unknown subcommand", m{1: 1, 2: 8}, 0x3e},
		{"subcommand 0", m{1: 1, 2: 0}, 0x3e},
		{"sensor info", m{1: 1, 2: 7}, 0},
		{"sensor info without modality", m{2: 7}, 0x14},
		{"sensor info of another modality", m{1: 2, 2: 7}, 0x02},
		{"cancel with nothing under way", m{1: 1, 2: 3}, 0},
		{"template ID is text", token.be(6, m{1: "x"}), 0x11},
		{"name is bytes", token.be(5, m{1: id, 2: []byte("x")}), 0x11},
		{"timeout is text", token.be(1, m{3: "x"}), 0x11},
		{"name of 64 bytes", token.be(5, m{1: id, 2: strings.Repeat("x", 64)}), 0},
		{"name of 65 bytes", token.be(5, m{1: id, 2: strings.Repeat("x", 65)}), 0x03},
		{"long name and a wrong param", token.be(5, m{1: id, 2: strings.Repeat("x", 65)}).with(m{5: []byte{1}}), 0x03},
		{"no name", token.be(5, m{1: id}), 0x14},
		{"rename without template", token.be(5, m{2: "x"}), 0x14},
		{"remove without template", token.be(6, nil), 0x14},
		{"capture without template", token.be(2, nil), 0x14},
		{"capture with nothing under way", token.be(2, m{1: id}), 0x2c},
	}
	for name, sub := range map[string]m{
		"begin": token.be(1, nil), "capture": token.be(2, m{1: id}), "enumerate": token.be(4, nil),
		"rename": token.be(5, m{1: id, 2: "x"}), "remove": token.be(6, m{1: id}),
	} {
		tests = append(tests,
			row{name + " without a param", sub.with(m{5: absent{}}), 0x36},
			row{name + " without a modality", sub.with(m{1: absent{}}), 0x14},
			row{name + " without a protocol", sub.with(m{4: absent{}}), 0x14},
			row{name + " with protocol 3", sub.with(m{4: 3}), 0x02},
			row{name + " with protocol 1", sub.with(m{4: 1}), 0x33},
			row{name + " with a cut param", sub.with(m{5: sub[5].([]byte)[:16]}), 0x33},
			row{name + " with an empty param", sub.with(m{5: []byte{}}), 0x33},
			row{name + " with other params", sub.with(m{3: m{1: id, 2: "x", 3: 7}}), 0x33},
		)
	}
	before := r.records()
	for _, test := range tests {
		if got, _ := r.raw(message(t, cmdBio, test.request)); got != test.want {
			t.Errorf("%s: status %02x, want %02x", test.name, got, test.want)
		}
		if test.want != 0 && !maps.Equal(before, r.records()) {
			t.Fatalf("%s changes the key", test.name)
		}
		before = r.records()
	}
	r.want(0x33, cmdBio, other().be(4, nil))
}

func TestSamples(t *testing.T) {
	var next virtual.Sample
	r := newRig(t, func(c *virtual.Config) {
		c.Profile = virtual.FingerprintProfile()
		c.Finger = func(context.Context) virtual.Sample { return next }
	})
	r.setPIN()
	next = virtual.Sample{Finger: "thumb"}
	r.enrol("Thumb")
	token := r.tokenFor(permBE)
	body := r.ok(cmdBio, token.be(1, nil)) // the thumb again
	id := body[uint64(4)].([]byte)
	r.sample(0x0b, 4, body)
	for _, test := range []struct {
		sample    virtual.Sample
		status    int
		remaining uint64
	}{
		{virtual.Sample{}, 0x0d, 4},
		{virtual.Sample{Finger: "index", Status: virtual.SampleTooFast}, 0x05, 4},
		{virtual.Sample{Finger: "index"}, 0, 3},
		{virtual.Sample{Finger: "ring"}, 0x0a, 3},
		{virtual.Sample{Finger: "index", Status: virtual.SampleNoUserTransition}, 0x0e, 3},
		{virtual.Sample{Finger: "index"}, 0, 2},
	} {
		next = test.sample
		r.sample(test.status, test.remaining, r.ok(cmdBio, token.be(2, m{1: id})))
	}
	next = virtual.Sample{Denied: true}
	r.want(0x27, cmdBio, token.be(2, m{1: id}))
	r.ok(cmdBio, m{1: 1, 2: 3})
	r.want(0x2c, cmdBio, token.be(2, m{1: id}))
	r.wantFingers(token, r.ok(cmdBio, token.be(4, nil))[uint64(7)].([]any)...)
	expect(t, "fingers", len(r.ok(cmdBio, token.be(4, nil))[uint64(7)].([]any)), 1)
}

func TestOneEnrolmentAtATime(t *testing.T) {
	finger := "thumb"
	r := newRig(t, fingerprint(&finger))
	r.setPIN()
	token := r.tokenFor(permBE)
	first := r.ok(cmdBio, token.be(1, nil))[uint64(4)].([]byte)
	second := r.ok(cmdBio, token.be(1, nil))[uint64(4)].([]byte)
	r.want(0x2c, cmdBio, token.be(2, m{1: first}))
	r.ok(cmdGetInfo, nil) // other commands do not end it
	r.ok(cmdBio, token.be(2, m{1: second}))
	r.key.PowerCycle()
	r.want(0x2c, cmdBio, r.tokenFor(permBE).be(2, m{1: second}))
}

// What begins ends what was under way, also when it comes to nothing.
func TestFailedBeginningEndsAnEnrolment(t *testing.T) {
	next := virtual.Sample{Finger: "thumb"}
	r := newRig(t, func(c *virtual.Config) {
		c.Profile = virtual.FingerprintProfile()
		c.Finger = func(context.Context) virtual.Sample { return next }
	})
	r.setPIN()
	token := r.tokenFor(permBE)
	id := r.ok(cmdBio, token.be(1, nil))[uint64(4)].([]byte)
	next.Denied = true
	r.want(0x27, cmdBio, token.be(1, nil))
	next.Denied = false
	r.want(0x2c, cmdBio, token.be(2, m{1: id}))
}

func TestFingerprintsAreFull(t *testing.T) {
	finger := "thumb"
	r := newRig(t, fingerprint(&finger))
	r.become(func(p *virtual.Profile) { p.UV.Fingers = 1 })
	r.setPIN()
	id := r.enrol("Thumb")
	r.want(0x17, cmdBio, r.tokenFor(permBE).be(1, nil))
	r.ok(cmdBio, r.tokenFor(permBE).be(6, m{1: id}))
	r.enrol("Thumb")
}

func TestCaptureTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *virtual.Config) {
			c.Profile = virtual.FingerprintProfile()
			c.Finger = func(ctx context.Context) virtual.Sample { <-ctx.Done(); return virtual.Sample{} }
		})
		r.setPIN()
		token := r.tokenFor(permBE)
		for _, test := range []struct {
			params m
			want   time.Duration
		}{{nil, 30 * time.Second}, {m{3: 1500}, 1500 * time.Millisecond}, {m{3: 0}, 0}, {m{3: uint64(1) << 63}, time.Hour}} {
			token = r.tokenFor(permBE)
			start := time.Now()
			r.sample(0x0d, 4, r.ok(cmdBio, token.be(1, test.params)))
			expect(t, "wait", time.Since(start), test.want)
		}
	})
}

func TestCaptureIsCancelled(t *testing.T) {
	r := newRig(t, func(c *virtual.Config) {
		c.Profile = virtual.FingerprintProfile()
		c.Finger = func(ctx context.Context) virtual.Sample { <-ctx.Done(); return virtual.Sample{} }
	})
	r.setPIN()
	expect(t, "status", r.cancelled(message(t, cmdBio, r.tokenFor(permBE).be(1, nil))), 0x2d)
}

// The prototype is there when the model says so, with tokens of getPinToken.
func TestPrototypeOfBioEnrollment(t *testing.T) {
	finger := "thumb"
	r := newRig(t, fingerprint(&finger))
	r.want(0x01, cmdBioPre, m{6: true})
	r.become(func(p *virtual.Profile) {
		delete(p.Options, "bioEnroll")
		p.Options["userVerificationMgmtPreview"] = false
		p.Versions = []string{"FIDO_2_0", "FIDO_2_1_PRE"}
	})
	r.want(0x01, cmdBio, m{6: true})
	r.setPIN()
	p := r.agree(1)
	token := p.take(p.getToken(pin))
	id := r.ok(cmdBioPre, token.be(1, nil))[uint64(4)].([]byte)
	for range 3 {
		r.ok(cmdBioPre, token.be(2, m{1: id}))
	}
	expect(t, "preview", r.option("userVerificationMgmtPreview"), any(true))
	r.want(0x36, cmdBioPre, m{1: 1, 2: 4})
}
