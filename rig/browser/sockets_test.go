//go:build linux

package browser

import (
	"bytes"
	"testing"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/virtual"
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

// TestU2FOnly: a key from before CTAP2, to which the browser speaks U2F alone.
func TestU2FOnly(t *testing.T) {
	v, user := newVisit(t), newPerson(t)
	cfg := user.key()
	cfg.Profile = virtual.DefaultProfile()
	cfg.Profile.Versions = []string{"U2F_V2"}
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
