package devices_test

import (
	"bytes"
	"math/rand/v2"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/largeblob"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

func matrixCredBlob(b *bench) {
	b.setPIN()
	for _, size := range []int{0, 1, 63, 64} {
		blob := noise(size)
		o := discoverable(matrixRP, "alice")
		o.Extensions.CredBlob = blob
		m := b.mustCreate(o)
		b.equal("credBlob", *m.results.CredBlob, true)
		r := requestOptions(matrixRP, m.descriptor())
		r.Extensions.GetCredBlob = true
		b.equal("the blob", []byte(*b.mustGet(r).results.GetCredBlob), blob)
	}

	// One that is too long is not stored, which is no error; the client does not
	// even send it. A credential that is not discoverable has no place for one.
	o := discoverable(matrixRP, "bob")
	o.Extensions.CredBlob = noise(65)
	long := b.mustCreate(o)
	b.equal("credBlob of 65 bytes", *long.results.CredBlob, false)
	o = creationOptions(matrixRP, "carol")
	o.Extensions.CredBlob = noise(8)
	other := b.mustCreate(o)
	b.equal("credBlob of what is not discoverable", *other.results.CredBlob, false)
	for _, m := range []made{long, other} {
		r := requestOptions(matrixRP, m.descriptor())
		r.Extensions.GetCredBlob = true
		b.equal("no blob", []byte(*b.mustGet(r).results.GetCredBlob), []byte{})
	}
}

// noise is bytes that do not compress.
func noise(size int) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{7}).Read(b)
	return b
}

// matrixBlobArray writes blobs into the array of CTAP 2.1, in several fragments,
// and finds them byte for byte.
func matrixBlobArray(b *bench) {
	b.setPIN()
	blobs := map[string][]byte{"alice": {}, "bob": noise(2500), "carol": bytes.Repeat([]byte("carol "), 20000)}
	all := map[string]made{}
	for name := range blobs {
		o := discoverable(matrixRP, name)
		o.Extensions.LargeBlob = &webauthn.LargeBlobInputs{Support: webauthn.SupportRequired}
		all[name] = b.mustCreate(o)
		b.equal("supported", *all[name].results.LargeBlob.Supported, true)
		b.equal("size of the key", len(all[name].LargeBlobKey), 32)
	}
	for name, data := range blobs {
		r := requestOptions(matrixRP, all[name].descriptor())
		r.Extensions.LargeBlob = &webauthn.LargeBlobInputs{Write: (*webauthn.Bytes)(&data)}
		b.equal("written", *b.mustGet(r).results.LargeBlob.Written, true)
	}
	b.readBlobs(all, blobs)
	b.equal("blobs that the array has", b.blobArray(all), blobs)

	// Another value takes the place of the first, and the others stay.
	blobs["bob"] = []byte("short")
	b.must(b.PutLargeBlob(b.Context(), b.token(ctap2.PermissionLargeBlobWrite, ""), all["bob"].LargeBlobKey, blobs["bob"]))
	b.readBlobs(all, blobs)
	b.collect(all, blobs)
	b.refuseBlobs(all["bob"])
}

// readBlobs reads each credential's blob by an assertion.
func (b *bench) readBlobs(all map[string]made, want map[string][]byte) {
	b.Helper()
	for name, data := range want {
		r := requestOptions(matrixRP, all[name].descriptor())
		r.Extensions.LargeBlob = &webauthn.LargeBlobInputs{Read: true}
		g := b.mustGet(r)
		if g.results.LargeBlob.Blob == nil || !bytes.Equal(*g.results.LargeBlob.Blob, data) {
			b.Errorf("%s's blob of %d bytes is %+v", name, len(data), g.results.LargeBlob)
		}
	}
}

// blobArray reads the array as the key stores it, and opens what is in it.
func (b *bench) blobArray(all map[string]made) map[string][]byte {
	b.Helper()
	stored, err := b.ReadLargeBlobArray(b.Context())
	b.must(err)
	elements, err := largeblob.Parse(stored)
	b.must(err)
	found := map[string][]byte{}
	for name, m := range all {
		for _, e := range elements {
			if data, err := largeblob.Open(m.LargeBlobKey, e); err == nil {
				found[name] = data
			}
		}
	}
	return found
}

// collect deletes a credential and collects its blob.
func (b *bench) collect(all map[string]made, blobs map[string][]byte) {
	b.Helper()
	manager, err := b.CredentialManagement(b.info(), b.token(ctap2.PermissionCredentialManagement|ctap2.PermissionLargeBlobWrite, ""))
	b.must(err)
	b.must(manager.Delete(b.Context(), ctap2.Descriptor{ID: all["carol"].id()}))
	var keys [][]byte
	for c, err := range manager.Credentials(b.Context(), rpHash(matrixRP)) {
		b.must(err)
		keys = append(keys, c.LargeBlobKey)
	}
	slices.SortFunc(keys, bytes.Compare)
	want := [][]byte{all["alice"].LargeBlobKey, all["bob"].LargeBlobKey}
	slices.SortFunc(want, bytes.Compare)
	b.equal("largeBlobKeys that are listed", keys, want)

	collected := 0
	b.must(b.ChangeLargeBlobs(b.Context(), b.token(ctap2.PermissionLargeBlobWrite, ""), func(a *largeblob.Array) (err error) {
		collected, err = a.Collect(keys)
		return err
	}))
	b.equal("orphans", collected, 1)
	b.equal("blobs that are left", b.blobArray(all), map[string][]byte{"alice": blobs["alice"], "bob": blobs["bob"]})
	deleted := 0
	b.must(b.ChangeLargeBlobs(b.Context(), b.token(ctap2.PermissionLargeBlobWrite, ""), func(a *largeblob.Array) (err error) {
		deleted, err = a.Delete(all["alice"].LargeBlobKey)
		return err
	}))
	b.equal("deleted", deleted, 1)
	b.equal("blobs after that", b.blobArray(all), map[string][]byte{"bob": blobs["bob"]})
}

// refuseBlobs tries what must not change the array.
func (b *bench) refuseBlobs(m made) {
	b.Helper()
	ctx := b.Context()
	before, err := b.ReadLargeBlobArray(ctx)
	b.must(err)
	b.refused("without a token", b.PutLargeBlob(ctx, nil, m.LargeBlobKey, []byte("x")), ctap2.StatusPUATRequired)
	b.refused("with a token for other things", b.PutLargeBlob(ctx, b.token(ctap2.PermissionConfig, ""), m.LargeBlobKey, []byte("x")), ctap2.StatusPINAuthInvalid)
	full := b.PutLargeBlob(ctx, b.token(ctap2.PermissionLargeBlobWrite, ""), m.LargeBlobKey, noise(4096))
	b.refused("more than there is room for", full, ctap2.StatusLargeBlobStorageFull)
	after, err := b.ReadLargeBlobArray(ctx)
	b.must(err)
	b.equal("the array", after, before)
}

// withLargeBlob is the model with largeBlob of CTAP 2.3, which has no array.
func withLargeBlob(p *virtual.Profile) {
	p.Extensions = slices.DeleteFunc(p.Extensions, func(id string) bool { return id == ctap2.ExtensionLargeBlobKey })
	p.Extensions = append(p.Extensions, ctap2.ExtensionLargeBlob)
	delete(p.Options, ctap2.OptionLargeBlobs)
}

// matrixLargeBlob is the same with the extension that has the key keep the blob.
func matrixLargeBlob(b *bench) {
	b = b.again(withLargeBlob)
	b.setPIN()
	o := discoverable(matrixRP, "alice")
	o.Extensions.LargeBlob = &webauthn.LargeBlobInputs{Support: webauthn.SupportRequired}
	alice := b.mustCreate(o)
	b.equal("supported", *alice.results.LargeBlob.Supported, true)
	b.equal("largeBlobKey", alice.LargeBlobKey, []byte(nil))
	o = creationOptions(matrixRP, "bob")
	o.Extensions.LargeBlob = &webauthn.LargeBlobInputs{Support: webauthn.SupportPreferred}
	bob := b.mustCreate(o)
	b.equal("supported by what is not discoverable", *bob.results.LargeBlob.Supported, false)

	read := requestOptions(matrixRP, alice.descriptor())
	read.Extensions.LargeBlob = &webauthn.LargeBlobInputs{Read: true}
	b.equal("a blob before there is one", b.mustGet(read).results.LargeBlob, &webauthn.LargeBlobOutputs{})
	for _, data := range [][]byte{noise(900), bytes.Repeat([]byte("long "), 20000), {}} {
		write := requestOptions(matrixRP, alice.descriptor())
		write.Extensions.LargeBlob = &webauthn.LargeBlobInputs{Write: (*webauthn.Bytes)(&data)}
		yes := true
		b.equal("written", b.mustGet(write).results.LargeBlob, &webauthn.LargeBlobOutputs{Written: &yes})
		g := b.mustGet(read)
		if g.results.LargeBlob.Blob == nil || !bytes.Equal(*g.results.LargeBlob.Blob, data) {
			b.Errorf("a blob of %d bytes is %+v", len(data), g.results.LargeBlob)
		}
		b.equal("signed outputs", len(g.AuthData.Extensions), 0)
	}
	write := requestOptions(matrixRP, bob.descriptor())
	write.Extensions.LargeBlob = &webauthn.LargeBlobInputs{Write: &webauthn.Bytes{1}}
	b.equal("written where there is no place", *b.mustGet(write).results.LargeBlob.Written, false)
}
