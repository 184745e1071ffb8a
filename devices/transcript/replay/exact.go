package replay

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// members is what the client has made of an answer, by the standard's names: Raw
// values, or what encodes to them.
type members map[string]any

// exact says what an answer holds, value by value; of what a key agreement makes
// different, its form.
func exact(e transcript.Exchange) []Fact {
	if e.Kind != transcript.CTAP2 || len(e.Answer) < 2 || e.Answer[0] != byte(ctap2.StatusOK) {
		return newSide().exchange(e)
	}
	f := facts{{"status", ctap2.StatusOK.String()}}
	q, _ := transcript.ParseQuestion(e.Request)
	var raw map[uint64]wire.Raw
	if err := wire.Decode(e.Answer[1:], &raw); err != nil {
		f.add("members", "cannot be read")
		return f
	}
	for _, n := range slices.Sorted(maps.Keys(raw)) {
		f.exactly(transcript.AnswerMember(q.Command, n), raw[n])
	}
	return f
}

// told says what the client has returned, in the same words. Where its method
// returns none of the answer, that which it has taken counts, and so do members
// that have no name, which it leaves unread.
func told(heard transcript.Exchange, result members) []Fact {
	if result == nil || len(heard.Answer) < 2 || heard.Answer[0] != byte(ctap2.StatusOK) {
		return exact(heard)
	}
	f := facts{{"status", ctap2.StatusOK.String()}}
	for _, name := range slices.Sorted(maps.Keys(result)) {
		raw, ok := result[name].(wire.Raw)
		if !ok {
			var err error
			if raw, err = wire.Encode(result[name]); err != nil {
				f.add(name, "%v", err)
				continue
			}
		}
		f.exactly(name, raw)
	}
	for _, fact := range exact(heard) {
		if strings.HasPrefix(fact.Name, unnamed) {
			f = append(f, fact)
		}
	}
	return f
}

// unnamed is what the name of a member begins with that has none.
const unnamed = "member 0x"

// exactly tells one member.
func (f *facts) exactly(name string, raw wire.Raw) {
	var v any
	if err := wire.Decode(raw, &v); err != nil {
		f.add(name, "cannot be read")
		return
	}
	switch b, isBytes := v.([]byte); {
	case name == "keyAgreement":
		f.agreed(name, raw)
	case name == "pinUvAuthToken" && isBytes:
		f.add(name, "%s", size(len(b)))
	case name == "authData" && isBytes:
		f.exactData(name, b)
	case !empty(v):
		f.flatten(name, bare(v), hex.EncodeToString)
	}
}

// agreed tells the kind of a key that is the player's own.
func (f *facts) agreed(name string, raw wire.Raw) {
	key, err := cose.Parse(raw)
	if err != nil {
		f.add(name, "no COSE key")
		return
	}
	f.add(name, "type %d, %v, curve %d", key.Type, key.Alg, key.Curve)
}

// empty says whether a value is one that stands for an absent member.
func empty(v any) bool {
	switch v := v.(type) {
	case bool:
		return !v
	case []byte:
		return len(v) == 0
	case nil:
		return true
	}
	return false
}

// bare is a map without names that are empty, as the client leaves them out.
func bare(v any) any {
	m, ok := v.(map[any]any)
	if !ok {
		return v
	}
	m = maps.Clone(m)
	maps.DeleteFunc(m, func(_, v any) bool { return v == "" })
	return m
}

// exactData tells authenticator data, but for the outputs of hmac-secret.
func (f *facts) exactData(name string, b []byte) {
	data, err := authdata.Parse(b)
	if err != nil {
		f.add(name, "%x", b)
		return
	}
	f.add("rpIdHash", "%x", data.RPIDHash)
	f.add("flags", "%s", flagNames(data.Flags))
	f.add("signCount", "%d", data.SignCount)
	if c := data.Credential; c != nil {
		f.add("aaguid", "%v", c.AAGUID)
		f.add("credentialId", "%x", c.ID)
		f.add("credentialPublicKey", "%x", c.PublicKey)
	}
	for _, id := range slices.Sorted(maps.Keys(data.Extensions)) {
		f.exactOutput(id, data.Extensions[id])
	}
}

func (f *facts) exactOutput(id string, raw wire.Raw) {
	name := "extensions." + id
	var output []byte
	if wire.Decode(raw, &output) == nil && (id == ctap2.ExtensionHMACSecret || id == ctap2.ExtensionHMACSecretMC) {
		f.add(name, "%s", size(len(output)))
		return
	}
	f.add(name, "%s", fmt.Sprintf("%x", []byte(raw)))
}
