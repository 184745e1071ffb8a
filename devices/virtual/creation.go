package virtual

import (
	"unicode/utf8"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// Members of the request of authenticatorMakeCredential (CTAP 2.3 §6.1).
const (
	mcClientDataHash    uint64 = 0x01
	mcRP                uint64 = 0x02
	mcUser              uint64 = 0x03
	mcPubKeyCredParams  uint64 = 0x04
	mcExcludeList       uint64 = 0x05
	mcExtensions        uint64 = 0x06
	mcOptions           uint64 = 0x07
	mcPinUVAuthParam    uint64 = 0x08
	mcPinUVAuthProtocol uint64 = 0x09
	mcEnterprise        uint64 = 0x0a
	mcFormats           uint64 = 0x0b
)

// Limits on what names a user, in bytes. Longer names are cut (WebAuthn L3
// §6.4.1), a longer ID is an error (§5.4.3).
const (
	maxName   = 64
	maxUserID = 64
)

// creationRequest is a request of authenticatorMakeCredential whose members
// have the right types.
type creationRequest struct {
	clientDataHash []byte
	rp             rpEntity
	user           userEntity
	params         []wire.Raw // elements of pubKeyCredParams; step 3 looks into them
	exclude        []descriptor
	extensions     []extension // that were asked for
	inputs         creationInputs
	options        options
	auth           pinAuth
	enterprise     *uint64
	formats        []string
}

// creationInputs are the inputs of extensions; what was not sent is zero.
type creationInputs struct {
	protect      *uint64
	credBlob     []byte
	largeBlobKey bool
	largeBlob    string // the support that is wanted
	minPINLength bool
	complexity   bool
	hmacSecret   bool
	hmacSecretMC *hmacRequest
	payment      bool
	uvm          bool
}

// rk tells whether a discoverable credential is asked for.
func (r *creationRequest) rk() bool { return is(r.options.rk, true) }

func (a *Authenticator) parseCreation(m members) (*creationRequest, error) {
	f := newFields(m).require(mcClientDataHash, mcRP, mcUser, mcPubKeyCredParams)
	r := &creationRequest{
		clientDataHash: a.clientDataHash(f, mcClientDataHash),
		rp:             f.rp(mcRP),
		user:           f.user(mcUser),
		params:         f.array(mcPubKeyCredParams),
		exclude:        f.descriptors(mcExcludeList, a.listLimit()),
		options:        f.options(mcOptions),
		auth:           f.pinAuth(mcPinUVAuthParam, mcPinUVAuthProtocol),
		enterprise:     f.optionalUint(mcEnterprise),
	}
	if a.profile.choosesFormat() && !a.faulty(formatIgnored) {
		r.formats = f.texts(mcFormats)
	}
	r.readExtensions(a.profile, f)
	a.pickyCreation(r, f)
	return r, f.err
}

// readExtensions reads the inputs of the extensions that the model has.
func (r *creationRequest) readExtensions(p *Profile, f *fields) {
	inputs := f.sub(mcExtensions)
	r.extensions = p.asked(inputs)
	for _, e := range r.extensions {
		if e.readMake != nil {
			e.readMake(r, inputs)
		}
	}
	f.inherit(inputs)
}

func (f *fields) rp(key any) rpEntity {
	sub := f.sub(key).require("id")
	rp := rpEntity{ID: sub.rpID("id"), Name: cut(sub.text("name"))}
	f.inherit(sub)
	return rp
}

// user reads a PublicKeyCredentialUserEntity with all that can be in it.
func (f *fields) user(key any) userEntity {
	sub := f.sub(key).require("id")
	user := userEntity{
		ID:          sub.bytes("id"),
		Name:        cut(sub.text("name")),
		DisplayName: cut(sub.text("displayName")),
	}
	if sub.err == nil && (len(user.ID) == 0 || len(user.ID) > maxUserID) {
		sub.fail(ctap2.StatusInvalidLength)
	}
	f.inherit(sub)
	return user
}

// cut shortens a name to maxName bytes without splitting a character.
func cut(name string) string {
	if len(name) <= maxName {
		return name
	}
	n := maxName
	for !utf8.RuneStart(name[n]) {
		n--
	}
	return name[:n]
}
