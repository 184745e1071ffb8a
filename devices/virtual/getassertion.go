package virtual

import (
	"crypto/sha256"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// Members of the request of authenticatorGetAssertion (CTAP 2.3 §6.2).
const (
	gaRPID              uint64 = 0x01
	gaClientDataHash    uint64 = 0x02
	gaAllowList         uint64 = 0x03
	gaExtensions        uint64 = 0x04
	gaOptions           uint64 = 0x05
	gaPinUVAuthParam    uint64 = 0x06
	gaPinUVAuthProtocol uint64 = 0x07
)

// assertionRequest is a request of authenticatorGetAssertion whose members have
// the right types.
type assertionRequest struct {
	rpID           string
	clientDataHash []byte
	allow          []descriptor
	hmacSecret     *hmacRequest
	options        options
	auth           pinAuth
}

func parseAssertion(m members) (*assertionRequest, error) {
	f := newFields(m).require(gaRPID, gaClientDataHash)
	r := &assertionRequest{
		rpID:           f.rpID(gaRPID),
		clientDataHash: f.clientDataHash(gaClientDataHash),
		allow:          f.descriptors(gaAllowList),
		options:        f.options(gaOptions),
		auth:           f.pinAuth(gaPinUVAuthParam, gaPinUVAuthProtocol),
	}
	if extensions := f.sub(gaExtensions); extensions.has(extHMACSecret) {
		input := extensions.sub(extHMACSecret)
		r.hmacSecret = parseHMACRequest(input)
		extensions.inherit(input)
		f.inherit(extensions)
	}
	return r, f.err
}

// assertionResponse is the answer of authenticatorGetAssertion and
// authenticatorGetNextAssertion.
type assertionResponse struct {
	Credential descriptor  `cbor:"1,keyasint"`
	AuthData   []byte      `cbor:"2,keyasint"`
	Signature  []byte      `cbor:"3,keyasint"`
	User       *userEntity `cbor:"4,keyasint,omitempty"`
	Count      int         `cbor:"5,keyasint,omitempty"` // numberOfCredentials
}

// assertions is a request on its way to one answer or several: after
// authenticatorGetAssertion it is what authenticatorGetNextAssertion goes on
// with.
type assertions struct {
	key         *Authenticator
	call        *call
	req         *assertionRequest
	rpIDHash    [32]byte
	uv, up      bool
	credentials []*credential // that may answer, the best first
	salts       *hmacSalts    // of the hmac-secret extension
	next        int           // index of the credential that answers next
	last        time.Time     // when the one before answered
}

// wipe forgets what is secret in a request.
func (s *assertions) wipe() {
	if s == nil {
		return
	}
	s.salts.wipe()
	for _, c := range s.credentials {
		c.forget()
	}
}

// forgetAssertions ends what authenticatorGetNextAssertion could go on with.
func (a *Authenticator) forgetAssertions() {
	a.volatile.next.wipe()
	a.volatile.next = nil
}

// assertionSteps follow CTAP 2.3 §6.2.2. Step 5 (alwaysUv) and the built-in user
// verification of 4 and 6 have nothing to do on this key.
var assertionSteps = []func(*assertions) error{
	(*assertions).probe,      // 1
	(*assertions).protocol,   // 2
	(*assertions).options,    // 4
	(*assertions).verify,     // 6
	(*assertions).locate,     // 7
	(*assertions).presence,   // 8, 9
	(*assertions).openInputs, // 10
}

// getAssertion is authenticatorGetAssertion (CTAP 2.3 §6.2).
func (a *Authenticator) getAssertion(c *call) (any, error) {
	req, err := parseAssertion(c.params)
	if err != nil {
		return nil, err
	}
	s := &assertions{key: a, call: c, req: req, rpIDHash: sha256.Sum256([]byte(req.rpID))}
	for _, step := range assertionSteps {
		if err := step(s); err != nil {
			s.wipe()
			return nil, err
		}
	}
	return s.first()
}

func (s *assertions) probe() error { return s.key.probe(s.call, s.req.auth) }

func (s *assertions) protocol() error { return s.req.auth.check() }

func (s *assertions) options() error {
	switch o := s.req.options; {
	case is(o.uv, true) && !s.req.auth.given:
		return ctap2.StatusInvalidOption
	case o.rk != nil:
		return ctap2.StatusUnsupportedOption
	default:
		s.up = !is(o.up, false)
		return nil
	}
}

func (s *assertions) verify() (err error) {
	s.uv, err = s.key.verifyUser(s.req.auth, s.req.clientDataHash, ctap2.PermissionGetAssertion, s.req.rpID)
	return err
}

// locate finds the credentials that may answer: the first of the allowList that
// is the key's and visible, or all visible discoverable ones.
func (s *assertions) locate() error {
	if len(s.req.allow) == 0 {
		s.credentials = s.key.state.credentials.visible(s.rpIDHash, s.uv)
	}
	for _, d := range s.req.allow {
		if c := s.key.find(d, s.rpIDHash); c != nil && c.visible(s.uv, true) {
			s.credentials = []*credential{c}
			break
		}
	}
	if len(s.credentials) == 0 {
		return ctap2.StatusNoCredentials
	}
	return nil
}

// presence asks for a touch, which uses the token up. A request with up=false
// leaves both alone.
func (s *assertions) presence() error {
	if !s.up {
		return nil
	}
	if err := s.key.touch(s.call, ctap2.StatusOperationDenied); err != nil {
		return err
	}
	s.key.volatile.token.spend()
	return nil
}

func (s *assertions) openInputs() (err error) {
	if s.req.hmacSecret != nil {
		s.salts, err = s.key.openSalts(s.req.hmacSecret, s.up)
	}
	return err
}

// first answers authenticatorGetAssertion, steps 11 to 13, and remembers the
// request if there is more than one answer.
func (s *assertions) first() (any, error) {
	answer, err := s.answer()
	if err != nil || len(s.credentials) == 1 {
		s.wipe()
		return answer, err
	}
	answer.Count = len(s.credentials)
	s.call = nil
	s.key.volatile.next = s
	return answer, nil
}

// answer makes the assertion of the next credential. The counter is durable
// before it is given out.
func (s *assertions) answer() (*assertionResponse, error) {
	c := s.credentials[s.next]
	count, err := s.key.nextCount()
	if err != nil {
		return nil, err
	}
	r := &assertionResponse{
		Credential: descriptor{ID: c.id, Type: publicKeyType},
		User:       s.user(c),
	}
	if r.AuthData, err = s.authData(c, count); err != nil {
		return nil, err
	}
	message := append(r.AuthData[:len(r.AuthData):len(r.AuthData)], s.req.clientDataHash...)
	if r.Signature, err = c.sign(message); err != nil {
		return nil, err
	}
	var ch change
	s.key.putCount(&ch, count)
	if err := s.key.apply(ch); err != nil {
		return nil, err
	}
	s.key.setCount(count)
	s.next++
	s.last = s.key.cfg.Now()
	return r, nil
}

// user says whose discoverable credential it is. Names are told only when the
// user was verified, and only to tell several accounts apart.
func (s *assertions) user(c *credential) *userEntity {
	if !c.discoverable {
		return nil
	}
	if !s.uv || len(s.credentials) == 1 {
		return &userEntity{ID: c.user.ID}
	}
	return &c.user
}

func (s *assertions) authData(c *credential, count uint32) ([]byte, error) {
	extensions, err := s.outputs(c)
	if err != nil {
		return nil, err
	}
	return authdata.Data{
		RPIDHash:   s.rpIDHash,
		Flags:      flags(s.up, s.uv),
		SignCount:  count,
		Extensions: extensions,
	}.Bytes()
}

func (s *assertions) outputs(c *credential) (map[string]wire.Raw, error) {
	if s.salts == nil {
		return nil, nil
	}
	credRandom := s.key.state.secrets.credRandom(c, s.uv)
	defer clear(credRandom)
	output, err := s.salts.output(s.key.cfg.Rand, credRandom)
	if err != nil {
		return nil, err
	}
	return encodeOutputs(map[string]any{extHMACSecret: output})
}
