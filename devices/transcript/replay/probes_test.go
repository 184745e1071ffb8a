package replay_test

import (
	"bytes"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/nfc"
)

type (
	m map[uint64]any
	s map[string]any
)

// ask sends a CTAP2 request that no client sends, and gives its answer.
func (h *host) ask(c ctap2.Command, members m) []byte {
	body, err := wire.Encode(members)
	if err != nil {
		panic(err) // members are the test's own
	}
	return h.raw(append([]byte{byte(c)}, body...))
}

func (h *host) raw(msg []byte) []byte {
	answer, _ := h.transport.Exchange(h.ctx, msg)
	return answer
}

const (
	make_   = ctap2.CommandMakeCredential
	get     = ctap2.CommandGetAssertion
	manage  = ctap2.CommandCredentialManagement
	blobs   = ctap2.CommandLargeBlobs
	config_ = ctap2.CommandConfig
	bio     = ctap2.CommandBioEnrollment
)

// making is a minimal request for a credential, with changes; nil takes out.
func making(changes m) m {
	all := m{1: hash("probe"), 2: s{"id": rpID}, 3: s{"id": []byte("probe")}, 4: []any{s{"alg": -7, "type": "public-key"}}}
	return all.with(changes)
}

// getting is one for an assertion.
func getting(changes m) m { return m{1: rpID, 2: hash("probe")}.with(changes) }

func (base m) with(changes m) m {
	for n, v := range changes {
		base[n] = v
		if v == nil {
			delete(base, n)
		}
	}
	return base
}

// probeMessages asks in ways in which nobody should.
func (h *host) probeMessages() {
	rp, hash32 := []byte("\x6b"+rpID), append([]byte{0x58, 0x20}, hash("probe")...)
	for _, parts := range [][][]byte{
		{{0xa2, 2}, hash32, {1}, rp},
		{{0xa2, 0x18, 1}, rp, {2}, hash32},
		{{0xbf, 1}, rp, {2}, hash32, {0xff}},
		{{0xa2, 1}, rp, {2}, hash32, {0}},
		{{0xa2, 1, 0x61, 0xff, 2}, hash32},
		{{0xa3, 1}, rp, {2}, hash32, {4, 0xa1, 0x61, 'x', 0x81, 0x81, 0x81, 0x81, 0}},
	} {
		h.raw(append([]byte{byte(get)}, bytes.Join(parts, nil)...))
	}
	h.ask(get, getting(m{99: 1}))
	h.raw([]byte{0x55})
	h.raw(append([]byte{byte(get)}, make([]byte, int(h.info.MaxMessage())-1)...))
	h.command(nfc.INSU2FVersion, 0, []byte{1})
}

// probeCreation asks for credentials without any user verification.
func (h *host) probeCreation() {
	id := madeID(h.ask(make_, making(m{2: s{"id": "example.org"}})))
	many := make([]any, 20)
	for i := range many {
		many[i] = s{"id": []byte{byte(i), 9, 9, 9}, "type": "public-key"}
	}
	algorithm := func(items ...any) []any { return append([]any{s{"alg": -7, "type": "public-key"}}, items...) }
	for _, changes := range []m{
		{5: []any{s{"id": id, "type": "public-key"}}}, {5: many},
		{7: s{"up": false}}, {7: s{"uv": true}}, {7: s{"x": true}}, {7: s{"rk": true}},
		{1: make([]byte, 31)}, {6: s{"x": true}}, {11: []any{"none"}}, {10: 1}, {10: 2}, {10: 7},
		{4: algorithm(s{"alg": "x", "type": "public-key"})}, {4: algorithm(s{"alg": -8, "type": "public-key"})},
		{3: s{"id": []byte("long"), "name": strings.Repeat("n", 63) + "\u00e5", "displayName": strings.Repeat("d", 80)}, 7: s{"rk": true}},
		{8: []byte{}, 9: 1}, {8: make([]byte, 16)}, {8: make([]byte, 16), 9: 1},
		{6: s{"credProtect": 9}}, {6: s{"credBlob": make([]byte, 200)}, 7: s{"rk": true}}, {6: s{"credBlob": []byte{1}}},
		{6: s{"largeBlobKey": true}}, {6: s{"minPinLength": true, "pinComplexityPolicy": true}}, {6: s{"uvm": true}},
		{6: s{"thirdPartyPayment": true}},
	} {
		h.ask(make_, making(changes))
	}
	for _, changes := range []m{
		{3: []any{s{"id": id, "type": "public-key"}}}, {1: "example.org", 5: s{"rk": true}, 3: []any{s{"id": id, "type": "public-key"}}},
		{1: "example.org", 3: []any{s{"id": id, "type": "x"}, s{"id": id, "type": "public-key", "transports": []any{"usb"}}}},
		{1: "example.org", 3: []any{s{"id": id, "type": "public-key"}}, 4: s{"thirdPartyPayment": true}},
		{6: []byte{}, 7: 1}, {5: s{"x": true}},
	} {
		h.ask(get, getting(changes))
	}
	h.raw([]byte{byte(ctap2.CommandGetNextAssertion)})
}

// madeID is the ID of the credential in an answer.
func madeID(answer []byte) []byte {
	var a struct {
		AuthData []byte `cbor:"2,keyasint"`
	}
	const head, length = 53, 2
	if len(answer) < 2 || wire.Decode(answer[1:], &a) != nil || len(a.AuthData) < head+length {
		return []byte("none")
	}
	n := int(a.AuthData[head])<<8 | int(a.AuthData[head+1])
	return a.AuthData[head+length:][:n]
}

// probeTokens gets and uses tokens in ways that are not allowed, after the PIN
// was set.
func (h *host) probeTokens() {
	p := h.protocol()
	perms := func(perms ctap2.Permission, rpID string) *pinuv.Token {
		token, err := h.client.PINTokenWithPermissions(h.ctx, p, h.pin, perms, rpID)
		if err != nil {
			return nil
		}
		return token
	}
	_, _ = h.client.PINToken(h.ctx, p, []byte("wrong once"))
	_, _ = h.client.PINRetries(h.ctx)
	assertion, creation := perms(ctap2.PermissionGetAssertion, rpID), perms(ctap2.PermissionMakeCredential, "example.org")
	if assertion == nil || creation == nil {
		return
	}
	proof := func(token *pinuv.Token) []byte { return token.Authenticate(hash("probe")) }
	h.ask(get, getting(m{6: proof(assertion), 7: uint64(p)})) // an older token
	h.ask(make_, making(m{8: proof(creation), 9: uint64(p)})) // of another relying party
	h.ask(get, getting(m{1: "example.org", 6: proof(creation), 7: uint64(p)}))
	h.ask(make_, making(m{2: s{"id": "example.org"}, 8: proof(creation), 9: uint64(p)}))
	h.ask(make_, making(m{2: s{"id": "example.org"}, 3: s{"id": []byte("again")}, 8: proof(creation), 9: uint64(p)}))
	h.ask(make_, making(nil))
	h.ask(make_, making(m{7: s{"rk": true}}))
	h.ask(make_, making(m{8: make([]byte, 32), 9: uint64(p)}))
	h.ask(get, getting(m{6: make([]byte, 32), 7: uint64(p)}))
	legacy, err := h.client.PINToken(h.ctx, p, h.pin)
	if err != nil {
		return
	}
	h.ask(make_, making(m{8: proof(legacy), 9: uint64(p)}))
	h.ask(get, getting(m{1: "example.org", 6: proof(legacy), 7: uint64(p)}))
	h.ask(manage, m{1: 1, 3: uint64(p), 4: legacy.Authenticate([]byte{1})})
	h.managed(creation, legacy, perms(ctap2.PermissionPersistentReadOnly, ""))
	h.written(assertion)
	_, _ = h.client.GetInfo(h.ctx)
}

// managed uses tokens for what they do not permit.
func (h *host) managed(tokens ...*pinuv.Token) {
	p := uint64(h.protocol())
	for _, token := range tokens {
		if token == nil {
			continue
		}
		h.ask(manage, m{1: 2, 3: p, 4: token.Authenticate([]byte{2})})
		h.ask(bio, m{1: 1, 2: 4, 4: p, 5: token.Authenticate([]byte{1, 4})})
		covered := append(bytes.Repeat([]byte{0xff}, 32), byte(config_), 1)
		h.ask(config_, m{1: 1, 3: p, 4: token.Authenticate(covered)})
		h.ask(config_, m{1: 1, 3: p, 4: token.Authenticate(covered[32:])})
	}
}

// written writes large blobs in ways that are not allowed.
func (h *host) written(token *pinuv.Token) {
	h.ask(blobs, m{1: 10, 3: 100000})
	h.ask(blobs, m{1: 17, 3: 0})
	h.ask(blobs, m{1: 100000, 3: 0})
	h.ask(blobs, m{2: make([]byte, 20), 3: 0, 4: 20})
	h.ask(blobs, m{2: make([]byte, 20), 3: 0, 4: 100000, 5: token.Authenticate([]byte("x")), 6: uint64(h.protocol())})
	h.ask(blobs, m{2: make([]byte, 20), 3: 7})
}

// probeManaging lists and changes what there is not, and goes on where it may not.
func (h *host) probeManaging(made []*ctap2.MakeCredentialResponse) {
	token := h.token(ctap2.PermissionCredentialManagement, "")
	if token == nil || len(made) < 2 {
		return
	}
	p := uint64(h.protocol())
	authorized := func(sub byte, params any) {
		raw, err := wire.Encode(params)
		if err != nil {
			panic(err) // params are the test's own
		}
		h.ask(manage, m{1: sub, 2: wire.Raw(raw), 3: p, 4: token.Authenticate([]byte{sub}, raw)})
	}
	alice := s{"id": made[0].AuthData.Credential.ID, "type": "public-key"}
	authorized(7, m{2: alice, 3: s{"id": []byte("somebody else"), "name": "x"}})
	authorized(4, m{1: hash("nobody.example")})
	authorized(4, m{1: hash(rpID)})
	_, _ = h.client.GetInfo(h.ctx)
	h.ask(manage, m{1: 5})
	h.ask(get, getting(m{7: nil}))
	_, _ = h.client.GetInfo(h.ctx)
	h.raw([]byte{byte(ctap2.CommandGetNextAssertion)})
	h.protected()
}

// protected makes and looks for a credential that only its user may see.
func (h *host) protected() {
	token := h.token(ctap2.PermissionMakeCredential, "protected.example")
	if token == nil {
		return
	}
	members := making(m{2: s{"id": "protected.example"}, 6: s{"credProtect": 3}, 7: s{"rk": true}})
	members[8], members[9] = token.Authenticate(hash("probe")), uint64(h.protocol())
	id := madeID(h.ask(make_, members))
	named := []any{s{"id": id, "type": "public-key"}}
	h.ask(get, getting(m{1: "protected.example"}))
	h.ask(get, getting(m{1: "protected.example", 3: named}))
	h.ask(make_, making(m{2: s{"id": "protected.example"}, 5: named}))
}

// probeFingers enrols in ways that end early.
func (h *host) probeFingers(f *ctap2.Fingerprints) {
	_, _ = f.Templates(h.ctx)
	if e, _, err := f.Begin(h.ctx, 0); err == nil {
		_ = e.Cancel(h.ctx)
		_, _ = e.Next(h.ctx, 0)
	}
	_ = f.Remove(h.ctx, []byte("nothing"))
	_ = f.Rename(h.ctx, []byte("nothing"), strings.Repeat("x", 100))
}
