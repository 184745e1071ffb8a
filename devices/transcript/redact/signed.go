package redact

import (
	"errors"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// Sizes in authenticator data (WebAuthn L3 §6.1, §6.5.2).
const (
	authDataHead   = hashSize + 1 + 4
	credentialHead = 16 + 2
)

// made shows the answer to makeCredential.
func made(w *walker, it item) {
	statement := it.member(int64(3))
	w.signing(it, func() {
		inStatement(w, statement)
	}, statement.member("sig"))
	numbered(plain, plain, plain, plain, is(Blob), anything)(w, it)
}

// inStatement shows an attestation statement but for its signature.
func inStatement(w *walker, it item) {
	in(shape{
		"alg": plain, "sig": plain, "ver": plain, "x5c": each(certificates),
		"certInfo": is(Certificate), "pubArea": plain, "response": is(Certificate), "ecdaaKeyId": is(Certificate),
	})(w, it)
}

// asserted shows an answer to getAssertion.
func asserted(w *walker, it item) {
	w.signing(it, func() {}, it.member(int64(3)))
	numbered(descriptor, plain, plain, user, plain, plain, is(Blob), anything)(w, it)
}

// signing shows authenticator data, then what there is besides, and then the
// signature over the former.
func (w *walker) signing(it item, besides func(), sig item) {
	outer := w.touched
	w.touched = false
	if data := it.member(int64(2)); data.major == wire.MajorBytes {
		w.authData(data.body)
	} else {
		anything(w, data)
	}
	besides()
	if sig.major == wire.MajorBytes {
		w.signature(sig.body, w.touched)
	} else {
		anything(w, sig)
	}
	w.touched = outer || w.touched
}

// authData shows authenticator data. Of what cannot be read nothing is known.
func (w *walker) authData(b []byte) {
	if len(b) < authDataHead {
		w.unknown(b)
		return
	}
	rest := b[authDataHead:]
	flags := authdata.Flags(b[hashSize])
	w.see(RP, b[:hashSize])
	if flags.Has(authdata.FlagAT) {
		var ok bool
		if rest, ok = w.attested(rest); !ok {
			return
		}
	}
	if flags.Has(authdata.FlagED) {
		it, behind, err := parseItem(rest, 0)
		if err != nil {
			w.unknown(rest)
			return
		}
		outputs(w, it)
		rest = behind
	}
	w.unknown(rest)
}

// attested shows attested credential data and returns what follows. The public key
// stays.
func (w *walker) attested(b []byte) (rest []byte, ok bool) {
	if len(b) < credentialHead {
		w.unknown(b)
		return nil, false
	}
	size := int(b[16])<<8 | int(b[17])
	rest = b[credentialHead:]
	if size > len(rest) {
		w.unknown(rest)
		return nil, false
	}
	w.see(Credential, rest[:size])
	_, behind, err := parseItem(rest[size:], 0)
	if err != nil {
		w.unknown(rest[size:])
		return nil, false
	}
	return behind, true
}

var errShortRegistration = errors.New("a U2F registration that ends early")

// certificates shows one of the certificates of a statement.
func certificates(w *walker, it item) {
	if it.major != wire.MajorBytes {
		anything(w, it)
		return
	}
	w.certificate(it.body)
}
