package transcript

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// rekeyer is the half of a key that a tape without a seed lacks: key agreement
// keys and tokens. It gives out its own in the place of the recorded ones, the
// same for the same, and holds the host to them.
type rekeyer struct {
	file string
	rand io.Reader

	keys   map[string]*ecdh.PrivateKey         // by the key on the tape
	agreed map[pinuv.Protocol]*ecdh.PrivateKey // given out last
	tokens []*pinuv.Token                      // all that were given out
	pin    []byte                              // that the session begins with, nil if not known
	hash   []byte                              // of the PIN that is set now, nil if not known
}

func newRekeyer(tape *Tape, cfg PlayConfig) *rekeyer {
	r := &rekeyer{
		file: tape.Name, rand: cfg.Rand, pin: cfg.PIN,
		keys: map[string]*ecdh.PrivateKey{}, agreed: map[pinuv.Protocol]*ecdh.PrivateKey{},
	}
	if r.pin == nil && tape.Header.PIN != "" {
		r.pin = []byte(tape.Header.PIN)
	}
	if r.pin != nil {
		r.hash = hashOf(r.pin)
	}
	return r
}

// hashOf is the hash of a PIN as a key keeps it.
func hashOf(pin []byte) []byte {
	normal, err := pinuv.NormalizePIN(pin)
	if err != nil {
		return pinuv.HashPIN(pin)
	}
	defer clear(normal)
	return pinuv.HashPIN(normal)
}

// wipe forgets what is secret.
func (r *rekeyer) wipe() {
	for _, t := range r.tokens {
		t.Wipe()
	}
	r.tokens, r.keys, r.agreed = nil, nil, nil
	clear(r.hash)
}

// answer is the tape's answer to its question e in the keys of the host that
// asks, once the host has proven what it has to. A question that the key has
// refused need not prove anything.
func (r *rekeyer) answer(e Exchange, asked Question) ([]byte, error) {
	if len(e.Answer) == 0 || ctap2.Status(e.Answer[0]) != ctap2.StatusOK {
		return e.Answer, nil
	}
	fail := func(reason string) ([]byte, error) {
		return nil, &AuthError{File: r.file, Line: e.Line, Question: asked.String(), Reason: reason}
	}
	if param, covered, ok := asked.Token(); ok && !r.proven(asked.Protocol(), param, covered) {
		return fail("the pinUvAuthParam is not one of a token that was given out in this session")
	}
	secret, plain, reason := r.open(asked)
	defer clear(plain)
	if reason != "" {
		return fail(reason)
	}
	if secret != nil {
		defer secret.Wipe()
	}
	if reason := r.checkPIN(asked, plain); reason != "" {
		return fail(reason)
	}
	return r.rewrite(e, asked, secret, plain)
}

// proven says whether a pinUvAuthParam is that of any token that was given out:
// which of them is still good the key on the tape has decided.
func (r *rekeyer) proven(p pinuv.Protocol, param, covered []byte) bool {
	for _, t := range r.tokens {
		if t.Protocol() == p && t.Verify(param, covered) {
			return true
		}
	}
	return false
}

// open opens what the host has encrypted. The secret is nil if that is nothing.
func (r *rekeyer) open(asked Question) (secret *pinuv.Secret, plain []byte, reason string) {
	a, ok := asked.Agreement()
	if !ok {
		return nil, nil, ""
	}
	own := r.agreed[a.Protocol]
	if own == nil {
		return nil, nil, "no key agreement of that protocol came before"
	}
	peer, err := a.Platform.ECDH()
	if err != nil {
		return nil, nil, "the platform's key is none: " + err.Error()
	}
	if secret, err = a.Protocol.Agree(own, peer); err != nil {
		return nil, nil, err.Error()
	}
	if a.Param != nil && !secret.Verify(a.Param, a.Enc...) {
		return nil, nil, "what is encrypted is not authenticated by the shared secret"
	}
	for _, enc := range a.Enc {
		part, err := secret.Decrypt(enc)
		if err != nil {
			return nil, nil, err.Error()
		}
		plain = append(plain, part...)
	}
	return secret, plain, ""
}

// checkPIN holds PINs to those that are known: that which the session begins
// with, and those that the host has set itself.
func (r *rekeyer) checkPIN(asked Question, plain []byte) string {
	const other = "the PIN is not that of the tape"
	if asked.Command == ctap2.CommandReset {
		r.hash, r.pin = nil, nil
	}
	if asked.Command != ctap2.CommandClientPIN {
		return ""
	}
	switch sub := ctap2.PINSubcommand(asked.Sub); {
	case sub == ctap2.PINSet:
		fresh := pinuv.HashPIN(bytes.TrimRight(plain, "\x00"))
		if r.pin != nil && !hmac.Equal(fresh, hashOf(r.pin)) {
			return other
		}
		r.hash, r.pin = fresh, nil
	case sub == ctap2.PINChange && len(plain) > hashSize:
		split := len(plain) - hashSize
		if r.hash != nil && !hmac.Equal(plain[split:], r.hash) {
			return other
		}
		r.hash, r.pin = pinuv.HashPIN(bytes.TrimRight(plain[:split], "\x00")), nil
	case sub == ctap2.PINGetToken, sub == ctap2.PINGetTokenUsingPIN:
		if r.hash != nil && !hmac.Equal(plain, r.hash) {
			return other
		}
	}
	return ""
}

// hashSize is the size of a PIN's hash as it is sent, in bytes.
const hashSize = 16

// rewrite puts own keys and tokens in the place of the recorded ones.
func (r *rekeyer) rewrite(e Exchange, asked Question, secret *pinuv.Secret, plain []byte) ([]byte, error) {
	answer := clone(e.Answer)
	var err error
	switch {
	case asked.Command == ctap2.CommandClientPIN && ctap2.PINSubcommand(asked.Sub) == ctap2.PINGetKeyAgreement:
		err = r.giveKey(answer, asked.Protocol())
	case asked.Command == ctap2.CommandClientPIN && secret != nil:
		err = r.giveToken(answer, secret)
	case secret != nil:
		err = r.giveOutputs(answer, asked, secret, plain)
	}
	if err != nil {
		return nil, fmt.Errorf("%s line %d: %v: %w", r.file, e.Line, asked, err)
	}
	return answer, nil
}

// pinAnswer is what of an answer of clientPIN is replaced.
type pinAnswer struct {
	Key   *cose.Key `cbor:"1,keyasint"`
	Token []byte    `cbor:"2,keyasint"`
}

// giveKey replaces the coordinates of the key agreement key, all else being left
// as the key of the tape has it. What is no such key is left too.
func (r *rekeyer) giveKey(answer []byte, p pinuv.Protocol) error {
	var a pinAnswer
	if wire.Decode(answer[1:], &a) != nil || a.Key == nil {
		return nil
	}
	if _, err := a.Key.ECDH(); err != nil {
		return nil
	}
	id := string(a.Key.X)
	if r.keys[id] == nil {
		own, err := pinuv.GenerateKey(r.rand)
		if err != nil {
			return err
		}
		r.keys[id] = own
	}
	r.agreed[p] = r.keys[id]
	public := cose.KeyAgreement(r.keys[id].PublicKey())
	replace(answer, a.Key.X, public.X)
	replace(answer, a.Key.Y, public.Y)
	return nil
}

// giveToken replaces a token by one of the same size.
func (r *rekeyer) giveToken(answer []byte, secret *pinuv.Secret) error {
	var a pinAnswer
	if len(answer) < 2 || wire.Decode(answer[1:], &a) != nil || len(a.Token) == 0 {
		return nil
	}
	size := len(a.Token)
	if secret.Protocol() == pinuv.Two {
		size -= ivSize
	}
	key := make([]byte, max(size, 0))
	if _, err := io.ReadFull(r.rand, key); err != nil {
		return err
	}
	token, err := pinuv.NewToken(secret.Protocol(), key)
	if err != nil {
		return nil // of a size that there is not: the host has to notice
	}
	enc, err := secret.Encrypt(r.rand, key)
	if err != nil {
		return err
	}
	r.tokens = append(r.tokens, token)
	replace(answer, a.Token, enc)
	return nil
}

// ivSize is what protocol two puts before its ciphertexts, in bytes.
const ivSize = 16

// giveOutputs replaces the outputs of hmac-secret by own ones: the same for the
// same credential and salt. The tape has the key's only under a secret that
// nobody has any more. The signature over them no longer verifies.
func (r *rekeyer) giveOutputs(answer []byte, asked Question, secret *pinuv.Secret, salts []byte) error {
	data, id, ok := signedData(answer, asked)
	if !ok {
		return nil
	}
	var recorded []byte
	for _, name := range []string{ctap2.ExtensionHMACSecret, ctap2.ExtensionHMACSecretMC} {
		if found, err := data.Extension(name, &recorded); err == nil && found && len(recorded) > 0 {
			break
		}
	}
	enc, err := secret.Encrypt(r.rand, outputs(id, data.Flags.Has(authdata.FlagUV), salts))
	if err != nil || len(enc) != len(recorded) {
		return err
	}
	replace(answer, recorded, enc)
	return nil
}

// signedData is the authenticator data of an answer, and the ID of the
// credential that it is about.
func signedData(answer []byte, asked Question) (data authdata.Data, id []byte, ok bool) {
	var a struct {
		Credential wire.Raw `cbor:"1,keyasint"`
		AuthData   []byte   `cbor:"2,keyasint"`
	}
	if wire.Decode(answer[1:], &a) != nil {
		return data, nil, false
	}
	data, err := authdata.Parse(a.AuthData)
	if err != nil {
		return data, nil, false
	}
	if data.Credential != nil {
		return data, data.Credential.ID, true
	}
	var used ctap2.Descriptor
	if wire.Decode(a.Credential, &used) != nil {
		var allowed []ctap2.Descriptor
		if wire.Decode(asked.Members[assertAllow], &allowed) == nil && len(allowed) == 1 {
			used = allowed[0] // CTAP 2.0 leaves out what the host knows
		}
	}
	return data, used.ID, true
}

// outputs are 32 bytes for each salt of 32 bytes.
func outputs(credential []byte, verified bool, salts []byte) (all []byte) {
	key := sha256.Sum256(fmt.Appendf(nil, "hmac-secret of a tape, %t %x", verified, credential))
	for len(salts) >= ctap2.SaltSize {
		h := hmac.New(sha256.New, key[:])
		h.Write(salts[:ctap2.SaltSize])
		all, salts = h.Sum(all), salts[ctap2.SaltSize:]
	}
	return all
}

// replace overwrites old, which is in the answer, with something of its length.
func replace(answer, old, now []byte) {
	if at := bytes.LastIndex(answer, old); at >= 0 && len(old) == len(now) {
		copy(answer[at:], now)
	}
}
