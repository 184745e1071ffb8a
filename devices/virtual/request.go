package virtual

import (
	"crypto/sha256"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// publicKeyType is the only type of credential there is (WebAuthn L3 §5.8.2).
const publicKeyType = "public-key"

// hashSize is the size of a clientDataHash in bytes.
const hashSize = sha256.Size

// descriptor is a PublicKeyCredentialDescriptor; transports are of no interest
// to a key.
type descriptor struct {
	ID   []byte `cbor:"id"`
	Type string `cbor:"type"`
}

// options are the option keys that commands know; nil is an absent one.
type options struct{ rk, uv, up *bool }

// is tells whether an option has the value, absent being neither.
func is(option *bool, value bool) bool { return option != nil && *option == value }

// pinAuth is a pinUvAuthParam with its pinUvAuthProtocol.
type pinAuth struct {
	param         []byte
	given         bool // the param, even if empty
	protocol      uint64
	protocolGiven bool
}

// probes tells whether the param is the empty one that asks for a touch only.
func (p pinAuth) probes() bool { return p.given && len(p.param) == 0 }

// checkAuth is step 2 of makeCredential and getAssertion (CTAP 2.3 §6.1.2,
// §6.2.2).
func (a *Authenticator) checkAuth(p pinAuth) error {
	if !p.given {
		return nil
	}
	return a.checkAuthProtocol(p)
}

// checkAuthProtocol wants a protocol with a pinUvAuthParam, and one that the key
// has.
func (a *Authenticator) checkAuthProtocol(p pinAuth) error {
	if !p.protocolGiven {
		return a.unless(protocolGuessed, ctap2.StatusMissingParameter, ctap2.StatusPINAuthInvalid)
	}
	return a.checkProtocol(p.protocol)
}

func (a *Authenticator) checkProtocol(n uint64) error {
	if !slices.Contains(a.profile.PINProtocols, pinuv.Protocol(n)) {
		return ctap2.StatusInvalidParameter
	}
	return nil
}

func (f *fields) pinAuth(param, protocol any) pinAuth {
	return pinAuth{
		param:         f.bytes(param),
		given:         f.has(param),
		protocol:      f.uint(protocol),
		protocolGiven: f.has(protocol),
	}
}

func (f *fields) options(key any) options {
	sub := f.sub(key)
	o := options{rk: sub.boolean("rk"), uv: sub.boolean("uv"), up: sub.boolean("up")}
	f.inherit(sub)
	return o
}

// listLimit is the longest list of credentials that is taken; 0 is any.
func (a *Authenticator) listLimit() int {
	if a.faulty(listUnlimited) {
		return 0
	}
	return a.profile.MaxListLength
}

// clientDataHash reads the hash that assertions and attestations cover.
func (a *Authenticator) clientDataHash(f *fields, key any) []byte {
	hash := f.bytes(key)
	if f.err == nil && len(hash) != hashSize && !a.faulty(hashUnchecked) {
		f.fail(ctap2.StatusInvalidLength)
	}
	return hash
}

// rpID reads a relying party's ID, which cannot be empty.
func (f *fields) rpID(key any) string {
	id := f.text(key)
	if f.err == nil && id == "" {
		f.fail(ctap2.StatusInvalidParameter)
	}
	return id
}

// descriptors reads an excludeList or an allowList of at most so many elements;
// 0 is any number.
func (f *fields) descriptors(key any, most int) []descriptor {
	items := f.array(key)
	if most > 0 && len(items) > most {
		f.fail(ctap2.StatusLimitExceeded)
		return nil
	}
	list := make([]descriptor, 0, len(items))
	f.elements(items, func(item *fields) {
		list = append(list, item.descriptor())
	})
	return list
}

// descriptor reads the fields as a PublicKeyCredentialDescriptor.
func (f *fields) descriptor() descriptor {
	f.require("id", "type")
	return descriptor{ID: f.bytes("id"), Type: f.text("type")}
}

// find looks a descriptor up among the credentials of the relying party. IDs
// of other keys, other relying parties and other types are nil.
func (a *Authenticator) find(d descriptor, rpIDHash [32]byte) *credential {
	if d.Type != publicKeyType {
		return nil
	}
	if c := a.state.credentials.byID[string(d.ID)]; c != nil {
		if c.rpIDHash != rpIDHash {
			return nil
		}
		return c
	}
	return a.state.secrets.unwrap(d.ID, rpIDHash)
}

// coseKey is a platform's COSE_Key, kept encoded until the step that reads it.
type coseKey = wire.Raw
