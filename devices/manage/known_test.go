package manage_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/devices/manage"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// known lists with what is known, and fails the test when that fails.
func known(t *testing.T, r *rig, rp string, all ...manage.Known) ([]string, manage.Known) {
	t.Helper()
	p, one, err := r.open().KnownPasskeys(t.Context(), rp, all)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return summary(p.All), one
}

// TestKnownPasskeys lists with the PIN once, and without it from then on.
func TestKnownPasskeys(t *testing.T) {
	r, _, _, _ := stocked(t)
	all := []string{"alice at example.com", "carol at example.com", "bob at example.org"}
	got, one := known(t, r, "")
	is(t, "with the PIN", got, all)
	is(t, "asked", r.asked, 1)
	r.wantSent("getPinUvAuthTokenUsingPinWithPermissions", "getCredsMetadata", "enumerateRPsBegin", "enumerateRPsGetNextRP",
		"enumerateCredentialsBegin", "enumerateCredentialsGetNextCredential", "enumerateCredentialsBegin")
	is(t, "sizes", []int{len(one.Identifier), len(one.Token), len(one.StoreState)}, []int{16, 32, 16})

	other := manage.Known{Identifier: repeated(1, 16), Protocol: pinuv.Two, Token: repeated(2, 32)}
	got, again := known(t, r, "example.org", other, one)
	is(t, "without", got, []string{"bob at example.org"})
	is(t, "asked again", r.asked, 0)
	r.wantSent("getCredsMetadata", "enumerateRPsBegin", "enumerateRPsGetNextRP", "enumerateCredentialsBegin")
	if !bytes.Equal(again.Identifier, one.Identifier) || !bytes.Equal(again.StoreState, one.StoreState) {
		t.Errorf("known as %v, then as %v", one, again)
	}

	k := r.open()
	if found, ok := k.Recognize([]manage.Known{other}); ok {
		t.Errorf("taken for %v", found)
	}
	is(t, "state", k.StoreState(one), one.StoreState)
	p := list(t, r, "")
	if err := p.Delete(t.Context(), p.All[0]); err != nil {
		t.Fatal(err)
	}
	if state := r.open().StoreState(one); bytes.Equal(state, one.StoreState) || len(state) != 16 {
		t.Errorf("state after a change: %x, before it %x", state, one.StoreState)
	}
}

// TestKnownPasskeysCannotChange: the persistent token lists, and no more.
func TestKnownPasskeysCannotChange(t *testing.T) {
	r, _, _, _ := stocked(t)
	p, _, err := r.open().KnownPasskeys(t.Context(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Delete(t.Context(), p.All[0]); !errors.Is(err, ctap2.StatusPINAuthInvalid) {
		t.Errorf("delete: %v", err)
	}
}

// TestKnownTokenEnds: after the PIN was changed it is asked for once more, and what
// was known is put in the place of what was.
func TestKnownTokenEnds(t *testing.T) {
	r, _, _, _ := stocked(t)
	_, one := known(t, r, "")
	if err := r.conn.ChangePIN(t.Context(), r.info().PINUVAuthProtocol(), []byte(pin), []byte(pin)); err != nil {
		t.Fatal(err)
	}
	_, next := known(t, r, "", one)
	is(t, "asked", r.asked, 1)
	if !bytes.Equal(next.Identifier, one.Identifier) || bytes.Equal(next.Token, one.Token) {
		t.Errorf("%v with the token of before, or another key: %v", one, next)
	}
	is(t, "remembered", manage.Remember([]manage.Known{one}, next), []manage.Known{next})

	// One that the key recognizes and does not take all the same.
	refused := 0
	r.answer = func(msg []byte) ([]byte, bool) {
		if nameOf(t, msg) != "getCredsMetadata" || refused > 0 {
			return nil, false
		}
		refused++
		return []byte{byte(ctap2.StatusPINAuthInvalid)}, true
	}
	known(t, r, "", next)
	is(t, "asked after a refusal", r.asked, 1)
	r.refusing("getCredsMetadata", ctap2.StatusOther)
	if _, _, err := r.open().KnownPasskeys(t.Context(), "", []manage.Known{next}); !errors.Is(err, ctap2.StatusOther) || r.asked != 0 {
		t.Errorf("another refusal: %v, asked %d times", err, r.asked)
	}
}

func TestKnownPasskeysOfOtherKeys(t *testing.T) {
	for name, change := range map[string]func(*virtual.Profile){
		"no persistent token": func(p *virtual.Profile) { delete(p.Options, "perCredMgmtRO") },
		"no identifier":       func(p *virtual.Profile) { p.EncIdentifier = false },
	} {
		profile := virtual.DefaultProfile()
		change(profile)
		r := protected(t, profile, nil)
		if _, _, err := r.open().KnownPasskeys(t.Context(), "", nil); !errors.Is(err, ctap2.ErrUnsupported) || r.asked != 0 {
			t.Errorf("%s: %v, asked %d times", name, err, r.asked)
		}
	}
	silent := virtual.DefaultProfile()
	silent.EncStoreState = false
	r := protected(t, silent, nil)
	if _, one := known(t, r, ""); one.StoreState != nil {
		t.Errorf("a state that nobody told: %x", one.StoreState)
	}
	if _, _, err := newRig(t, nil, nil).open().KnownPasskeys(t.Context(), "", nil); !errors.Is(err, manage.ErrUnprotected) {
		t.Errorf("no PIN set: %v", err)
	}
}

func TestKnownDocument(t *testing.T) {
	one := manage.Known{Identifier: repeated(1, 16), Protocol: pinuv.Two, Token: repeated(2, 32), StoreState: repeated(3, 16)}
	two := manage.Known{Identifier: repeated(4, 16), Protocol: pinuv.One, Token: repeated(5, 16)}
	for _, all := range [][]manage.Known{nil, {one}, {one, two}} {
		text, err := manage.FormatKnown(all)
		if err != nil {
			t.Fatal(err)
		}
		got, err := manage.ParseKnown(text)
		if err != nil || len(got) != len(all) {
			t.Fatalf("%s: %v, %v", text, got, err)
		}
		again, err := manage.FormatKnown(got)
		if err != nil || !bytes.Equal(text, again) {
			t.Errorf("%s\nand again\n%s, %v", text, again, err)
		}
	}
	if s := text(one); strings.Contains(s, "2 2 2") || !strings.Contains(s, "0101") {
		t.Errorf("it shows itself as %s", s)
	}
	one.Wipe()
	is(t, "wiped", one.Token, make([]byte, 32))
}

// damagedKnown are texts that are no known keys.
var damagedKnown = []string{
	``, `{`, `[]`, `{"keys":[]}`, `{"touchstoneKnownKeys":2}`, `{"touchstoneKnownKeys":1,"keys":[{}]}`,
	`{"touchstoneKnownKeys":1,"keys":[{"deviceIdentifier":"AQEBAQEBAQEBAQEBAQEBAQ==","pinUvAuthProtocol":2,"token":"BQUFBQUFBQUFBQUFBQUFBQ=="}]}`,
	`{"touchstoneKnownKeys":1,"keys":[{"deviceIdentifier":"AQ==","pinUvAuthProtocol":1,"token":"BQUFBQUFBQUFBQUFBQUFBQ=="}]}`,
	`{"touchstoneKnownKeys":1,"keys":[{"deviceIdentifier":"AQEBAQEBAQEBAQEBAQEBAQ==","pinUvAuthProtocol":1,"token":"BQUFBQUFBQUFBQUFBQUFBQ==","storeState":"AQ=="}]}`,
}

func TestDamagedKnownDocuments(t *testing.T) {
	for _, text := range damagedKnown {
		if all, err := manage.ParseKnown([]byte(text)); !errors.Is(err, manage.ErrKnown) || all != nil || strings.Contains(err.Error(), "BQU") {
			t.Errorf("%s: %v, %v", text, all, err)
		}
	}
}
