package virtual

import (
	"crypto/sha256"
	"slices"
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
	extensions     []extension // that were asked for
	inputs         assertionInputs
	options        options
	auth           pinAuth
}

// assertionInputs are the inputs of extensions; what was not sent is zero.
type assertionInputs struct {
	credBlob     bool
	largeBlobKey bool
	largeBlob    *blobInput
	hmacSecret   *hmacRequest
	payment      bool
	uvm          bool
}

func (a *Authenticator) parseAssertion(m members) (*assertionRequest, error) {
	f := newFields(m).require(gaRPID, gaClientDataHash)
	r := &assertionRequest{
		rpID:           f.rpID(gaRPID),
		clientDataHash: a.clientDataHash(f, gaClientDataHash),
		allow:          f.descriptors(gaAllowList, a.listLimit()),
		options:        f.options(gaOptions),
		auth:           f.pinAuth(gaPinUVAuthParam, gaPinUVAuthProtocol),
	}
	inputs := f.sub(gaExtensions)
	r.extensions = a.profile.asked(inputs)
	for _, e := range r.extensions {
		if e.readGet != nil {
			e.readGet(r, inputs)
		}
	}
	f.inherit(inputs)
	a.pickyAssertion(r, f)
	return r, f.err
}

// assertionResponse is the answer of authenticatorGetAssertion and
// authenticatorGetNextAssertion.
type assertionResponse struct {
	Credential   *descriptor         `cbor:"1,keyasint,omitempty"`
	AuthData     []byte              `cbor:"2,keyasint"`
	Signature    []byte              `cbor:"3,keyasint"`
	User         *userEntity         `cbor:"4,keyasint,omitempty"`
	Count        int                 `cbor:"5,keyasint,omitempty"` // numberOfCredentials
	LargeBlobKey []byte              `cbor:"7,keyasint,omitempty"`
	Unsigned     map[string]wire.Raw `cbor:"8,keyasint,omitempty"` // unsignedExtensionOutputs
}

// assertions is a request on its way to one answer or several: after
// authenticatorGetAssertion it is what authenticatorGetNextAssertion goes on
// with.
type assertions struct {
	key         *Authenticator
	call        *call
	req         *assertionRequest
	rpIDHash    [32]byte
	wantUV      bool // whether built-in user verification is to be done
	uv, up      bool
	evident     bool          // whether what verified the user shows that they are there
	byToken     bool          // whether a token did
	credentials []*credential // that may answer, the best first
	salts       *hmacSalts    // of the hmac-secret extension
	mayWrite    bool          // a blob of the largeBlob extension
	next        int           // index of the credential that answers next
	last        time.Time     // when the one before answered

	// Of the answer that is being made.
	change   change
	unsigned outputs
	blobKey  []byte
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

// assertionSteps follow CTAP 2.3 §6.2.2.
var assertionSteps = []func(*assertions) error{
	(*assertions).probe,      // 1
	(*assertions).protocol,   // 2
	(*assertions).options,    // 4
	(*assertions).alwaysUV,   // 5
	(*assertions).verify,     // 6
	(*assertions).locate,     // 7
	(*assertions).presence,   // 8, 9
	(*assertions).openInputs, // 10
}

// getAssertion is authenticatorGetAssertion (CTAP 2.3 §6.2).
func (a *Authenticator) getAssertion(c *call) (any, error) {
	req, err := a.parseAssertion(c.params)
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

func (s *assertions) protocol() error { return s.key.checkAuth(s.req.auth) }

// options checks the options in the order uv, rk, up. A pinUvAuthParam makes uv
// false.
func (s *assertions) options() error {
	o := s.req.options
	s.wantUV = is(o.uv, true) && !s.req.auth.given
	switch {
	case s.wantUV && !s.key.uvConfigured():
		return s.key.profile.noBuiltInUV()
	case o.rk != nil && !s.key.faulty(rkAccepted):
		return ctap2.StatusUnsupportedOption
	}
	s.up = !is(o.up, false)
	return nil
}

// alwaysUV is for requests with user presence only, so that platforms can still
// look for credentials in silence.
func (s *assertions) alwaysUV() error {
	if !s.up || s.key.faulty(alwaysUVSkipped) {
		return nil
	}
	return s.key.forceUV(s.req.auth, &s.wantUV)
}

// verify checks the pinUvAuthParam, or the user by built-in means.
func (s *assertions) verify() (err error) {
	if s.req.auth.given && s.key.faulty(assertParamUnchecked) {
		s.uv = true
		return nil
	}
	if s.wantUV {
		err := s.key.builtInUV(s.call, true)
		s.uv, s.evident = err == nil, err == nil
		return s.key.uvFailure(err, true)
	}
	s.uv, s.evident, err = s.key.verifyUser(s.req.auth, s.req.clientDataHash, ctap2.PermissionGetAssertion, s.req.rpID)
	s.byToken = s.uv
	return err
}

// locate finds the credentials that may answer.
func (s *assertions) locate() error {
	if len(s.req.allow) == 0 {
		s.credentials = s.key.state.credentials.visible(s.rpIDHash, s.uv || s.key.faulty(protect2As1))
		if s.key.faulty(oldestFirst) {
			slices.Reverse(s.credentials)
		}
	} else {
		s.credentials = s.allowed()
	}
	if len(s.credentials) == 0 {
		return s.none()
	}
	return nil
}

// allowed is the first credential of the allowList that is the key's and
// visible; all of them on a key of CTAP 2.0.
func (s *assertions) allowed() (list []*credential) {
	for _, d := range s.req.allow {
		c := s.key.find(d, s.rpIDHash)
		if c == nil && s.key.faulty(assertOtherRP) {
			c = s.key.state.credentials.byID[string(d.ID)]
		}
		if c == nil || !c.visible(s.uv || s.key.faulty(protect3As2), true) {
			continue
		}
		list = append(list, c)
		if !s.key.profile.assertsEach() {
			break
		}
	}
	return list
}

// none says that there is no credential.
func (s *assertions) none() error {
	if s.up && s.key.profile.touchesInVain() {
		if err := s.key.touch(s.call, ctap2.StatusOperationDenied); err != nil {
			return err
		}
	}
	return ctap2.StatusNoCredentials
}

// presence asks for a touch, which uses the token up. A request with up=false
// leaves both alone.
func (s *assertions) presence() error {
	if !s.up && !s.key.faulty(silentTouch) {
		return nil
	}
	return s.key.userPresence(s.call, s.evident || s.key.faulty(assertNoTouch))
}

func (s *assertions) openInputs() error {
	for _, e := range s.req.extensions {
		if e.open == nil {
			continue
		}
		if err := e.open(s); err != nil {
			return err
		}
	}
	return nil
}

// first answers authenticatorGetAssertion, steps 11 to 13, and remembers the
// request if there is more than one answer.
func (s *assertions) first() (any, error) {
	answer, err := s.answer()
	if err == nil && s.key.faulty(countAlways) {
		answer.Count = 1
	}
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
	if s.key.faulty(nextRepeats) {
		c = s.credentials[0]
	}
	count, err := s.key.nextCount(c)
	if err != nil {
		return nil, err
	}
	s.change, s.unsigned, s.blobKey = change{}, nil, nil
	r, err := s.sign(c, count)
	if err != nil {
		return nil, err
	}
	if err := s.key.saveCount(s.change, c, count); err != nil {
		return nil, err
	}
	s.next++
	s.last = s.key.cfg.Now()
	return r, nil
}

// saveCount makes a count that is about to be given out durable, with what else a
// change does.
func (a *Authenticator) saveCount(ch change, c *credential, count uint32) error {
	a.putCount(&ch, c, count)
	if err := a.apply(ch); err != nil {
		return err
	}
	a.setCount(c, count)
	return nil
}

// sign makes the answer of one credential.
func (s *assertions) sign(c *credential, count uint32) (*assertionResponse, error) {
	extensions, err := s.outputs(c)
	if err != nil {
		return nil, err
	}
	authData, err := s.key.authData(authdata.Data{
		RPIDHash: s.rpIDHash, Flags: s.flags(), SignCount: count, Extensions: extensions,
	})
	if err != nil {
		return nil, err
	}
	message := append(authData[:len(authData):len(authData)], s.req.clientDataHash...)
	if s.key.faulty(signatureHalf) {
		message = authData
	}
	sig, err := s.key.sign(c, message)
	if err != nil {
		return nil, err
	}
	return &assertionResponse{
		Credential:   s.named(c),
		AuthData:     authData,
		Signature:    sig,
		User:         s.user(c),
		LargeBlobKey: s.blobKey,
		Unsigned:     s.unsigned,
	}, nil
}

// flags are those of the authenticator data.
func (s *assertions) flags() authdata.Flags {
	forgotten := s.next > 0 && s.key.faulty(nextFlags)
	return flags(s.up || s.key.faulty(silentUPFlag), s.uv && !forgotten || s.key.faulty(assertUVFlag))
}

// named says which credential it is.
func (s *assertions) named(c *credential) *descriptor {
	if s.key.faulty(credentialMissing) {
		return nil
	}
	return &descriptor{ID: c.id, Type: publicKeyType}
}

// user says whose discoverable credential it is. Names are told only when the
// user was verified, and only to tell several accounts apart.
func (s *assertions) user(c *credential) *userEntity {
	if !c.discoverable || s.key.faulty(userMissing) {
		return nil
	}
	if !s.uv && !s.key.faulty(namesUnverified) || len(s.credentials) == 1 {
		return &userEntity{ID: c.user.ID}
	}
	return &c.user
}

func (s *assertions) outputs(c *credential) (o outputs, err error) {
	for _, e := range s.req.extensions {
		if e.get == nil {
			continue
		}
		output, err := e.get(s, c)
		if err != nil {
			return nil, err
		}
		if err := o.put(e.id, output); err != nil {
			return nil, err
		}
	}
	return o, nil
}
