package virtual_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// onNFC is a key in a field whose user refuses every touch.
func onNFC(c *virtual.Config) { c.Transport, c.Presence = virtual.NFC, virtual.Denied() }

// A touch is asked for over NFC as over USB, unless being placed in the field is
// one.
func TestBeingPlacedInTheField(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, onNFC)
		r.want(0x27, cmdMakeCredential, creation())

		r = newRig(t, onNFC, model(func(p *virtual.Profile) { p.Field.Window = 2 * time.Minute }))
		c := r.make(creation())
		time.Sleep(2 * time.Minute)
		r.assert(assertion(c.id), c)
		time.Sleep(time.Nanosecond)
		r.want(0x3b, cmdGetAssertion, assertion(c.id))
		r.want(0x3b, cmdMakeCredential, creation())
		r.want(0x3b, cmdSelection, nil)
		r.assert(assertion(c.id).with(m{5: s{"up": false}}), c)
		r.key.PowerCycle()
		r.ok(cmdSelection, nil)
		expect(t, "touches", r.touches(), 0)
		expect(t, "keepalives", len(r.states), 0)

		r = newRig(t, onNFC, model(func(p *virtual.Profile) { p.Field = virtual.FieldProfile{Window: time.Minute, Uses: 2} }))
		r.make(creation())
		r.ok(cmdReset, nil) // does not place it anew
		r.want(0x3b, cmdMakeCredential, creation())
		r.key.PowerCycle()
		r.make(creation())
	})
	// Over USB it means nothing.
	r := newRig(t, func(c *virtual.Config) { c.Presence = virtual.Denied() },
		model(func(p *virtual.Profile) { p.Field.Window = time.Minute }))
	r.want(0x27, cmdMakeCredential, creation())
}

func TestActionTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for action, want := range map[time.Duration]time.Duration{0: 30 * time.Second, 10 * time.Second: 10 * time.Second} {
			r := newRig(t, waiting, model(func(p *virtual.Profile) { p.Timers.Action = action }))
			start := time.Now()
			r.want(0x2f, cmdSelection, nil)
			expect(t, "wait", time.Since(start), want)
		}
	})
}

func TestNextAssertionTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, model(func(p *virtual.Profile) { p.Timers.NextAssertion = time.Minute }))
		r.accounts("one", "two", "three")
		r.assert(assertion())
		time.Sleep(time.Minute)
		r.next()
		time.Sleep(time.Minute + 1)
		r.want(0x30, cmdGetNextAssertion, nil)
	})
}

func TestWhenAResetIsAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			name   string
			change func(*virtual.Profile)
			wait   time.Duration
			usb    byte
			nfc    byte
		}{
			{"in time", func(*virtual.Profile) {}, 10 * time.Second, 0, 0},
			{"late", func(*virtual.Profile) {}, 11 * time.Second, 0x30, 0x30},
			{"late on a model that does not mind", func(p *virtual.Profile) { p.Reset.AnyTime = true }, time.Hour, 0, 0},
			{"USB only", func(p *virtual.Profile) { p.Reset.Transports = []string{"usb"} }, 0, 0, 0x27},
			{"NFC only", func(p *virtual.Profile) { p.Reset.Transports = []string{"nfc"} }, 0, 0x27, 0},
			{"NFC only and late", func(p *virtual.Profile) { p.Reset.Transports = []string{"nfc"} }, 11 * time.Second, 0x30, 0x30},
			{"any", func(p *virtual.Profile) { p.Reset.Transports = nil }, 0, 0, 0},
		} {
			for transport, want := range map[virtual.Transport]byte{virtual.USB: test.usb, virtual.NFC: test.nfc} {
				r := newRig(t, model(test.change), func(c *virtual.Config) { c.Transport = transport })
				time.Sleep(test.wait)
				if got, _ := r.raw([]byte{cmdReset}); got != want {
					t.Errorf("%s, over %v: %02x, want %02x", test.name, transport, got, want)
				}
			}
		}
	})
}

// TestHandler checks that a transport finds the methods that the model has, and
// what the answer to INIT says.
func TestHandler(t *testing.T) {
	odd := byte(0x42)
	for _, test := range []struct {
		name      string
		change    func(*virtual.Profile)
		u2f, wink bool
		caps      byte
	}{
		{"default", func(*virtual.Profile) {}, true, true, 0x05},
		{"no wink", func(p *virtual.Profile) { p.HID.Wink = false }, true, false, 0x04},
		{"no U2F", func(p *virtual.Profile) { p.Versions = []string{"FIDO_2_0"} }, false, true, 0x0d},
		{"neither", func(p *virtual.Profile) { p.Versions, p.HID.Wink = []string{"FIDO_2_1_PRE"}, false }, false, false, 0x0c},
		{"U2F only", func(p *virtual.Profile) { p.Versions, p.HID.Wink = []string{"U2F_V2"}, false }, true, false, 0x00},
		{"as it says", func(p *virtual.Profile) { p.HID.Capabilities = &odd }, true, true, 0x42},
	} {
		winks := 0
		r := newRig(t, model(test.change), func(c *virtual.Config) { c.OnWink = func() { winks++ } })
		handler := r.key.Handler()
		_, u2f := handler.(interface {
			U2F(ctx context.Context, command []byte) []byte
		})
		winker, wink := handler.(interface{ Wink() })
		expect(t, test.name+": U2F", u2f, test.u2f)
		expect(t, test.name+": wink", wink, test.wink)
		expect(t, test.name+": capabilities", r.key.Profile().Capabilities(), test.caps)
		if wink {
			winker.Wink()
			expect(t, "winks", winks, 1)
		}
		handler.PowerCycle()
		handler.Deselect()
		answer := handler.Message(r.ctx, []byte{cmdGetInfo}, nil)
		expect(t, test.name+": status", answer[0], map[bool]byte{true: 0, false: 1}[test.name != "U2F only"])
	}
}

// Deselection over NFC ends what a client could go on with, and no token.
func TestDeselect(t *testing.T) {
	r := newRig(t)
	r.accounts("one", "two")
	r.setPIN()
	r.assert(assertion())
	r.ok(cmdLargeBlobs, r.tokenFor(permLBW).lb(m{2: array(40)[:10], 3: 0, 4: 40}))
	r.assert(assertion())
	token := r.token() // which an assertion would use up
	r.assert(assertion().with(m{5: s{"up": false}}))
	r.key.Deselect()
	r.want(0x30, cmdGetNextAssertion, nil)
	r.make(token.mc(creation()))
	r.want(0x04, cmdLargeBlobs, r.tokenFor(permLBW).lb(m{2: array(40)[10:], 3: 10}))
}
