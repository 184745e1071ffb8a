package virtual

import "github.com/touchstone-fido/touchstone/ctap2"

// extLargeBlob is the extension by which the key itself keeps a blob for each
// credential (CTAP 2.3 §12.4). Its outputs are not signed.
const extLargeBlob = "largeBlob"

// Members of its inputs and outputs.
const (
	blobSupport      = "support"
	blobSupported    = "supported"
	blobRead         = "read"
	blobWrite        = "write"
	blobOriginalSize = "originalSize"
	blobData         = "blob"
	blobWritten      = "written"

	supportRequired  = "required"
	supportPreferred = "preferred"
)

// blob is what a credential keeps: compressed data, and the size that they
// inflate to, both as the platform says.
type blob struct {
	data         []byte
	originalSize uint64
}

// blobInput is the input to getAssertion: to read or to write.
type blobInput struct {
	read  bool
	write *blob
}

// readLargeBlob reads the input to makeCredential. Of a support that is neither
// of the two, as of other input that makes no sense, the standard says nothing
// known here.
func readLargeBlob(r *creationRequest, inputs *fields) {
	input := inputs.sub(extLargeBlob)
	input.missing = ctap2.StatusInvalidCBOR
	support := input.require(blobSupport).text(blobSupport)
	if input.err == nil && support != supportRequired && support != supportPreferred {
		input.fail(ctap2.StatusInvalidCBOR)
	}
	r.inputs.largeBlob = support
	inputs.inherit(input)
}

// prepareLargeBlob refuses a credential that can have no blob if that is
// required.
func prepareLargeBlob(m *making) error {
	if m.req.inputs.largeBlob == supportRequired && !m.credential.discoverable {
		return ctap2.StatusInvalidOption
	}
	return nil
}

func madeLargeBlob(m *making) (any, error) {
	return nil, m.unsigned.put(extLargeBlob, map[string]bool{blobSupported: m.credential.discoverable})
}

func readGetLargeBlob(r *assertionRequest, inputs *fields) {
	input := inputs.sub(extLargeBlob)
	in := &blobInput{read: is(input.boolean(blobRead), true)}
	if input.has(blobWrite) {
		in.write = &blob{data: input.bytes(blobWrite), originalSize: input.uint(blobOriginalSize)}
	}
	whole := input.has(blobWrite) == input.has(blobOriginalSize)
	if input.err == nil && (!whole || in.read == (in.write != nil)) {
		input.fail(ctap2.StatusInvalidCBOR)
	}
	r.inputs.largeBlob = in
	inputs.inherit(input)
}

// openLargeBlob notes, before the token is looked at no more, whether it may
// write.
func openLargeBlob(s *assertions) error {
	t := &s.key.volatile.token
	needed := s.key.profile.Choices.BlobPermission && s.key.protected()
	s.mayWrite = !needed || s.byToken && t.may(ctap2.PermissionLargeBlobWrite)
	return nil
}

func getLargeBlob(s *assertions, c *credential) (any, error) {
	if s.req.inputs.largeBlob.read {
		return nil, s.readBlob(c)
	}
	return nil, s.unsigned.put(extLargeBlob, map[string]bool{blobWritten: s.writeBlob(c)})
}

// readBlob answers with the blob; without one there is no output.
func (s *assertions) readBlob(c *credential) error {
	if c.blob == nil {
		return nil
	}
	return s.unsigned.put(extLargeBlob, map[string]any{
		blobData: c.blob.data, blobOriginalSize: c.blob.originalSize,
	})
}

// writeBlob keeps the blob if the platform has named one discoverable credential
// and there is room. It is durable together with the counter.
func (s *assertions) writeBlob(c *credential) bool {
	b := s.req.inputs.largeBlob.write
	named := len(s.req.allow) == 1 || s.key.faulty(blobUnnamed)
	if !s.mayWrite || !named || !c.discoverable || s.key.blobRoom(c) < len(b.data) {
		return false
	}
	s.change.put(blobName(c.id), blobRecord{Version: recordVersion, Data: b.data, OriginalSize: b.originalSize})
	s.change.after(func() { c.blob = b })
	return true
}

// blobRoom is how many bytes are left for the credential's blob.
func (a *Authenticator) blobRoom(of *credential) int {
	room := a.profile.LargeBlobs
	for _, c := range a.state.credentials.byID {
		if c.blob != nil && c != of {
			room -= len(c.blob.data)
		}
	}
	return room
}
