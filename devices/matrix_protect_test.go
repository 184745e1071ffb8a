package devices_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
)

var protectionPolicies = []string{
	"userVerificationOptional", "userVerificationOptionalWithCredentialIDList", "userVerificationRequired",
}

// matrixCredProtect looks for credentials of each level, with and without user
// verification, with and without an allow list (CTAP 2.3 §12.1).
func matrixCredProtect(b *bench) {
	b.setPIN()
	visible := map[bool]map[bool][]int{ // by user verification, by list: the levels
		false: {false: {1}, true: {1, 2}},
		true:  {false: {1, 2, 3}, true: {1, 2, 3}},
	}
	for level := 1; level <= 3; level++ {
		rpID := fmt.Sprintf("level%d.example", level)
		o := discoverable(rpID, "alice")
		o.Extensions.ProtectionPolicy, o.Extensions.EnforceProtectionPolicy = protectionPolicies[level-1], true
		m := b.mustCreate(o)
		var output uint64
		_, err := m.AuthData.Extension(ctap2.ExtensionCredProtect, &output)
		b.must(err)
		b.equal("level in the authenticator data", output, uint64(level))
		for _, uv := range []bool{false, true} {
			for _, list := range []bool{false, true} {
				r := requestOptions(rpID)
				if list {
					r.Allow = []webauthn.Descriptor{m.descriptor()}
				}
				if uv {
					r.Verification = webauthn.Required
				}
				what := fmt.Sprintf("level %d, user verified %v, allow list %v", level, uv, list)
				g, err := b.get(r)
				if !slices.Contains(visible[uv][list], level) {
					b.refused(what, err, ctap2.StatusNoCredentials)
					continue
				}
				b.must(err)
				b.equal(what, [2]any{string(g.Credential.ID), g.uv()}, [2]any{string(m.id()), uv})
			}
		}
	}
	m := b.mustCreate(discoverable("default.example", "alice"))
	b.equal("outputs without the extension", len(m.AuthData.Extensions), 0)
	b.equal("found by no list", b.mustGet(requestOptions("default.example")).Credential.ID, m.id())
}

// matrixExcluded has credentials of each level excluded: one that wants user
// verification is not admitted to without.
func matrixExcluded(b *bench) {
	b.setPIN()
	for level := 1; level <= 3; level++ {
		o := creationOptions(matrixRP, "alice")
		o.Extensions.ProtectionPolicy = protectionPolicies[level-1]
		m := b.mustCreate(o)
		for _, uv := range []bool{false, true} {
			r := &ctap2.MakeCredentialRequest{
				ClientDataHash: bytes.Repeat([]byte{4}, 32), RP: ctap2.RelyingParty{ID: matrixRP}, User: ctap2.User{ID: []byte("x")},
				Parameters: ctap2.Parameters(-7), ExcludeList: ctap2.Descriptors(m.id()),
			}
			if uv {
				r.Authorize(b.token(ctap2.PermissionMakeCredential, matrixRP))
			}
			before := b.touches.Load()
			_, err := b.MakeCredential(b.Context(), r)
			excluded := errors.Is(err, ctap2.StatusCredentialExcluded)
			if what := fmt.Sprintf("level %d, user verified %v", level, uv); excluded != (level < 3 || uv) || err != nil && !excluded {
				b.Errorf("%s: %v", what, err)
			}
			b.equal("touches", b.touches.Load()-before, int32(1))
		}
	}
}

// matrixLists has lists that are longer than the key takes.
func matrixLists(b *bench) {
	b = b.again(shortLists)
	b.setPIN()
	var foreign []webauthn.Descriptor
	for i := range 10 {
		foreign = append(foreign, webauthn.Descriptor{Type: webauthn.PublicKey, ID: bytes.Repeat([]byte{byte(i + 1)}, 64)})
	}
	m := b.mustCreate(creationOptions(matrixRP, "alice"))
	with := slices.Insert(slices.Clone(foreign), 7, m.descriptor())

	o := creationOptions(matrixRP, "bob")
	for _, requirement := range []webauthn.Requirement{webauthn.Discouraged, webauthn.Required} {
		o.Selection.UserVerification = requirement
		o.Exclude = with
		before := b.probes(nil)
		_, err := b.create(o)
		b.refused("the eighth of eleven excluded", err, ctap2.StatusCredentialExcluded)
		b.equal("batches and touches", b.probes(before), []int32{3, 1}) // 3, 3, 3 with it
		o.Exclude = foreign
		b.mustCreate(o)
		b.equal("batches and touches where none is there", b.probes(before), []int32{4, 1})

		r := requestOptions(matrixRP, with...)
		r.Verification = requirement
		g := b.mustGet(r)
		b.equal("the eighth of eleven allowed", [2]any{string(g.Credential.ID), g.uv()}, [2]any{string(m.id()), requirement == webauthn.Required})
		b.equal("batches and touches of an assertion", b.probes(before), []int32{3, 1})
		r.Allow = foreign
		_, err = b.get(r)
		b.refused("none of ten allowed", err, ctap2.StatusNoCredentials)
		b.equal("batches without any", b.probes(before)[0], int32(4))
	}
}

// probes counts the requests of getAssertion that want no touch, and the touches,
// since the last time. No batch may be longer than the key takes.
func (b *bench) probes(before []int32) []int32 {
	b.Helper()
	var silent int32
	for _, msg := range b.key.sent(ctap2.CommandGetAssertion) {
		var r struct {
			Allow   []ctap2.Descriptor `cbor:"3,keyasint"`
			Options map[string]bool    `cbor:"5,keyasint"`
		}
		b.decode(msg, &r)
		if up, sent := r.Options["up"]; sent && !up {
			silent++
		}
		if len(r.Allow) > 3 {
			b.Errorf("an allow list of %d", len(r.Allow))
		}
	}
	touches := b.touches.Swap(0)
	if before == nil {
		return []int32{}
	}
	return []int32{silent, touches}
}

// matrixAssertions gets all assertions of a relying party, the newest credential
// first (CTAP 2.3 §6.3).
func matrixAssertions(b *bench) {
	b.setPIN()
	var want []string
	for _, name := range []string{"alice", "bob", "carol"} {
		b.mustCreate(discoverable(matrixRP, name))
		want = append([]string{name}, want...)
	}
	hash := bytes.Repeat([]byte{5}, 32)
	r := &ctap2.GetAssertionRequest{RPID: matrixRP, ClientDataHash: hash}
	r.Authorize(b.token(ctap2.PermissionGetAssertion, matrixRP))
	all, err := b.GetAssertions(b.Context(), r)
	b.must(err)
	var users []string
	counts := map[uint32]bool{}
	for _, a := range all {
		b.signed(a, hash)
		users, counts[a.AuthData.SignCount] = append(users, a.User.Name), true
	}
	b.equal("users", users, want)
	b.equal("how many there are", all[0].NumberOfCredentials, uint(3))
	b.equal("signature counters", len(counts), 3)
	_, err = b.GetNextAssertion(b.Context())
	b.refused("a fourth", err, ctap2.StatusNotAllowed)

	one := b.mustGet(requestOptions(matrixRP))
	b.equal("name without user verification", one.User.Name, "")
	b.equal("user handle", string(one.User.ID), "carol")
}

// matrixAlgorithms signs with every algorithm of the key: the first that it has
// of those that a relying party takes.
func matrixAlgorithms(b *bench) {
	var has []cose.Algorithm
	for _, p := range b.info().Algorithms {
		has = append(has, p.Algorithm)
		o := creationOptions(matrixRP, "alice")
		o.Parameters = []webauthn.Parameter{
			{Type: webauthn.PublicKey, Algorithm: cose.RS256}, {Type: "other", Algorithm: cose.ES256}, {Type: webauthn.PublicKey, Algorithm: p.Algorithm},
		}
		m := b.mustCreate(o)
		b.equal("algorithm", m.AuthData.Credential.Key.Alg, p.Algorithm)
		b.equal("credential", b.mustGet(requestOptions(matrixRP, m.descriptor())).Credential.ID, m.id())
	}
	b.equal("algorithms", has, []cose.Algorithm{cose.ES256, cose.EdDSA, cose.ES384, cose.ES512})
	o := creationOptions(matrixRP, "alice")
	o.Parameters[0].Algorithm = cose.RS256
	_, err := b.create(o)
	b.refused("an algorithm that it has not", err, ctap2.StatusUnsupportedAlgorithm)
}
