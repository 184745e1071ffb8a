//go:build linux

package browser

import (
	"bytes"
	"testing"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/devices/virtual/profiles"
)

// TestTwoKeys: the touch of one ends what the browser wants of the other, which
// is good for the next ceremony.
func TestTwoKeys(t *testing.T) {
	v, left, right := newVisit(t), newPerson(t), newPerson(t)
	one := plugIn(t, 0, left.key(), "")
	other := plugIn(t, 1, right.key(), "")
	c := v.create()
	right.isAsked()
	left.touches()
	ofOne := c.registers()
	other.trace.await(t, 1, false, ctaphid.CommandCancel)

	c = v.create()
	left.isAsked()
	right.touches()
	ofOther := c.registers()
	one.trace.await(t, 1, false, ctaphid.CommandCancel)

	c = v.get(registered{ofOne, ofOther})
	right.isAsked()
	left.touches()
	if a := c.signsIn(ofOne, ofOther); !bytes.Equal(a.CredentialID, ofOne.CredentialID) {
		t.Errorf("signed in with %v", a.CredentialID)
	}
	other.trace.await(t, 2, false, ctaphid.CommandCancel)
}

// TestU2FOnly: a key from before CTAP2, to which the browser speaks U2F alone. The
// product says that it has CTAP2, and does not know the command.
func TestU2FOnly(t *testing.T) {
	v, user := newVisit(t), newPerson(t)
	cfg := user.key()
	cfg.Profile = modelOf(t, "yubikey-4")
	k := plugIn(t, 0, cfg, "")
	c := v.create(func(o *creation) { o.Attestation = protocol.PreferDirectAttestation })
	user.touches()
	r := c.registers()
	if r.AttestationFormat != "fido-u2f" {
		t.Errorf("attestation %s", r.AttestationFormat)
	}
	c = v.get(registered{r})
	user.touches()
	if a := c.signsIn(r); !a.UserPresent || a.UserVerified || a.SignCount <= r.SignCount {
		t.Errorf("signed in with %+v", a)
	}
	c = v.create(func(o *creation) { o.CredentialExcludeList = descriptors(registered{r}) })
	user.touches()
	v.dialog(sheetAny, "You already registered this device. You don't have to register it again.").presses("Close")
	c.fails("InvalidStateError")
	all, _ := k.trace.count(false, ctaphid.CommandCBOR)
	if asked, _ := k.trace.count(false, ctaphid.CommandCBOR, byte(ctap2.CommandGetInfo)); all > asked {
		t.Errorf("the browser sent %d commands of CTAP2 beside getInfo, which the key refused", all-asked)
	}
}

// products are those that differ most in what the browser sees of them: the oldest
// and the newest, with options in the wrong order, without MSG, of another maker.
var products = []string{"security-key-5.0", "ctap-2.3-everything", "nitrokey-fido2", "yubikey-5-5.1", "titan-v2"}

// TestProducts: the browser takes the key as a product.
func TestProducts(t *testing.T) {
	for _, name := range products {
		t.Run(name, func(t *testing.T) {
			v := newVisit(t)
			plugIn(t, 0, virtual.Config{Profile: modelOf(t, name)}, "")
			r := v.create().registers()
			v.get(registered{r}).signsIn(r)
		})
	}
}

// modelOf is a model of key by name.
func modelOf(t *testing.T, name string) *virtual.Profile {
	t.Helper()
	model, err := profiles.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	return model.Profile
}
