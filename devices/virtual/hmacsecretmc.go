package virtual

import "github.com/touchstone-fido/touchstone/ctap2"

// extHMACSecretMC is hmac-secret for a credential that is being made (CTAP 2.3
// §12.8).
const extHMACSecretMC = "hmac-secret-mc"

func readHMACSecretMC(r *creationRequest, inputs *fields) {
	r.inputs.hmacSecretMC = inputs.hmacRequest(extHMACSecretMC)
}

// prepareHMACSecretMC wants hmac-secret asked for, too.
func prepareHMACSecretMC(m *making) (err error) {
	if !m.req.inputs.hmacSecret && !m.key.faulty(mcAlone) {
		return ctap2.StatusMissingParameter
	}
	m.salts, err = m.key.openSalts(m.req.inputs.hmacSecretMC, m.up)
	return err
}

func madeHMACSecretMC(m *making) (any, error) {
	return m.key.hmacOutput(m.salts, m.credential, m.uv)
}
