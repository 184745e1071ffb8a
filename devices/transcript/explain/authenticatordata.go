package explain

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

const (
	clauseAuthData = "WebAuthn L3 §6.1"
	clauseAttested = "WebAuthn L3 §6.5.1"
)

// readAuthData reads authenticator data, and as much of it as there is.
func readAuthData(r *reading, f *Field, raw wire.Raw) {
	b, _ := byteString(raw)
	data, err := authdata.Parse(b)
	if err != nil {
		f.fill(raw)
		r.remark(f.Clause, "%v", err)
		return
	}
	f.Note = bytesOf(len(b))
	hash := hexField("rpIdHash", data.RPIDHash[:], LikeValue)
	if name, ok := r.t.keys.rpOf(data.RPIDHash[:]); ok {
		hash.Note = "SHA-256 of " + name
	}
	f.Fields = append(f.Fields, hash, flagsField(data.Flags),
		Field{Name: "signCount", Value: fmt.Sprint(data.SignCount), Like: LikeOwn})
	if c := data.Credential; c != nil {
		f.Fields = append(f.Fields, r.attested(c))
	}
	if data.Extensions != nil {
		f.Fields = append(f.Fields, r.outputs(data))
	}
	r.checkAuthData(data)
}

func flagsField(flags authdata.Flags) Field {
	return Field{Name: "flags", Value: fmt.Sprintf("0x%02x", byte(flags)), Note: flagNames(flags)}
}

var flagWords = []struct {
	flag authdata.Flags
	word string
}{
	{authdata.FlagUP, "UP: the user was present"}, {authdata.FlagUV, "UV: the user was verified"},
	{authdata.FlagBE, "BE: can be backed up"}, {authdata.FlagBS, "BS: is backed up"},
	{authdata.FlagAT, "AT: with a credential"}, {authdata.FlagED, "ED: with extensions"},
}

func flagNames(flags authdata.Flags) string {
	text := ""
	for _, w := range flagWords {
		if flags.Has(w.flag) {
			text += ", " + w.word
		}
	}
	if text == "" {
		return "none"
	}
	return text[2:]
}

func (r *reading) attested(c *authdata.Credential) Field {
	key := Field{Name: "credentialPublicKey", Clause: clauseCOSE}
	key.Fields = r.key(c.PublicKey, clauseCOSE)
	r.t.keys.credential(c.ID, c.Key)
	return Field{Name: "attestedCredentialData", Clause: clauseAttested, Fields: []Field{
		{Name: "aaguid", Value: c.AAGUID.String()},
		hexField("credentialId", c.ID, LikeFresh),
		key,
	}}
}

func (r *reading) outputs(data authdata.Data) Field {
	f := Field{Name: "extensions", Clause: clauseExtensions}
	for _, name := range slices.Sorted(maps.Keys(data.Extensions)) {
		f.Fields = append(f.Fields, r.extension(name, data.Extensions[name], true))
	}
	return f
}

// checkAuthData holds authenticator data to the rules that need no key.
func (r *reading) checkAuthData(data authdata.Data) {
	if reserved := data.Flags.Reserved(); reserved != 0 {
		r.remark(clauseAuthData, "flags are set that are reserved: 0x%02x", byte(reserved))
	}
	if data.Flags.Has(authdata.FlagBS) && !data.Flags.Has(authdata.FlagBE) {
		r.remark(clauseAuthData, "BS is set and BE is not: what cannot be backed up is said to be")
	}
	if r.req == nil {
		return
	}
	if id, ok := r.askedRP(); ok {
		r.t.keys.rp(id)
		if name, known := r.t.keys.rpOf(data.RPIDHash[:]); !known || name != id {
			r.remark(clauseAuthData, "rpIdHash is not the SHA-256 of %q, which was asked for", id)
		}
	}
	r.checkOutputs(data)
}

// askedRP is the RP ID of the request.
func (r *reading) askedRP() (string, bool) {
	switch r.req.command {
	case ctap2.CommandMakeCredential:
		var entity struct {
			ID string `cbor:"id"`
		}
		if wire.Decode(r.req.members[0x02], &entity) == nil {
			return entity.ID, true
		}
	case ctap2.CommandGetAssertion, ctap2.CommandGetNextAssertion:
		return textString(r.req.members[0x01])
	}
	return "", false
}

// checkOutputs looks for outputs of extensions that were not asked for.
func (r *reading) checkOutputs(data authdata.Data) {
	number, ok := map[ctap2.Command]uint64{
		ctap2.CommandMakeCredential: 0x06, ctap2.CommandGetAssertion: 0x04, ctap2.CommandGetNextAssertion: 0x04,
	}[r.req.command]
	if !ok || len(r.req.members) == 0 {
		return
	}
	inputs, _ := pairs(r.req.members[number])
	for name := range data.Extensions {
		if !slices.ContainsFunc(inputs, func(p pair) bool { return p.name() == name }) {
			r.remark(clauseExtensions, "the extension %q has an output and was not asked for", name)
		}
	}
}

// extensionClauses says where an extension is defined.
var extensionClauses = map[string]string{
	ctap2.ExtensionCredProtect:         "CTAP 2.3 §12.1",
	ctap2.ExtensionCredBlob:            "CTAP 2.3 §12.2",
	ctap2.ExtensionLargeBlobKey:        "CTAP 2.3 §12.3",
	ctap2.ExtensionLargeBlob:           "CTAP 2.3 §12.4",
	ctap2.ExtensionMinPINLength:        "CTAP 2.3 §12.5",
	ctap2.ExtensionPINComplexityPolicy: clauseExtensions,
	ctap2.ExtensionHMACSecret:          "CTAP 2.3 §12.7",
	ctap2.ExtensionHMACSecretMC:        "CTAP 2.3 §12.8",
	ctap2.ExtensionThirdPartyPayment:   clauseExtensions,
	ctap2.ExtensionUVM:                 "WebAuthn L2 §10.3",
}

// readExtensions reads the inputs, or outputs that are not signed, of extensions.
func readExtensions(r *reading, f *Field, raw wire.Raw) {
	all, err := pairs(raw)
	if err != nil {
		f.fill(raw)
		return
	}
	for _, p := range all {
		f.Fields = append(f.Fields, r.extension(p.name(), p.value, false))
	}
}

var hmacSecretInput = table{"the input of hmac-secret", "CTAP 2.3 §12.7", map[uint64]member{
	0x01: {name: "keyAgreement", kind: aMap, must: true, clause: "CTAP 2.3 §6.5.6", read: readAgreementKey},
	0x02: {name: "saltEnc", kind: aBytes, must: true, like: LikeFresh, read: sealedWith("the shared secret: one or two salts of 32 bytes")},
	0x03: {name: "saltAuth", kind: aBytes, must: true, like: LikeFresh, read: covers("saltEnc, under the shared secret")},
	0x04: {name: "pinUvAuthProtocol", kind: aNumber, read: readProtocol},
}}

// covers reads an authentication code whose message is always the same.
func covers(what string) func(*reading, *Field, wire.Raw) {
	return func(_ *reading, f *Field, raw wire.Raw) {
		f.fill(raw)
		f.Note += ", covers " + what
	}
}

func (r *reading) extension(name string, raw wire.Raw, output bool) Field {
	f := Field{Name: name, Clause: extensionClauses[name]}
	hmac := name == ctap2.ExtensionHMACSecret || name == ctap2.ExtensionHMACSecretMC
	switch {
	case hmac && !output && major(raw) == wire.MajorMap:
		f.Fields, _ = r.members(hmacSecretInput, raw)
	case hmac && output && major(raw) == wire.MajorBytes:
		sealedWith("the shared secret: one output of 32 bytes for each salt")(r, &f, raw)
		f.Like = LikeFresh
	case name == ctap2.ExtensionCredProtect:
		readCredProtect(r, &f, raw)
	default:
		f.fill(raw)
	}
	return f
}

// signed is the RP ID hash and the rest that a signature covers.
func signed(authData, clientDataHash []byte) []byte { return slices.Concat(authData, clientDataHash) }

func sameBytes(a, b []byte) bool { return len(a) > 0 && bytes.Equal(a, b) }
