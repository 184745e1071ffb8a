package replay

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// authData tells authenticator data (WebAuthn L3 §6.1).
func (a *answered) authData(name string, raw wire.Raw) {
	data, ok := a.data()
	if !ok {
		a.add(name, "cannot be read")
		return
	}
	a.add("rpIdHash", "%x", data.RPIDHash)
	a.add("flags", "%s", flagNames(data.Flags))
	a.add("signCount", "%s", a.count(data))
	if c := data.Credential; c != nil {
		a.add("aaguid", "%v", c.AAGUID)
		a.add("credentialId", "%s", a.credentialName(c.ID))
		a.key("credentialPublicKey", c.Key)
		a.encoding("credentialPublicKey.encoding", c.PublicKey)
		a.keys[string(c.ID)] = c.Key
	}
	a.outputs(data)
}

var flagList = []struct {
	flag authdata.Flags
	name string
}{
	{authdata.FlagUP, "UP"}, {authdata.FlagUV, "UV"}, {authdata.FlagBE, "BE"},
	{authdata.FlagBS, "BS"}, {authdata.FlagAT, "AT"}, {authdata.FlagED, "ED"},
}

func flagNames(flags authdata.Flags) string {
	var set []string
	for _, f := range flagList {
		if flags.Has(f.flag) {
			set = append(set, f.name)
			flags &^= f.flag
		}
	}
	if flags != 0 {
		set = append(set, fmt.Sprintf("reserved 0x%02x", byte(flags)))
	}
	return strings.Join(set, " ")
}

// leap is by how much a signature counter has to grow for it to be another
// behaviour than growing.
const leap = 1000

// count tells what became of the credential's signature counter. How far it
// goes is the key's affair.
func (a *answered) count(data authdata.Data) string {
	id := string(a.used())
	last, known := a.counts[id]
	a.counts[id] = data.SignCount
	return growth(data.SignCount, last, known)
}

// growth is how a counter has changed.
func growth(n, last uint32, known bool) string {
	switch {
	case n == 0 && (!known || last == 0):
		return "none"
	case !known && n > leap:
		return "begins high"
	case !known:
		return "begins"
	case n == last:
		return "stays"
	case n < last:
		return "falls"
	case n-last > leap:
		return "leaps"
	}
	return "grows"
}

// outputs tells extension outputs.
func (a *answered) outputs(data authdata.Data) {
	if data.Extensions == nil {
		return
	}
	raw := a.bytes(2)[authDataHead:]
	if c := data.Credential; c != nil {
		raw = raw[credentialHead+len(c.ID)+len(c.PublicKey):]
	}
	a.encoding("extensions.encoding", raw)
	for _, id := range slices.Sorted(maps.Keys(data.Extensions)) {
		name := "extensions." + id
		switch id {
		case ctap2.ExtensionHMACSecret, ctap2.ExtensionHMACSecretMC:
			a.secretOutputs(name, data.Extensions[id])
		case ctap2.ExtensionCredBlob:
			a.exact(name, data.Extensions[id])
		default:
			a.plain(name, data.Extensions[id])
		}
	}
}

// Sizes of what authenticator data begin with, and attested credential data.
const (
	authDataHead   = 32 + 1 + 4
	credentialHead = 16 + 2
)

// secretOutputs tells what hmac-secret gave: by name where it can be opened.
func (a *answered) secretOutputs(name string, raw wire.Raw) {
	a.plain(name, raw)
	if a.open == nil {
		return
	}
	// the hmac-secret of makeCredential is a flag and opens to nothing
	for i, output := range slices.Collect(slices.Chunk(a.open(a.request, a.answer), ctap2.SaltSize)) {
		a.add(fmt.Sprintf("%s.output%d", name, i+1), "%s", a.secrets.of(output))
	}
}

// statement tells an attestation statement (WebAuthn L3 §8).
func (a *answered) statement(name string, raw wire.Raw) {
	var s struct {
		Alg cose.Algorithm `cbor:"alg"`
		Sig []byte         `cbor:"sig"`
		X5C [][]byte       `cbor:"x5c"`
	}
	var members map[string]wire.Raw
	if wire.Decode(raw, &s) != nil || wire.Decode(raw, &members) != nil {
		a.add(name, "cannot be read")
		return
	}
	a.add(name, "[%s]", strings.Join(slices.Sorted(maps.Keys(members)), " "))
	if len(s.X5C) > 0 {
		a.add(name+".x5c", "%s", chain(s.X5C))
	}
	if s.Sig != nil {
		a.add(name+".sig", "%s", a.attested(s.Alg, s.Sig, s.X5C))
	}
	if members["alg"] != nil {
		a.add(name+".alg", "%v", s.Alg)
	}
}

// chain tells how many certificates there are, and whether the root is among them.
func chain(x5c [][]byte) string {
	last, err := x509.ParseCertificate(x5c[len(x5c)-1])
	if err == nil && string(last.RawIssuer) == string(last.RawSubject) && len(x5c) > 1 {
		return fmt.Sprintf("%d certificates, the last one a root", len(x5c))
	}
	return fmt.Sprintf("%d certificates", len(x5c))
}

// attested tells whether the signature of an attestation verifies.
func (a *answered) attested(alg cose.Algorithm, sig []byte, x5c [][]byte) string {
	data, ok := a.data()
	if !ok || data.Credential == nil {
		return size(len(sig))
	}
	message := append(a.bytes(2), a.hash()...)
	var format string
	if wire.Decode(a.members[1], &format) == nil && format == "fido-u2f" {
		message, alg = u2fAttested(data, a.hash()), cose.ES256
	}
	key := data.Credential.Key
	if len(x5c) > 0 {
		leaf, err := certificateKey(x5c[0], alg)
		if err != nil {
			return "of a certificate that cannot be read"
		}
		key = leaf
	} else if key.Alg != alg {
		return fmt.Sprintf("of %v by a key of another algorithm", alg)
	}
	return verdict(key.Verify(message, sig))
}

// hash is the client data hash of the request.
func (a *answered) hash() (hash []byte) {
	member := uint64(1)
	if a.question.Command != ctap2.CommandMakeCredential {
		member = 2
	}
	if wire.Decode(a.question.Members[member], &hash) != nil {
		return nil
	}
	return hash
}

// u2fAttested is what a fido-u2f attestation signs (WebAuthn L3 §8.6).
func u2fAttested(data authdata.Data, hash []byte) []byte {
	c := data.Credential
	return slices.Concat([]byte{0}, data.RPIDHash[:], hash, c.ID, []byte{4}, c.Key.X, c.Key.Y)
}

// certificateKey is the public key of a certificate, in the algorithm that the
// statement says.
func certificateKey(der []byte, alg cose.Algorithm) (cose.Key, error) {
	var c struct {
		TBS struct {
			Version                              int `asn1:"optional,explicit,tag:0"`
			Serial                               asn1.RawValue
			Algorithm, Issuer, Validity, Subject asn1.RawValue
			Key                                  asn1.RawValue
		}
	}
	if parsed, err := x509.ParseCertificate(der); err == nil {
		return cose.FromSPKI(parsed.RawSubjectPublicKeyInfo, alg)
	}
	if _, err := asn1.Unmarshal(der, &c); err != nil {
		return cose.Key{}, err
	}
	return cose.FromSPKI(c.TBS.Key.FullBytes, alg)
}

func verdict(err error) string {
	if err != nil {
		return "does not verify"
	}
	return "verifies"
}

// signature tells whether an assertion's signature verifies with the key of its
// credential, if that was seen.
func (a *answered) signature(name string, raw wire.Raw) {
	key, known := a.keys[string(a.used())]
	hash := a.hash()
	if a.question.Command == ctap2.CommandGetNextAssertion {
		hash = a.side.lastHash
	}
	a.side.lastHash = hash
	var sig []byte
	if wire.Decode(raw, &sig) != nil {
		a.add(name, "no byte string")
		return
	}
	if !known || hash == nil {
		a.add(name, "of a key that is not known")
		return
	}
	a.add(name, "%s", verdict(key.Verify(append(a.bytes(2), hash...), sig)))
}
