package virtual

// extThirdPartyPayment is the extension by which a relying party lets others use
// a credential for payments (CTAP 2.3 §12.9).
const extThirdPartyPayment = "thirdPartyPayment"

func readPayment(r *creationRequest, inputs *fields) {
	r.inputs.payment = is(inputs.boolean(extThirdPartyPayment), true)
}

// preparePayment marks the credential. There is no output.
func preparePayment(m *making) error {
	m.credential.payment = m.req.inputs.payment
	return nil
}

func readGetPayment(r *assertionRequest, inputs *fields) {
	r.inputs.payment = is(inputs.boolean(extThirdPartyPayment), true)
}

func getPayment(s *assertions, c *credential) (any, error) {
	if !s.req.inputs.payment {
		return nil, nil
	}
	return c.payment || s.key.faulty(paymentAlways), nil
}
