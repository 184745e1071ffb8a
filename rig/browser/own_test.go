//go:build linux

package browser

import (
	"context"
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/largeblob"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/enroll"
)

// own is a key in the hands of this module's own client.
type own struct {
	*devices.Conn
	t   *testing.T
	pin []byte
}

// without takes the key away from the browser, and opens it.
func (k *key) without(pin string) *own {
	k.t.Helper()
	k.pull()
	return k.beside(pin)
}

// beside opens the key that the browser may use too.
func (k *key) beside(pin string) *own {
	k.t.Helper()
	o := &own{k.connect(), k.t, []byte(pin)}
	k.t.Cleanup(func() { o.Close() })
	return o
}

// setPIN gives the key its first PIN.
func (k *key) setPIN(pin string) {
	k.t.Helper()
	conn := k.connect()
	defer conn.Close()
	if err := conn.SetPIN(k.t.Context(), pinuv.Two, []byte(pin)); err != nil {
		k.t.Fatal(err)
	}
}

// addPasskeys makes passkeys of the site's users on a key that has a PIN.
func (k *key) addPasskeys(pin string, users ...ctap2.User) {
	k.t.Helper()
	conn := k.connect()
	defer conn.Close()
	ask := enroll.Ask{PIN: func(context.Context, enroll.PINRequest) ([]byte, error) { return []byte(pin), nil }}
	for _, user := range users {
		_, err := enroll.Create(k.t.Context(), conn, enroll.CreateOptions{
			RP: ctap2.RelyingParty{ID: rpID}, Origin: "http://" + rpID, Challenge: make([]byte, 32), User: user,
			Algorithms: []cose.Algorithm{cose.ES256}, Discoverable: enroll.Required, UserVerification: enroll.Required,
			Attestation: webauthn.ConveyanceNone,
		}, ask)
		if err != nil {
			k.t.Fatal(err)
		}
	}
}

// token is one for assertions at the site.
func (o *own) token() (*pinuv.Token, error) {
	return o.PINTokenWithPermissions(o.t.Context(), pinuv.Two, o.pin, ctap2.PermissionGetAssertion, rpID)
}

// assert gets the assertions of credentials, or without any of all passkeys of
// the site, with the user verified.
func (o *own) assert(extensions map[string]any, ids ...[]byte) ([]*ctap2.Assertion, error) {
	o.t.Helper()
	token, err := o.token()
	if err != nil {
		o.t.Fatal(err)
	}
	defer token.Wipe()
	hash := sha256.Sum256([]byte("client data"))
	r := &ctap2.GetAssertionRequest{
		RPID: rpID, ClientDataHash: hash[:], AllowList: ctap2.Descriptors(ids...), Extensions: extensions,
	}
	r.Authorize(token)
	return o.GetAssertions(o.t.Context(), r)
}

// assertWith wants the assertion of one credential.
func (o *own) assertWith(extensions map[string]any, id []byte) *ctap2.Assertion {
	o.t.Helper()
	all, err := o.assert(extensions, id)
	if err != nil || len(all) != 1 {
		o.t.Fatalf("%d assertions, %v", len(all), err)
	}
	return all[0]
}

// users are those of the site's passkeys, the newest first. The key tells names
// only where there are several.
func (o *own) users() (users []ctap2.User) {
	o.t.Helper()
	all, err := o.assert(nil)
	if errors.Is(err, ctap2.StatusNoCredentials) {
		return nil
	}
	if err != nil {
		o.t.Fatal(err)
	}
	for _, a := range all {
		users = append(users, *a.User)
	}
	return users
}

// prf evaluates a credential's pseudo-random function at two inputs.
func (o *own) prf(id []byte, first, second string) [][]byte {
	o.t.Helper()
	h, err := o.HMACSecret(o.t.Context(), pinuv.Two, webauthn.PRFSalt([]byte(first)), webauthn.PRFSalt([]byte(second)))
	if err != nil {
		o.t.Fatal(err)
	}
	defer h.Close()
	a := o.assertWith(map[string]any{ctap2.ExtensionHMACSecret: h.Input()}, id)
	outputs, err := h.Outputs(a.AuthData)
	if err != nil {
		o.t.Fatal(err)
	}
	return outputs
}

// largeBlob reads a credential's blob.
func (o *own) largeBlob(id []byte) []byte {
	o.t.Helper()
	key := o.assertWith(map[string]any{"largeBlobKey": true}, id).LargeBlobKey
	elements, err := largeblob.Parse(o.largeBlobArray())
	if err != nil || len(elements) != 1 {
		o.t.Fatalf("%d elements, %v", len(elements), err)
	}
	blob, err := largeblob.Open(key, elements[0])
	if err != nil {
		o.t.Fatal(err)
	}
	return blob
}

// largeBlobArray reads the whole array.
func (o *own) largeBlobArray() (array []byte) {
	o.t.Helper()
	const atOnce = 1024
	for {
		part := o.largeBlobs(atOnce, len(array))
		array = append(array, part...)
		if len(part) < atOnce {
			return array
		}
	}
}

// largeBlobs is authenticatorLargeBlobs (CTAP 2.3 §6.10) with get.
func (o *own) largeBlobs(get, offset int) []byte {
	o.t.Helper()
	request, err := wire.Encode(map[int]int{1: get, 3: offset})
	if err != nil {
		o.t.Fatal(err)
	}
	answer, err := o.Channel.Exchange(o.t.Context(), append([]byte{byte(ctap2.CommandLargeBlobs)}, request...))
	if err != nil || len(answer) == 0 || ctap2.Status(answer[0]) != ctap2.StatusOK {
		o.t.Fatalf("answer %x, %v", answer, err)
	}
	var body struct {
		Config []byte `cbor:"1,keyasint"`
	}
	if err := wire.Decode(answer[1:], &body); err != nil {
		o.t.Fatal(err)
	}
	return body.Config
}
