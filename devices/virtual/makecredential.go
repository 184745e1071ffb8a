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
	Format       string              `cbor:"1,keyasint"`
	AuthData     []byte              `cbor:"2,keyasint"`
	Statement    any                 `cbor:"3,keyasint,omitempty"`
	Enterprise   bool                `cbor:"4,keyasint,omitempty"`
	LargeBlobKey []byte              `cbor:"5,keyasint,omitempty"`
	Unsigned     map[string]wire.Raw `cbor:"6,keyasint,omitempty"` // unsignedExtensionOutputs
}

// making is authenticatorMakeCredential on its way through its steps.
type making struct {
	key        *Authenticator
	call       *call
	req        *creationRequest
	rpIDHash   [32]byte
	scheme     *scheme // chosen in step 3
	wantUV     bool    // whether built-in user verification is to be done
	enterprise bool    // whether enterprise attestation is granted
	uv, up     bool    // step 4: false until proven
	evident    bool    // whether what verified the user shows that they are there
	credential *credential
	signer     crypto.Signer
	extensions outputs
	unsigned   outputs
	blobKey    []byte     // of the largeBlobKey extension, when it was asked for
	blobStored bool       // whether the credBlob was kept
	salts      *hmacSalts // of the hmac-secret-mc extension
	answer     *creationResponse
}

// makingSteps follow CTAP 2.3 §6.1.2. Steps 17 and 18 come last: until the
// answer is ready nothing is stored.
var makingSteps = []func(*making) error{
	(*making).probe,             // 1
	(*making).protocol,          // 2
	(*making).algorithm,         // 3
	(*making).options,           // 5
	(*making).alwaysUV,          // 6
	(*making).requireUV,         // 7, 8
	(*making).allowEnterprise,   // 9
	(*making).verify,            // 10, 11
	(*making).exclude,           // 12
	(*making).presence,          // 13, 14
	(*making).prepareExtensions, // 15
	(*making).generate,          // 16
	(*making).extensionOutputs,  // 15
	(*making).attestAndPersist,  // 17, 18, 19
}

// makeCredential is authenticatorMakeCredential (CTAP 2.3 §6.1).
func (a *Authenticator) makeCredential(c *call) (any, error) {
	req, err := a.parseCreation(c.params)
	if err != nil {
		return nil, err
	}
	m := &making{
		key:      a,
		call:     c,
		req:      req,
		rpIDHash: sha256.Sum256([]byte(req.rp.ID)),
	}
	defer m.wipe()
	for _, step := range makingSteps {
		if err := step(m); err != nil {
			return nil, err
		}
	}
	return m.answer, nil
}

// wipe forgets salts, and the private key of a credential that is not kept.
func (m *making) wipe() {
	m.salts.wipe()
	if m.credential != nil {
		m.credential.forget()
	}
}

// probe is step 1 of makeCredential and of getAssertion: an empty
// pinUvAuthParam asks for a touch, and whether there is a PIN.
func (a *Authenticator) probe(c *call, p pinAuth) error {
	if !p.probes() {
		return nil
	}
	if a.faulty(probeRefused) {
		return ctap2.StatusMissingParameter
	}
	if err := a.touch(c, ctap2.StatusOperationDenied); err != nil && !a.faulty(probeUntouched) {
		return err
	}
	if a.pinSet() {
		return a.profile.probedWithPIN()
	}
	return ctap2.StatusPINNotSet
}

func (m *making) probe() error { return m.key.probe(m.call, m.req.auth) }

func (m *making) protocol() error { return m.key.checkAuth(m.req.auth) }

// algorithm takes the first one that the key has. All elements are looked at,
// also after that.
func (m *making) algorithm() error {
	f := &fields{}
	f.elements(m.req.params, func(item *fields) {
		if m.scheme != nil && m.key.faulty(paramsUnchecked) {
			return
		}
		item.require("alg", "type")
		algorithm, kind := item.integer("alg"), item.text("type")
		known := m.key.profile.scheme(cose.Algorithm(algorithm))
		if kind == publicKeyType && (m.scheme == nil || known != nil && m.key.faulty(lastAlgorithm)) {
			m.scheme = known
		}
		if known == nil && m.key.faulty(paramsAllKnown) {
			item.fail(ctap2.StatusUnsupportedAlgorithm)
		}
	})
	if f.err == nil && m.scheme == nil {
		return ctap2.StatusUnsupportedAlgorithm
	}
	return f.err
}

// options checks the options in the order uv, rk, up. A pinUvAuthParam makes uv
// false.
func (m *making) options() error {
	o := m.req.options
	m.wantUV = is(o.uv, true) && !m.req.auth.given
	if m.key.faulty(uvIgnored) {
		m.wantUV = m.wantUV && m.key.uvConfigured()
	}
	switch {
	case m.wantUV && !m.key.uvConfigured():
		return m.key.profile.noBuiltInUV()
	case o.rk != nil && !m.key.profile.has(optRK), m.req.rk() && !m.key.profile.is(optRK):
		return ctap2.StatusUnsupportedOption
	case is(o.up, false) && !m.key.faulty(upFalseAccepted):
		return ctap2.StatusInvalidOption
	}
	return nil
}

func (m *making) alwaysUV() error { return m.key.forceUV(m.req.auth, &m.wantUV) }

// forceUV is what step 6 of makeCredential and step 5 of getAssertion share: on
// a key with alwaysUv, built-in user verification is done unasked.
func (a *Authenticator) forceUV(p pinAuth, wantUV *bool) error {
	switch {
	case !a.alwaysUV():
		return nil
	case a.protected() && (p.given || *wantUV):
		return nil
	case a.protected() && a.uvConfigured():
		*wantUV = true
		return nil
	}
	return a.unverified(a.profile.has(optClientPIN))
}

// unverified is the status for a request that lacks user verification: a token
// helps, if there are PINs and tokens by PIN are good for credentials.
func (a *Authenticator) unverified(pin bool) ctap2.Status {
	if pin && !a.profile.is(optNoMcGaByPIN) {
		return ctap2.StatusPUATRequired
	}
	return ctap2.StatusOperationDenied
}

// requireUV refuses to go on without user verification on a protected key,
// unless the credential is not discoverable and makeCredUvNotRqd is true.
func (m *making) requireUV() error {
	exempt := m.key.uvNotRequired() && !m.req.rk() || m.key.faulty(uvNotDemanded)
	if m.key.protected() && !m.req.auth.given && !m.wantUV && !exempt {
		return m.key.unverified(m.key.pinSet())
	}
	return nil
}

// verify checks the pinUvAuthParam, or the user by built-in means.
func (m *making) verify() (err error) {
	if m.req.auth.given && m.key.faulty(makeParamUnchecked) {
		m.uv = true
		return nil
	}
	if m.wantUV {
		err := m.key.builtInUV(m.call, true)
		m.uv, m.evident = err == nil, err == nil
		return m.key.uvFailure(err, !m.key.profile.Choices.DeniedUV)
	}
	m.uv, m.evident, err = m.key.verifyUser(m.req.auth, m.req.clientDataHash, ctap2.PermissionMakeCredential, m.req.rp.ID)
	return err
}

// verifyUser is what steps 11 of makeCredential and 6 of getAssertion do about a
// pinUvAuthParam. On a key that is not protected it means nothing. evident tells
// whether the token came from a touch that still counts.
func (a *Authenticator) verifyUser(p pinAuth, hash []byte, permission ctap2.Permission, rpID string) (uv, evident bool, err error) {
	if !p.given || !a.protected() {
		return false, false, nil
	}
	t, err := a.authorizeFor(p, permission, rpID, hash)
	if err != nil {
		return false, false, err
	}
	return true, t.userPresent, nil
}

// exclude looks for a credential of the excludeList that the key has and may
// admit to. The user has to touch the key before the platform learns of it, and
// whether they do makes no difference.
func (m *making) exclude() error {
	for i, d := range m.req.exclude {
		if i > 0 && m.key.faulty(excludeFirstOnly) || m.key.faulty(excludeIgnored) {
			break
		}
		if m.excludes(d) {
			return m.excluded()
		}
	}
	return nil
}

func (m *making) excludes(d descriptor) bool {
	c := m.key.find(d, m.rpIDHash)
	if c == nil && m.key.faulty(excludeOtherRP) {
		c = m.key.state.credentials.byID[string(d.ID)]
	}
	if c == nil {
		return false
	}
	c.forget()
	return c.visible(m.uv || m.key.faulty(excludeProtected), true)
}

func (m *making) excluded() error {
	if !m.evident && !m.key.faulty(excludeSilently) {
		if err := m.key.touch(m.call, ctap2.StatusOperationDenied); err == ctap2.StatusKeepaliveCancel {
			return err
		}
	}
	return ctap2.StatusCredentialExcluded
}

func (m *making) presence() error {
	if err := m.key.userPresence(m.call, m.evident || m.key.faulty(makeNoTouch)); err != nil {
		return err
	}
	m.up = true
	return nil
}

// userPresence is what steps 13 and 14 of makeCredential and 8 and 9 of
// getAssertion share: evidence that the user is there, which uses the token up.
func (a *Authenticator) userPresence(c *call, evident bool) error {
	if !evident {
		if err := a.touch(c, a.unless(actionTimeout, ctap2.StatusOperationDenied, ctap2.StatusActionTimeout)); err != nil {
			return err
		}
	}
	if !a.faulty(tokenNotSpent) {
		a.volatile.token.spend()
	}
	return nil
}

// prepareExtensions makes the credential as far as the request describes it.
func (m *making) prepareExtensions() error {
	m.credential = &credential{
		rpIDHash:     m.rpIDHash,
		scheme:       m.scheme,
		protect:      m.key.defaultProtection(),
		discoverable: m.req.rk() && !m.key.faulty(rkIgnored),
		rp:           m.req.rp,
		user:         m.req.user,
	}
	for _, e := range m.req.extensions {
		if e.prepare == nil {
			continue
		}
		if err := e.prepare(m); err != nil {
			return err
		}
	}
	return nil
}

// generate makes the key pair and the credential ID.
func (m *making) generate() (err error) {
	c := m.credential
	if c.private, m.signer, err = m.scheme.generate(m.key.cfg.Rand); err != nil {
		return err
	}
	if !c.discoverable {
		c.id, err = m.key.wrappedID(c)
		return err
	}
	c.sequence = m.key.state.credentials.last + 1
	c.id, err = m.key.discoverableID()
	return err
}

// extensionOutputs is the other part of step 15, for which the ID is needed.
func (m *making) extensionOutputs() error {
	for _, e := range m.req.extensions {
		if e.made == nil {
			continue
		}
		output, err := e.made(m)
		if err != nil {
			return err
		}
		if err := m.extensions.put(e.id, output); err != nil {
			return err
		}
	}
	if m.key.faulty(hmacUnasked) {
		return m.extensions.put(extHMACSecret, true)
	}
	return nil
}

// authData is the authenticator data of the new credential.
func (m *making) authData(count uint32, aaguid authdata.AAGUID) ([]byte, error) {
	public, err := cose.FromPublic(m.signer.Public(), m.scheme.algorithm)
	if err != nil {
		return nil, err
	}
	return m.key.authData(authdata.Data{
		RPIDHash:   m.rpIDHash,
		Flags:      flags(m.up, m.uv || m.key.faulty(makeUVFlag)),
		SignCount:  count,
		Credential: &authdata.Credential{AAGUID: aaguid, ID: m.credential.id, Key: public, PublicKey: m.key.misshapen(public)},
		Extensions: m.extensions,
	})
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
