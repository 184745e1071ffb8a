package devices_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/ceremony"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

const (
	matrixRP      = "example.com"
	matrixPINText = "2468"
)

// bench is a software key on a framing, and a client of it.
type bench struct {
	*testing.T
	cell  cell
	store *virtual.Memory
	key   *observer
	*devices.Conn

	touches  atomic.Int32 // how often the key asked for a touch
	decision atomic.Int32 // what its user does then: a virtual.Decision
	mu       sync.Mutex
	samples  []virtual.Sample // of the finger, the next first; the last one stays

	keyRand, clientRand *draws
	keys                map[string]cose.Key // of credentials, by their IDs
}

// draws is randomness of which the next bytes can be chosen.
type draws struct {
	mu   sync.Mutex
	next []byte
}

func (d *draws) Read(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.next) == 0 {
		return rand.Read(p)
	}
	n := copy(p, d.next)
	d.next = d.next[n:]
	return n, nil
}

func (d *draws) choose(all ...[]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next = slices.Concat(all...)
}

var _ io.Reader = (*draws)(nil)

// bench makes a key of the default model, changed, whose only PIN/UV auth
// protocol is the cell's, and connects to it.
func (c cell) bench(t *testing.T, change func(*virtual.Profile)) *bench {
	return c.benchOf(t, virtual.DefaultProfile(), change)
}

func (c cell) benchOf(t *testing.T, p *virtual.Profile, change func(*virtual.Profile)) *bench {
	t.Helper()
	p.PINProtocols = []pinuv.Protocol{c.protocol}
	change(p)
	b := &bench{
		T: t, cell: c, store: virtual.NewMemory(), keyRand: &draws{}, clientRand: &draws{}, keys: map[string]cose.Key{},
		samples: []virtual.Sample{{Finger: "thumb"}},
	}
	b.decision.Store(int32(virtual.DecisionHeld))
	key, err := virtual.New(virtual.Config{
		Store: b.store, Rand: b.keyRand, Profile: p, Presence: b.touched, Finger: b.sampled,
	})
	if err != nil {
		t.Fatal(err)
	}
	b.key = &observer{Authenticator: key, tally: c.tally}
	t.Cleanup(func() { key.Close() })
	b.connect(c.framing)
	return b
}

// again is another bench of the same cell.
func (b *bench) again(change func(*virtual.Profile)) *bench { return b.cell.bench(b.T, change) }

// connect speaks to the key over a framing from now on.
func (b *bench) connect(f framing) {
	b.Helper()
	link, options := f.plug(b.T, b.key)
	options.Rand = b.clientRand
	conn, err := devices.Connect(b.Context(), link, options)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	b.Conn = conn
}

func (b *bench) touched(context.Context) virtual.Decision {
	b.touches.Add(1)
	return virtual.Decision(b.decision.Load())
}

// sampled is the next contact with the fingerprint sensor.
func (b *bench) sampled(context.Context) virtual.Sample {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := b.samples[0]
	if len(b.samples) > 1 {
		b.samples = b.samples[1:]
	}
	return next
}

// finger is who touches the sensor from now on.
func (b *bench) finger(samples ...virtual.Sample) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.samples = samples
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// refused wants an error that is the one.
func (b *bench) refused(what string, err, want error) {
	b.Helper()
	if !errors.Is(err, want) {
		b.Errorf("%s: %v, want %v", what, err, want)
	}
}

func (b *bench) equal(what string, got, want any) {
	b.Helper()
	if !reflect.DeepEqual(got, want) {
		b.Errorf("%s: %v, want %v", what, got, want)
	}
}

// info is a getInfo without anything that could not be read.
func (b *bench) info() *ctap2.Info {
	b.Helper()
	info, err := b.GetInfo(b.Context())
	b.must(err)
	b.equal("what is wrong with getInfo", len(info.Problems)+len(info.Remarks)+len(info.Unknown()), 0)
	return info
}

func (b *bench) setPIN() {
	b.Helper()
	b.must(b.SetPIN(b.Context(), b.cell.protocol, []byte(matrixPINText)))
}

// token gets a token by the PIN, for one relying party or for none.
func (b *bench) token(perms ctap2.Permission, rpID string) *pinuv.Token {
	b.Helper()
	token, err := b.PINTokenWithPermissions(b.Context(), b.cell.protocol, []byte(matrixPINText), perms, rpID)
	b.must(err)
	b.Cleanup(token.Wipe)
	return token
}

func askMatrixPIN(context.Context) ([]byte, error) { return []byte(matrixPINText), nil }

// creationOptions are for a credential of ES256 that asks for nothing.
func creationOptions(rpID, user string) *webauthn.CreationOptions {
	return &webauthn.CreationOptions{
		RP: webauthn.RelyingParty{ID: rpID, Name: rpID}, User: webauthn.User{ID: []byte(user), Name: user, DisplayName: "The " + user},
		Challenge: bytes.Repeat([]byte{1}, 32), Attestation: webauthn.ConveyanceDirect,
		Parameters: []webauthn.Parameter{{Type: webauthn.PublicKey, Algorithm: cose.ES256}},
		Selection:  webauthn.AuthenticatorSelection{UserVerification: webauthn.Discouraged},
	}
}

// discoverable are the same for a discoverable credential.
func discoverable(rpID, user string) *webauthn.CreationOptions {
	o := creationOptions(rpID, user)
	o.Selection.ResidentKey = webauthn.Required
	return o
}

// made is a new credential and all that a client learns of it.
type made struct {
	*ctap2.MakeCredentialResponse
	results webauthn.ExtensionOutputs
	method  ceremony.Method // by which the user was verified
}

func (m made) id() []byte { return m.AuthData.Credential.ID }
func (m made) uv() bool   { return m.AuthData.Flags.Has(authdata.FlagUV) }

// descriptor is the credential in a list of a relying party.
func (m made) descriptor() webauthn.Descriptor {
	return webauthn.Descriptor{Type: webauthn.PublicKey, ID: m.id()}
}

// create makes a credential as a client does.
func (b *bench) create(o *webauthn.CreationOptions) (made, error) {
	b.Helper()
	data := webauthn.ClientData{Type: webauthn.TypeCreate, Challenge: o.Challenge, Origin: "https://" + o.RP.ID}
	creation, err := ceremony.NewCreation(b.info(), o, o.RP.ID, data.Hash())
	if err != nil {
		return made{}, err
	}
	defer creation.Close()
	token, method, err := b.verifyUser(creation.Purpose(), creation.Request)
	if err != nil {
		return made{}, err
	}
	if err := creation.Prepare(b.Context(), b.Client, token); err != nil {
		return made{}, err
	}
	response, err := b.MakeCredential(b.Context(), creation.Request)
	if err != nil {
		return made{}, err
	}
	results, err := creation.Results(response)
	b.keys[string(response.AuthData.Credential.ID)] = response.AuthData.Credential.Key
	b.equal("hash of the relying party ID", response.AuthData.RPIDHash, sha256.Sum256([]byte(o.RP.ID)))
	return made{response, results, method}, err
}

// mustCreate is create where nothing may go wrong.
func (b *bench) mustCreate(o *webauthn.CreationOptions) made {
	b.Helper()
	m, err := b.create(o)
	b.must(err)
	return m
}

// verifiable is a request that can have the user verified.
type verifiable interface {
	Authorize(*pinuv.Token)
	VerifyUser()
}

// verifyUser verifies the user for a request if that has to be, and tells how.
func (b *bench) verifyUser(p ceremony.Purpose, r verifiable) (*pinuv.Token, ceremony.Method, error) {
	info := b.info()
	decision := ceremony.Decide(info, p)
	switch {
	case decision.Err() != nil:
		return nil, ceremony.None, decision.Err()
	case !decision.Verify:
		return nil, ceremony.None, nil
	case decision.Method == ceremony.UVOption:
		r.VerifyUser()
		return nil, ceremony.UVOption, nil
	}
	token, method, err := decision.Token(b.Context(), b.Client, info, askMatrixPIN)
	if err != nil {
		return nil, method, err
	}
	b.Cleanup(token.Wipe)
	r.Authorize(token)
	return token, method, nil
}

// requestOptions are for an assertion with one of the credentials, or any.
func requestOptions(rpID string, allow ...webauthn.Descriptor) *webauthn.RequestOptions {
	return &webauthn.RequestOptions{
		Challenge: bytes.Repeat([]byte{2}, 32), RPID: rpID, Allow: allow, Verification: webauthn.Discouraged,
	}
}

// got is an assertion and all that a client learns of it.
type got struct {
	*ctap2.Assertion
	results webauthn.ExtensionOutputs
	method  ceremony.Method
}

func (g got) uv() bool { return g.AuthData.Flags.Has(authdata.FlagUV) }

// get gets an assertion as a client does, and verifies its signature.
func (b *bench) get(o *webauthn.RequestOptions) (got, error) {
	b.Helper()
	data := webauthn.ClientData{Type: webauthn.TypeGet, Challenge: o.Challenge, Origin: "https://" + o.RPID}
	assertion, err := ceremony.NewAssertion(b.info(), o, o.RPID, data.Hash())
	if err != nil {
		return got{}, err
	}
	defer assertion.Close()
	token, method, err := b.verifyUser(assertion.Purpose(), assertion.Request)
	if err != nil {
		return got{}, err
	}
	if err := assertion.Prepare(b.Context(), b.Client, token); err != nil {
		return got{}, err
	}
	a, err := b.GetAssertion(b.Context(), assertion.Request)
	if errors.Is(err, ctap2.StatusNoCredentials) && assertion.UseAppID() {
		a, err = b.GetAssertion(b.Context(), assertion.Request)
	}
	if err != nil {
		return got{}, err
	}
	b.signed(a, data.Hash())
	results, err := assertion.Results(b.Context(), b.Client, token, a)
	return got{a, results, method}, err
}

// mustGet is get where nothing may go wrong.
func (b *bench) mustGet(o *webauthn.RequestOptions) got {
	b.Helper()
	g, err := b.get(o)
	b.must(err)
	return g
}

// signed verifies an assertion's signature with the key of its credential.
func (b *bench) signed(a *ctap2.Assertion, hash []byte) {
	b.Helper()
	key, ok := b.keys[string(a.Credential.ID)]
	if !ok {
		b.Errorf("assertion by an unknown credential %x", a.Credential.ID)
		return
	}
	if b.key.rewrite == nil { // what was changed on the way is not what was signed
		b.must(key.Verify(slices.Concat(a.RawAuthData, hash), a.Signature))
	}
}

// configuration runs with a token for authenticatorConfig, or with none where
// the key has no PIN.
func (b *bench) configuration() *pinuv.Token {
	b.Helper()
	if set, _ := b.info().Option(ctap2.OptionClientPIN); !set {
		return nil
	}
	return b.token(ctap2.PermissionConfig, "")
}

// decode reads what was sent.
func (b *bench) decode(msg []byte, into any) {
	b.Helper()
	b.must(wire.Decode(msg, into))
}

func rpHash(rpID string) []byte {
	h := sha256.Sum256([]byte(rpID))
	return h[:]
}

// shortLists is the model with lists of three at most.
func shortLists(p *virtual.Profile) { p.MaxListLength = 3 }

// excludedByAppID asks whether a credential is excluded under its AppID.
func (b *bench) excludedByAppID(o *webauthn.CreationOptions) bool {
	b.Helper()
	c, err := ceremony.NewCreation(b.info(), o, o.RP.ID, make([]byte, 32))
	b.must(err)
	defer c.Close()
	found, err := c.ExcludedByAppID(b.Context(), b.Client)
	b.must(err)
	return found
}
