package manage_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/devices/manage"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

func on() *bool  { v := true; return &v }
func off() *bool { v := false; return &v }

// told is a policy with its pointers followed.
func told(p manage.Policy) map[string]any {
	all := map[string]any{}
	flag := func(name string, b *bool) {
		if b != nil {
			all[name] = *b
		}
	}
	number := func(name string, n *uint) {
		if n != nil {
			all[name] = *n
		}
	}
	flag("alwaysUv", p.AlwaysUV)
	flag("makeCredUvNotRqd", p.MakeCredUVNotRqd)
	flag("forcePINChange", p.ForcePINChange)
	flag("pinComplexityPolicy", p.PINComplexityPolicy)
	flag("ep", p.EnterpriseAttestation)
	flag("longTouchForReset", p.LongTouchForReset)
	number("minPINLength", p.MinPINLength)
	number("maxPINLength", p.MaxPINLength)
	number("maxRPIDs", p.MaxMinPINLengthRPIDs)
	return all
}

// everySetting are the settings that the default model lets be changed.
var everySetting = []manage.Setting{
	manage.AlwaysUV, manage.MinPINLength, manage.MinPINLengthRPIDs, manage.ForcePINChange,
	manage.PINComplexityPolicy, manage.EnterpriseAttestation, manage.LongTouchForReset,
}

func TestPolicy(t *testing.T) {
	r := newRig(t, nil, nil)
	p := r.open().Policy()
	is(t, "policy", told(p), map[string]any{
		"alwaysUv": false, "makeCredUvNotRqd": true, "forcePINChange": false, "pinComplexityPolicy": false, "ep": false,
		"longTouchForReset": false, "minPINLength": uint(4), "maxPINLength": uint(63), "maxRPIDs": uint(8),
	})
	is(t, "changeable", p.Changeable, everySetting)
	r.wantSent()

	old := preview()
	p = newRig(t, old, nil).open().Policy()
	is(t, "an old key", len(p.Changeable), 0)

	vendor := virtual.DefaultProfile()
	vendor.ConfigCommands = []uint64{virtual.ConfigToggleAlwaysUV, virtual.ConfigVendorPrototype}
	vendor.VendorConfigCommands = []uint64{7}
	delete(vendor.Options, "setMinPINLength")
	vendor.PIN.MaxRPIDs = 0
	p = newRig(t, vendor, nil).open().Policy()
	is(t, "listed commands", p.Changeable, []manage.Setting{manage.AlwaysUV})
	is(t, "vendor", p.Vendor, []uint64{7})

	silent := virtual.DefaultProfile() // as before CTAP 2.3
	silent.Silent = []uint64{uint64(ctap2.InfoAuthenticatorConfigCommands)}
	is(t, "no list of commands", newRig(t, silent, nil).open().Policy().Changeable, everySetting)
}

// apply plans and carries out, and returns the settings that were to be changed.
func apply(t *testing.T, r *rig, w manage.Wish) (*manage.Plan, error) {
	t.Helper()
	p, err := r.open().Plan(w)
	if err != nil {
		return nil, err
	}
	r.sent = nil
	return p, p.Apply(t.Context())
}

const byPIN = "getPinUvAuthTokenUsingPinWithPermissions"

// TestApply carries plans out one after the other on one key with a PIN, each
// twice: the second time there is nothing to do, and nothing is sent.
func TestApply(t *testing.T) {
	r := protected(t, nil, nil)
	for _, c := range []struct {
		wish manage.Wish
		plan []manage.Change
		sent []string
	}{
		{
			manage.Wish{AlwaysUV: on()},
			[]manage.Change{{Setting: manage.AlwaysUV, Before: false, After: true}},
			[]string{byPIN, "toggleAlwaysUv"},
		},
		{
			manage.Wish{AlwaysUV: off(), LongTouchForReset: on(), EnterpriseAttestation: on()},
			[]manage.Change{
				{Setting: manage.AlwaysUV, Before: true, After: false},
				{Setting: manage.EnterpriseAttestation, Before: false, After: true, Final: true},
				{Setting: manage.LongTouchForReset, Before: false, After: true, Final: true},
			},
			[]string{byPIN, "toggleAlwaysUv", "enableEnterpriseAttestation", "enableLongTouchForReset"},
		},
		{
			manage.Wish{MinPINLength: 5, PINComplexityPolicy: off()},
			[]manage.Change{{Setting: manage.MinPINLength, Before: uint(4), After: uint(5), Final: true}},
			[]string{byPIN, "setMinPINLength"},
		},
		{
			manage.Wish{AlwaysUV: on(), MinPINLength: 8, ForcePINChange: true, PINComplexityPolicy: on()},
			[]manage.Change{
				{Setting: manage.AlwaysUV, Before: false, After: true},
				{Setting: manage.PINComplexityPolicy, Before: false, After: true, Final: true},
				{Setting: manage.MinPINLength, Before: uint(5), After: uint(8), Final: true},
				{Setting: manage.ForcePINChange, Before: false, After: true},
			},
			[]string{byPIN, "toggleAlwaysUv", "setMinPINLength"},
		},
	} {
		p, err := apply(t, r, c.wish)
		if err != nil {
			t.Fatal(err)
		}
		is(t, "plan", p.Changes, c.plan)
		r.wantSent(c.sent...)
		p, err = apply(t, r, c.wish)
		if err != nil || len(p.Changes) != 0 {
			t.Errorf("%+v again: %+v, %v", c.wish, p, err)
		}
		r.wantSent()
	}
	is(t, "asked for the PIN at last", r.asked, 0)
}

// TestMinPINRPs: who may learn the minimum length is told by no key, and is set
// each time.
func TestMinPINRPs(t *testing.T) {
	r := protected(t, nil, nil)
	w := manage.Wish{MinPINLengthRPIDs: []string{"example.com", "example.org"}}
	for range 2 {
		p, err := apply(t, r, w)
		if err != nil {
			t.Fatal(err)
		}
		is(t, "plan", p.Changes, []manage.Change{{Setting: manage.MinPINLengthRPIDs, After: []string{"example.com", "example.org"}}})
		r.wantSent(byPIN, "setMinPINLength")
	}
	w.MinPINLengthRPIDs = strings.Split(strings.Repeat("x.example,", 9), ",")[:9]
	if _, err := apply(t, r, w); !errors.Is(err, ctap2.ErrUnsupported) || !strings.Contains(err.Error(), "8 relying parties at most") {
		t.Errorf("too many: %v", err)
	}
}

// TestApplyWithoutPIN: a key that nothing protects wants no token, in an order in
// which it wants none until the end.
func TestApplyWithoutPIN(t *testing.T) {
	r := newRig(t, nil, nil)
	if _, err := apply(t, r, manage.Wish{AlwaysUV: on(), MinPINLength: 6, LongTouchForReset: on()}); err != nil {
		t.Fatal(err)
	}
	r.wantSent("enableLongTouchForReset", "setMinPINLength", "toggleAlwaysUv")
	if _, err := apply(t, r, manage.Wish{EnterpriseAttestation: on()}); !errors.Is(err, manage.ErrUnprotected) {
		t.Errorf("alwaysUv and no PIN: %v", err)
	}
	r.wantSent()
	if _, err := apply(t, r, manage.Wish{EnterpriseAttestation: on(), AlwaysUV: off()}); err != nil {
		t.Error(err)
	}
	r.wantSent("toggleAlwaysUv", "enableEnterpriseAttestation")
	if _, err := apply(t, r, manage.Wish{ForcePINChange: true}); !errors.Is(err, ctap2.StatusPINNotSet) {
		t.Errorf("no PIN to change: %v", err)
	}
	r.wantSent()
}

// TestPlansThatCannotBe: what cannot be done is told before anything is sent or
// asked.
func TestPlansThatCannotBe(t *testing.T) {
	r := protected(t, nil, nil)
	if _, err := apply(t, r, manage.Wish{EnterpriseAttestation: on(), LongTouchForReset: on(), PINComplexityPolicy: on(), MinPINLength: 6}); err != nil {
		t.Fatal(err)
	}
	for name, w := range map[string]manage.Wish{
		"ep": {EnterpriseAttestation: off()}, "long touch": {LongTouchForReset: off()}, "complexity": {PINComplexityPolicy: off()},
		"shorter": {MinPINLength: 5},
	} {
		if _, err := r.open().Plan(w); !errors.Is(err, manage.ErrOneWay) {
			t.Errorf("%s: %v", name, err)
		}
		r.wantSent()
	}
	if _, err := r.open().Plan(manage.Wish{MinPINLength: 64}); !errors.Is(err, ctap2.ErrUnsupported) {
		t.Errorf("longer than any PIN: %v", err)
	}
	old := protected(t, preview(), nil)
	for name, w := range map[string]manage.Wish{
		"always": {AlwaysUV: on()}, "ep": {EnterpriseAttestation: on()}, "long touch": {LongTouchForReset: on()},
		"length": {MinPINLength: 6}, "rps": {MinPINLengthRPIDs: []string{"example.com"}}, "change": {ForcePINChange: true},
	} {
		if _, err := old.open().Plan(w); !errors.Is(err, ctap2.ErrUnsupported) {
			t.Errorf("%s on an old key: %v", name, err)
		}
	}
	for name, w := range map[string]manage.Wish{
		"always": {AlwaysUV: off()}, "ep": {EnterpriseAttestation: off()}, "length": {MinPINLength: 4}, "nothing": {},
	} {
		if p, err := old.open().Plan(w); err != nil || len(p.Changes) != 0 {
			t.Errorf("%s is so on an old key: %+v, %v", name, p, err)
		}
	}
}

// TestHalfAPlan: what was done before something went wrong is told.
func TestHalfAPlan(t *testing.T) {
	r := protected(t, nil, nil)
	r.refusing("setMinPINLength", ctap2.StatusPINPolicyViolation)
	_, err := apply(t, r, manage.Wish{AlwaysUV: on(), EnterpriseAttestation: on(), MinPINLength: 6})
	var half *manage.PartialError
	if !errors.As(err, &half) || !errors.Is(err, ctap2.StatusPINPolicyViolation) {
		t.Fatal(err)
	}
	is(t, "done", half.Done, []manage.Setting{manage.AlwaysUV, manage.EnterpriseAttestation})

	r.refusing("enableLongTouchForReset", 0)
	if _, err = apply(t, r, manage.Wish{LongTouchForReset: on()}); !errors.Is(err, manage.ErrNotDone) {
		t.Errorf("a key that lies: %v", err)
	}
	stays := virtual.DefaultProfile()
	stays.AlwaysUVStays = true
	r = protected(t, stays, nil)
	if _, err := apply(t, r, manage.Wish{AlwaysUV: on()}); err != nil {
		t.Fatal(err)
	}
	if _, err := apply(t, r, manage.Wish{AlwaysUV: off()}); !errors.Is(err, manage.ErrStays) || !errors.Is(err, ctap2.StatusOperationDenied) {
		t.Errorf("alwaysUv that stays: %v", err)
	}
}

// TestPolicyByFinger: where a finger is enough to configure, the PIN is not asked
// for.
func TestPolicyByFinger(t *testing.T) {
	r, h := sensor(t, "thumb")
	h.uses("thumb")
	if _, err := apply(t, r, manage.Wish{AlwaysUV: on()}); err != nil {
		t.Fatal(err)
	}
	is(t, "asked for PIN and finger", []int{r.asked, r.told}, []int{0, 1})
}
