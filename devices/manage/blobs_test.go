package manage_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/largeblob"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices/manage"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

func blobs(t *testing.T, r *rig) *manage.Blobs {
	t.Helper()
	b, err := r.open().BlobsToChange(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func (r *rig) user(p *manage.Passkeys, name string) manage.Passkey {
	r.t.Helper()
	one, err := p.Find(manage.Which{User: name})
	if err != nil {
		r.t.Fatal(err)
	}
	return one
}

// noise does not compress.
func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	return b
}

func TestBlobs(t *testing.T) {
	r, _, _, _ := stocked(t)
	b := blobs(t, r)
	alice, bob, carol := r.user(b.Passkeys, "alice"), r.user(b.Passkeys, "bob"), r.user(b.Passkeys, "carol")
	is(t, "empty", []uint{b.Capacity(), b.Used(), b.Free()}, []uint{4096, 17, 4079})
	if _, found, err := b.Get(alice); found || err != nil {
		t.Errorf("none yet: %t, %v", found, err)
	}
	data := []byte("\x00binary\r\n\xff")
	r.sent = nil
	if changed, err := b.Put(t.Context(), alice, data); !changed || err != nil {
		t.Fatalf("%t, %v", changed, err)
	}
	r.wantSent("get", "set", "get", "get")
	if changed, err := b.Put(t.Context(), bob, noise(500)); !changed || err != nil {
		t.Fatalf("%t, %v", changed, err)
	}
	r.sent = nil
	if changed, err := b.Put(t.Context(), alice, data); changed || err != nil {
		t.Errorf("the same again: %t, %v", changed, err)
	}
	r.wantSent()
	if _, err := b.Put(t.Context(), carol, data); !errors.Is(err, manage.ErrNoBlobKey) {
		t.Errorf("no key for a blob: %v", err)
	}

	b = blobs(t, r)
	if got, found, err := b.Get(alice); !found || err != nil || !bytes.Equal(got, data) {
		t.Errorf("%q, %t, %v", got, found, err)
	}
	if _, found, err := b.Get(carol); found || err != nil {
		t.Errorf("%t, %v", found, err)
	}
	is(t, "stored", []uint{b.Stored(alice) + b.Stored(bob) + 17, b.Stored(carol)}, []uint{b.Used(), 0})
	if s := b.Stored(bob); s < 500 || s > 560 {
		t.Errorf("500 bytes take %d", s)
	}
	if err := b.Delete(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	_, found, _ := b.Get(alice)
	_, kept, _ := b.Get(bob)
	is(t, "deleted and kept", []bool{found, kept}, []bool{false, true})
	is(t, "asked for the PIN", r.asked, 1)
}

// TestBlobRoom: what does not fit is refused before anything is written.
func TestBlobRoom(t *testing.T) {
	r, _, _, _ := stocked(t)
	k := r.open()
	if n, err := k.CheckBlob([]byte("hello")); err != nil || n < 40 || n > 60 {
		t.Errorf("%d, %v", n, err)
	}
	for _, n := range []int{4096, largeblob.MaxInflated + 1} {
		if _, err := k.CheckBlob(noise(n)); !errors.Is(err, manage.ErrNoRoom) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	r.wantSent()
	b := blobs(t, r)
	if _, err := b.Put(t.Context(), r.user(b.Passkeys, "bob"), noise(3000)); err != nil {
		t.Fatal(err)
	}
	r.sent = nil
	if _, err := b.Put(t.Context(), r.user(b.Passkeys, "alice"), noise(1100)); !errors.Is(err, manage.ErrNoRoom) {
		t.Errorf("beside another: %v", err)
	}
	r.wantSent()
	if _, err := b.Put(t.Context(), r.user(b.Passkeys, "bob"), noise(3900)); err != nil {
		t.Errorf("in the place of another: %v", err)
	}
}

// TestCollect deletes the blobs of passkeys that are gone, and nothing else.
func TestCollect(t *testing.T) {
	r, _, _, _ := stocked(t)
	b := blobs(t, r)
	alice, bob := r.user(b.Passkeys, "alice"), r.user(b.Passkeys, "bob")
	for _, p := range []manage.Passkey{alice, bob} {
		if _, err := b.Put(t.Context(), p, []byte("blob of "+p.User.Name)); err != nil {
			t.Fatal(err)
		}
	}
	foreign, err := wire.Encode(map[int]any{1: "not a blob"})
	if err != nil {
		t.Fatal(err)
	}
	array, err := r.conn.ReadLargeBlobArray(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	elements, err := largeblob.Parse(array)
	if err != nil {
		t.Fatal(err)
	}
	token := r.token(ctap2.PermissionLargeBlobWrite, "")
	if err := r.conn.WriteLargeBlobArray(t.Context(), token, largeblob.Serialize(append(elements, foreign))); err != nil {
		t.Fatal(err)
	}

	passkeys := list(t, r, "")
	left, err := passkeys.BlobStored(t.Context(), alice)
	if err != nil || left == 0 {
		t.Errorf("%d, %v", left, err)
	}
	if n, err := passkeys.BlobStored(t.Context(), r.user(passkeys, "carol")); n != 0 || err != nil {
		t.Errorf("a passkey without a blob: %d, %v", n, err)
	}
	if err := passkeys.Delete(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	b = blobs(t, r)
	n, size := b.Orphans()
	is(t, "orphans", []uint{uint(n), size, uint(b.Foreign())}, []uint{1, left, 1})
	if err := b.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	n, size = b.Orphans()
	is(t, "afterwards", []uint{uint(n), size, uint(b.Foreign())}, []uint{0, 0, 1})
	if got, found, err := b.Get(bob); !found || err != nil || string(got) != "blob of bob" {
		t.Errorf("%q, %t, %v", got, found, err)
	}
}

// TestBlobsMeanwhile: what another program has changed since a person agreed is
// not touched.
func TestBlobsMeanwhile(t *testing.T) {
	r, _, _, _ := stocked(t)
	first, second := blobs(t, r), blobs(t, r)
	alice := r.user(first.Passkeys, "alice")
	if _, err := second.Put(t.Context(), alice, []byte("new")); err != nil {
		t.Fatal(err)
	}
	r.sent = nil
	for name, err := range map[string]error{"delete": first.Delete(t.Context(), alice), "collect": first.Collect(t.Context())} {
		if !errors.Is(err, manage.ErrMeanwhile) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r.wantSent("get", "get")
}

func TestDamagedBlobs(t *testing.T) {
	r, _, _, _ := stocked(t)
	r.changing("get", func(m map[any]any) { m[uint64(1)] = repeated(0x80, 20) })
	b := blobs(t, r)
	r.answer = nil
	is(t, "damaged", []any{b.Damaged, b.Used()}, []any{true, uint(17)})
	r.refusing("get", ctap2.StatusOther)
	if _, err := r.open().Blobs(t.Context()); !errors.Is(err, ctap2.StatusOther) {
		t.Errorf("an array that cannot be read: %v", err)
	}
}

func TestKeysWithoutBlobs(t *testing.T) {
	model := virtual.DefaultProfile()
	delete(model.Options, "credMgmt")
	delete(model.Options, "perCredMgmtRO")
	for name, p := range map[string]*virtual.Profile{"an old key": preview(), "no credential management": model} {
		r := protected(t, p, nil)
		if _, err := r.open().Blobs(t.Context()); !errors.Is(err, ctap2.ErrUnsupported) || errors.Is(err, manage.ErrKept) || r.asked != 0 {
			t.Errorf("%s: %v, asked %d times", name, err, r.asked)
		}
	}
}

// keeper is a key that keeps blobs with their passkeys.
func keeper() *virtual.Profile {
	p := virtual.DefaultProfile()
	delete(p.Options, "largeBlobs")
	for i, x := range p.Extensions {
		if x == "largeBlobKey" {
			p.Extensions[i] = "largeBlob"
		}
	}
	return p
}

func TestKeptBlobs(t *testing.T) {
	r := protected(t, keeper(), nil)
	make := func(user string) []byte {
		return r.make("example.com", user, ctap2.CreationExtensions{LargeBlob: ctap2.LargeBlobRequired})
	}
	alice := make("alice")
	make("bob")
	if _, err := r.open().Blobs(t.Context()); !errors.Is(err, manage.ErrKept) || r.asked != 0 {
		t.Errorf("%v, asked %d times", err, r.asked)
	}
	kept, err := r.open().Kept(t.Context(), "example.com")
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	one := r.user(kept.Passkeys, "alice")
	is(t, "ID", hex.EncodeToString(one.ID.ID), hex.EncodeToString(alice))
	data := []byte(strings.Repeat("long ", 1000))
	if err := kept.Put(t.Context(), one, data); err != nil {
		t.Fatal(err)
	}
	if err := kept.Put(t.Context(), one, noise(5000)); !errors.Is(err, ctap2.ErrMessageTooLong) {
		t.Errorf("too long: %v", err)
	}
	is(t, "asked for the PIN", r.asked, 1)

	kept, err = r.open().KeptBlobs(t.Context(), "example.com")
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	if got, found := kept.Get(r.user(kept.Passkeys, "alice")); !found || !bytes.Equal(got, data) {
		t.Errorf("%q, %t", got, found)
	}
	if got, found := kept.Get(r.user(kept.Passkeys, "bob")); found {
		t.Errorf("%q", got)
	}
	if _, err := r.open().Kept(t.Context(), "example.org"); !errors.Is(err, ctap2.StatusNoCredentials) {
		t.Errorf("another relying party: %v", err)
	}
}

// TestKeptWithoutPIN: an assertion needs no PIN where none is set; and a blob that
// the key refuses is told.
func TestKeptWithoutPIN(t *testing.T) {
	r := newRig(t, keeper(), nil)
	q := &ctap2.MakeCredentialRequest{
		ClientDataHash: repeated(0, 32), RP: ctap2.RelyingParty{ID: "example.com"}, User: ctap2.User{ID: []byte("1"), Name: "alice"},
		Parameters: ctap2.Parameters(-7), Options: map[string]bool{"rk": true},
	}
	if _, err := r.conn.MakeCredential(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	kept, err := r.open().Kept(t.Context(), "example.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := kept.Put(t.Context(), kept.All[0], []byte("x")); err != nil {
		t.Fatal(err)
	}
	is(t, "asked for the PIN", r.asked, 0)
	for range 5 {
		err = kept.Put(t.Context(), kept.All[0], noise(1000))
	}
	if err != nil {
		t.Errorf("the same room again and again: %v", err)
	}
}

func TestKeptNotWritten(t *testing.T) {
	model := keeper()
	model.Choices.BlobPermission = true
	r := protected(t, model, nil)
	r.make("example.com", "alice", ctap2.CreationExtensions{LargeBlob: ctap2.LargeBlobRequired})
	kept, err := r.open().Kept(t.Context(), "example.com")
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	if err := kept.Put(t.Context(), kept.All[0], []byte("x")); !errors.Is(err, manage.ErrNoRoom) {
		t.Errorf("%v", err)
	}
}
