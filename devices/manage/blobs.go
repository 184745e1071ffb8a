package manage

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/largeblob"
	"github.com/touchstone-fido/touchstone/devices"
)

// ErrNoRoom: a blob is larger than what the key has room for. Nothing was
// written.
var ErrNoRoom = errors.New("there is no room on the key for this blob")

// Blobs are the large blobs of a key's passkeys (CTAP 2.3 §6.10), as they were
// when it was asked. They hold a token: the caller closes them soon.
type Blobs struct {
	*Passkeys // all of them, as only their keys tell whose a blob is

	// Damaged: the array's hash does not fit. It counts as empty, and what was in
	// it is lost with the next change.
	Damaged bool

	array *largeblob.Array
}

// Blobs reads the large blobs, for [Blobs.Get].
func (k *Key) Blobs(ctx context.Context) (*Blobs, error) {
	return k.blobs(ctx, ctap2.PermissionCredentialManagement)
}

// BlobsToChange is [Key.Blobs] with a token that may also write them.
func (k *Key) BlobsToChange(ctx context.Context) (*Blobs, error) {
	return k.blobs(ctx, ctap2.PermissionCredentialManagement|ctap2.PermissionLargeBlobWrite)
}

// ErrKept: the key keeps each blob with its passkey, by the extension largeBlob of
// CTAP 2.3, and has no array of them. Matches [ctap2.ErrUnsupported]; see
// [Key.Kept].
var ErrKept = fmt.Errorf("%w: the key keeps blobs with their passkeys and has no array of them", ctap2.ErrUnsupported)

// HasArray is nil for a key with a large-blob array, [ErrKept] or another
// [ctap2.ErrUnsupported] for one without. It asks for nothing.
func (k *Key) HasArray() error {
	switch {
	case k.option(ctap2.OptionLargeBlobs) && k.option(ctap2.OptionCredMgmt):
		return nil
	case k.option(ctap2.OptionLargeBlobs):
		return unsupported("it does not tell the keys of its large blobs: no credential management")
	case k.info.HasExtension(ctap2.ExtensionLargeBlob):
		return ErrKept
	}
	return unsupported("large blobs")
}

func (k *Key) blobs(ctx context.Context, perms ctap2.Permission) (*Blobs, error) {
	if err := k.HasArray(); err != nil {
		return nil, err
	}
	passkeys, err := k.passkeys(ctx, "", perms)
	if err != nil {
		return nil, err
	}
	b := &Blobs{Passkeys: passkeys}
	if b.array, b.Damaged, err = k.conn.LargeBlobs(ctx); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// leastCapacity is the room in bytes that every key with large blobs has (CTAP 2.3
// §6.4 member 0x0b).
const leastCapacity = 1024

// Capacity is how many bytes the key's array may have.
func (k *Key) Capacity() uint { return max(k.info.MaxSerializedLargeBlobArray, leastCapacity) }

// Capacity is how many bytes the array may have.
func (b *Blobs) Capacity() uint { return b.key.Capacity() }

// Used is how many bytes the array has.
func (b *Blobs) Used() uint { return uint(len(b.array.Bytes())) }

// Free is how many bytes are left.
func (b *Blobs) Free() uint { return b.Capacity() - min(b.Used(), b.Capacity()) }

// Get returns the blob of a passkey, and whether there is one. The error is for
// one that is there and cannot be read.
func (b *Blobs) Get(p Passkey) (data []byte, found bool, err error) {
	if len(p.LargeBlobKey) == 0 {
		return nil, false, nil
	}
	return b.array.Find(p.LargeBlobKey)
}

// Has reports whether a passkey has just this blob.
func (b *Blobs) Has(p Passkey, data []byte) bool {
	old, found, err := b.Get(p)
	return found && err == nil && bytes.Equal(old, data)
}

// Device is the key as it was found.
func (b *Blobs) Device() devices.Info { return b.key.Device() }

// Stored is how many bytes of the array a passkey's blob takes, 0 for none.
func (b *Blobs) Stored(p Passkey) uint { return stored(b.array, p) }

func stored(array *largeblob.Array, p Passkey) uint {
	if len(p.LargeBlobKey) == 0 {
		return 0
	}
	rest := clone(array)
	n, err := rest.Delete(p.LargeBlobKey)
	if err != nil || n == 0 {
		return 0
	}
	return uint(len(array.Bytes()) - len(rest.Bytes()))
}

// clone is an array to try things on.
func clone(a *largeblob.Array) *largeblob.Array {
	c, err := largeblob.ParseArray(a.Bytes())
	if err != nil {
		return &largeblob.Array{} // what it wrote itself it can read
	}
	return c
}

// Orphans counts the blobs that no passkey opens, and the bytes that they take.
func (b *Blobs) Orphans() (n int, size uint) {
	rest := clone(b.array)
	n, err := rest.Collect(b.keys())
	if err != nil {
		return 0, 0
	}
	return n, uint(len(b.array.Bytes()) - len(rest.Bytes()))
}

// Foreign counts the elements of the array that are no blobs by the standard.
// They are left alone.
func (b *Blobs) Foreign() int {
	rest := clone(b.array)
	if _, err := rest.Collect(nil); err != nil {
		return 0
	}
	return len(rest.Elements())
}

// keys are the largeBlobKeys of all passkeys.
func (b *Blobs) keys() [][]byte {
	var keys [][]byte
	for _, p := range b.All {
		if len(p.LargeBlobKey) > 0 {
			keys = append(keys, p.LargeBlobKey)
		}
	}
	return keys
}

// CheckBlob refuses with [ErrNoRoom] what would not fit the key if it were empty.
// It asks for nothing, and returns how many bytes of the key the blob takes.
func (k *Key) CheckBlob(data []byte) (uint, error) {
	if len(data) > largeblob.MaxInflated {
		return 0, fmt.Errorf("%w: %d bytes, the most is %d", ErrNoRoom, len(data), largeblob.MaxInflated)
	}
	return k.fits(&largeblob.Array{}, make([]byte, largeblob.KeySize), data)
}

// fits returns how many bytes data takes in an array, if there is room.
func (k *Key) fits(array *largeblob.Array, key, data []byte) (uint, error) {
	with := clone(array)
	before := len(with.Bytes())
	if err := with.Put(zeros{}, key, data); err != nil {
		return 0, err
	}
	after := uint(len(with.Bytes()))
	if after > k.Capacity() {
		return 0, fmt.Errorf("%w: the large-blob array would have %d bytes, the key has room for %d", ErrNoRoom, after, k.Capacity())
	}
	return after - uint(before), nil
}

// zeros is the randomness of a blob that is only measured.
type zeros struct{}

// Read fills p with zeros.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// ErrNoBlobKey: the passkey was made without the extension largeBlobKey and can
// have no large blob.
var ErrNoBlobKey = errors.New("this passkey was made without a key for a large blob")

// Put stores data as a passkey's blob, in the place of what it had, and reads the
// array again. Where it has that blob already nothing is written, and changed is
// false. [ErrNoRoom] says that it does not fit beside the others.
func (b *Blobs) Put(ctx context.Context, p Passkey, data []byte) (changed bool, err error) {
	if len(p.LargeBlobKey) == 0 {
		return false, ErrNoBlobKey
	}
	if b.Has(p, data) {
		return false, nil
	}
	rest := clone(b.array)
	if _, err := rest.Delete(p.LargeBlobKey); err != nil {
		return false, err
	}
	if _, err := b.key.fits(rest, p.LargeBlobKey, data); err != nil {
		return false, err
	}
	if err := b.key.conn.PutLargeBlob(ctx, b.token, p.LargeBlobKey, data); err != nil {
		return false, err
	}
	return true, b.reread(ctx)
}

// Delete deletes a passkey's blob and reads the array again; the passkey stays.
// [ErrMeanwhile] says that the array is not what it was.
func (b *Blobs) Delete(ctx context.Context, p Passkey) error {
	return b.change(ctx, func(a *largeblob.Array) error {
		_, err := a.Delete(p.LargeBlobKey)
		return err
	})
}

// Collect deletes the blobs that no passkey opens, and reads the array again.
// [ErrMeanwhile] says that the array is not what it was.
func (b *Blobs) Collect(ctx context.Context) error {
	return b.change(ctx, func(a *largeblob.Array) error {
		_, err := a.Collect(b.keys())
		return err
	})
}

// change works on the array if it is still the one that was read.
func (b *Blobs) change(ctx context.Context, work func(*largeblob.Array) error) error {
	err := b.key.conn.ChangeLargeBlobs(ctx, b.token, func(a *largeblob.Array) error {
		if !bytes.Equal(a.Bytes(), b.array.Bytes()) {
			return fmt.Errorf("large blobs: %w", ErrMeanwhile)
		}
		return work(a)
	})
	if err != nil {
		return err
	}
	return b.reread(ctx)
}

func (b *Blobs) reread(ctx context.Context) (err error) {
	b.array, b.Damaged, err = b.key.conn.LargeBlobs(ctx)
	return err
}

// BlobStored is how many bytes of the large-blob array a passkey's blob takes, 0
// for none. Deleting the passkey leaves them behind.
func (p *Passkeys) BlobStored(ctx context.Context, passkey Passkey) (uint, error) {
	if len(passkey.LargeBlobKey) == 0 || !p.key.option(ctap2.OptionLargeBlobs) {
		return 0, nil
	}
	array, _, err := p.key.conn.LargeBlobs(ctx)
	if err != nil {
		return 0, err
	}
	return stored(array, passkey), nil
}
