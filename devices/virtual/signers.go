package virtual

import "crypto"

// maxSigners bounds how many keys are kept ready to sign.
const maxSigners = 64

// signers are the keys that were used last, by credential ID, ready to sign: to
// make one of its 32 bytes takes a good part of the time that a signature does,
// and a long time for RSA.
type signers struct {
	byID  map[string]crypto.Signer
	order []string // the oldest first
}

func (s *signers) put(id []byte, signer crypto.Signer) {
	if s.byID == nil {
		s.byID = map[string]crypto.Signer{}
	}
	if _, ok := s.byID[string(id)]; ok {
		return
	}
	if len(s.order) == maxSigners {
		delete(s.byID, s.order[0])
		s.order = s.order[1:]
	}
	s.byID[string(id)] = signer
	s.order = append(s.order, string(id))
}

// signer is the credential's key, ready to sign.
func (a *Authenticator) signer(c *credential) (crypto.Signer, error) {
	if signer, ok := a.volatile.signers.byID[string(c.id)]; ok {
		return signer, nil
	}
	signer, err := c.scheme.signer(c.private)
	if err != nil {
		return nil, err
	}
	a.volatile.signers.put(c.id, signer)
	return signer, nil
}

// sign makes an assertion signature of the credential.
func (a *Authenticator) sign(c *credential, message []byte) ([]byte, error) {
	signer, err := a.signer(c)
	if err != nil {
		return nil, err
	}
	return c.scheme.sign(signer, message)
}
