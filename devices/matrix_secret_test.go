package devices_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/fixtures"
)

// TestMatrixSecrets has one credential give its secrets over every framing,
// under both protocols, at creation and later: they are always the same two, one
// with and one without user verification.
func TestMatrixSecrets(t *testing.T) {
	c := cell{framing: framingsOfMatrix[0], protocol: pinuv.Two, tally: newTally()}
	salt1, salt2 := bytes.Repeat([]byte{0x11}, 32), bytes.Repeat([]byte{0x22}, 32)
	for _, creator := range []pinuv.Protocol{pinuv.One, pinuv.Two} {
		b := c.bench(t, func(p *virtual.Profile) { p.PINProtocols = []pinuv.Protocol{pinuv.Two, pinuv.One} })
		b.setPIN()
		id, atCreation := b.createWithSecrets(creator, salt1, salt2)
		var withUV, withoutUV [][]byte
		for _, f := range framingsOfMatrix {
			b.connect(f)
			for _, p := range []pinuv.Protocol{pinuv.One, pinuv.Two} {
				what := fmt.Sprintf("made under %v, %s, %v", creator, f.name, p)
				both := b.secrets(p, id, true, salt1, salt2)
				b.equal(what+": with user verification", both, atCreation)
				b.equal(what+": the first alone", b.secrets(p, id, true, salt1, nil), atCreation[:1])
				b.equal(what+": the salts the other way round", b.secrets(p, id, true, salt2, salt1), [][]byte{atCreation[1], atCreation[0]})
				without := b.secrets(p, id, false, salt1, salt2)
				if withoutUV == nil {
					withUV, withoutUV = both, without
				}
				b.equal(what+": without user verification", without, withoutUV)
			}
		}
		all := slices.Concat(withUV, withoutUV)
		slices.SortFunc(all, bytes.Compare)
		if n := len(slices.CompactFunc(all, bytes.Equal)); n != 4 {
			t.Errorf("two salts, with and without user verification, make %d secrets", n)
		}
	}
}

// createWithSecrets makes a credential with hmac-secret-mc.
func (b *bench) createWithSecrets(p pinuv.Protocol, salt1, salt2 []byte) (id []byte, secrets [][]byte) {
	b.Helper()
	token := b.token(ctap2.PermissionMakeCredential, matrixRP)
	h, err := b.HMACSecret(b.Context(), p, salt1, salt2)
	b.must(err)
	defer h.Close()
	in := ctap2.CreationExtensions{HMACSecretMC: h}
	r := &ctap2.MakeCredentialRequest{
		ClientDataHash: make([]byte, 32), RP: ctap2.RelyingParty{ID: matrixRP}, User: ctap2.User{ID: []byte("u")},
		Parameters: ctap2.Parameters(cose.ES256), Extensions: in.Inputs(),
	}
	r.Authorize(token)
	response, err := b.MakeCredential(b.Context(), r)
	b.must(err)
	out, err := in.Outputs(response)
	b.must(err)
	b.equal("hmac-secret", out.HMACSecret != nil && *out.HMACSecret, true)
	return response.AuthData.Credential.ID, out.HMACSecretMC
}

func (b *bench) secrets(p pinuv.Protocol, id []byte, uv bool, salt1, salt2 []byte) [][]byte {
	b.Helper()
	r := &ctap2.GetAssertionRequest{RPID: matrixRP, ClientDataHash: make([]byte, 32), AllowList: ctap2.Descriptors(id)}
	if uv {
		r.Authorize(b.token(ctap2.PermissionGetAssertion, matrixRP))
	}
	h, err := b.HMACSecret(b.Context(), p, salt1, salt2)
	b.must(err)
	defer h.Close()
	in := ctap2.AssertionExtensions{HMACSecret: h}
	r.Extensions = in.Inputs()
	a, err := b.GetAssertion(b.Context(), r)
	b.must(err)
	out, err := in.Outputs(a)
	b.must(err)
	return out.HMACSecret
}

// matrixPRF evaluates prf at creation and later, for one credential and for any.
func matrixPRF(b *bench) {
	b.setPIN()
	values := webauthn.PRFValues{First: []byte("first"), Second: []byte("second")}
	o := discoverable(matrixRP, "alice")
	o.Extensions.PRF = &webauthn.PRFInputs{Eval: &values}
	alice := b.mustCreate(o)
	b.equal("enabled", *alice.results.PRF.Enabled, true)
	b.equal("user verification that prf brings about", alice.uv(), true)
	bob := b.mustCreate(creationOptions(matrixRP, "bob"))

	r := requestOptions(matrixRP, alice.descriptor())
	r.Extensions.PRF = &webauthn.PRFInputs{Eval: &values}
	b.equal("results at creation and later", b.mustGet(r).results.PRF, &webauthn.PRFOutputs{Results: alice.results.PRF.Results})

	// Salts of hmac-secret are what prf makes of its inputs.
	direct := b.secrets(b.cell.protocol, alice.id(), true, webauthn.PRFSalt([]byte("first")), webauthn.PRFSalt([]byte("second")))
	b.equal("results by hmac-secret", webauthn.PRFResults(direct), alice.results.PRF.Results)

	r = requestOptions(matrixRP, bob.descriptor(), alice.descriptor())
	r.Extensions.PRF = &webauthn.PRFInputs{
		Eval:             &webauthn.PRFValues{First: []byte("neither")},
		EvalByCredential: map[string]webauthn.PRFValues{alice.descriptor().ID.String(): {First: values.Second}},
	}
	b.keep(bob)
	g := b.mustGet(r) // bob's is found first, and has no inputs of its own
	b.equal("the credential", g.Credential.ID, bob.id())
	r.Allow = slices.Clone(r.Allow[1:])
	g = b.mustGet(r)
	b.equal("results of evalByCredential", g.results.PRF.Results, &webauthn.PRFValues{First: alice.results.PRF.Results.Second})

	r = requestOptions(matrixRP, alice.descriptor())
	r.Extensions.HMACGetSecret = &webauthn.HMACGetSecret{Salt1: webauthn.PRFSalt([]byte("second"))}
	b.equal("hmacGetSecret", b.mustGet(r).results.HMACGetSecret, &webauthn.HMACOutputs{Output1: alice.results.PRF.Results.Second})

	r.Extensions = webauthn.ExtensionInputs{PRF: &webauthn.PRFInputs{EvalByCredential: map[string]webauthn.PRFValues{"AAAA": values}}}
	_, err := b.get(r)
	if !errors.Is(err, webauthn.SyntaxError) {
		b.Errorf("a key that is no allowed credential: %v", err)
	}
}

// keep holds on to a credential for later.
func (b *bench) keep(m made) { b.keys[string(m.id())] = m.AuthData.Credential.Key }

// matrixPRFVectors has the client evaluate prf with the vectors of WebAuthn L3
// §16: with their key pairs and IV, what reaches the key is theirs byte for byte.
// The key's own secret is not theirs, so their encrypted output is put into its
// answer, and the client has to find their results in it.
func matrixPRFVectors(b *bench) {
	keys := fixtures.PINUV()
	b = b.again(func(p *virtual.Profile) { p.EncIdentifier, p.EncStoreState = false, false }) // getInfo draws nothing
	m := b.mustCreate(creationOptions(matrixRP, "alice"))
	tried := 0
	for i, v := range fixtures.WebAuthn().PRF {
		if pinuv.Protocol(v.Protocol) != b.cell.protocol {
			continue
		}
		tried++
		b.key.PowerCycle()
		b.keyRand.choose(keys.Authenticator.D)
		b.clientRand.choose(keys.Platform.D, v.IV)
		b.key.rewrite = func(msg, answer []byte) []byte { return withOutput(b, msg, answer, v.OutputEnc) }
		b.key.sent(ctap2.CommandGetAssertion)

		r := requestOptions(matrixRP, m.descriptor())
		values := &webauthn.PRFValues{First: webauthn.Bytes(v.Inputs[0])}
		outputs := &webauthn.PRFValues{First: webauthn.Bytes(v.Outputs[0])}
		if len(v.Inputs) > 1 {
			values.Second, outputs.Second = webauthn.Bytes(v.Inputs[1]), webauthn.Bytes(v.Outputs[1])
		}
		r.Extensions.PRF = &webauthn.PRFInputs{Eval: values}
		g := b.mustGet(r)
		b.equal(fmt.Sprintf("results of vector %d", i), g.results.PRF.Results, outputs)

		var input struct {
			KeyAgreement cose.Key `cbor:"1,keyasint"`
			SaltEnc      []byte   `cbor:"2,keyasint"`
		}
		b.inputOf(ctap2.CommandGetAssertion, 4, ctap2.ExtensionHMACSecret, &input)
		b.equal("saltEnc at the key", input.SaltEnc, []byte(v.SaltEnc))
		b.equal("the platform's key", [][]byte{input.KeyAgreement.X, input.KeyAgreement.Y}, [][]byte{keys.Platform.X, keys.Platform.Y})
	}
	if tried == 0 {
		b.Error("no vector for this protocol")
	}
}

// inputOf reads what an extension was sent in the last message of a command.
func (b *bench) inputOf(c ctap2.Command, member uint64, id string, into any) {
	b.Helper()
	sent := b.key.sent(c)
	if len(sent) == 0 {
		b.Fatalf("%v was not sent", c)
	}
	var m map[uint64]wire.Raw
	b.must(wire.Decode(sent[len(sent)-1], &m))
	var inputs map[string]wire.Raw
	b.must(wire.Decode(m[member], &inputs))
	b.must(wire.Decode(inputs[id], into))
}

// withOutput replaces the output of hmac-secret in an assertion.
func withOutput(b *bench, msg, answer, output []byte) []byte {
	if ctap2.Command(msg[0]) != ctap2.CommandGetAssertion || answer[0] != 0 {
		return answer
	}
	var m map[uint64]wire.Raw
	b.must(wire.Decode(answer[1:], &m))
	var raw []byte
	b.must(wire.Decode(m[2], &raw))
	d, err := authdata.Parse(raw)
	b.must(err)
	d.Extensions[ctap2.ExtensionHMACSecret] = b.encoded(output)
	raw, err = d.Bytes()
	b.must(err)
	m[2] = b.encoded(raw)
	return append([]byte{0}, b.encoded(m)...)
}

func (b *bench) encoded(v any) wire.Raw {
	b.Helper()
	raw, err := wire.Encode(v)
	b.must(err)
	return raw
}

// record reads one member of a record that the key keeps.
func (b *bench) record(name string, member uint64) any {
	b.Helper()
	records, err := b.store.Load()
	b.must(err)
	var m map[uint64]any
	b.must(wire.Decode(records[name], &m))
	return m[member]
}
