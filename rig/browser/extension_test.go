//go:build linux

package browser

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/relyingparty"
)

// TestPRF: the pseudo-random function has the same value at the same input
// whenever and by whoever it is evaluated, and others at others.
func TestPRF(t *testing.T) {
	v := newVisit(t)
	k := plugIn(t, 0, virtual.Config{}, pin)
	c := v.create(func(o *creation) { o.Extensions.PRF = inputs("one", "") })
	v.entersPIN(pin)
	r := c.registers()
	made := values(t, c)
	got := v.prf(r, "one", "two")
	again := v.prf(r, "two", "one")
	mine := k.without(pin).prf(r.CredentialID, "one", "two")

	one, two := []byte(made.First), []byte(got.Second)
	if len(one) != 32 || len(two) != 32 || bytes.Equal(one, two) {
		t.Errorf("values of %d and %d bytes, the same: %t", len(one), len(two), bytes.Equal(one, two))
	}
	for name, same := range map[string]bool{
		"when the credential is made and when it is used": bytes.Equal(one, got.First),
		"first and second":                   bytes.Equal(one, again.Second) && bytes.Equal(two, again.First),
		"for the browser and for our client": bytes.Equal(one, mine[0]) && bytes.Equal(two, mine[1]),
	} {
		if !same {
			t.Errorf("the values differ %s", name)
		}
	}
}

// prf evaluates a credential's function in the browser.
func (v *visit) prf(r *relyingparty.Registration, first, second string) protocol.PRFValues {
	v.t.Helper()
	c := v.get(registered{r}, func(o *request) { o.Extensions.PRF = inputs(first, second) })
	v.entersPIN(pin)
	c.signsIn(r)
	return values(v.t, c)
}

func inputs(first, second string) *protocol.PRFInputs {
	eval := protocol.PRFValues{First: protocol.URLEncodedBase64(first)}
	if second != "" {
		eval.Second = protocol.URLEncodedBase64(second)
	}
	return &protocol.PRFInputs{Eval: eval}
}

func values(t *testing.T, c *ceremony) protocol.PRFValues {
	t.Helper()
	if c.extensions.PRF == nil || c.extensions.PRF.Results == nil {
		t.Fatalf("no values in %+v", c.extensions)
	}
	return *c.extensions.PRF.Results
}

// TestLargeBlob: what the browser stores with a credential it reads again, and so
// does this module's client.
func TestLargeBlob(t *testing.T) {
	v := newVisit(t)
	k := plugIn(t, 0, virtual.Config{}, pin)
	c := v.create(passkey, func(o *creation) { o.Extensions.LargeBlob.Support = "required" })
	v.entersPIN(pin)
	r := c.registers()
	if !yes(c.extensions.LargeBlob.Supported) {
		t.Fatalf("registered with %+v", c.extensions.LargeBlob)
	}
	blob := make([]byte, 2000) // that cannot be compressed, and so in two parts
	if _, err := rand.NewChaCha8([32]byte{}).Read(blob); err != nil {
		t.Fatal(err)
	}
	if written := v.largeBlob(r, protocol.LargeBlobInputs{Write: blob}); !yes(written.Written) {
		t.Fatalf("written: %+v", written)
	}
	if read := v.largeBlob(r, protocol.LargeBlobInputs{Read: true}); !bytes.Equal(read.Blob, blob) {
		t.Errorf("the browser reads %d other bytes", len(read.Blob))
	}
	if read := k.without(pin).largeBlob(r.CredentialID); !bytes.Equal(read, blob) {
		t.Errorf("our client reads %d other bytes", len(read))
	}
}

// largeBlob reads or writes a credential's blob in the browser.
func (v *visit) largeBlob(r *relyingparty.Registration, input protocol.LargeBlobInputs) protocol.LargeBlobOutputs {
	v.t.Helper()
	c := v.get(registered{r}, verified, func(o *request) { o.Extensions.LargeBlob = input })
	v.entersPIN(pin)
	c.signsIn(r)
	return *c.extensions.LargeBlob
}

func yes(b *bool) bool { return b != nil && *b }
