package virtual

// Extensions by which relying parties that the key was told of learn what PINs
// it takes (CTAP 2.3 §12.5, §12.6). The answer to others is none.
const (
	extMinPINLength = "minPinLength"
	extComplexity   = "pinComplexityPolicy"
)

func readMinPINLength(r *creationRequest, inputs *fields) {
	r.inputs.minPINLength = is(inputs.boolean(extMinPINLength), true)
}

func madeMinPINLength(m *making) (any, error) {
	if !m.req.inputs.minPINLength || !m.learns(minPINToAll) {
		return nil, nil
	}
	return m.key.minPINLength(), nil
}

// learns tells whether the relying party may learn about the PIN rules.
func (m *making) learns(fault FaultID) bool {
	return listed(m.req.rp.ID, m.key.informed()) || m.key.faulty(fault)
}

func readComplexity(r *creationRequest, inputs *fields) {
	r.inputs.complexity = is(inputs.boolean(extComplexity), true)
}

func madeComplexity(m *making) (any, error) {
	if !m.req.inputs.complexity || !m.learns(complexityToAll) {
		return nil, nil
	}
	return m.key.complexityRequired(), nil
}
