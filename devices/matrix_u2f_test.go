package devices_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"slices"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/u2f"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

const matrixAppID = "https://example.com/app-id.json"

func (b *bench) u2f() *u2f.Device { return b.U2F(u2f.Config{Pace: time.Millisecond}) }

// matrixU2F speaks U2F itself: version, registration and authentication.
func matrixU2F(b *bench) {
	ctx, d := b.Context(), b.u2f()
	version, err := d.Version(ctx)
	b.must(err)
	b.equal("version", version, "U2F_V2")
	challenge, application := bytes.Repeat([]byte{8}, 32), rpHash(matrixAppID)
	r, err := d.Register(ctx, challenge, application)
	b.must(err)
	b.must(r.Verify(challenge, application))
	leaf, err := r.X509()
	b.must(err)
	roots := x509.NewCertPool()
	roots.AddCert(b.key.AttestationRoot())
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots})
	b.must(err)
	key, err := r.Key()
	b.must(err)

	var counter uint32
	for control, flags := range map[u2f.Control]byte{u2f.Enforce: u2f.FlagUserPresent, u2f.DontEnforce: 0} {
		a, err := d.Authenticate(ctx, control, challenge, application, r.KeyHandle)
		b.must(err)
		b.must(a.Verify(key, challenge, application))
		b.equal("flags", a.Flags, flags)
		if a.Counter <= counter {
			b.Errorf("the counter goes from %d to %d", counter, a.Counter)
		}
		counter = a.Counter
	}
	_, err = d.Authenticate(ctx, u2f.CheckOnly, challenge, application, r.KeyHandle)
	b.refused("only asking, of one that is known", err, u2f.StatusConditions)
	for _, test := range []struct {
		what                string
		application, handle []byte
		known               bool
	}{
		{"its own", application, r.KeyHandle, true},
		{"another application's", rpHash("https://example.org"), r.KeyHandle, false},
		{"another key's", application, noise(len(r.KeyHandle)), false},
	} {
		known, err := d.Known(ctx, test.application, test.handle)
		b.must(err)
		b.equal("key handle that is "+test.what, known, test.known)
		if !test.known {
			_, err = d.Authenticate(ctx, u2f.Enforce, challenge, test.application, test.handle)
			b.refused("signing with one that is "+test.what, err, u2f.StatusWrongData)
		}
	}
}

// matrixU2FBesides uses credentials of U2F by CTAP2 and the other way round
// (WebAuthn L3 §10.1.1, §10.1.2; CTAP 2.3 §10).
func matrixU2FBesides(b *bench) {
	ctx, d := b.Context(), b.u2f()
	challenge, application := bytes.Repeat([]byte{8}, 32), rpHash(matrixAppID)
	old, err := d.Register(ctx, challenge, application)
	b.must(err)
	b.keys[string(old.KeyHandle)], err = old.Key()
	b.must(err)

	r := requestOptions(matrixRP, webauthn.Descriptor{Type: webauthn.PublicKey, ID: old.KeyHandle})
	_, err = b.get(r)
	b.refused("a U2F credential by its relying party", err, ctap2.StatusNoCredentials)
	r.Extensions.AppID = matrixAppID
	g := b.mustGet(r)
	b.equal("appid", *g.results.AppID, true)
	b.equal("hash of the AppID", g.AuthData.RPIDHash[:], application)

	excluded := creationOptions(matrixRP, "alice")
	excluded.Exclude = []webauthn.Descriptor{{Type: webauthn.PublicKey, ID: old.KeyHandle}}
	excluded.Extensions.AppIDExclude = matrixAppID
	b.equal("appidExclude", b.excludedByAppID(excluded), true)
	excluded.Extensions.AppIDExclude = "https://example.org"
	b.equal("appidExclude of another", b.excludedByAppID(excluded), false)

	m := b.mustCreate(creationOptions(matrixRP, "alice"))
	a, err := d.Authenticate(ctx, u2f.Enforce, challenge, rpHash(matrixRP), m.id())
	b.must(err)
	b.must(a.Verify(m.AuthData.Credential.Key, challenge, rpHash(matrixRP)))
	o := creationOptions(matrixRP, "bob")
	o.Extensions.ProtectionPolicy = protectionPolicies[2]
	known, err := d.Known(ctx, rpHash(matrixRP), b.mustCreate(o).id())
	b.must(err)
	b.equal("U2F of a credential that needs user verification", known, false)
}

// bridged is a key that has U2F only.
func bridged(p *virtual.Profile) {
	p.Versions, p.Options, p.Extensions, p.PINProtocols = []string{"U2F_V2"}, nil, nil, nil
}

// matrixBridge uses a key with U2F only as if it had CTAP2.
func matrixBridge(b *bench) {
	b = b.again(bridged)
	info := b.info()
	b.equal("versions", info.Versions, []string{"U2F_V2"})
	b.equal("options", info.Options, map[string]bool{"rk": false, "up": true})
	o := creationOptions(matrixRP, "alice")
	m := b.mustCreate(o)
	b.equal("format, AAGUID and flags", []any{m.Format, m.AuthData.Credential.AAGUID, m.AuthData.Flags},
		[]any{"fido-u2f", authdata.AAGUID{}, authdata.FlagUP | authdata.FlagAT})
	data := webauthn.ClientData{Type: webauthn.TypeCreate, Challenge: o.Challenge, Origin: "https://" + matrixRP}
	b.attested(m.MakeCredentialResponse, data.Hash())

	foreign := webauthn.Descriptor{Type: webauthn.PublicKey, ID: noise(len(m.id()))}
	first := b.mustGet(requestOptions(matrixRP, foreign, m.descriptor()))
	second := b.mustGet(requestOptions(matrixRP, m.descriptor()))
	b.equal("flags", first.AuthData.Flags, authdata.FlagUP)
	if second.AuthData.SignCount <= first.AuthData.SignCount {
		b.Errorf("the counter goes from %d to %d", first.AuthData.SignCount, second.AuthData.SignCount)
	}
	_, err := b.get(requestOptions(matrixRP, foreign))
	b.refused("another key's credential", err, ctap2.StatusNoCredentials)
	o.Exclude = []webauthn.Descriptor{foreign, m.descriptor()}
	_, err = b.create(o)
	b.refused("its own excluded", err, ctap2.StatusCredentialExcluded)

	for what, change := range map[string]func(*webauthn.CreationOptions){
		"a discoverable credential": func(o *webauthn.CreationOptions) { o.Selection.ResidentKey = webauthn.Required },
		"user verification":         func(o *webauthn.CreationOptions) { o.Selection.UserVerification = webauthn.Required },
		"another algorithm":         func(o *webauthn.CreationOptions) { o.Parameters[0].Algorithm = -8 },
	} {
		o := creationOptions(matrixRP, "alice")
		o.Parameters = slices.Clone(o.Parameters)
		change(o)
		if m, err := b.create(o); err == nil {
			b.Errorf("%s by U2F: %+v", what, m)
		} else if errors.Is(err, ctap2.StatusOther) {
			b.Errorf("%s by U2F: %v", what, err)
		}
	}
}
