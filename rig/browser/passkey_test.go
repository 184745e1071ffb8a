//go:build linux

package browser

import (
	"bytes"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

const pin = "2468"

// Users of the site, beside alice, who visits it.
var (
	bob   = ctap2.User{ID: []byte{8, 8}, Name: "bob", DisplayName: "Bob"}
	carol = ctap2.User{ID: []byte{9}, Name: "carol", DisplayName: "Carol"}
	dave  = ctap2.User{ID: []byte{10}, Name: "dave", DisplayName: "Dave"}
)

// entersPIN answers the browser's question for the PIN.
func (v *visit) entersPIN(pin string) {
	v.t.Helper()
	d := v.dialog(sheetPIN, "Enter the PIN for your security key")
	d.types(pin)
	d.presses("Next")
}

// TestPasskey: with a PIN, and then without a user name.
func TestPasskey(t *testing.T) {
	v := newVisit(t)
	plugIn(t, 0, virtual.Config{}, pin)
	c := v.create(passkey)
	v.entersPIN(pin)
	r := c.registers()
	if !r.UserVerified {
		t.Error("the user was not verified")
	}
	c = v.get(nil, verified)
	v.entersPIN(pin)
	a := c.signsIn(r)
	if !a.UserVerified || !bytes.Equal(a.Response.Response.UserHandle, v.user.ID) || a.SignCount <= r.SignCount {
		t.Errorf("signed in with %+v", a)
	}
}

// TestFirstPIN: a key without a PIN gets one on the way.
func TestFirstPIN(t *testing.T) {
	v := newVisit(t)
	k := plugIn(t, 0, virtual.Config{}, "")
	c := v.create(passkey)
	d := v.dialog(sheetPIN, "Set up a new PIN for your security key")
	d.types(pin) // twice: there are two fields
	d.presses("Next")
	if r := c.registers(); !r.UserVerified {
		t.Error("the user was not verified")
	}
	if users := k.without(pin).users(); len(users) != 1 || !bytes.Equal(users[0].ID, v.user.ID) {
		t.Errorf("on the key: %+v", users)
	}
}

// TestWrongPIN: the key takes a try, and the next PIN.
func TestWrongPIN(t *testing.T) {
	v := newVisit(t)
	k := plugIn(t, 0, virtual.Config{}, pin)
	c := v.create(passkey)
	v.entersPIN("1357")
	d := v.dialog(sheetPIN, "Incorrect PIN")
	retries, err := k.beside(pin).PINRetries(t.Context())
	if err != nil || retries.Left != 7 {
		t.Errorf("%d tries are left, %v", retries.Left, err)
	}
	d.types(pin)
	d.presses("Next")
	c.registers()
}

// TestAccounts: the user chooses one of two passkeys, of which the key made one
// for the browser and one for this module's client.
func TestAccounts(t *testing.T) {
	v := newVisit(t)
	k := plugIn(t, 0, virtual.Config{}, pin)
	c := v.create(passkey)
	v.entersPIN(pin)
	r := c.registers()
	k.addPasskeys(pin, bob)
	c = v.get(nil, verified)
	v.entersPIN(pin)
	v.dialog(sheetAccounts, "bob").presses("alice")
	if a := c.signsIn(r); !bytes.Equal(a.CredentialID, r.CredentialID) {
		t.Errorf("signed in with %v", a.CredentialID)
	}
}
