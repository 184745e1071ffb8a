package manage

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/ceremony"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
)

// Kept are the passkeys of one relying party on a key that keeps their blobs with
// them, by the extension largeBlob (CTAP 2.3 §12.4): there blobs are read and
// written by assertions. They may hold a token: the caller closes them soon.
type Kept struct {
	*Passkeys

	blobs     map[string][]byte // by credential ID
	authorize func(*ctap2.GetAssertionRequest)
}

// KeptBlobs reads the blobs of all passkeys of a relying party, for one touch.
func (k *Key) KeptBlobs(ctx context.Context, rpID string) (*Kept, error) {
	return k.kept(ctx, rpID, ctap2.AssertionExtensions{LargeBlob: ctap2.ReadLargeBlob()}, true)
}

// Kept lists the passkeys of a relying party without a touch, for [Kept.Put].
func (k *Key) Kept(ctx context.Context, rpID string) (*Kept, error) {
	return k.kept(ctx, rpID, ctap2.AssertionExtensions{}, false)
}

func (k *Key) kept(ctx context.Context, rpID string, x ctap2.AssertionExtensions, touch bool) (*Kept, error) {
	kept := &Kept{Passkeys: &Passkeys{key: k}, blobs: map[string][]byte{}}
	if err := kept.verify(ctx, rpID); err != nil {
		return nil, err
	}
	r := assertion(rpID, x)
	if !touch {
		r.Options = map[string]bool{ctap2.OptionUP: false}
	}
	kept.authorize(r)
	all, err := k.conn.GetAssertions(ctx, r)
	for i := 0; err == nil && i < len(all); i++ {
		err = kept.add(all[i], rpID, x)
	}
	if err != nil {
		kept.Close()
		return nil, err
	}
	return kept, nil
}

// assertion is a request for assertions that nobody verifies: the hash is of no
// client data.
func assertion(rpID string, x ctap2.AssertionExtensions) *ctap2.GetAssertionRequest {
	return &ctap2.GetAssertionRequest{RPID: rpID, ClientDataHash: make([]byte, sha256.Size), Extensions: x.Inputs()}
}

// verify verifies the user, where there is a way to, for requests about a relying
// party.
func (k *Kept) verify(ctx context.Context, rpID string) (err error) {
	purpose := ceremony.Purpose{Permissions: ctap2.PermissionGetAssertion, RPID: rpID, Requirement: webauthn.Preferred}
	d := ceremony.Decide(k.key.info, purpose)
	switch {
	case !d.Verify:
		k.authorize = func(*ctap2.GetAssertionRequest) {}
		return nil
	case d.Method == ceremony.UVOption:
		k.authorize = (*ctap2.GetAssertionRequest).VerifyUser
		return nil
	}
	if k.token, err = k.key.tokenFor(ctx, purpose); err != nil {
		return err
	}
	k.authorize = func(r *ctap2.GetAssertionRequest) { r.Authorize(k.token) }
	return nil
}

// add notes a passkey and its blob.
func (k *Kept) add(a *ctap2.Assertion, rpID string, x ctap2.AssertionExtensions) error {
	out, err := x.Outputs(a)
	if err != nil {
		return err
	}
	hash := sha256.Sum256([]byte(rpID))
	p := Passkey{RP: ctap2.StoredRP{RelyingParty: ctap2.RelyingParty{ID: rpID}, IDHash: hash[:]}}
	p.ID = a.Credential
	if a.User != nil {
		p.User = *a.User
	}
	k.All = append(k.All, p)
	if out.LargeBlob != nil {
		k.blobs[string(p.ID.ID)] = out.LargeBlob
	}
	return nil
}

// Get returns the blob of a passkey, and whether there is one.
func (k *Kept) Get(p Passkey) (data []byte, found bool) {
	data, found = k.blobs[string(p.ID.ID)]
	return data, found
}

// Put writes a passkey's blob, in the place of what it had, for a touch. A key
// that says that it did not is [ErrNoRoom]; it cannot be asked again without
// another touch.
func (k *Kept) Put(ctx context.Context, p Passkey, data []byte) error {
	access, err := ctap2.WriteLargeBlob(data)
	if err != nil {
		return err
	}
	x := ctap2.AssertionExtensions{LargeBlob: access}
	r := assertion(p.RP.ID, x)
	r.AllowList = []ctap2.Descriptor{p.ID}
	k.authorize(r)
	a, err := k.key.conn.GetAssertion(ctx, r)
	if err != nil {
		return err
	}
	out, err := x.Outputs(a)
	if err != nil {
		return err
	}
	if out.LargeBlobWritten == nil || !*out.LargeBlobWritten {
		return fmt.Errorf("%w, as it says, or it keeps none for this passkey", ErrNoRoom)
	}
	return nil
}
