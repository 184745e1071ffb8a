package virtual

import (
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// Members of the request of authenticatorCredentialManagement (CTAP 2.3 §6.8),
// and of its subCommandParams.
const (
	cmSubcommand uint64 = 0x01
	cmParams     uint64 = 0x02
	cmProtocol   uint64 = 0x03
	cmParam      uint64 = 0x04

	cmRPIDHash     uint64 = 0x01
	cmCredentialID uint64 = 0x02
	cmUser         uint64 = 0x03
)

// credRequest is a request of authenticatorCredentialManagement.
type credRequest struct {
	params     *fields
	raw        wire.Raw // subCommandParams as they were sent
	subcommand uint64
	auth       pinAuth
	prototype  bool

	rpIDHash   []byte
	credential descriptor
	user       userEntity

	token *token // that authorised it; nil when the persistent one did
}

// credResponse is the answer of authenticatorCredentialManagement.
type credResponse struct {
	Existing     *int        `cbor:"1,keyasint,omitempty"`
	Remaining    *int        `cbor:"2,keyasint,omitempty"`
	RP           *rpEntity   `cbor:"3,keyasint,omitempty"`
	RPIDHash     []byte      `cbor:"4,keyasint,omitempty"`
	TotalRPs     int         `cbor:"5,keyasint,omitempty"`
	User         *userEntity `cbor:"6,keyasint,omitempty"`
	CredentialID *descriptor `cbor:"7,keyasint,omitempty"`
	PublicKey    *cose.Key   `cbor:"8,keyasint,omitempty"`
	Total        int         `cbor:"9,keyasint,omitempty"`
	CredProtect  uint8       `cbor:"10,keyasint,omitempty"`
	LargeBlobKey []byte      `cbor:"11,keyasint,omitempty"`
	Payment      *bool       `cbor:"12,keyasint,omitempty"`
}

// credSubcommand is one subcommand of authenticatorCredentialManagement.
type credSubcommand struct {
	authorized bool     // whether it wants a token; the others go on with what one began
	reads      bool     // whether the persistent token will do
	since21    bool     // whether the prototype has it not
	needs      []uint64 // of subCommandParams
	run        func(*Authenticator, *credRequest) (any, error)
}

// Subcommands that go on with what another has begun.
const (
	cmNextRP         = 0x03
	cmNextCredential = 0x05
)

var credSubcommands = map[uint64]credSubcommand{
	0x01:             {true, true, false, nil, (*Authenticator).credsMetadata},
	0x02:             {true, true, false, nil, (*Authenticator).enumerateRPs},
	cmNextRP:         {false, true, false, nil, (*Authenticator).nextRP},
	0x04:             {true, true, false, []uint64{cmRPIDHash}, (*Authenticator).enumerateCredentials},
	cmNextCredential: {false, true, false, nil, (*Authenticator).nextCredential},
	0x06:             {true, false, false, []uint64{cmCredentialID}, (*Authenticator).removeCredential},
	0x07:             {true, false, true, []uint64{cmCredentialID, cmUser}, (*Authenticator).updateUser},
}

// credentialManagement is authenticatorCredentialManagement (CTAP 2.3 §6.8).
func (a *Authenticator) credentialManagement(c *call) (any, error) { return a.manage(c, false) }

// credentialManagementPre is the prototype of FIDO_2_1_PRE.
func (a *Authenticator) credentialManagementPre(c *call) (any, error) { return a.manage(c, true) }

func (a *Authenticator) manage(c *call, prototype bool) (any, error) {
	r, err := parseCredRequest(c.params)
	if err != nil {
		return nil, err
	}
	r.prototype = prototype
	sub, ok := credSubcommands[r.subcommand]
	if !ok || prototype && sub.since21 {
		return nil, ctap2.StatusInvalidSubcommand
	}
	a.forgetEnumeration(r.subcommand)
	if sub.authorized {
		if err := a.credGate(r, sub); err != nil {
			return nil, err
		}
	}
	return sub.run(a, r)
}

func parseCredRequest(m members) (*credRequest, error) {
	f := newFields(m).require(cmSubcommand)
	params := f.sub(cmParams)
	r := &credRequest{
		params:     params,
		raw:        f.raw(cmParams),
		subcommand: f.uint(cmSubcommand),
		auth:       f.pinAuth(cmParam, cmProtocol),
		rpIDHash:   params.bytes(cmRPIDHash),
	}
	if params.has(cmCredentialID) {
		id := params.sub(cmCredentialID)
		id.missing = ctap2.StatusInvalidCBOR
		r.credential = id.descriptor()
		params.inherit(id)
	}
	if params.has(cmUser) {
		r.user = params.user(cmUser)
	}
	f.inherit(params)
	return r, f.err
}

// credGate is what comes before each subcommand that wants a token (CTAP 2.3
// §6.8).
func (a *Authenticator) credGate(r *credRequest, sub credSubcommand) (err error) {
	if !r.auth.given {
		return ctap2.StatusPUATRequired
	}
	for _, key := range sub.needs {
		r.params.require(key)
	}
	if r.params.err != nil {
		return r.params.err
	}
	if err := a.checkAuthProtocol(r.auth); err != nil {
		return err
	}
	message := [][]byte{{byte(r.subcommand)}, r.raw}
	if (sub.reads || a.faulty(persistentWrites)) && a.verifyPersistent(r.auth, message...) {
		return nil
	}
	r.token, err = a.authorize(r.auth, ctap2.PermissionCredentialManagement, r.prototype, message...)
	return err
}

// bound is the relying party that the request's token is bound to, or nil.
func (r *credRequest) bound() *string {
	if r.token == nil {
		return nil
	}
	return r.token.rpID
}

// readsAll refuses what looks at all relying parties to a token that is bound to
// one.
func (a *Authenticator) readsAll(r *credRequest) error {
	if r.bound() != nil && !a.faulty(boundReads) {
		return ctap2.StatusPINAuthInvalid
	}
	return nil
}

// credsMetadata is subcommand 0x01, getCredsMetadata.
func (a *Authenticator) credsMetadata(r *credRequest) (any, error) {
	if err := a.readsAll(r); err != nil {
		return nil, err
	}
	if a.faulty(metadataEmpty) && len(a.state.credentials.byID) == 0 {
		return nil, ctap2.StatusNoCredentials
	}
	existing, remaining := len(a.state.credentials.byID), a.room()
	return &credResponse{Existing: &existing, Remaining: &remaining}, nil
}

// named finds the discoverable credential that a request names, for a token that
// may change it. To one that is bound, what is not there and what is another
// relying party's are the same.
func (a *Authenticator) named(r *credRequest) (*credential, error) {
	var c *credential
	if r.credential.Type == publicKeyType {
		c = a.state.credentials.byID[string(r.credential.ID)]
	}
	bound := r.bound()
	switch {
	case bound != nil && (c == nil || c.rp.ID != *bound):
		return nil, ctap2.StatusPINAuthInvalid
	case c == nil:
		return nil, ctap2.StatusNoCredentials
	}
	return c, nil
}

// removeCredential is subcommand 0x06, deleteCredential.
func (a *Authenticator) removeCredential(r *credRequest) (any, error) {
	c, err := a.named(r)
	if err != nil || a.faulty(deleteForgets) {
		return nil, err
	}
	if a.faulty(deleteFirst) {
		c = a.state.credentials.byRP[c.rpIDHash][0]
	}
	var ch change
	a.deleteCredential(&ch, c)
	if err := a.refreshStoreState(&ch); err != nil {
		return nil, err
	}
	ch.after(func() { a.forgetCredential(c) })
	return nil, a.apply(ch)
}

// updateUser is subcommand 0x07, updateUserInformation. A name that is absent or
// empty is removed.
func (a *Authenticator) updateUser(r *credRequest) (any, error) {
	c, err := a.named(r)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(c.user.ID, r.user.ID) && !a.faulty(userIDUnchecked) {
		return nil, ctap2.StatusInvalidParameter
	}
	if a.faulty(namesKept) {
		r.user.Name, r.user.DisplayName = or(r.user.Name, c.user.Name), or(r.user.DisplayName, c.user.DisplayName)
	}
	updated := *c
	updated.user = r.user
	var ch change
	ch.put(credentialName(c.id), updated.record())
	if err := a.refreshStoreState(&ch); err != nil {
		return nil, err
	}
	ch.after(func() { c.user = r.user })
	return nil, a.apply(ch)
}
