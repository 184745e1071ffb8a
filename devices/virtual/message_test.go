package virtual_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

func TestCommandsThatAreNone(t *testing.T) {
	r := newRig(t)
	for _, cmd := range []byte{0x00, 0x03, 0x05, 0x09, 0x0e, 0x3f, 0x40, 0x41, 0x42, 0xff} {
		r.want(0x01, cmd, nil)
		r.want(0x01, cmd, m{1: 1})
	}
	if status, _ := r.raw(nil); status != 0x03 {
		t.Fatalf("empty message: %02x", status)
	}
}

// padded is a request with an unknown member that makes the message n bytes
// long.
func padded(t testing.TB, request m, n int) []byte {
	t.Helper()
	const head = 3 // of a byte string of 256 to 65535 bytes
	size := n - len(message(t, cmdMakeCredential, request)) - 2 - head
	msg := message(t, cmdMakeCredential, request.with(m{99: make([]byte, size)}))
	expect(t, "size of the message", len(msg), n)
	return msg
}

func TestMessageSize(t *testing.T) {
	for _, limit := range []int{1024, virtual.DefaultMessage, virtual.MaxMessage} {
		r := newRig(t, model(func(p *virtual.Profile) { p.MaxMessage = limit }))
		if status, _ := r.raw(padded(t, creation(), limit)); status != 0 {
			t.Fatalf("%d bytes: %02x", limit, status)
		}
		if status, _ := r.raw(padded(t, creation(), limit+1)); status != 0x39 {
			t.Fatalf("%d bytes: %02x", limit+1, status)
		}
	}
}

func TestEncodingOfRequests(t *testing.T) {
	// The clientPIN request {1: 2, 2: 1} in encodings that are not it.
	tests := []struct {
		name string
		body string
		want byte
	}{
		{"canonical", "a201020201", 0},
		{"unsorted keys", "a202010102", 0x12},
		{"duplicate key", "a3010202010201", 0x12},
		{"indefinite map", "bf01020201ff", 0x12},
		{"long integer", "a20118020201", 0x12},
		{"long key", "a2180102180201", 0x12},
		{"long map head", "b80201020201", 0x12},
		{"trailing byte", "a20102020100", 0x12},
		{"trailing item", "a201020201a0", 0x12},
		{"truncated", "a2010202", 0x12},
		{"tag", "a201c2410102" + "01", 0x12},
		{"float in an ignored member", "a3010202011863f93c00", 0x12},
		{"undefined simple value in an ignored member", "a3010202011863e5", 0x12},
		{"bad UTF-8 in an ignored member", "a3010202011863" + "62c328", 0x12},
		{"indefinite string in an ignored member", "a3010202011863" + "5f4101ff", 0x12},
		{"depth 4 in an ignored member", "a3010202011863" + "818180", 0},
		{"depth 4 of maps in an ignored member", "a3010202011863" + "a100a100a0", 0},
		{"depth 5 in an ignored member", "a3010202011863" + "81818180", 0x12},
		{"null in an ignored member", "a3010202011863f6", 0},
		{"depth 5000", strings.Repeat("81", 500) + "80", 0x12},
		{"huge map", "bb00000000ffffffff", 0x12},
		{"huge byte string", "a2010202" + "5bffffffffffffffff", 0x12},
		{"array", "820102", 0x11},
		{"integer", "01", 0x11},
		{"null", "f6", 0x11},
		{"text", "6161", 0x11},
		{"empty map", "a0", 0x14},
		{"no body", "", 0x14},
		{"key that is an array", "a3010202018001", 0x12},
		{"named member", "a301020201616100", 0},
		{"negative member", "a3010202012000", 0},
		{"member that is a byte string", "a301020201410000", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			if status, _ := r.raw(append([]byte{cmdClientPIN}, unhex(t, test.body)...)); status != test.want {
				t.Fatalf("status %02x, want %02x", status, test.want)
			}
		})
	}
}

// Commands without parameters take the ones of later versions and no others.
func TestBodiesNobodyNeeds(t *testing.T) {
	for _, cmd := range []byte{cmdGetInfo, cmdSelection, cmdReset} {
		r := newRig(t)
		r.ok(cmd, m{})
		r.ok(cmd, m{1: true})
		for body, want := range map[string]byte{"ff": 0x12, "a000": 0x12, "80": 0x11} {
			if status, _ := r.raw(append([]byte{cmd}, unhex(t, body)...)); status != want {
				t.Fatalf("command %02x with body %s: %02x", cmd, body, status)
			}
		}
	}
}

// requests has a valid request of every command and subcommand, for a key that
// is set up so that each succeeds after a power cycle, or says that there is
// nothing to go on with. The tokens in them are of earlier.
func requests(r *rig) map[string][]byte {
	first := r.make(creation())
	stored := r.make(discoverable("one"))
	r.make(discoverable("two"))
	r.setPIN()
	p := r.agree(2)
	token := r.token()
	salts := p.salts(bytes.Repeat([]byte{7}, 64))
	all := map[string][]byte{}
	add := func(name string, cmd byte, params m) { all[name] = message(r.t, cmd, params) }
	add("getInfo", cmdGetInfo, nil)
	add("selection", cmdSelection, nil)
	add("getNextAssertion", cmdGetNextAssertion, nil)
	add("makeCredential", cmdMakeCredential, creation().with(m{
		5: descriptors(bytes.Repeat([]byte{9}, 32)), 7: s{"rk": false, "up": true}, 11: []any{"packed"},
		6: s{
			"credProtect": 2, "hmac-secret": true, "hmac-secret-mc": salts, "credBlob": []byte{1}, "minPinLength": true,
			"pinComplexityPolicy": true, "thirdPartyPayment": true, "uvm": true, "largeBlob": s{"support": "preferred"},
		},
	}))
	add("makeCredential with a token", cmdMakeCredential, token.mc(discoverable("three")).with(m{6: s{"largeBlobKey": true}, 10: 1}))
	add("getAssertion", cmdGetAssertion, token.ga(assertion(first.id)).with(m{
		4: s{
			"hmac-secret": salts, "credBlob": true, "largeBlobKey": true, "thirdPartyPayment": true, "uvm": true,
			"largeBlob": s{"write": []byte{1}, "originalSize": 1},
		},
		5: s{"up": true},
	}))
	add("getAssertion of anybody", cmdGetAssertion, assertion().with(m{4: s{"largeBlob": s{"read": true}}}))
	add("reset", cmdReset, nil)
	addPIN(p, add)
	addManagement(r, stored.id, add)
	return all
}

func addPIN(p *platform, add func(string, byte, m)) {
	add("getPINRetries", cmdClientPIN, m{2: 1})
	add("getUVRetries", cmdClientPIN, m{2: 7})
	add("getKeyAgreement", cmdClientPIN, m{1: 1, 2: 2})
	add("setPIN", cmdClientPIN, p.setPIN(pin))
	add("changePIN", cmdClientPIN, p.changePIN(pin, "567890"))
	add("getPINToken", cmdClientPIN, p.getToken(pin))
	add("getTokenUsingPIN", cmdClientPIN, p.getTokenWith(pin, 3, rpID))
	add("getTokenUsingUV", cmdClientPIN, p.getTokenWith(pin, 3, rpID).with(m{2: 6}))
}

func addManagement(r *rig, stored []byte, add func(string, byte, m)) {
	token := r.tokenFor(permCM | permACFG | permLBW)
	id, user := s{"id": stored, "type": "public-key"}, s{"id": []byte("one"), "name": "x", "displayName": "y"}
	for _, cmd := range []byte{cmdCredMgmt, cmdCredPre} {
		name := fmt.Sprintf("credentialManagement %02x, ", cmd)
		for sub, params := range map[int]m{
			1: nil, 2: nil, 3: nil, 4: {1: rpHash(rpID)}, 5: nil, 6: {2: id}, 7: {2: id, 3: user},
		} {
			add(name+fmt.Sprint(sub), cmd, token.cm(sub, params))
		}
	}
	for sub, params := range map[int]m{1: nil, 2: nil, 3: {1: 6, 2: texts(rpID), 3: true, 4: true}, 4: nil, 0xff: {1: 1}} {
		add("config "+fmt.Sprint(sub), cmdConfig, token.acfg(sub, params))
	}
	for _, cmd := range []byte{cmdBio, cmdBioPre} {
		name := fmt.Sprintf("bioEnrollment %02x, ", cmd)
		add(name+"modality", cmd, m{6: true})
		for sub, params := range map[int]m{
			1: {3: 100}, 2: {1: []byte{1}}, 3: nil, 4: nil, 5: {1: []byte{1}, 2: "x"}, 6: {1: []byte{1}}, 7: nil,
		} {
			add(name+fmt.Sprint(sub), cmd, token.be(sub, params))
		}
	}
	add("largeBlobs, get", cmdLargeBlobs, m{1: 100, 3: 0})
	add("largeBlobs, set", cmdLargeBlobs, token.lb(m{2: array(40), 3: 0, 4: 40}))
	add("largeBlobs, next", cmdLargeBlobs, token.lb(m{2: array(40), 3: 20}))
}

// complete is a key with every command there is.
func complete(c *virtual.Config) {
	everything(c)
	c.Profile.Options["credentialMgmtPreview"] = true
	c.Profile.Options["userVerificationMgmtPreview"] = true
	c.Profile.Options["ep"] = true
	c.Profile.ConfigCommands = append(c.Profile.ConfigCommands, 0xff)
	c.Profile.VendorConfigCommands = []uint64{1}
}

// TestMangledEncodings sends each request in encodings that are not it, and with
// a member that nobody knows.
func TestMangledEncodings(t *testing.T) {
	r := newRig(t, complete)
	all := requests(r)
	for name, msg := range all {
		cmd, body := msg[0], msg[1:]
		before := r.records()
		if len(body) > 0 {
			head, n := body[0], body[0]&0x1f
			key := body[1]
			pairs := body[1:]
			for how, mangled := range map[string][]byte{
				"a trailing byte":    slices.Concat(body, []byte{0}),
				"an indefinite map":  slices.Concat([]byte{0xbf}, pairs, []byte{0xff}),
				"a long head":        slices.Concat([]byte{0xb8, n}, pairs),
				"a long key":         slices.Concat([]byte{head, 0x18}, pairs),
				"a duplicate key":    slices.Concat([]byte{head + 1, key, 0}, pairs),
				"an unsorted key":    slices.Concat([]byte{head + 1, 0x18, 99, 0}, pairs),
				"a tag":              slices.Concat([]byte{head, key, 0xc1}, pairs[1:]),
				"a pair too few":     slices.Concat([]byte{head + 1}, pairs),
				"a float, ignored":   slices.Concat([]byte{head + 1}, pairs, []byte{0x18, 99, 0xf9, 0, 0}),
				"bad text, ignored":  slices.Concat([]byte{head + 1}, pairs, []byte{0x18, 99, 0x61, 0xff}),
				"nesting, ignored":   slices.Concat([]byte{head + 1}, pairs, []byte{0x18, 99, 0x81, 0x81, 0x81, 0x80}),
				"huge text, ignored": slices.Concat([]byte{head + 1}, pairs, []byte{0x18, 99, 0x7b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}),
			} {
				if got, _ := r.raw(append([]byte{cmd}, mangled...)); got != 0x12 {
					t.Errorf("%s with %s: status %02x, want 12", name, how, got)
				}
			}
		}
		for _, other := range []string{"80", "00", "f6", "6161"} {
			if got, _ := r.raw(append([]byte{cmd}, unhex(t, other)...)); got != 0x11 {
				t.Errorf("%s as %s: status %02x, want 11", name, other, got)
			}
		}
		if !maps.Equal(before, r.records()) {
			t.Fatalf("a mangled %s changed the key", name)
		}
	}
}

// TestUnknownMembersAreIgnored sends each request twice to a key in the same
// state, the second time with members that nobody knows.
func TestUnknownMembersAreIgnored(t *testing.T) {
	for name, msg := range requests(newRig(t, complete)) {
		answers := map[string]bool{}
		for _, more := range [][]byte{{}, {0x18, 99, 0xf6}} {
			r := newRig(t, complete)
			requests(r)
			r.key.PowerCycle()
			body := msg[1:]
			if len(more) > 0 && len(body) > 0 {
				body = slices.Concat([]byte{body[0] + 1}, body[1:], more)
			}
			status, answer := r.raw(append([]byte{msg[0]}, body...))
			answers[fmt.Sprintf("%02x %x", status, answer)] = true
		}
		expect(t, "different answers to "+name, len(answers), 1)
	}
}

func TestEveryPrefixFails(t *testing.T) {
	r := newRig(t, complete)
	all := requests(r)
	before := r.records()
	for name, msg := range all {
		for n := range msg {
			if status, _ := r.raw(msg[:n]); status == 0 {
				t.Fatalf("%s cut to %d of %d bytes succeeds", name, n, len(msg))
			}
		}
		if !maps.Equal(before, r.records()) {
			t.Fatalf("a cut %s changed the key", name)
		}
	}
}

func TestKeepaliveAroundATouch(t *testing.T) {
	r := newRig(t)
	r.ok(cmdSelection, nil)
	expect(t, "keepalive", fmt.Sprint(r.states), "[2 1]")
	r.ok(cmdGetInfo, nil)
	expect(t, "keepalive without a touch", len(r.states), 0)
	if answer := r.key.Message(context.Background(), []byte{cmdSelection}, nil); !bytes.Equal(answer, []byte{0}) {
		t.Fatalf("without a keepalive function: %x", answer)
	}
}

// waiting is a user who never touches.
func waiting(c *virtual.Config) { c.Presence = virtual.Delayed(time.Hour) }

func TestUserWhoDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tests := []struct {
			name     string
			presence virtual.Presence
			// status of selection and reset; makeCredential and getAssertion
			// say OPERATION_DENIED either way
			want byte
		}{
			{"denies", virtual.Denied(), 0x27},
			{"waits too long", virtual.Delayed(31 * time.Second), 0x2f},
			{"times out by himself", func(context.Context) virtual.Decision { return virtual.DecisionTimedOut }, 0x2f},
			{"touches in time", virtual.Delayed(29 * time.Second), 0},
		}
		for _, test := range tests {
			r := newRig(t)
			made := r.make(creation())
			r.cfg.Presence = test.presence
			r.load()
			inside := test.want
			if inside == 0x2f {
				inside = 0x27
			}
			before := r.records()
			r.want(test.want, cmdSelection, nil)
			r.want(inside, cmdMakeCredential, discoverable("one"))
			r.want(inside, cmdGetAssertion, assertion(made.id))
			if test.want != 0 && !maps.Equal(before, r.records()) {
				t.Fatalf("user %s, and the state changes", test.name)
			}
			r.key.PowerCycle()
			r.want(test.want, cmdReset, nil)
		}
	})
}

// cancelled sends a message and cancels it once the key waits for its user.
func (r *rig) cancelled(msg []byte) byte {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	answer := r.key.Message(ctx, msg, func(status byte) {
		if status == 2 {
			cancel()
		}
	})
	checkAnswer(r.t, answer)
	return answer[0]
}

func TestCancel(t *testing.T) {
	r := newRig(t, waiting)
	r.setPIN()
	r.cfg.Presence = virtual.Auto()
	r.load()
	token := r.token()
	made := r.make(token.mc(discoverable("one")))
	r.cfg.Presence = virtual.Delayed(time.Hour)
	r.load()
	before := r.records()
	token = r.token()
	before["pin"] = r.records()["pin"]
	for _, msg := range [][]byte{
		message(t, cmdSelection, nil),
		message(t, cmdReset, nil),
		message(t, cmdMakeCredential, creation().with(m{8: []byte{}})),
		message(t, cmdMakeCredential, token.mc(discoverable("two"))),
		message(t, cmdMakeCredential, token.mc(discoverable("two")).with(m{5: descriptors(made.id)})),
		message(t, cmdGetAssertion, assertion(made.id)),
	} {
		expect(t, "status", r.cancelled(msg), 0x2d)
	}
	if !maps.Equal(before, r.records()) {
		t.Fatal("a cancelled command changed the state")
	}
	// The token is still good for what was cancelled.
	r.ok(cmdGetAssertion, token.ga(assertion(made.id)).with(m{5: s{"up": false}}))
}

func TestCancelBeforeTheTouchOnlyMattersToTouches(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r.ctx = ctx
	r.ok(cmdGetInfo, nil)
	r.want(0x2d, cmdSelection, nil)
}

func TestSecondMessageIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *virtual.Config) { c.Presence = virtual.Delayed(time.Second) })
		first := make(chan []byte)
		go func() { first <- r.key.Message(context.Background(), []byte{cmdSelection}, nil) }()
		synctest.Wait()
		r.want(0x06, cmdGetInfo, nil)
		if answer := <-first; !bytes.Equal(answer, []byte{0}) {
			t.Fatalf("first message: %x", answer)
		}
		r.ok(cmdGetInfo, nil)
	})
}

func TestPowerIsLostWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, waiting)
		first := make(chan []byte)
		go func() { first <- r.key.Message(context.Background(), []byte{cmdSelection}, nil) }()
		synctest.Wait()
		r.key.PowerCycle()
		if answer := <-first; !bytes.Equal(answer, []byte{0x2d}) {
			t.Fatalf("interrupted message: %x", answer)
		}
		r.ok(cmdGetInfo, nil)
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, waiting)
		root := r.key.AttestationRoot()
		first := make(chan []byte)
		go func() { first <- r.key.Message(context.Background(), []byte{cmdSelection}, nil) }()
		synctest.Wait()
		for range 2 {
			if err := r.key.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if answer := <-first; !bytes.Equal(answer, []byte{0x2d}) {
			t.Fatalf("interrupted message: %x", answer)
		}
		for _, cmd := range []byte{cmdGetInfo, cmdSelection, cmdReset, cmdGetNextAssertion} {
			r.want(0x7f, cmd, nil)
		}
		r.key.PowerCycle()
		r.want(0x7f, cmdGetInfo, nil)
		expect(t, "root", r.key.AttestationRoot(), root)
	})
}

func TestConfigIsChecked(t *testing.T) {
	for name, cfg := range map[string]virtual.Config{
		"no randomness":  {Rand: bytes.NewReader(nil)},
		"bad randomness": {Rand: zeros{}},
	} {
		if _, err := virtual.New(cfg); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// zeros is a random source that is broken: 0 is no private key.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestRandomnessFails(t *testing.T) {
	r := newRig(t)
	r.cfg.Rand = bytes.NewReader(nil)
	var reported error
	r.cfg.OnError = func(err error) { reported = err }
	r.load()
	before := r.records()
	r.want(0x7f, cmdMakeCredential, creation())
	r.want(0x7f, cmdMakeCredential, discoverable("one"))
	r.want(0x7f, cmdClientPIN, m{1: 2, 2: 2})
	r.want(0x7f, cmdReset, nil)
	if !maps.Equal(before, r.records()) || reported == nil {
		t.Fatalf("state changed, or nothing was reported: %v", reported)
	}
}

func TestNothingPrintsSecrets(t *testing.T) {
	r := newRig(t)
	r.setPIN()
	r.token()
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, v := range []any{r.key, r.cfg.Store} {
			if got := fmt.Sprintf(format, v); len(got) > 60 {
				t.Errorf("%s prints %s", format, got)
			}
		}
	}
}

// TestDecodersAgree holds the reader of requests against nesting that the CBOR
// library would take.
func TestDecodersAgree(t *testing.T) {
	deep := any(1)
	for range 3 {
		deep = []any{deep}
	}
	r := newRig(t)
	r.ok(cmdClientPIN, m{2: 1, 99: deep})
	r.want(0x12, cmdClientPIN, m{2: 1, 99: []any{deep}})
	var remark wire.Remark
	if err := wire.Canonical(encode(t, m{99: []any{deep}})); !errors.As(err, &remark) {
		t.Fatalf("not a matter of depth: %v", err)
	}
}
