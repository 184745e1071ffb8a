//go:build linux

package browser

import (
	"crypto/x509"
	"testing"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// TestCreateAndGet: a registration and two sign-ins.
func TestCreateAndGet(t *testing.T) {
	v := newVisit(t)
	plugIn(t, 0, virtual.Config{}, "")
	r := v.create().registers()
	if r.AttestationFormat != "none" || r.UserVerified {
		t.Errorf("attestation %s, user verified %t", r.AttestationFormat, r.UserVerified)
	}
	first := v.get(registered{r}).signsIn(r)
	second := v.get(registered{r}).signsIn(r)
	if !first.UserPresent || first.UserVerified {
		t.Errorf("user present %t, verified %t", first.UserPresent, first.UserVerified)
	}
	if first.SignCount <= r.SignCount || second.SignCount <= first.SignCount {
		t.Errorf("the signature counter counts %d, %d, %d", r.SignCount, first.SignCount, second.SignCount)
	}
}

// TestAttestation: the browser hands on the key's own statement if the relying
// party wants it.
func TestAttestation(t *testing.T) {
	v := newVisit(t)
	k := plugIn(t, 0, virtual.Config{}, "")
	r := v.create(func(o *creation) { o.Attestation = protocol.PreferDirectAttestation }).registers()
	if r.AttestationFormat != "packed" || r.AAGUID != virtual.DefaultAAGUID.String() {
		t.Errorf("attestation %s, AAGUID %s", r.AttestationFormat, r.AAGUID)
	}
	_, statement, _, err := webauthn.ParseAttestationObject(r.Response.Response.AttestationObject)
	if err != nil {
		t.Fatal(err)
	}
	var chain struct {
		Certificates [][]byte `cbor:"x5c"`
	}
	if err := wire.Decode(statement, &chain); err != nil || len(chain.Certificates) != 1 {
		t.Fatalf("%d certificates, %v", len(chain.Certificates), err)
	}
	leaf, err := x509.ParseCertificate(chain.Certificates[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := leaf.CheckSignatureFrom(k.id.AttestationRoot()); err != nil {
		t.Errorf("the certificate is not of the key's authority: %v", err)
	}
}

// TestDenied: the user refuses at the key, and leaves it at that or not.
func TestDenied(t *testing.T) {
	begin := func(t *testing.T, then string) (*person, *ceremony) {
		v, user := newVisit(t), newPerson(t)
		plugIn(t, 0, user.key(), "")
		c := v.create()
		user.isAsked()
		user.does(virtual.DecisionDenied)
		v.dialog(sheetAny, "Your identity couldn't be verified").presses(then)
		return user, c
	}
	t.Run("cancel", func(t *testing.T) {
		_, c := begin(t, "Cancel")
		c.fails("NotAllowedError")
	})
	t.Run("try again", func(t *testing.T) {
		user, c := begin(t, "Try again")
		user.touches()
		c.registers()
	})
}

// TestDelayedTouch: the browser waits as long as the key says that it does. It
// gives a key up that says nothing for three seconds.
func TestDelayedTouch(t *testing.T) {
	v, user := newVisit(t), newPerson(t)
	k := plugIn(t, 0, user.key(), "")
	c := v.create()
	user.isAsked()
	const keepalives = 35 // one each 100 ms
	k.trace.await(t, keepalives, true, ctaphid.CommandKeepalive, byte(ctaphid.KeepaliveUPNeeded))
	user.does(virtual.DecisionGranted)
	c.registers()
}

// TestAbort: the page ends a ceremony, the key is told so and takes the next.
func TestAbort(t *testing.T) {
	v, user := newVisit(t), newPerson(t)
	k := plugIn(t, 0, user.key(), "")
	c := v.create()
	user.isAsked()
	if _, err := call[any](v.tab, "() => controller.abort()"); err != nil {
		t.Fatal(err)
	}
	c.fails("AbortError")
	k.trace.await(t, 1, false, ctaphid.CommandCancel)
	c = v.create()
	user.touches()
	c.registers()
}

// TestExcluded: that a key is registered already the page is told when the user
// has touched it, and not before.
func TestExcluded(t *testing.T) {
	v, user := newVisit(t), newPerson(t)
	plugIn(t, 0, user.key(), "")
	c := v.create()
	user.touches()
	r := c.registers()
	c = v.create(func(o *creation) { o.CredentialExcludeList = descriptors(registered{r}) })
	user.isAsked()
	select {
	case o := <-c.done:
		t.Fatalf("told without a touch: %+v", o)
	default:
	}
	user.does(virtual.DecisionGranted)
	v.dialog(sheetAny, "You already registered this device. You don't have to register it again.").presses("Close")
	c.fails("InvalidStateError")
}
