package virtual

import (
	"crypto/hmac"
	"crypto/sha256"
	"io"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

// extHMACSecret is the extension by which a platform gets a secret of the
// credential's (CTAP 2.3 §12.7).
const extHMACSecret = "hmac-secret"

// Members of the extension's input to getAssertion.
const (
	hsKeyAgreement uint64 = 0x01
	hsSaltEnc      uint64 = 0x02
	hsSaltAuth     uint64 = 0x03
	hsProtocol     uint64 = 0x04
)

// saltSize is the size of one salt and of one output in bytes.
const saltSize = 32

// Each credential has two secrets, called CredRandomWithUV and
// CredRandomWithoutUV. They are derived from its ID, whether or not the
// extension was asked for when it was made.
const (
	useWithUV    = "hmac-secret with user verification"
	useWithoutUV = "hmac-secret without user verification"
)

// hmacRequest is the input of the extension to getAssertion.
type hmacRequest struct {
	platform coseKey
	saltEnc  []byte
	saltAuth []byte

	protocol      uint64
	protocolGiven bool
}

// readHMACSecretFlag reads the input to makeCredential: true or false.
func readHMACSecretFlag(r *creationRequest, inputs *fields) {
	r.inputs.hmacSecret = is(inputs.boolean(extHMACSecret), true)
}

// madeHMACSecret says that the credential has its secrets, which each has.
func madeHMACSecret(m *making) (any, error) {
	if !m.req.inputs.hmacSecret {
		return nil, nil
	}
	return true, nil
}

func readHMACSecret(r *assertionRequest, inputs *fields) {
	r.inputs.hmacSecret = inputs.hmacRequest(extHMACSecret)
}

// hmacRequest reads the salts of the extension id.
func (f *fields) hmacRequest(id string) *hmacRequest {
	input := f.sub(id)
	r := parseHMACRequest(input)
	f.inherit(input)
	return r
}

func parseHMACRequest(f *fields) *hmacRequest {
	f.require(hsKeyAgreement, hsSaltEnc, hsSaltAuth)
	r := &hmacRequest{
		platform: f.raw(hsKeyAgreement),
		saltEnc:  f.bytes(hsSaltEnc),
		saltAuth: f.bytes(hsSaltAuth),
		protocol: uint64(pinuv.One),
	}
	if r.protocolGiven = f.has(hsProtocol); r.protocolGiven {
		r.protocol = f.uint(hsProtocol)
	}
	return r
}

// hmacSalts is a request that was found good: the salts, and the secret that
// the outputs travel under.
type hmacSalts struct {
	secret *pinuv.Secret
	salts  []byte // one or two
}

func (s *hmacSalts) wipe() {
	if s != nil {
		s.secret.Wipe()
		clear(s.salts)
	}
}

func openHMACSecret(s *assertions) (err error) {
	s.salts, err = s.key.openSalts(s.req.inputs.hmacSecret, s.up)
	return err
}

// getHMACSecret makes the outputs for one credential. Later ones of the same
// request get outputs for the same salts, or none.
func getHMACSecret(s *assertions, c *credential) (any, error) {
	if s.next > 0 && s.key.profile.Choices.OneSecret {
		return nil, nil
	}
	return s.key.hmacOutput(s.salts, c, s.uv)
}

// hmacOutput is the credential's answer to the salts, encrypted.
func (a *Authenticator) hmacOutput(salts *hmacSalts, c *credential, uv bool) (any, error) {
	of := c.id
	if a.faulty(secretOneForAll) {
		of = nil
	}
	credRandom := a.state.secrets.credRandom(of, uv && !a.faulty(secretOneForUV))
	defer clear(credRandom)
	if a.faulty(secondAsFirst) && len(salts.salts) > saltSize {
		copy(salts.salts[saltSize:], salts.salts)
	}
	return salts.output(a.cfg.Rand, credRandom)
}

// openSalts checks a request in the order of CTAP 2.3 §12.7.
func (a *Authenticator) openSalts(r *hmacRequest, up bool) (*hmacSalts, error) {
	if err := a.checkSaltProtocol(r); err != nil {
		return nil, err
	}
	if !up && !a.faulty(saltSilent) {
		return nil, ctap2.StatusUnsupportedOption
	}
	secret, err := a.decapsulate(pinuv.Protocol(r.protocol), r.platform)
	if err != nil {
		return nil, err
	}
	if !secret.Verify(r.saltAuth, r.saltEnc) && !a.faulty(saltUnchecked) {
		secret.Wipe()
		return nil, ctap2.StatusPINAuthInvalid
	}
	salts, err := secret.Decrypt(r.saltEnc)
	s := &hmacSalts{secret: secret, salts: salts}
	if err != nil || len(salts) != saltSize && len(salts) != 2*saltSize {
		s.wipe()
		return nil, ctap2.StatusInvalidParameter
	}
	return s, nil
}

// checkSaltProtocol tells apart a protocol that is asked for from protocol one,
// which an absent member stands for.
func (a *Authenticator) checkSaltProtocol(r *hmacRequest) error {
	if r.protocolGiven && a.faulty(saltProtocol) {
		return ctap2.StatusMissingParameter
	}
	err := a.checkProtocol(r.protocol)
	if err != nil && !r.protocolGiven {
		return ctap2.StatusPINAuthInvalid
	}
	return err
}

// output is the credential's answer to the salts, encrypted.
func (s *hmacSalts) output(rand io.Reader, credRandom []byte) ([]byte, error) {
	plain := hmacOutputs(credRandom, s.salts)
	defer clear(plain)
	return s.secret.Encrypt(rand, plain)
}

// hmacOutputs is HMAC-SHA-256 of each salt under the credential's secret.
func hmacOutputs(credRandom, salts []byte) []byte {
	var out []byte
	for len(salts) > 0 {
		h := hmac.New(sha256.New, credRandom)
		h.Write(salts[:saltSize])
		out = h.Sum(out)
		salts = salts[saltSize:]
	}
	return out
}

// credRandom is the secret of the credential with that ID, with or without user verification.
func (s *secrets) credRandom(id []byte, uv bool) []byte {
	if uv {
		return s.derive(useWithUV, id)
	}
	return s.derive(useWithoutUV, id)
}
