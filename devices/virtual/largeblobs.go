package virtual

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/largeblob"
)

// Members of the request of authenticatorLargeBlobs (CTAP 2.3 §6.10).
const (
	lbGet      uint64 = 0x01
	lbSet      uint64 = 0x02
	lbOffset   uint64 = 0x03
	lbLength   uint64 = 0x04
	lbParam    uint64 = 0x05
	lbProtocol uint64 = 0x06
)

// Sizes of the large-blob array in bytes.
const (
	// MinLargeBlobs is the room that every key with large blobs has.
	MinLargeBlobs = 1024

	fragmentHead   = 64 // of a message is not for the fragment
	blobsHashSize  = 16
	emptyBlobsSize = 1 + blobsHashSize
)

// blobsRequest is a request of authenticatorLargeBlobs.
type blobsRequest struct {
	get    *uint64
	set    []byte
	sets   bool // whether set is there, even if empty
	offset uint64
	length *uint64
	auth   pinAuth
}

// blobsResponse is the answer to get.
type blobsResponse struct {
	Config []byte `cbor:"1,keyasint"`
}

// pendingBlobs is an array that is being written, fragment by fragment.
type pendingBlobs struct {
	length uint64 // of all; 0 when nothing is being written
	array  []byte // so far
}

func emptyBlobs() []byte { return largeblob.Serialize(nil) }

// blobsIntact tells whether the hash at the end of a serialised array is right.
// What is before it is the platforms' business.
func blobsIntact(array []byte) bool {
	if len(array) < emptyBlobsSize {
		return false
	}
	n := len(array) - blobsHashSize
	sum := sha256.Sum256(array[:n])
	return bytes.Equal(sum[:blobsHashSize], array[n:])
}

// maxFragment is maxFragmentLength in bytes.
func (p *Profile) maxFragment() int { return p.MaxMessage - fragmentHead }

// largeBlobs is authenticatorLargeBlobs (CTAP 2.3 §6.10).
func (a *Authenticator) largeBlobs(c *call) (any, error) {
	r, err := parseBlobs(c.params)
	if err != nil {
		return nil, err
	}
	if r.get != nil {
		return a.readBlobs(r)
	}
	return nil, a.writeBlobs(r)
}

func parseBlobs(m members) (*blobsRequest, error) {
	f := newFields(m)
	r := &blobsRequest{
		get:    f.optionalUint(lbGet),
		set:    f.bytes(lbSet),
		sets:   f.has(lbSet),
		offset: f.uint(lbOffset),
		length: f.optionalUint(lbLength),
		auth:   f.pinAuth(lbParam, lbProtocol),
	}
	switch {
	case f.err != nil:
		return nil, f.err
	case !f.has(lbOffset), r.sets == (r.get != nil):
		return nil, ctap2.StatusInvalidParameter
	}
	return r, nil
}

// readBlobs is get: it needs no token, and gives what is there.
func (a *Authenticator) readBlobs(r *blobsRequest) (any, error) {
	size := uint64(len(a.state.blobs))
	switch {
	case r.length != nil, r.auth.given, r.auth.protocolGiven:
		return nil, ctap2.StatusInvalidParameter
	case *r.get > uint64(a.profile.maxFragment()):
		return nil, ctap2.StatusInvalidLength
	case r.offset > size, r.offset+*r.get > size && a.faulty(blobReadEnd):
		return nil, ctap2.StatusInvalidParameter
	}
	end := min(size, r.offset+*r.get)
	return &blobsResponse{Config: a.state.blobs[r.offset:end]}, nil
}

// writeBlobs is set: one fragment, and the array when it is the last.
func (a *Authenticator) writeBlobs(r *blobsRequest) error {
	if len(r.set) > a.profile.maxFragment() && !a.faulty(blobFragment) {
		return ctap2.StatusInvalidLength
	}
	if err := a.beginFragment(r); err != nil {
		return err
	}
	if err := a.authorizeBlobs(r); err != nil {
		return err
	}
	p := &a.volatile.blobs
	if r.offset+uint64(len(r.set)) > p.length {
		return ctap2.StatusInvalidParameter
	}
	p.array = append(p.array, r.set...)
	if uint64(len(p.array)) < p.length {
		return nil
	}
	array := p.array
	*p = pendingBlobs{}
	return a.commitBlobs(array)
}

// beginFragment checks where the fragment belongs. The first one begins a new
// array, whatever was being written.
func (a *Authenticator) beginFragment(r *blobsRequest) error {
	p := &a.volatile.blobs
	switch {
	case r.offset > 0 && r.length != nil:
		return ctap2.StatusInvalidParameter
	case r.offset > 0 && r.offset != uint64(len(p.array)) && !a.faulty(blobSequence):
		return ctap2.StatusInvalidSeq
	case r.offset > 0:
		return nil
	}
	if err := a.checkBlobsLength(r.length); err != nil {
		return err
	}
	*p = pendingBlobs{length: *r.length}
	return nil
}

func (a *Authenticator) checkBlobsLength(length *uint64) error {
	switch {
	case length == nil:
		return ctap2.StatusInvalidParameter
	case *length > MinLargeBlobs && *length > uint64(a.profile.LargeBlobs) && !a.faulty(blobCapacity):
		return ctap2.StatusLargeBlobStorageFull
	case *length < emptyBlobsSize:
		return ctap2.StatusInvalidParameter
	}
	return nil
}

// authorizeBlobs wants a token with the lbw permission, where there is anything
// to get one with.
func (a *Authenticator) authorizeBlobs(r *blobsRequest) error {
	switch {
	case !a.protected() && !a.alwaysUV(), !r.auth.given && a.faulty(blobTokenless):
		return nil
	case !r.auth.given:
		return ctap2.StatusPUATRequired
	}
	sum := sha256.Sum256(r.set)
	head := []byte{byte(ctap2.CommandLargeBlobs), 0}
	if a.faulty(blobBigEndian) {
		head = binary.BigEndian.AppendUint32(head, uint32(r.offset))
	} else {
		head = binary.LittleEndian.AppendUint32(head, uint32(r.offset))
	}
	_, err := a.authorize(r.auth, ctap2.PermissionLargeBlobWrite, false, managementPrefix, head, sum[:])
	return err
}

// commitBlobs replaces the array by one that is whole.
func (a *Authenticator) commitBlobs(array []byte) error {
	if !blobsIntact(array) && !a.faulty(blobHashUnchecked) {
		return ctap2.StatusIntegrityFailure
	}
	if a.faulty(blobsNotStored) {
		a.state.blobs = array
		return nil
	}
	var ch change
	ch.put(blobsName, blobsRecord{Version: recordVersion, Array: array})
	ch.after(func() { a.state.blobs = array })
	return a.apply(ch)
}
