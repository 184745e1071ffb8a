package virtual

import (
	"maps"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// basicStatement is an attestation statement with the key's certificate.
func (a *Authenticator) basicStatement(message []byte) (any, error) {
	chain := a.state.identity.chain
	if a.faulty(attRoot) {
		chain = append(chain[:len(chain):len(chain)], a.root.Raw)
	}
	statement, err := a.state.identity.packed(message, chain)
	if s, ok := statement.(*packedStatement); ok && a.hasFaults() {
		a.misstate(s)
	}
	return statement, err
}

// misstate is what faulty keys do to a statement.
func (a *Authenticator) misstate(s *packedStatement) {
	if a.faulty(attAlgorithm) {
		s.Algorithm = cose.EdDSA
	}
	if a.faulty(attOther) {
		s.Chain[0] = a.state.u2f.cert
	}
}

// authData encodes authenticator data.
func (a *Authenticator) authData(d authdata.Data) ([]byte, error) {
	if !a.hasFaults() {
		return d.Bytes()
	}
	extensions := d.Extensions
	if a.faulty(adExtensionOrder) {
		d.Extensions = nil
	}
	b, err := d.Bytes()
	if err != nil {
		return nil, err
	}
	if a.faulty(adExtensionOrder) && len(extensions) > 0 {
		b[flagsAt] |= byte(authdata.FlagED)
		b = append(b, unordered(extensions)...)
	}
	a.misflag(b, d.Credential == nil)
	return b, nil
}

// flagsAt is where the flags of authenticator data are.
const flagsAt = 32

// misflag is what faulty keys do to encoded authenticator data.
func (a *Authenticator) misflag(b []byte, assertion bool) {
	const reserved = 0x20
	if assertion && a.faulty(adATFlag) {
		b[flagsAt] |= byte(authdata.FlagAT)
	}
	if a.faulty(adReserved) {
		b[flagsAt] |= reserved
	}
	if a.faulty(adNoED) {
		b[flagsAt] &^= byte(authdata.FlagED)
	}
	if a.faulty(adRPHash) {
		b[0] ^= 1
	}
}

// unordered is a map of extension outputs from the last one to the first.
func unordered(m outputs) wire.Raw {
	encoded := map[string]wire.Raw{}
	for id, output := range m {
		key, err := wire.Encode(id)
		if err != nil {
			panic(err) // of a name
		}
		encoded[string(key)] = output
	}
	keys := slices.SortedFunc(maps.Keys(encoded), func(a, b string) int { return wire.Compare([]byte(b), []byte(a)) })
	var items []wire.Raw
	for _, key := range keys {
		items = append(items, wire.Raw(key), encoded[key])
	}
	return wire.Map(items...)
}

// misshapen is a credential's public key as a faulty key encodes it; nil is as it
// should be.
func (a *Authenticator) misshapen(public cose.Key) wire.Raw {
	const algorithm = 3
	if !a.faulty(coseNoAlgorithm) {
		return nil
	}
	var m map[int]wire.Raw
	b, err := wire.Encode(public)
	if err == nil {
		err = wire.Decode(b, &m)
	}
	if err != nil {
		return nil
	}
	delete(m, algorithm)
	b, _ = wire.Encode(m) // which it came from
	return b
}
