package virtual

// extCredBlob is the extension by which a relying party leaves a few bytes with
// a credential (CTAP 2.3 §12.2).
const extCredBlob = "credBlob"

func readCredBlob(r *creationRequest, inputs *fields) {
	r.inputs.credBlob = inputs.bytes(extCredBlob)
}

// prepareCredBlob keeps a blob that is not too long, with a credential that is
// discoverable: another has no place for it.
func prepareCredBlob(m *making) error {
	blob := m.req.inputs.credBlob
	if most := m.key.profile.MaxCredBlob; len(blob) > most && m.key.faulty(blobCut) {
		blob = blob[:most]
	}
	m.blobStored = m.key.faulty(blobUnstored)
	if m.credential.discoverable && len(blob) <= m.key.profile.MaxCredBlob {
		m.credential.credBlob = blob
		m.blobStored = true
	}
	return nil
}

// madeCredBlob tells whether it was kept.
func madeCredBlob(m *making) (any, error) { return m.blobStored, nil }

func readGetCredBlob(r *assertionRequest, inputs *fields) {
	r.inputs.credBlob = is(inputs.boolean(extCredBlob), true)
}

// getCredBlob gives the blob back; none is an empty one.
func getCredBlob(s *assertions, c *credential) (any, error) {
	if !s.req.inputs.credBlob {
		return nil, nil
	}
	return append([]byte{}, c.credBlob...), nil
}
