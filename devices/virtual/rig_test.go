package virtual_test

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/fixtures"
)

var unhex = fixtures.Unhex

// The tests speak raw CTAP: requests are maps with the standard's member
// numbers, answers are decoded by the CBOR library and taken apart by hand.

// Commands.
const (
	cmdMakeCredential   = 0x01
	cmdGetAssertion     = 0x02
	cmdGetInfo          = 0x04
	cmdClientPIN        = 0x06
	cmdReset            = 0x07
	cmdGetNextAssertion = 0x08
	cmdSelection        = 0x0b
)

// m is a map with numbered members, s one with named members.
type (
	m map[int]any
	s map[string]any
)

// absent as a value takes a member out of a request.
type absent struct{}

// with returns the request with some members changed.
func (base m) with(changes m) m {
	all := maps.Clone(base)
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ int, v any) bool { return v == absent{} })
	return all
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := wire.Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// message encodes a request; without members it is the command byte only.
func message(t testing.TB, cmd byte, params m) []byte {
	t.Helper()
	if params == nil {
		return []byte{cmd}
	}
	return append([]byte{cmd}, encode(t, params)...)
}

// seeded is a random source that is the same each time.
func seeded(seed byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{seed}) }

// rig is a key with everything around it.
type rig struct {
	t      testing.TB
	cfg    virtual.Config
	key    *virtual.Authenticator
	ctx    context.Context
	asked  *atomic.Int32 // how often the user was, by poll too
	states []byte        // keepalive status codes of the last command
	heard  []string      // every answer so far
	tape   []exchange
	now    *time.Time // of a scene
}

// newRig makes a key in memory, with repeatable randomness and a user who
// touches at once. Changes are applied to its configuration.
func newRig(t testing.TB, changes ...func(*virtual.Config)) *rig {
	t.Helper()
	r := &rig{t: t, ctx: context.Background(), asked: new(atomic.Int32)}
	r.cfg = virtual.Config{
		Rand:    seeded(1),
		Store:   virtual.NewMemory(),
		OnError: func(err error) { t.Logf("the key reports: %v", err) },
	}
	for _, change := range changes {
		change(&r.cfg)
	}
	if r.cfg.Presence == nil {
		r.cfg.Presence = virtual.Auto()
	}
	presence := r.cfg.Presence
	r.cfg.Presence = func(ctx context.Context) virtual.Decision {
		r.asked.Add(1)
		return presence(ctx)
	}
	r.load()
	return r
}

// touches is how often the user was asked.
func (r *rig) touches() int { return int(r.asked.Load()) }

// model changes the key's profile.
func model(change func(*virtual.Profile)) func(*virtual.Config) {
	return func(c *virtual.Config) {
		if c.Profile == nil {
			c.Profile = virtual.DefaultProfile()
		}
		change(c.Profile)
	}
}

// become makes the key another model, with the state that it has.
func (r *rig) become(change func(*virtual.Profile)) {
	r.t.Helper()
	model(change)(&r.cfg)
	r.load()
}

// load makes the key from its store, anew.
func (r *rig) load() {
	r.t.Helper()
	key, err := virtual.New(r.cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.key = key
}

// raw sends bytes and checks what must hold of every answer.
func (r *rig) raw(msg []byte) (status byte, body []byte) {
	r.t.Helper()
	r.states = nil
	touches := r.touches()
	answer := r.key.Message(r.ctx, msg, func(status byte) { r.states = append(r.states, status) })
	r.heard = append(r.heard, string(answer))
	r.tape = append(r.tape, exchange{label: label(msg), touches: r.touches() - touches, answer: answer})
	checkAnswer(r.t, answer)
	if limit := r.longest(); len(answer) > limit {
		r.t.Fatalf("answer of %d bytes", len(answer))
	}
	return answer[0], answer[1:]
}

// longest is the longest answer that a key may give: that of the default model
// fits what every platform can take.
func (r *rig) longest() int {
	if r.cfg.Profile == nil {
		return virtual.MinMessage
	}
	return virtual.MaxMessage
}

// checkAnswer wants a status byte and at most one canonical item, and none after
// an error.
func checkAnswer(t testing.TB, answer []byte) {
	t.Helper()
	switch {
	case len(answer) == 0:
		t.Fatal("empty answer")
	case len(answer) > 1 && answer[0] != 0:
		t.Fatalf("error %02x with a body %x", answer[0], answer[1:])
	case len(answer) > 1:
		if err := wire.Canonical(answer[1:]); err != nil {
			t.Fatalf("answer is not canonical: %v", err)
		}
	}
}

// want sends a request that must be answered with the status.
func (r *rig) want(status byte, cmd byte, params m) {
	r.t.Helper()
	if got, _ := r.raw(message(r.t, cmd, params)); got != status {
		r.t.Fatalf("command %02x: status %02x, want %02x", cmd, got, status)
	}
}

// ok sends a request that must succeed and returns the decoded body.
func (r *rig) ok(cmd byte, params m) map[any]any {
	r.t.Helper()
	status, body := r.raw(message(r.t, cmd, params))
	if status != 0 {
		r.t.Fatalf("command %02x: status %02x", cmd, status)
	}
	if len(body) == 0 {
		return nil
	}
	return decode(r.t, body)
}

func decode(t testing.TB, b []byte) (v map[any]any) {
	t.Helper()
	if err := cbor.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// records is the content of the key's store.
func (r *rig) records() map[string]string {
	r.t.Helper()
	records, err := r.cfg.Store.Load()
	if err != nil {
		r.t.Fatal(err)
	}
	all := map[string]string{}
	for name, b := range records {
		all[name] = string(b)
	}
	return all
}

// Requests that most tests vary.

const rpID = "example.com"

var (
	hash      = sha256.Sum256([]byte("client data"))
	otherHash = sha256.Sum256([]byte("other client data"))
	es256     = s{"alg": -7, "type": "public-key"}
	eddsa     = s{"alg": -8, "type": "public-key"}
)

// creation is a minimal valid request for a credential that is not
// discoverable.
func creation() m {
	return m{1: hash[:], 2: s{"id": rpID}, 3: s{"id": []byte{1}}, 4: []any{es256}}
}

// discoverable is a request for a discoverable credential of an account.
func discoverable(user string) m {
	return creation().with(m{
		3: s{"id": []byte(user), "name": user + "@example.com", "displayName": "The " + user},
		7: s{"rk": true},
	})
}

// assertion is a request with the IDs as its allowList.
func assertion(ids ...[]byte) m {
	request := m{1: rpID, 2: otherHash[:]}
	if len(ids) > 0 {
		request[3] = descriptors(ids...)
	}
	return request
}

func descriptors(ids ...[]byte) []any {
	var list []any
	for _, id := range ids {
		list = append(list, s{"id": id, "type": "public-key"})
	}
	return list
}

// authData is authenticator data taken apart by hand.
type authData struct {
	raw        []byte
	flags      byte
	count      uint32
	aaguid     []byte
	id         []byte
	key        map[any]any
	extensions map[any]any
}

const (
	flagUP = 0x01
	flagUV = 0x04
	flagAT = 0x40
	flagED = 0x80
)

func parseAuthData(t testing.TB, body map[any]any) authData {
	t.Helper()
	return parseAuthDataOf(t, rpID, body)
}

// parseAuthDataOf is parseAuthData for a relying party.
func parseAuthDataOf(t testing.TB, rp string, body map[any]any) authData {
	t.Helper()
	b := body[uint64(2)].([]byte)
	d := authData{raw: b, flags: b[32], count: binary.BigEndian.Uint32(b[33:])}
	if want := sha256.Sum256([]byte(rp)); !bytes.Equal(b[:32], want[:]) {
		t.Fatalf("RP ID hash %x", b[:32])
	}
	rest := b[37:]
	if d.flags&flagAT != 0 {
		n := int(binary.BigEndian.Uint16(rest[16:]))
		d.aaguid, d.id, rest = rest[:16], rest[18:18+n], rest[18+n:]
		d.key, rest = decodeFirst(t, rest)
	}
	if d.flags&flagED != 0 {
		d.extensions, rest = decodeFirst(t, rest)
	}
	if len(rest) > 0 {
		t.Fatalf("trailing bytes %x", rest)
	}
	return d
}

// decodeFirst decodes the canonical map at the start of b.
func decodeFirst(t testing.TB, b []byte) (v map[any]any, rest []byte) {
	t.Helper()
	rest, err := cbor.UnmarshalFirst(b, &v)
	if err != nil {
		t.Fatal(err)
	}
	if err := wire.Canonical(b[:len(b)-len(rest)]); err != nil {
		t.Fatal(err)
	}
	return v, rest
}

// made is a credential as a relying party keeps it.
type made struct {
	authData
	body map[any]any
}

// make sends a request for a credential that must succeed.
func (r *rig) make(request m) made {
	r.t.Helper()
	body := r.ok(cmdMakeCredential, request)
	return made{authData: parseAuthData(r.t, body), body: body}
}

// verify checks a signature with the credential's public key.
func (c made) verify(t testing.TB, message, sig []byte) {
	t.Helper()
	if c.key[int64(-1)] == uint64(6) { // Ed25519
		if !ed25519.Verify(c.key[int64(-2)].([]byte), message, sig) {
			t.Fatal("signature is wrong")
		}
		return
	}
	point := append([]byte{4}, c.key[int64(-2)].([]byte)...)
	point = append(point, c.key[int64(-3)].([]byte)...)
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(message)
	if !ecdsa.VerifyASN1(public, digest[:], sig) {
		t.Fatal("signature is wrong")
	}
}

// asserted is an assertion taken apart.
type asserted struct {
	authData
	body map[any]any
	id   []byte
	user map[any]any // nil when there is none
}

func parseAssertion(t testing.TB, body map[any]any) asserted {
	t.Helper()
	a := asserted{authData: parseAuthData(t, body), body: body}
	credential := body[uint64(1)].(map[any]any)
	if credential["type"] != "public-key" || len(credential) != 2 {
		t.Fatalf("credential %v", credential)
	}
	a.id = credential["id"].([]byte)
	a.user, _ = body[uint64(4)].(map[any]any)
	return a
}

// assert sends a request for an assertion that must succeed, and checks the
// signature when the credential is known.
func (r *rig) assert(request m, credentials ...made) asserted {
	r.t.Helper()
	return r.checked(r.ok(cmdGetAssertion, request), credentials)
}

// next is authenticatorGetNextAssertion.
func (r *rig) next(credentials ...made) asserted {
	r.t.Helper()
	return r.checked(r.ok(cmdGetNextAssertion, nil), credentials)
}

func (r *rig) checked(body map[any]any, credentials []made) asserted {
	r.t.Helper()
	a := parseAssertion(r.t, body)
	for _, c := range credentials {
		if bytes.Equal(c.authData.id, a.id) {
			signed := append(bytes.Clone(a.raw), otherHash[:]...)
			c.verify(r.t, signed, body[uint64(3)].([]byte))
		}
	}
	return a
}

// platform is the other side of one key agreement.
type platform struct {
	r        *rig
	protocol int
	secret   *pinuv.Secret
	cose     m // the platform's key as it is sent
}

// platformKey is the one of the fact sheet's vectors.
const platformKey = "0971bc7fb1be48270adcd3d9a5fc15d5fb0f335b3071ff36a54c007fa6c76514"

func (r *rig) agree(protocol int) *platform {
	r.t.Helper()
	body := r.ok(cmdClientPIN, m{1: protocol, 2: 2})
	theirs := body[uint64(1)].(map[any]any)
	point := append([]byte{4}, theirs[int64(-2)].([]byte)...)
	peer, err := ecdh.P256().NewPublicKey(append(point, theirs[int64(-3)].([]byte)...))
	if err != nil {
		r.t.Fatal(err)
	}
	own, err := ecdh.P256().NewPrivateKey(unhex(r.t, platformKey))
	if err != nil {
		r.t.Fatal(err)
	}
	secret, err := pinuv.Protocol(protocol).Agree(own, peer)
	if err != nil {
		r.t.Fatal(err)
	}
	public := own.PublicKey().Bytes()
	return &platform{
		r: r, protocol: protocol, secret: secret,
		cose: m{1: 2, 3: -25, -1: 1, -2: public[1:33], -3: public[33:]},
	}
}

// encrypt uses a fixed IV where the protocol has one.
func (p *platform) encrypt(plain []byte) []byte {
	p.r.t.Helper()
	b, err := p.secret.Encrypt(seeded(2), plain)
	if err != nil {
		p.r.t.Fatal(err)
	}
	return b
}

func (p *platform) decrypt(b []byte) []byte {
	p.r.t.Helper()
	plain, err := p.secret.Decrypt(b)
	if err != nil {
		p.r.t.Fatal(err)
	}
	return plain
}

func (p *platform) encryptPIN(pin string) []byte {
	return p.encrypt(append([]byte(pin), make([]byte, 64-len(pin))...))
}

func (p *platform) encryptHash(pin string) []byte {
	h := sha256.Sum256([]byte(pin))
	return p.encrypt(h[:16])
}

// setPIN, changePIN and getToken are requests of authenticatorClientPIN.

func (p *platform) setPIN(pin string) m {
	enc := p.encryptPIN(pin)
	return m{1: p.protocol, 2: 3, 3: p.cose, 4: p.secret.Authenticate(enc), 5: enc}
}

func (p *platform) changePIN(old, new string) m {
	enc, hashEnc := p.encryptPIN(new), p.encryptHash(old)
	return m{1: p.protocol, 2: 4, 3: p.cose, 4: p.secret.Authenticate(enc, hashEnc), 5: enc, 6: hashEnc}
}

func (p *platform) getToken(pin string) m {
	return m{1: p.protocol, 2: 5, 3: p.cose, 6: p.encryptHash(pin)}
}

func (p *platform) getTokenWith(pin string, permissions int, rpID any) m {
	return m{1: p.protocol, 2: 9, 3: p.cose, 6: p.encryptHash(pin), 9: permissions, 10: rpID}.with(nil)
}

const pin = "1234"

// setPIN gives the key its PIN.
func (r *rig) setPIN() {
	r.t.Helper()
	r.ok(cmdClientPIN, r.agree(2).setPIN(pin))
}

// tok is a pinUvAuthToken that the platform has got.
type tok struct {
	protocol int
	token    *pinuv.Token
}

// take asks for a token that must be given.
func (p *platform) take(request m) tok {
	p.r.t.Helper()
	raw := p.decrypt(p.r.ok(cmdClientPIN, request)[uint64(2)].([]byte))
	token, err := pinuv.NewToken(pinuv.Protocol(p.protocol), raw)
	if err != nil {
		p.r.t.Fatal(err)
	}
	return tok{p.protocol, token}
}

// token gets a token for mc and ga at the relying party.
func (r *rig) token() tok {
	r.t.Helper()
	p := r.agree(2)
	return p.take(p.getTokenWith(pin, 3, rpID))
}

// mc and ga add the token's pinUvAuthParam to a request.
func (k tok) mc(request m) m {
	return request.with(m{8: k.token.Authenticate(request[1].([]byte)), 9: k.protocol})
}

func (k tok) ga(request m) m {
	return request.with(m{6: k.token.Authenticate(request[2].([]byte)), 7: k.protocol})
}

func expect[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s is %v, want %v", what, got, want)
	}
}
