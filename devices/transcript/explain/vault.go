package explain

import (
	"bytes"
	"crypto/ecdh"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// Bounds of the search for the host's keys in what its seed gave.
const (
	searchWindow = 2 << 10  // bytes past the last key
	searchBudget = 16 << 10 // keys tried for one tape
	seedBytes    = 64 << 10 // of randomness looked at
)

// vault opens what was encrypted, where the tape has the seed of the host's
// randomness: from it come the host's halves of the key agreements. A PIN alone
// opens nothing, as each session agrees on a new secret.
type vault struct {
	random []byte // nil without a seed
	at     int    // behind the last key that was found
	budget int
	found  map[string]*ecdh.PrivateKey // by public key
	peer   *ecdh.PublicKey             // that the key last gave
	pins   []pinHash
	tokens []token
	met    bool // something was encrypted
	shut   bool // something could not be opened
}

// pinHash is a PIN that is known by its hash, and from where.
type pinHash struct {
	hash [pinHashSize]byte
	from string
}

const pinHashSize = 16

type token struct {
	*pinuv.Token
	line int
}

// opened is the secret of one request.
type opened struct {
	secret *pinuv.Secret
	salts  int
}

func newVault(h transcript.Header, opts Options) *vault {
	v := &vault{budget: searchBudget, found: map[string]*ecdh.PrivateKey{}}
	if len(h.Seed) > 0 {
		v.random = make([]byte, seedBytes)
		if _, err := io.ReadFull(transcript.Randomness(h.Seed), v.random); err != nil {
			v.random = nil
		}
	}
	switch {
	case opts.PIN != nil:
		v.know(opts.PIN, "the PIN that was given")
	case h.PIN != "":
		v.know([]byte(h.PIN), "the throw-away PIN in the tape's header")
	}
	return v
}

func (v *vault) know(pin []byte, from string) {
	normal, err := pinuv.NormalizePIN(pin)
	if err != nil {
		return
	}
	v.pins = append(v.pins, pinHash{[pinHashSize]byte(pinuv.HashPIN(normal)), from})
	clear(normal)
}

func (v *vault) wipe() {
	clear(v.random)
	clear(v.pins)
	for _, t := range v.tokens {
		t.Wipe()
	}
}

// sealed says why things stay closed.
func (v *vault) sealed() string {
	switch {
	case v.met && v.random == nil:
		return "the tape has no seed of its host's randomness, without which nothing that was encrypted opens: each session agrees on a new secret, whatever the PIN"
	case v.shut:
		return "the host's keys are not among what the tape's seed gives, so that not everything that was encrypted opens"
	}
	return ""
}

// private is the host's private key to a public one.
func (v *vault) private(public *ecdh.PublicKey) *ecdh.PrivateKey {
	if key, ok := v.found[string(public.Bytes())]; ok {
		return key
	}
	end := min(v.at+searchWindow, len(v.random)-privateSize)
	for i := v.at; i <= end && v.budget > 0; i++ {
		v.budget--
		key, err := ecdh.P256().NewPrivateKey(v.random[i : i+privateSize])
		if err == nil && key.PublicKey().Equal(public) {
			v.at = i + privateSize
			v.found[string(public.Bytes())] = key
			return key
		}
	}
	return nil
}

const privateSize = 32

// agree gives the secret of a request that has the host's half of an agreement.
func (v *vault) agree(half wire.Raw, protocol uint64) *pinuv.Secret {
	v.met = true
	key, err := cose.Parse(half)
	if err != nil || v.peer == nil || v.random == nil {
		return nil
	}
	public, err := key.ECDH()
	if err != nil {
		return nil
	}
	own := v.private(public)
	if own == nil {
		v.shut = true
		return nil
	}
	secret, err := pinuv.Protocol(protocol).Agree(own, v.peer)
	if err != nil {
		return nil
	}
	return secret
}

// request opens what a request has encrypted, and says so in its step.
func (v *vault) request(r *reading) {
	q := r.req
	if input := q.hmacInput(); input != nil {
		v.salts(r, input)
	}
	if q.command == ctap2.CommandClientPIN && q.members[0x03] != nil {
		protocol, _ := number(q.members[0x01])
		if secret := v.agree(q.members[0x03], protocol); secret != nil {
			q.opened = &opened{secret: secret}
			v.openPIN(r, secret)
		}
		return
	}
	v.checkToken(r)
}

func (r *reading) opened(format string, args ...any) {
	r.step.Opened = append(r.step.Opened, fmt.Sprintf(format, args...))
}

// openPIN opens the parameters of authenticatorClientPIN.
func (v *vault) openPIN(r *reading, secret *pinuv.Secret) {
	if c, ok := r.req.covers(); ok && c.secret {
		param, _ := byteString(r.req.members[0x04])
		r.holds("pinUvAuthParam", c.clause, secret.Verify(param, c.message))
	}
	if enc, ok := byteString(r.req.members[0x06]); ok {
		v.openHash(r, secret, enc)
	}
	if enc, ok := byteString(r.req.members[0x05]); ok {
		v.openNewPIN(r, secret, enc)
	}
}

func (r *reading) holds(what, clause string, ok bool) {
	if ok {
		r.opened("%s holds", what)
		return
	}
	r.opened("%s does not hold", what)
	r.remark(clause, "%s is not made over what it has to cover", what)
}

func (v *vault) openHash(r *reading, secret *pinuv.Secret, enc []byte) {
	hash, err := secret.Decrypt(enc)
	defer clear(hash)
	if err != nil || len(hash) != pinHashSize {
		r.remark("CTAP 2.3 §6.5.5.7", "pinHashEnc does not decrypt to 16 bytes")
		return
	}
	for i := len(v.pins) - 1; i >= 0; i-- {
		if subtle.ConstantTimeCompare(hash, v.pins[i].hash[:]) == 1 {
			r.opened("the PIN hash is that of %s", v.pins[i].from)
			return
		}
	}
	if len(v.pins) > 0 {
		r.opened("the PIN hash is that of another PIN than is known here")
		return
	}
	r.opened("a PIN hash of 16 bytes; give the PIN to have it compared")
}

func (v *vault) openNewPIN(r *reading, secret *pinuv.Secret, enc []byte) {
	padded, err := secret.Decrypt(enc)
	defer clear(padded)
	if err != nil {
		r.remark(r.step.Clause, "newPinEnc does not decrypt: %v", err)
		return
	}
	pin, err := pinuv.UnpadPIN(padded)
	if err != nil {
		r.remark(r.step.Clause, "the new PIN is not padded to 64 bytes as it has to be")
		return
	}
	r.opened("a new PIN, padded to 64 bytes")
	hash := pinHash{from: fmt.Sprintf("the PIN of line %d", r.step.Line)}
	sum := sha256.Sum256(pin)
	copy(hash.hash[:], sum[:])
	for _, known := range v.pins {
		if subtle.ConstantTimeCompare(hash.hash[:], known.hash[:]) == 1 {
			r.opened("it is %s", known.from)
			return
		}
	}
	v.pins = append(v.pins, hash)
}

// salts opens the input of hmac-secret.
func (v *vault) salts(r *reading, input map[uint64]wire.Raw) {
	protocol, ok := number(input[0x04])
	if !ok {
		protocol = 1
	}
	secret := v.agree(input[0x01], protocol)
	if secret == nil {
		return
	}
	enc, _ := byteString(input[0x02])
	auth, _ := byteString(input[0x03])
	r.holds("saltAuth", "CTAP 2.3 §12.7", secret.Verify(auth, enc))
	salts, err := secret.Decrypt(enc)
	defer clear(salts)
	if err != nil || len(salts) != ctap2.SaltSize && len(salts) != 2*ctap2.SaltSize {
		r.remark("CTAP 2.3 §12.7", "saltEnc does not decrypt to one or two salts of 32 bytes")
		return
	}
	r.req.opened = &opened{secret: secret, salts: len(salts) / ctap2.SaltSize}
	r.opened("hmac-secret: %s of 32 bytes", several(len(salts)/ctap2.SaltSize, "salt"))
}

// checkToken looks for the token that the request's pinUvAuthParam was made with.
func (v *vault) checkToken(r *reading) {
	c, ok := r.req.covers()
	if !ok || c.secret {
		return
	}
	param, ok := byteString(r.req.members[paramMembers[r.req.command]])
	if !ok || len(param) == 0 {
		return
	}
	v.met = true
	for i := len(v.tokens) - 1; i >= 0; i-- {
		if v.tokens[i].Verify(param, c.message) {
			r.opened("pinUvAuthParam holds, under the token of line %d", v.tokens[i].line)
			return
		}
	}
	if len(v.tokens) > 0 {
		r.opened("pinUvAuthParam is of none of the tokens on the tape")
	}
}

// paramMembers are the numbers of pinUvAuthParam.
var paramMembers = map[ctap2.Command]uint64{
	ctap2.CommandMakeCredential: 0x08, ctap2.CommandGetAssertion: 0x06, ctap2.CommandClientPIN: 0x04, ctap2.CommandBioEnrollment: 0x05,
	ctap2.CommandBioEnrollmentPre: 0x05, ctap2.CommandCredentialManagement: 0x04, ctap2.CommandCredManagementPre: 0x04,
	ctap2.CommandLargeBlobs: 0x05, ctap2.CommandConfig: 0x04,
}

// answer opens what an answer has encrypted.
func (v *vault) answer(r *reading, found map[uint64]wire.Raw) {
	switch r.req.command {
	case ctap2.CommandClientPIN:
		v.takePeer(found[0x01])
		v.openToken(r, found[0x02])
	case ctap2.CommandMakeCredential, ctap2.CommandGetAssertion, ctap2.CommandGetNextAssertion:
		v.openOutputs(r, found[0x02])
	}
}

func (v *vault) takePeer(raw wire.Raw) {
	if key, err := cose.Parse(raw); raw != nil && err == nil {
		if public, err := key.ECDH(); err == nil {
			v.peer = public
		}
	}
}

func (v *vault) openToken(r *reading, raw wire.Raw) {
	enc, ok := byteString(raw)
	if !ok || r.req.opened == nil {
		return
	}
	secret := r.req.opened.secret
	plain, err := secret.Decrypt(enc)
	if err == nil {
		var t *pinuv.Token
		if t, err = pinuv.NewToken(secret.Protocol(), plain); err == nil {
			v.tokens = append(v.tokens, token{t, r.step.Line})
			r.opened("a token of %s", bytesOf(len(plain)))
			return
		}
	}
	r.remark("CTAP 2.3 §6.5.5.7", "the token does not decrypt to one of this protocol: %v", err)
}

// openOutputs opens the outputs of hmac-secret, which are secret as well.
func (v *vault) openOutputs(r *reading, raw wire.Raw) {
	b, _ := byteString(raw)
	data, err := authdata.Parse(b)
	if err != nil || r.req.opened == nil {
		return
	}
	for _, name := range []string{ctap2.ExtensionHMACSecret, ctap2.ExtensionHMACSecretMC} {
		enc, ok := byteString(data.Extensions[name])
		if !ok {
			continue
		}
		plain, err := r.req.opened.secret.Decrypt(enc)
		if err != nil || len(plain) != r.req.opened.salts*ctap2.SaltSize {
			r.remark("CTAP 2.3 §12.7", "the outputs do not decrypt to 32 bytes for each salt")
			continue
		}
		r.opened("%s: %s of 32 bytes, not shown%s", name, several(r.req.opened.salts, "output"), sameNote(plain))
		clear(plain)
	}
}

func several(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// sameNote remarks on two outputs that are equal.
func sameNote(plain []byte) string {
	if len(plain) == 2*ctap2.SaltSize && bytes.Equal(plain[:ctap2.SaltSize], plain[ctap2.SaltSize:]) {
		return ", equal to each other"
	}
	return ""
}
