//go:build linux

package browser

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// settings is the browser's own page for security keys.
type settings struct{ *tab }

func openSettings(t *testing.T) settings {
	t.Helper()
	return settings{needBrowser(t).open(t, "chrome://settings/securityKeys")}
}

// proxy has the page's own code do something with a key: it is what the page's
// buttons call.
const proxy = `async (part, method, ...args) => {
	const page = await import("chrome://settings/lazy_load.js");
	return page["SecurityKeys" + part + "BrowserProxyImpl"].getInstance()[method](...args);
}`

// ask has a part of the page do something, and decodes what comes of it.
func ask[T any](s settings, part, method string, args ...any) T {
	s.t.Helper()
	result, err := call[T](s.tab, proxy, append([]any{part, method}, args...)...)
	if err != nil {
		s.t.Fatalf("%s.%s: %v", part, method, err)
	}
	return result
}

// pinResult is how a part of changing a PIN has ended.
type pinResult struct {
	Done    bool `json:"done"`
	Error   int  `json:"error"` // a status of CTAP2
	Retries *int `json:"retries"`
}

// changePIN sets or changes the PIN.
func (s settings) changePIN(old, pin string) (begun, changed pinResult) {
	s.t.Helper()
	begun = ask[pinResult](s, "Pin", "startSetPin")
	changed = ask[pinResult](s, "Pin", "setPin", old, pin)
	ask[any](s, "Pin", "close")
	return begun, changed
}

// TestSettingsPIN: the first PIN, another one, and a wrong one in between.
func TestSettingsPIN(t *testing.T) {
	s := openSettings(t)
	k := plugIn(t, 0, virtual.Config{}, "")
	if begun, set := s.changePIN("", "1357"); begun.Retries != nil || set != (pinResult{Done: true}) {
		t.Errorf("set: %+v, %+v", begun, set)
	}
	if _, refused := s.changePIN("9999", pin); refused.Error != int(ctap2.StatusPINInvalid) {
		t.Errorf("changed with a wrong one: %+v", refused)
	}
	if begun, changed := s.changePIN("1357", pin); begun.Retries == nil || *begun.Retries != 7 || changed != (pinResult{Done: true}) {
		t.Errorf("changed: %+v, %+v", begun, changed)
	}
	if token, err := k.without(pin).token(); err != nil {
		t.Error(err)
	} else {
		token.Wipe()
	}
	if _, err := k.without("1357").token(); !errors.Is(err, ctap2.StatusPINInvalid) {
		t.Errorf("with the PIN before: %v", err)
	}
}

// stored is a passkey as the page lists it, with bytes in hexadecimal.
type stored struct {
	ID          string `json:"credentialId"`
	RPID        string `json:"relyingPartyId"`
	Handle      string `json:"userHandle"`
	Name        string `json:"userName"`
	DisplayName string `json:"userDisplayName"`
}

// list is what the page lists, by name.
func (s settings) list() []stored {
	s.t.Helper()
	list := ask[[]stored](s, "Credential", "enumerateCredentials")
	slices.SortFunc(list, func(a, b stored) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// as is the list with the site's users on it.
func as(list []stored, users ...ctap2.User) (want []stored) {
	for i, u := range users {
		s := stored{RPID: rpID, Handle: strings.ToUpper(hex.EncodeToString(u.ID)), Name: u.Name, DisplayName: u.DisplayName}
		if i < len(list) {
			s.ID = list[i].ID
		}
		want = append(want, s)
	}
	return want
}

// change changes something stored.
func (s settings) change(method string, args ...any) {
	s.t.Helper()
	result := ask[struct {
		Success bool   `json:"success"`
		Message string `json:"message"`
	}](s, "Credential", method, args...)
	if !result.Success {
		s.t.Errorf("%s: %s", method, result.Message)
	}
}

// TestSettingsPasskeys: listing, renaming and deleting.
func TestSettingsPasskeys(t *testing.T) {
	s := openSettings(t)
	k := plugIn(t, 0, virtual.Config{}, pin)
	k.addPasskeys(pin, bob, carol, dave)
	ask[any](s, "Credential", "startCredentialManagement")
	const shortest, left = 4, 7 // what a refused PIN is answered with
	if refused := ask[[]int](s, "Credential", "providePin", "9999"); !slices.Equal(refused, []int{shortest, left}) {
		t.Errorf("a wrong PIN is answered with %d", refused)
	}
	if refused := ask[[]int](s, "Credential", "providePin", pin); refused != nil {
		t.Fatalf("the PIN is refused: %d", refused)
	}
	list := s.list()
	if want := as(list, bob, carol, dave); !slices.Equal(list, want) {
		t.Fatalf("listed %+v, want %+v", list, want)
	}
	s.change("deleteCredentials", []string{list[1].ID})
	s.change("updateUserInformation", list[0].ID, list[0].Handle, "barbara", "Barbara")
	barbara := ctap2.User{ID: bob.ID, Name: "barbara", DisplayName: "Barbara"}
	list = slices.Delete(list, 1, 2)
	if now, want := s.list(), as(list, barbara, dave); !slices.Equal(now, want) {
		t.Errorf("listed %+v, want %+v", now, want)
	}
	ask[any](s, "Credential", "close")
	if users := k.without(pin).users(); !reflect.DeepEqual(users, []ctap2.User{dave, barbara}) {
		t.Errorf("on the key: %+v", users)
	}
}

// clock is a key's clock, which a test can put forward.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) forward(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += by
}

// reset resets the key that is there, and returns the status that it ends with.
func (s settings) reset() int {
	s.t.Helper()
	if status := ask[int](s, "Reset", "reset"); status != 0 {
		s.t.Fatalf("reset: the page answers %d", status)
	}
	status := ask[int](s, "Reset", "completeReset")
	ask[any](s, "Reset", "close")
	return status
}

// TestSettingsReset: everything is gone, but not from a key that was plugged in
// long ago.
func TestSettingsReset(t *testing.T) {
	s := openSettings(t)
	var clock clock
	k := plugIn(t, 0, virtual.Config{Now: clock.now}, pin)
	k.addPasskeys(pin, bob)
	clock.forward(11 * time.Second)
	if status := s.reset(); status != int(ctap2.StatusNotAllowed) {
		t.Errorf("after eleven seconds: %d", status)
	}
	if users := k.beside(pin).users(); len(users) != 1 || !bytes.Equal(users[0].ID, bob.ID) {
		t.Errorf("on the key: %+v", users)
	}
	k.device.PowerCycle()
	if status := s.reset(); status != 0 {
		t.Errorf("after a power cycle: %d", status)
	}
	o := k.without("")
	info, err := o.GetInfo(t.Context())
	if set, known := info.Option(ctap2.OptionClientPIN); err != nil || set || !known {
		t.Errorf("a PIN is set: %t, %v", set, err)
	}
	o.pin = []byte("1357")
	k.setPIN("1357")
	if users := o.users(); users != nil {
		t.Errorf("on the key: %+v", users)
	}
}
