package virtual

import (
	"encoding/binary"

	"github.com/touchstone-fido/touchstone/ctap2"
)

// extLargeBlobKey is the extension by which platforms get the key of a
// credential's element of the large-blob array (CTAP 2.3 §12.3).
const extLargeBlobKey = "largeBlobKey"

// useLargeBlobKey is what the key is derived for.
const useLargeBlobKey = "large blob"

func readLargeBlobKey(r *creationRequest, inputs *fields) {
	r.inputs.largeBlobKey = is(inputs.boolean(extLargeBlobKey), true)
}

// prepareLargeBlobKey wants true, and a discoverable credential.
func prepareLargeBlobKey(m *making) error {
	if !m.req.inputs.largeBlobKey || !m.credential.discoverable && !m.key.faulty(blobKeyUnstored) {
		return ctap2.StatusInvalidOption
	}
	m.credential.largeBlobKey = true
	return nil
}

// madeLargeBlobKey puts the key into the answer, and nothing into the
// authenticator data.
func madeLargeBlobKey(m *making) (any, error) {
	m.blobKey = m.key.largeBlobKey(m.credential)
	return nil, nil
}

func readGetLargeBlobKey(r *assertionRequest, inputs *fields) {
	r.inputs.largeBlobKey = is(inputs.boolean(extLargeBlobKey), true)
}

func openLargeBlobKey(s *assertions) error {
	if !s.req.inputs.largeBlobKey {
		return ctap2.StatusInvalidOption
	}
	return nil
}

func getLargeBlobKey(s *assertions, c *credential) (any, error) {
	s.blobKey = s.key.largeBlobKey(c)
	return nil, nil
}

// largeBlobKey is the credential's, or nil when it has none.
func (a *Authenticator) largeBlobKey(c *credential) []byte {
	if !c.largeBlobKey {
		return nil
	}
	if a.faulty(blobKeyFresh) {
		return a.state.secrets.derive(useLargeBlobKey, binary.BigEndian.AppendUint32(nil, a.state.counter))
	}
	return a.state.secrets.derive(useLargeBlobKey, c.id)
}
