package virtual

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// misinformation is what faulty keys make of members of getInfo; what encodes one
// comes last.
var misinformation = map[uint64][]struct {
	fault FaultID
	tell  func(a *Authenticator, sound any) any
}{
	0x01: {{infoFIDO22, func(_ *Authenticator, sound any) any { return append(slices.Clone(sound.([]string)), "FIDO_2_2") }}},
	0x03: {{infoOtherAAGUID, func(_ *Authenticator, sound any) any {
		other := bytes.Clone(sound.([]byte))
		other[len(other)-1] ^= 1
		return other
	}}},
	0x04: {{infoClientPINStuck, stuckClientPIN}, {infoUnordered, unorderedOptions}},
	0x05: {
		{infoMessageLie, func(_ *Authenticator, sound any) any { return sound.(int) + 1000 }},
		{infoLongInteger, func(_ *Authenticator, sound any) any { return longInteger(sound.(int)) }},
	},
	0x0a: {{infoAlgorithmLie, func(_ *Authenticator, sound any) any {
		return append(slices.Clone(sound.([]algorithmInfo)), algorithmInfo{cose.ES256K, publicKeyType})
	}}},
	0x0c: {{infoForceChangeHidden, func(*Authenticator, any) any { return false }}},
	0x0d: {{infoMinPINStuck, func(a *Authenticator, _ any) any { return a.profile.PIN.MinLength }}},
	0x14: {{infoRemainingStuck, func(a *Authenticator, _ any) any { return a.profile.MaxCredentials }}},
	0x16: {{infoFormatNone, func(_ *Authenticator, sound any) any { return append(slices.Clone(sound.([]string)), formatNone) }}},
}

// misinform is a member of getInfo as a faulty key tells it.
func (a *Authenticator) misinform(member uint64, sound any) any {
	if !a.hasFaults() || sound == nil {
		return sound
	}
	for _, m := range misinformation[member] {
		if a.faulty(m.fault) {
			sound = m.tell(a, sound)
		}
	}
	return sound
}

// unorderedOptions gives them in the order of their names.
func unorderedOptions(_ *Authenticator, sound any) any {
	options, ok := sound.(map[string]bool)
	if !ok {
		return sound
	}
	return inOrder(options, slices.Sorted(maps.Keys(options)))
}

func stuckClientPIN(_ *Authenticator, sound any) any {
	options, ok := sound.(map[string]bool)
	if !ok {
		return sound
	}
	options = maps.Clone(options)
	options[optClientPIN] = false
	return options
}

// longInteger is a number with four bytes that needs fewer.
func longInteger(n int) wire.Raw {
	const uint32Follows = 0x1a
	return binary.BigEndian.AppendUint32([]byte{uint32Follows}, uint32(n))
}

// misencode is the answer as a faulty key encodes it.
func (a *Authenticator) misencode(items []wire.Raw) wire.Raw {
	const indefiniteMap, end = 0xbf, 0xff
	switch {
	case a.faulty(infoDuplicate):
		return wire.Map(append(items[:2:2], items...)...)
	case a.faulty(infoIndefinite):
		return slices.Concat([]byte{indefiniteMap}, slices.Concat(items...), []byte{end})
	}
	return wire.Map(items...)
}

// zeros is a random source that is none.
type zeros struct{}

// Read gives zero bytes.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
