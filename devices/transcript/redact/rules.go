package redact

import (
	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// rule shows what an item of a known place holds.
type rule func(w *walker, it item)

// is shows a string as of a kind.
func is(kind Kind) rule {
	return func(w *walker, it item) {
		if !it.isString() {
			anything(w, it)
			return
		}
		w.see(kind, it.body)
	}
}

// plain is for what tells nothing of anybody.
func plain(*walker, item) {}

// anything is for what has no known meaning.
func anything(w *walker, it item) {
	if it.isString() {
		w.unknown(it.body)
	}
	for i, child := range it.items {
		if it.major == wire.MajorMap && i%2 == 0 && child.major == wire.MajorText {
			continue // the name of a member
		}
		anything(w, child)
	}
}

// each applies a rule to the elements of an array.
func each(r rule) rule {
	return func(w *walker, it item) {
		if it.major != wire.MajorArray {
			anything(w, it)
			return
		}
		for _, child := range it.items {
			r(w, child)
		}
	}
}

// shape says by which rule each member of a map goes. Numbers are int64.
type shape map[any]rule

// in applies a shape. A member that is not in it has no known meaning.
func in(s shape) rule {
	return func(w *walker, it item) {
		if it.major != wire.MajorMap {
			anything(w, it)
			return
		}
		for i := 0; i+1 < len(it.items); i += 2 {
			key, value := it.items[i], it.items[i+1]
			if r := s[key.key()]; r != nil {
				r(w, value)
				continue
			}
			if key.isString() && key.major == wire.MajorBytes {
				anything(w, key)
			}
			anything(w, value)
		}
	}
}

// numbered is a shape whose members have numbers from 1 on, nil for no meaning.
func numbered(rules ...rule) rule {
	s := shape{}
	for i, r := range rules {
		if r != nil {
			s[int64(i+1)] = r
		}
	}
	return in(s)
}

// agreement is a public key of a key agreement (CTAP 2.3 §6.5.6).
func agreement(w *walker, it item) {
	x, y := it.member(int64(-2)), it.member(int64(-3))
	if x.major != wire.MajorBytes || y.major != wire.MajorBytes {
		anything(w, it)
		return
	}
	if w.point(PIN, x.body, y.body) {
		w.touched = true
	}
}

var (
	rp         = in(shape{"id": is(RP), "name": is(RP), "icon": is(RP)})
	user       = in(shape{"id": is(User), "name": is(User), "displayName": is(User), "icon": is(User)})
	descriptor = in(shape{"id": is(Credential), "type": plain, "transports": plain})
	secret     = numbered(agreement, is(PIN), is(PIN), plain)
)

// inputs are those of extensions, and outputs what authenticator data has of them.
var (
	inputs = in(shape{
		"hmac-secret": secret, "hmac-secret-mc": secret, "credBlob": is(Blob), "credProtect": plain,
		"minPinLength": plain, "largeBlobKey": plain, "thirdPartyPayment": plain, "uvm": plain,
	})
	outputs = in(shape{
		"hmac-secret": is(PIN), "hmac-secret-mc": is(PIN), "credBlob": is(Blob), "credProtect": plain,
		"minPinLength": plain, "largeBlobKey": plain, "thirdPartyPayment": plain, "uvm": plain,
	})
)

// requestRules are those for parameters, by command (CTAP 2.3 §6).
var requestRules = map[ctap2.Command]rule{
	ctap2.CommandMakeCredential: numbered(plain, rp, user, plain, each(descriptor), inputs, plain, is(PIN), plain, plain, plain),
	ctap2.CommandGetAssertion:   numbered(is(RP), plain, each(descriptor), inputs, plain, is(PIN), plain),
	ctap2.CommandClientPIN: numbered(plain, plain, agreement, is(PIN), is(PIN), is(PIN), plain, plain, plain,
		is(RP)),
	ctap2.CommandBioEnrollment:        numbered(plain, plain, numbered(is(User), is(User), plain), plain, is(PIN), plain),
	ctap2.CommandCredentialManagement: numbered(plain, numbered(is(RP), descriptor, user), plain, is(PIN)),
	ctap2.CommandLargeBlobs:           numbered(plain, plain, plain, plain, is(PIN), plain),
	ctap2.CommandConfig:               numbered(plain, numbered(plain, each(is(RP)), plain, plain), plain, is(PIN)),
}

// answerRules are those for the members of answers.
var answerRules = map[ctap2.Command]rule{
	ctap2.CommandMakeCredential:   made,
	ctap2.CommandGetAssertion:     asserted,
	ctap2.CommandGetNextAssertion: asserted,
	ctap2.CommandGetInfo: numbered(plain, plain, plain, plain, plain, plain, plain, plain, plain, plain, // 0x0a
		plain, plain, plain, plain, plain, plain, plain, plain, plain, plain, // 0x14
		plain, plain, plain, plain, is(Serial), plain, plain, plain, plain, is(Serial), // 0x1e
		plain),
	ctap2.CommandClientPIN: numbered(agreement, is(PIN), plain, plain, plain),
	ctap2.CommandBioEnrollment: numbered(plain, plain, plain, is(User), plain, plain, each(numbered(is(User), is(User))),
		plain),
	ctap2.CommandCredentialManagement: numbered(plain, plain, rp, is(RP), plain, user, descriptor, plain, plain, plain,
		is(Blob), plain),
	ctap2.CommandLargeBlobs: numbered(plain),
}
