package virtual

import (
	"crypto"
	"crypto/sha256"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// creationResponse is the answer of authenticatorMakeCredential.
type creationResponse struct {
	Format    string           `cbor:"1,keyasint"`
	AuthData  []byte           `cbor:"2,keyasint"`
	Statement *packedStatement `cbor:"3,keyasint,omitempty"`
}

// making is authenticatorMakeCredential on its way through its steps.
type making struct {
	key        *Authenticator
	call       *call
	req        *creationRequest
	rpIDHash   [32]byte
	scheme     *scheme // chosen in step 3
	uv, up     bool    // step 4: false until proven
	credential *credential
	signer     crypto.Signer
	extensions map[string]wire.Raw // outputs
	answer     *creationResponse
}

// makingSteps follow CTAP 2.3 §6.1.2. Steps 6 (alwaysUv) and the built-in user
// verification of 5 and 11 have nothing to do on this key. Steps 17 and 18 come
// last: until the answer is ready nothing is stored.
var makingSteps = []func(*making) error{
	(*making).probe,            // 1
	(*making).protocol,         // 2
	(*making).algorithm,        // 3
	(*making).options,          // 5
	(*making).requireUV,        // 7, 8
	(*making).enterprise,       // 9
	(*making).verify,           // 10, 11
	(*making).exclude,          // 12
	(*making).presence,         // 13, 14
	(*making).runExtensions,    // 15
	(*making).generate,         // 16
	(*making).attestAndPersist, // 17, 18, 19
}

// makeCredential is authenticatorMakeCredential (CTAP 2.3 §6.1).
func (a *Authenticator) makeCredential(c *call) (any, error) {
	req, err := parseCreation(c.params)
	if err != nil {
		return nil, err
	}
	m := &making{
		key:      a,
		call:     c,
		req:      req,
		rpIDHash: sha256.Sum256([]byte(req.rp.ID)),
	}
	for _, step := range makingSteps {
		if err := step(m); err != nil {
			return nil, err
		}
	}
	return m.answer, nil
}

// probe is step 1 of makeCredential and of getAssertion: an empty
// pinUvAuthParam asks for a touch, and whether there is a PIN.
func (a *Authenticator) probe(c *call, p pinAuth) error {
	if !p.probes() {
		return nil
	}
	if err := a.touch(c, ctap2.StatusOperationDenied); err != nil {
		return err
	}
	if a.state.pin.set() {
		return ctap2.StatusPINInvalid
	}
	return ctap2.StatusPINNotSet
}

func (m *making) probe() error { return m.key.probe(m.call, m.req.auth) }

func (m *making) protocol() error { return m.req.auth.check() }

// algorithm takes the first one that the key has. All elements are looked at,
// also after that.
func (m *making) algorithm() error {
	f := &fields{}
	f.elements(m.req.params, func(item *fields) {
		item.require("alg", "type")
		algorithm, kind := item.integer("alg"), item.text("type")
		if m.scheme == nil && kind == publicKeyType {
			m.scheme = schemeOf(cose.Algorithm(algorithm))
		}
	})
	if f.err == nil && m.scheme == nil {
		return ctap2.StatusUnsupportedAlgorithm
	}
	return f.err
}

// options accepts rk either way, since the rk option is always there.
func (m *making) options() error {
	if is(m.req.options.uv, true) && !m.req.auth.given || is(m.req.options.up, false) {
		return ctap2.StatusInvalidOption
	}
	return nil
}

// requireUV refuses to go on without a pinUvAuthParam on a protected key, unless
// the credential is not discoverable and makeCredUvNotRqd is true.
func (m *making) requireUV() error {
	exempt := !m.key.cfg.AlwaysRequireUV && !m.req.rk()
	if m.key.protected() && !m.req.auth.given && !exempt {
		return ctap2.StatusPUATRequired
	}
	return nil
}

// enterprise refuses the parameter: the key has no enterprise attestation.
func (m *making) enterprise() error {
	if m.req.enterprise {
		return ctap2.StatusInvalidParameter
	}
	return nil
}

// verify checks the pinUvAuthParam. On a key without a PIN it means nothing.
func (m *making) verify() (err error) {
	m.uv, err = m.key.verifyUser(m.req.auth, m.req.clientDataHash, ctap2.PermissionMakeCredential, m.req.rp.ID)
	return err
}

// verifyUser is what steps 11 of makeCredential and 6 of getAssertion share.
func (a *Authenticator) verifyUser(p pinAuth, hash []byte, permission ctap2.Permission, rpID string) (bool, error) {
	if !p.given || !a.protected() {
		return false, nil
	}
	if err := a.authorize(p, hash, permission, rpID); err != nil {
		return false, err
	}
	return true, nil
}

// exclude looks for a credential of the excludeList that the key has and may
// admit to. The user has to touch the key before the platform learns of it, and
// whether they do makes no difference.
func (m *making) exclude() error {
	for _, d := range m.req.exclude {
		c := m.key.find(d, m.rpIDHash)
		if c == nil {
			continue
		}
		c.forget()
		if !c.visible(m.uv, true) {
			continue
		}
		if err := m.key.touch(m.call, ctap2.StatusOperationDenied); err == ctap2.StatusKeepaliveCancel {
			return err
		}
		return ctap2.StatusCredentialExcluded
	}
	return nil
}

func (m *making) presence() error {
	if err := m.key.touch(m.call, ctap2.StatusOperationDenied); err != nil {
		return err
	}
	m.up = true
	m.key.volatile.token.spend()
	return nil
}

// runExtensions makes the credential as far as the request describes it, and
// the extension outputs.
func (m *making) runExtensions() error {
	level, err := protectLevel(m.req.protect)
	if err != nil {
		return err
	}
	m.credential = &credential{
		rpIDHash:     m.rpIDHash,
		scheme:       m.scheme,
		protect:      level,
		discoverable: m.req.rk(),
		rp:           m.req.rp,
		user:         m.req.user,
	}
	outputs := map[string]any{}
	if m.req.protect != nil {
		outputs[extCredProtect] = level
	}
	if is(m.req.hmacSecret, true) {
		outputs[extHMACSecret] = true
	}
	m.extensions, err = encodeOutputs(outputs)
	return err
}

// encodeOutputs encodes extension outputs; none at all is nil.
func encodeOutputs(outputs map[string]any) (map[string]wire.Raw, error) {
	var encoded map[string]wire.Raw
	for name, value := range outputs {
		b, err := wire.Encode(value)
		if err != nil {
			return nil, err
		}
		if encoded == nil {
			encoded = map[string]wire.Raw{}
		}
		encoded[name] = b
	}
	return encoded, nil
}

// generate makes the key pair and the credential ID.
func (m *making) generate() (err error) {
	c := m.credential
	if c.private, m.signer, err = m.scheme.generate(m.key.cfg.Rand); err != nil {
		return err
	}
	if !c.discoverable {
		c.id, err = m.key.state.secrets.wrappedID(m.key.cfg.Rand, c)
		return err
	}
	c.sequence = m.key.state.credentials.last + 1
	c.id, err = m.key.discoverableID()
	return err
}

// attestAndPersist makes the answer, and stores what there is to store when
// nothing can go wrong with it any more.
func (m *making) attestAndPersist() error {
	var replaced *credential
	if m.credential.discoverable {
		replaced = m.key.state.credentials.ofUser(m.rpIDHash, m.req.user.ID)
		if replaced == nil && m.key.room() == 0 {
			return ctap2.StatusKeyStoreFull
		}
	}
	count, err := m.key.nextCount()
	if err != nil {
		return err
	}
	if m.answer, err = m.attest(count); err != nil {
		return err
	}
	return m.persist(count, replaced)
}

// attest is step 19.
func (m *making) attest(count uint32) (*creationResponse, error) {
	authData, err := m.authData(count)
	if err != nil {
		return nil, err
	}
	r := &creationResponse{Format: attestationFormat(m.req.formats), AuthData: authData}
	if r.Format != formatNone {
		message := append(authData[:len(authData):len(authData)], m.req.clientDataHash...)
		r.Statement, err = m.key.packed(m, message)
	}
	return r, err
}

func (m *making) authData(count uint32) ([]byte, error) {
	public, err := cose.FromPublic(m.signer.Public(), m.scheme.algorithm)
	if err != nil {
		return nil, err
	}
	return authdata.Data{
		RPIDHash:  m.rpIDHash,
		Flags:     flags(m.up, m.uv),
		SignCount: count,
		Credential: &authdata.Credential{
			AAGUID: m.key.state.identity.aaguid, ID: m.credential.id, Key: public,
		},
		Extensions: m.extensions,
	}.Bytes()
}

func flags(up, uv bool) (f authdata.Flags) {
	if up {
		f |= authdata.FlagUP
	}
	if uv {
		f |= authdata.FlagUV
	}
	return f
}

// persist is steps 17 and 18: a discoverable credential replaces the one for
// the same account, another leaves no trace but the counter.
func (m *making) persist(count uint32, replaced *credential) error {
	var ch change
	m.key.putCount(&ch, count)
	if m.credential.discoverable {
		ch.put(credentialName(m.credential.id), m.credential.record())
	}
	if replaced != nil {
		ch.delete(credentialName(replaced.id))
	}
	if err := m.key.apply(ch); err != nil {
		return err
	}
	m.key.setCount(count)
	m.credential.forget()
	if replaced != nil {
		m.key.state.credentials.remove(replaced)
		clear(replaced.private)
	}
	if m.credential.discoverable {
		m.key.state.credentials.add(m.credential)
	}
	return nil
}
