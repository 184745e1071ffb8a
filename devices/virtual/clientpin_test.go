package virtual_test

import (
	"bytes"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// retries is the answer of getPINRetries.
func (r *rig) retries() (n int, powerCycle bool) {
	r.t.Helper()
	body := r.ok(cmdClientPIN, m{2: 1})
	expect(r.t, "members of getPINRetries", len(body), 2)
	return int(body[uint64(3)].(uint64)), body[uint64(4)].(bool)
}

func (r *rig) wantRetries(want int, wantPowerCycle bool) {
	r.t.Helper()
	n, powerCycle := r.retries()
	expect(r.t, "pinRetries", n, want)
	expect(r.t, "powerCycleState", powerCycle, wantPowerCycle)
}

func TestSubcommandsThatAreNone(t *testing.T) {
	r := newRig(t)
	for _, sub := range []int{0, 7, 8, 10, 255, 1 << 20} {
		r.want(0x3e, cmdClientPIN, m{1: 2, 2: sub})
	}
	r.want(0x14, cmdClientPIN, m{1: 2})
	r.want(0x11, cmdClientPIN, m{1: 2, 2: "x"})
	r.want(0x11, cmdClientPIN, m{1: 2, 2: -1})
}

func TestGetKeyAgreement(t *testing.T) {
	r := newRig(t)
	for _, protocol := range []int{1, 2} {
		body := r.ok(cmdClientPIN, m{1: protocol, 2: 2})
		key := body[uint64(1)].(map[any]any)
		x, y := key[int64(-2)].([]byte), key[int64(-3)].([]byte)
		want := map[any]any{uint64(1): map[any]any{
			uint64(1): uint64(2), uint64(3): int64(-25), int64(-1): uint64(1), int64(-2): x, int64(-3): y,
		}}
		if !reflect.DeepEqual(body, want) || len(x) != 32 || len(y) != 32 {
			t.Fatalf("answer %v", body)
		}
		if again := r.ok(cmdClientPIN, m{1: protocol, 2: 2}); !reflect.DeepEqual(again, want) {
			t.Fatal("another key without a reason")
		}
		r.key.PowerCycle()
		if other := r.ok(cmdClientPIN, m{1: protocol, 2: 2}); reflect.DeepEqual(other, want) {
			t.Fatal("the same key after a power cycle")
		}
	}
	r.want(0x14, cmdClientPIN, m{2: 2})
	r.want(0x02, cmdClientPIN, m{1: 3, 2: 2})
}

func TestGetPINRetriesNeedsNoProtocol(t *testing.T) {
	r := newRig(t)
	r.wantRetries(8, false)
	r.ok(cmdClientPIN, m{1: 1, 2: 1})
	r.want(0x02, cmdClientPIN, m{1: 3, 2: 1})
}

// What each subcommand needs, and what it says of what it gets.
func TestMembersOfClientPIN(t *testing.T) {
	r := newRig(t)
	p := r.agree(2)
	fresh := map[string]m{"setPIN": p.setPIN(pin)}
	used := map[string]m{
		"changePIN":        p.changePIN(pin, "567890"),
		"getPINToken":      p.getToken(pin),
		"getTokenUsingPIN": p.getTokenWith(pin, 3, rpID),
		"getTokenUsingUV":  p.getTokenWith(pin, 3, rpID).with(m{2: 6, 6: absent{}}),
	}
	r.wantChecked(fresh)
	r.setPIN()
	r.wantChecked(used)
	r.wantRetries(8, false)
}

func (r *rig) wantChecked(requests map[string]m) {
	r.t.Helper()
	offCurve := m{1: 2, 3: -25, -1: 1, -2: make([]byte, 32), -3: make([]byte, 32)}
	for name, request := range requests {
		for key := range request {
			if key == 2 || key == 10 { // subcommand and rpId are tested elsewhere
				continue
			}
			r.t.Logf("%s, member %d", name, key)
			r.want(0x14, cmdClientPIN, request.with(m{key: absent{}}))
			r.want(0x11, cmdClientPIN, request.with(m{key: "x"}))
		}
		r.want(0x02, cmdClientPIN, request.with(m{1: 0}))
		r.want(0x02, cmdClientPIN, request.with(m{1: 3}))
		if request[2] == 6 {
			continue
		}
		for _, cose := range []m{{}, offCurve, {1: 2, 3: -25, -1: 2, -2: p32, -3: p32}, {1: 2, -1: 1, -2: p32}, {1: 2, -1: 1, -2: "x", -3: "y"}} {
			r.want(0x02, cmdClientPIN, request.with(m{3: cose}))
		}
	}
}

var p32 = bytes.Repeat([]byte{1}, 32)

func TestPlatformKeyMayHaveAnyAlgorithm(t *testing.T) {
	for _, alg := range []any{-7, -25, 0, absent{}} {
		r := newRig(t)
		p := r.agree(2)
		p.cose = p.cose.with(m{3: alg})
		r.ok(cmdClientPIN, p.setPIN(pin))
	}
}

func TestSetPIN(t *testing.T) {
	for _, protocol := range []int{1, 2} {
		r := newRig(t)
		p := r.agree(protocol)
		request := p.setPIN(pin)
		bad := bytes.Clone(request[4].([]byte))
		bad[len(bad)-1] ^= 1
		r.want(0x33, cmdClientPIN, request.with(m{4: bad}))
		r.want(0x33, cmdClientPIN, request.with(m{1: 3 - protocol}))
		for _, size := range []int{0, 16, 32, 48, 80, 128} {
			enc := p.encrypt(make([]byte, size))
			r.want(0x02, cmdClientPIN, request.with(m{4: p.secret.Authenticate(enc), 5: enc}))
		}
		for _, size := range []int{1, 15, 63, 65} { // not what encrypt gives
			enc := make([]byte, size)
			r.want(0x33, cmdClientPIN, request.with(m{4: p.secret.Authenticate(enc), 5: enc}))
		}
		expect(t, "clientPin", r.ok(cmdGetInfo, nil)[uint64(4)].(map[any]any)["clientPin"], any(false))
		r.ok(cmdClientPIN, request)
		expect(t, "clientPin", r.ok(cmdGetInfo, nil)[uint64(4)].(map[any]any)["clientPin"], any(true))
		r.want(0x33, cmdClientPIN, request)
		r.want(0x33, cmdClientPIN, p.setPIN("567890"))
		p.take(p.getToken(pin))
	}
}

func TestNewPINs(t *testing.T) {
	tests := []struct {
		name string
		pin  string
		want byte
	}{
		{"empty", "", 0x37},
		{"3 characters", "123", 0x37},
		{"4 characters", "1234", 0},
		{"3 characters of 12 bytes", "😀😀😀", 0x37},
		{"4 characters of 16 bytes", "😀😀😀😀", 0},
		{"63 bytes", strings.Repeat("x", 63), 0},
		{"64 bytes", strings.Repeat("x", 64), 0x37},
		{"not UTF-8", "1234\xff", 0x37},
		{"zero byte inside", "12\x0034", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			r.want(test.want, cmdClientPIN, r.agree(2).setPIN(test.pin))
			if test.want == 0 {
				p := r.agree(1)
				p.take(p.getToken(test.pin))
				return
			}
			r.setPIN()
			r.want(test.want, cmdClientPIN, r.agree(1).changePIN(pin, test.pin))
			r.wantRetries(8, false)
			r.token()
		})
	}
}

func TestChangePIN(t *testing.T) {
	for _, protocol := range []int{1, 2} {
		r := newRig(t)
		p := r.agree(protocol)
		r.want(0x35, cmdClientPIN, p.changePIN(pin, "567890"))
		r.setPIN()
		request := p.changePIN(pin, "567890")
		bad := bytes.Clone(request[4].([]byte))
		bad[0] ^= 1
		r.want(0x33, cmdClientPIN, request.with(m{4: bad}))
		r.want(0x33, cmdClientPIN, request.with(m{4: p.secret.Authenticate(request[5].([]byte))}))
		r.wantRetries(8, false) // a wrong MAC is no guess
		r.ok(cmdClientPIN, request)
		r.wantRetries(8, false)
		r.want(0x31, cmdClientPIN, p.getToken(pin))
		p = r.agree(protocol)
		p.take(p.getToken("567890"))
		r.want(0x31, cmdClientPIN, p.changePIN(pin, "abcdef"))
		r.wantRetries(7, false)
		p = r.agree(protocol)
		r.ok(cmdClientPIN, p.changePIN("567890", "567890")) // the same PIN again
	}
}

func TestWrongPINChangesTheKeyAgreementKey(t *testing.T) {
	r := newRig(t)
	r.setPIN()
	one, two := r.agree(1), r.agree(2)
	before := r.ok(cmdClientPIN, m{1: 2, 2: 2})
	r.want(0x31, cmdClientPIN, two.getToken("9999"))
	if after := r.ok(cmdClientPIN, m{1: 2, 2: 2}); reflect.DeepEqual(before, after) {
		t.Fatal("same key")
	}
	r.want(0x33, cmdClientPIN, two.changePIN(pin, "567890")) // under the old secret
	r.wantRetries(7, false)
	one.take(one.getToken(pin)) // the other protocol's key stays
	r.wantRetries(8, false)
}

// wrong tries a wrong PIN with a fresh key agreement.
func (r *rig) wrong(want byte) {
	r.t.Helper()
	r.want(want, cmdClientPIN, r.agree(2).getTokenWith("9999", 3, rpID))
}

func TestRetries(t *testing.T) {
	for name, restart := range map[string]func(*rig){
		"power cycle": func(r *rig) { r.key.PowerCycle() },
		"loading":     (*rig).load,
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.setPIN()
			r.wrong(0x31)
			r.wrong(0x31)
			r.wantRetries(6, false)
			r.token() // the right one restores
			r.wantRetries(8, false)
			r.wrong(0x31)
			r.wrong(0x31)
			r.wrong(0x34)
			r.wantRetries(5, true)
			r.wrong(0x34) // not even looked at
			r.want(0x34, cmdClientPIN, r.agree(2).getToken(pin))
			r.want(0x34, cmdClientPIN, r.agree(1).changePIN(pin, "567890"))
			r.wantRetries(5, true)
			restart(r)
			r.wantRetries(5, false)
			r.wrong(0x31)
			r.wrong(0x31)
			r.wrong(0x34)
			restart(r)
			r.wrong(0x31)
			r.wantRetries(1, false)
			r.wrong(0x32)
			r.wantRetries(0, false)
			restart(r)
			r.wrong(0x32)
			r.want(0x32, cmdClientPIN, r.agree(2).getToken(pin))
			r.want(0x32, cmdClientPIN, r.agree(2).changePIN(pin, "567890"))
			r.want(0x33, cmdClientPIN, r.agree(2).setPIN(pin))
			r.key.PowerCycle()
			r.ok(cmdReset, nil)
			r.wantRetries(8, false)
			r.setPIN()
			r.token()
		})
	}
}

// pulledPlug is a store whose process dies after a number of changes.
type pulledPlug struct {
	virtual.Store
	changes int
}

func (p *pulledPlug) Apply(puts map[string][]byte, deletes []string) error {
	if p.changes--; p.changes < 0 {
		return errPlug
	}
	return p.Store.Apply(puts, deletes)
}

type plugError struct{}

func (plugError) Error() string { return "the plug is pulled" }

var errPlug = plugError{}

// The attempt is paid for before the comparison: losing power between the two
// costs a retry even when the PIN was right.
func TestRetryIsPaidBeforeTheComparison(t *testing.T) {
	for name, request := range map[string]func(*platform) m{
		"right token":  func(p *platform) m { return p.getToken(pin) },
		"right change": func(p *platform) m { return p.changePIN(pin, "567890") },
		"wrong token":  func(p *platform) m { return p.getToken("9999") },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.setPIN()
			memory := r.cfg.Store
			r.cfg.Store = &pulledPlug{Store: memory, changes: 1}
			r.load()
			status, _ := r.raw(message(t, cmdClientPIN, request(r.agree(1))))
			expect(t, "right PIN was taken", status == 0, false)
			r.cfg.Store = memory
			r.load()
			r.wantRetries(7, false)
			r.token() // and the PIN is still the old one
		})
	}
	t.Run("store fails at once", func(t *testing.T) {
		r := newRig(t)
		r.setPIN()
		r.cfg.Store = &pulledPlug{Store: r.cfg.Store}
		r.load()
		before := r.records()
		p := r.agree(1)
		r.want(0x7f, cmdClientPIN, p.getToken("9999"))
		r.want(0x7f, cmdClientPIN, p.getToken(pin))
		r.wantRetries(8, false)
		if !maps.Equal(before, r.records()) {
			t.Fatal("state changed")
		}
	})
}

// forcePINChange sets what authenticatorConfig will once set, in the store.
func (r *rig) forcePINChange() {
	r.t.Helper()
	record := decode(r.t, []byte(r.records()["pin"]))
	record[uint64(4)] = true
	mode, err := cbor.CTAP2EncOptions().EncMode()
	if err != nil {
		r.t.Fatal(err)
	}
	b, err := mode.Marshal(record)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.cfg.Store.Apply(map[string][]byte{"pin": b}, nil); err != nil {
		r.t.Fatal(err)
	}
	r.load()
}

func TestForcedPINChange(t *testing.T) {
	r := newRig(t)
	r.setPIN()
	r.forcePINChange()
	expect(t, "forcePINChange", r.ok(cmdGetInfo, nil)[uint64(0x0c)], any(true))
	p := r.agree(2)
	r.want(0x31, cmdClientPIN, p.getToken(pin))
	r.want(0x37, cmdClientPIN, p.getTokenWith(pin, 3, rpID))
	r.wantRetries(8, false)
	r.want(0x37, cmdClientPIN, p.changePIN(pin, pin))
	r.ok(cmdClientPIN, p.changePIN(pin, "567890"))
	expect(t, "forcePINChange", r.ok(cmdGetInfo, nil)[uint64(0x0c)], any(false))
	p.take(p.getToken("567890"))
}
