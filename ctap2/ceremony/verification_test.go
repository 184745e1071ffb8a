package ceremony_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/ceremony"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
)

const (
	mc   = ctap2.PermissionMakeCredential
	ga   = ctap2.PermissionGetAssertion
	cm   = ctap2.PermissionCredentialManagement
	be   = ctap2.PermissionBioEnrollment
	lbw  = ctap2.PermissionLargeBlobWrite
	acfg = ctap2.PermissionConfig
	pcmr = ctap2.PermissionPersistentReadOnly
)

// opt is a set of options of getInfo.
type opt = map[string]bool

func with(sets ...opt) opt {
	all := opt{}
	for _, s := range sets {
		for k, v := range s {
			all[k] = v
		}
	}
	return all
}

func infoOf(o opt) *ctap2.Info {
	return &ctap2.Info{Options: o, PINUVAuthProtocols: []pinuv.Protocol{pinuv.Two, pinuv.One}}
}

// TestDecisionTable names what counts: what a key has, what is asked, and the
// decision.
func TestDecisionTable(t *testing.T) {
	pin := opt{"clientPin": true, "pinUvAuthToken": true}
	finger := opt{"uv": true, "pinUvAuthToken": true}
	both := with(pin, finger)
	none := opt{"clientPin": false, "pinUvAuthToken": true}
	type want struct {
		verify           bool
		method, fallback ceremony.Method
		reason           error
	}
	create := func(r webauthn.Requirement) ceremony.Purpose {
		return ceremony.Purpose{Permissions: mc, Requirement: r}
	}
	createRK := func(r webauthn.Requirement) ceremony.Purpose {
		return ceremony.Purpose{Permissions: mc, Requirement: r, Discoverable: true}
	}
	get := func(r webauthn.Requirement) ceremony.Purpose {
		return ceremony.Purpose{Permissions: ga, Requirement: r}
	}
	manage := func(p ctap2.Permission) ceremony.Purpose { return ceremony.Purpose{Permissions: p} }
	for _, c := range []struct {
		name    string
		options opt
		purpose ceremony.Purpose
		want    want
	}{
		{"nothing set up, preferred", none, createRK("preferred"), want{false, 0, 0, ceremony.ErrNotConfigured}},
		{"nothing set up, required", none, createRK("required"), want{true, 0, 0, ceremony.ErrNotConfigured}},
		{"no word on PINs, required", opt{}, get("required"), want{true, 0, 0, ceremony.ErrNotConfigured}},
		{"nothing set up, alwaysUv", with(none, opt{"alwaysUv": true}), get("discouraged"), want{true, 0, 0, ceremony.ErrNotConfigured}},
		{"PIN, required", pin, get("required"), want{true, ceremony.PINToken, 0, nil}},
		{"PIN, preferred", pin, get("preferred"), want{true, ceremony.PINToken, 0, nil}},
		{"PIN, no wish", pin, get(""), want{true, ceremony.PINToken, 0, nil}},
		{"PIN, discouraged, to get", pin, get("discouraged"), want{false, ceremony.PINToken, 0, nil}},
		{"PIN, discouraged, to make", pin, create("discouraged"), want{true, ceremony.PINToken, 0, nil}},
		{"makeCredUvNotRqd", with(pin, opt{"makeCredUvNotRqd": true}), create("discouraged"), want{false, ceremony.PINToken, 0, nil}},
		{"makeCredUvNotRqd, discoverable", with(pin, opt{"makeCredUvNotRqd": true}), createRK("discouraged"), want{true, ceremony.PINToken, 0, nil}},
		{"alwaysUv against makeCredUvNotRqd", with(pin, opt{"makeCredUvNotRqd": true, "alwaysUv": true}), create("discouraged"), want{true, ceremony.PINToken, 0, nil}},
		{"CTAP 2.0 key", opt{"clientPin": true}, createRK("required"), want{true, ceremony.LegacyPIN, 0, nil}},
		{"finger, no PIN", finger, get("required"), want{true, ceremony.UVToken, 0, nil}},
		{"finger and PIN", both, get("required"), want{true, ceremony.UVToken, ceremony.PINToken, nil}},
		{"finger without tokens", opt{"uv": true}, get("required"), want{true, ceremony.UVOption, 0, nil}},
		{"finger and PIN without tokens", opt{"uv": true, "clientPin": true}, get("required"), want{true, ceremony.UVOption, ceremony.LegacyPIN, nil}},
		{"finger of FIDO_2_1_PRE", opt{"uv": true, "uvToken": true, "clientPin": true}, get("required"), want{true, ceremony.LegacyUV, ceremony.LegacyPIN, nil}},
		{"finger without tokens, and a blob to write", with(opt{"uv": true, "clientPin": true, "largeBlobs": true}), ceremony.Purpose{Permissions: ga | lbw, Requirement: "discouraged"}, want{true, ceremony.LegacyPIN, 0, nil}},
		{"a blob to write", with(pin, opt{"largeBlobs": true}), ceremony.Purpose{Permissions: ga | lbw, Requirement: "discouraged"}, want{true, ceremony.PINToken, 0, nil}},
		{"a blob where there are none", pin, ceremony.Purpose{Permissions: ga | lbw, Requirement: "required"}, want{true, 0, 0, ceremony.ErrNotGranted}},
		{"no finger enrolled", with(pin, opt{"uv": false}), get("required"), want{true, ceremony.PINToken, 0, nil}},
		{"PIN is not enough", with(pin, opt{"noMcGaPermissionsWithClientPin": true}), create("required"), want{true, 0, 0, ceremony.ErrNotGranted}},
		{"PIN is not enough, a finger is", with(both, opt{"noMcGaPermissionsWithClientPin": true}), create("required"), want{true, ceremony.UVToken, 0, nil}},
		{"PIN is not enough, and is to manage", with(pin, opt{"noMcGaPermissionsWithClientPin": true, "credMgmt": true}), manage(cm), want{true, ceremony.PINToken, 0, nil}},
		{"credentials", with(both, opt{"credMgmt": true}), manage(cm), want{true, ceremony.UVToken, ceremony.PINToken, nil}},
		{"credentials by the prototype", opt{"clientPin": true, "credentialMgmtPreview": true}, manage(cm), want{true, ceremony.LegacyPIN, 0, nil}},
		{"credentials without a PIN", with(none, opt{"credMgmt": true}), manage(cm), want{true, 0, 0, ceremony.ErrNotConfigured}},
		{"credentials where there is no such command", pin, manage(cm), want{true, 0, 0, ceremony.ErrNotGranted}},
		{"persistent", with(pin, opt{"credMgmt": true, "perCredMgmtRO": true}), manage(pcmr), want{true, ceremony.PINToken, 0, nil}},
		{"persistent where there is no such thing", with(pin, opt{"credMgmt": true}), manage(pcmr), want{true, 0, 0, ceremony.ErrNotGranted}},
		{"fingers, by PIN", with(both, opt{"bioEnroll": true}), manage(be), want{true, ceremony.PINToken, 0, nil}},
		{"fingers, by finger", with(both, opt{"bioEnroll": true, "uvBioEnroll": true}), manage(be), want{true, ceremony.UVToken, ceremony.PINToken, nil}},
		{"the first finger", with(pin, opt{"bioEnroll": false, "uv": false}), manage(be), want{true, ceremony.PINToken, 0, nil}},
		{"settings, by PIN", with(both, opt{"authnrCfg": true}), manage(acfg), want{true, ceremony.PINToken, 0, nil}},
		{"settings, by finger", with(finger, opt{"authnrCfg": true, "uvAcfg": true}), manage(acfg), want{true, ceremony.UVToken, 0, nil}},
		{"settings of an open key", with(none, opt{"authnrCfg": true}), manage(acfg), want{false, 0, 0, ceremony.ErrNotConfigured}},
		{"settings of an open key with alwaysUv", with(none, opt{"authnrCfg": true, "alwaysUv": true}), manage(acfg), want{true, 0, 0, ceremony.ErrNotConfigured}},
		{"blobs of an open key", with(none, opt{"largeBlobs": true}), manage(lbw), want{false, 0, 0, ceremony.ErrNotConfigured}},
	} {
		d := ceremony.Decide(infoOf(c.options), c.purpose)
		got := want{d.Verify, d.Method, d.Fallback, d.Reason}
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
		if impossible := c.want.verify && c.want.method == ceremony.None; impossible != (d.Err() != nil) || impossible && !errors.Is(d.Err(), c.want.reason) {
			t.Errorf("%s: error %v", c.name, d.Err())
		}
	}
}

func TestPINThatHasToBeChanged(t *testing.T) {
	info := infoOf(opt{"clientPin": true, "pinUvAuthToken": true})
	info.ForcePINChange = true
	if d := ceremony.Decide(info, ceremony.Purpose{Permissions: ga, Requirement: "required"}); !errors.Is(d.Err(), ceremony.ErrPINChange) {
		t.Errorf("%+v", d)
	}
	info.Options["uv"] = true
	if d := ceremony.Decide(info, ceremony.Purpose{Permissions: ga, Requirement: "required"}); d.Method != ceremony.UVToken || d.Fallback != ceremony.None {
		t.Errorf("a finger does without: %+v", d)
	}
}

func TestNoProtocolInCommon(t *testing.T) {
	info := infoOf(opt{"clientPin": true, "pinUvAuthToken": true})
	info.PINUVAuthProtocols = []pinuv.Protocol{9}
	if d := ceremony.Decide(info, ceremony.Purpose{Permissions: ga, Requirement: "required"}); !errors.Is(d.Err(), ceremony.ErrProtocol) {
		t.Errorf("%+v", d)
	}
	info.Options = opt{"uv": true}
	if d := ceremony.Decide(info, ceremony.Purpose{Permissions: ga, Requirement: "required"}); d.Method != ceremony.UVOption {
		t.Errorf("the option does without: %+v", d)
	}
}

func TestMethodNames(t *testing.T) {
	for m := ceremony.None; m <= ceremony.LegacyPIN; m++ {
		if m.String() == "" || m.BuiltIn() && m.ByPIN() || (m.BuiltIn() || m.ByPIN()) == (m == ceremony.None) {
			t.Errorf("%d: %v", m, m)
		}
	}
}

// model is an authenticator that only decides, written from CTAP 2.3 §6.1.2,
// §6.2.2 and the tables of §6.5.5.7, and not from the client's code.
type model struct {
	o     opt
	force bool // forcePINChange
}

// grants reports whether a token is issued for the permissions.
func (m model) grants(method ceremony.Method, perms ctap2.Permission) bool {
	switch method {
	case ceremony.LegacyPIN:
		return m.o["clientPin"] && !m.force && !m.o["pinUvAuthToken"]
	case ceremony.LegacyUV:
		return m.o["uv"] && m.o["uvToken"] && !m.o["pinUvAuthToken"]
	}
	byPIN := method == ceremony.PINToken
	if !m.o["pinUvAuthToken"] || byPIN && (!m.o["clientPin"] || m.force) || !byPIN && !m.o["uv"] {
		return false
	}
	_, bio := m.o["bioEnroll"]
	denied := map[ctap2.Permission][2]bool{ // by PIN, by UV
		mc: {m.o["noMcGaPermissionsWithClientPin"], false}, ga: {m.o["noMcGaPermissionsWithClientPin"], false},
		cm: {!m.o["credMgmt"], !m.o["credMgmt"]}, be: {!bio, !m.o["uvBioEnroll"]},
		lbw: {!m.o["largeBlobs"], !m.o["largeBlobs"]}, acfg: {!m.o["authnrCfg"], !m.o["uvAcfg"]},
		pcmr: {!m.o["perCredMgmtRO"] || perms != pcmr, !m.o["perCredMgmtRO"] || perms != pcmr},
	}
	for p, d := range denied {
		if perms.Has(p) && (byPIN && d[0] || !byPIN && d[1]) {
			return false
		}
	}
	return true
}

// takes reports whether the authenticator runs the command with this
// verification, None for none.
func (m model) takes(p ceremony.Purpose, method ceremony.Method) bool {
	verified := false
	switch method {
	case ceremony.None:
	case ceremony.UVOption:
		// The option authorises nothing but the command itself.
		if verified = m.o["uv"]; !verified || p.Permissions&^(mc|ga) != 0 || p.Permissions&(mc|ga) == 0 {
			return false
		}
	default:
		if verified = m.grants(method, p.Permissions); !verified {
			return false
		}
	}
	protected := m.o["clientPin"] || m.o["uv"]
	switch {
	case verified:
		return true
	case m.o["alwaysUv"]:
		return false
	case p.Permissions.Has(mc):
		return !protected || m.o["makeCredUvNotRqd"] && !p.Discoverable
	case p.Permissions == ga:
		return true
	}
	// lbw and acfg are open on an unprotected key, beside a ceremony too.
	return !protected && p.Permissions&^(ga|lbw|acfg) == 0
}

var methods = []ceremony.Method{ceremony.UVToken, ceremony.LegacyUV, ceremony.UVOption, ceremony.PINToken, ceremony.LegacyPIN}

// TestEveryCombination holds the decision to the model over all combinations of
// what a key may say and what may be asked of it.
func TestEveryCombination(t *testing.T) {
	n := 0
	for m := range everyKey() {
		info := infoOf(m.o)
		info.ForcePINChange = m.force
		for _, p := range everyPurpose() {
			n++
			if err := judge(m, p, ceremony.Decide(info, p)); err != nil {
				t.Fatalf("%v, change %v, for %v %v, discoverable %v: %v", m.o, m.force, p.Permissions, p.Requirement, p.Discoverable, err)
			}
		}
	}
	t.Logf("%d combinations", n)
}

func judge(m model, p ceremony.Purpose, d ceremony.Decision) error {
	possible := 0
	for _, method := range methods {
		if m.takes(p, method) {
			possible++
		}
	}
	must := p.Requirement == webauthn.Required || m.o["alwaysUv"]
	without := m.takes(p, ceremony.None)
	switch {
	case (d.Method == ceremony.None) != (possible == 0):
		return fmt.Errorf("method %v of %d that the key takes", d.Method, possible)
	case (d.Method == ceremony.None) != (d.Reason != nil):
		return fmt.Errorf("method %v, reason %v", d.Method, d.Reason)
	case d.Method != ceremony.None && !m.takes(p, d.Method):
		return fmt.Errorf("the key does not take %v", d.Method)
	case d.Fallback != ceremony.None && (!m.takes(p, d.Fallback) || !d.Fallback.ByPIN() || !d.Method.BuiltIn()):
		return fmt.Errorf("fallback %v after %v", d.Fallback, d.Method)
	case d.Method.ByPIN() && (m.takes(p, ceremony.UVToken) || m.takes(p, ceremony.UVOption) || m.takes(p, ceremony.LegacyUV)):
		return fmt.Errorf("a PIN try is spent where a finger would do")
	case must && p.Permissions&(mc|ga) != 0 && !d.Verify:
		return fmt.Errorf("the user is not verified, and has to be")
	case !d.Verify && !without && possible > 0:
		return fmt.Errorf("the key would refuse for want of verification")
	case d.Verify && without && !must && (p.Requirement == webauthn.Discouraged || p.Requirement == webauthn.Preferred && possible == 0) && p.Permissions&^(mc|ga) == 0:
		return fmt.Errorf("the user is bothered and need not be")
	}
	return nil
}

// everyKey are all keys: each option absent, off and on where that makes three.
func everyKey() func(func(model) bool) {
	three := []string{"clientPin", "uv", "bioEnroll"}
	two := []string{"pinUvAuthToken", "alwaysUv", "makeCredUvNotRqd", "noMcGaPermissionsWithClientPin", "uvToken", "manages", "byFinger", "force"}
	return func(yield func(model) bool) {
		for i := range 27 << len(two) {
			o, rest := opt{}, i
			for _, name := range three {
				if v := rest % 3; v > 0 {
					o[name] = v == 2
				}
				rest /= 3
			}
			for bit, name := range two {
				if rest>>bit&1 == 1 {
					o[name] = true
				}
			}
			force := o["force"]
			delete(o, "force")
			for _, name := range []string{"credMgmt", "largeBlobs", "perCredMgmtRO", "authnrCfg"} {
				o[name] = o["manages"]
			}
			o["uvBioEnroll"], o["uvAcfg"] = o["byFinger"], o["byFinger"]
			if !yield(model{o, force}) {
				return
			}
		}
	}
}

func everyPurpose() []ceremony.Purpose {
	var all []ceremony.Purpose
	for _, r := range []webauthn.Requirement{webauthn.Required, webauthn.Preferred, webauthn.Discouraged} {
		for _, p := range []ctap2.Permission{mc, mc | ga, ga, ga | lbw} {
			all = append(all, ceremony.Purpose{Permissions: p, RPID: "a", Requirement: r})
			if p.Has(mc) {
				all = append(all, ceremony.Purpose{Permissions: p, RPID: "a", Requirement: r, Discoverable: true})
			}
		}
	}
	for _, p := range []ctap2.Permission{cm, be, lbw, acfg, pcmr, pcmr | cm, be | acfg} {
		all = append(all, ceremony.Purpose{Permissions: p})
	}
	return all
}
