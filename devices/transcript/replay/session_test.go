package replay_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	mathrand "math/rand/v2"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/largeblob"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript/replay"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/devices/virtual/faulty"
	"github.com/touchstone-fido/touchstone/nfc"
)

// seeded is randomness that is the same each time.
func seeded(seed byte) io.Reader { return mathrand.NewChaCha8([32]byte{seed}) }

// newKey is a factory-new software key, the same each time, with its faults.
func newKey(t testing.TB, model *virtual.Profile, card bool, faults ...virtual.FaultID) replay.Key {
	t.Helper()
	cfg := virtual.Config{
		Rand: seeded(1), Profile: model, Faults: faulty.OfKey(faults), Finger: virtual.Touching("1"),
		OnError: func(err error) { t.Logf("the key reports: %v", err) },
	}
	if card {
		cfg.Transport = virtual.NFC
	}
	key, err := virtual.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = key.Close() })
	model = key.Profile()
	if card {
		emulator := faulty.Card(nfc.NewEmulator(key.Handler(), nfc.EmulatorConfig{
			MaxMessage: model.MaxMessage, ShortOnly: model.NFC.ShortOnly, NoCancel: model.NFC.NoCancel,
			Quirks: nfc.Quirks{Fetched: model.NFC.Fetched},
		}), faults)
		t.Cleanup(func() { _ = emulator.Close() })
		return replay.Key{Card: emulator}
	}
	caps := ctaphid.Capability(model.Capabilities())
	device := ctaphid.NewDevice(key.Handler(), ctaphid.DeviceConfig{Version: model.HID.Version, Capabilities: &caps})
	t.Cleanup(func() { _ = device.Close() })
	return replay.Key{Reports: faulty.Reports(device.Connect(), faults)}
}

// host is one that uses all that a key has. What a key refuses is part of the
// session.
type host struct {
	ctx    context.Context
	client *ctap2.Client
	ch     *ctaphid.Channel
	applet *nfc.Applet
	info   *ctap2.Info
	pin    []byte

	transport ctap2.Transport
	probing   bool // ask what nobody should, too
}

// use speaks with a key about everything, and closes it.
func use(t testing.TB, key replay.Key, hid ctaphid.Config, card nfc.Config, random io.Reader, probing bool) {
	t.Helper()
	h := &host{ctx: t.Context(), pin: []byte("246813"), probing: probing}
	var err error
	if key.Reports != nil {
		hid.Rand = random
		h.ch, err = ctaphid.Open(h.ctx, key.Reports, hid)
		h.transport = h.ch
	} else {
		h.applet, err = nfc.Open(h.ctx, key.Card, card)
		h.transport = h.applet
	}
	if err != nil {
		t.Fatal(err)
	}
	h.client = ctap2.New(h.transport, ctap2.Config{Rand: random})
	h.everything()
	if h.ch != nil {
		err = h.ch.Close()
	} else {
		err = h.applet.Close()
	}
	if err != nil {
		t.Error(err)
	}
}

func (h *host) everything() {
	h.framing()
	h.u2f()
	var err error
	if h.info, err = h.client.GetInfo(h.ctx); err != nil {
		return
	}
	_, _ = h.client.PINRetries(h.ctx)
	h.beforePIN()
	if h.probing {
		h.probeMessages()
		h.probeCreation()
	}
	if _, ok := h.info.Option(ctap2.OptionClientPIN); ok {
		h.pins()
	}
	if h.probing {
		h.probeTokens()
	}
	h.fingers()
	ids := h.credentials()
	if h.probing {
		h.probeManaging(ids)
	}
	h.blobs(ids)
	h.manage(ids)
	h.config()
	if h.info.Supports(ctap2.Version21) || h.info.Supports(ctap2.Version23) {
		_ = h.client.Selection(h.ctx)
	}
	_ = h.client.Reset(h.ctx)
	_, _ = h.client.GetInfo(h.ctx)
}

func (h *host) framing() {
	if h.ch == nil {
		return
	}
	_, _ = h.ch.Ping(h.ctx, []byte("\x00 a few bytes"))
	_ = h.ch.Wink(h.ctx)
	_ = h.ch.Lock(h.ctx, 0)
}

// u2f registers, asks whether the handle is known, and authenticates.
func (h *host) u2f() {
	challenge, application := sha256.Sum256([]byte("challenge")), sha256.Sum256([]byte("https://u2f.example"))
	both := append(challenge[:], application[:]...)
	if string(h.command(nfc.INSU2FVersion, 0, nil)) != "U2F_V2" {
		return
	}
	answer := h.command(nfc.INSU2FRegister, 0, both)
	if len(answer) < 67 || len(answer) < 67+int(answer[66]) {
		return
	}
	handle := answer[66 : 67+int(answer[66])] // with its length
	const check, sign = 0x07, 0x03
	for _, control := range []byte{check, sign, sign} {
		h.command(nfc.INSU2FAuthenticate, control, append(bytes.Clone(both), handle...))
	}
	h.command(nfc.INSU2FAuthenticate, check, append(bytes.Clone(both), 4, 1, 2, 3, 4))
	h.command(0x55, 0, nil)
}

// command sends a command APDU of CTAP1 and gives its answer, nil for a refusal.
func (h *host) command(ins, p1 byte, data []byte) []byte {
	cmd := nfc.Command{INS: ins, P1: p1, Data: data, Ne: 256}
	if h.applet != nil {
		r, err := h.applet.Transmit(h.ctx, cmd)
		if err != nil || r.SW != nfc.SWOK {
			return nil
		}
		return r.Data
	}
	cmd.Extended, cmd.Ne = true, 65536
	apdu, err := cmd.Bytes()
	if err != nil {
		return nil
	}
	answer, err := h.ch.Msg(h.ctx, apdu)
	r, wrong := nfc.ParseResponse(answer)
	if err != nil || wrong != nil || r.SW != nfc.SWOK {
		return nil
	}
	return r.Data
}

const rpID = "example.com"

// hash is a client data hash.
func hash(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// creation is a request for a credential of an account.
func creation(user string, rk bool) *ctap2.MakeCredentialRequest {
	r := &ctap2.MakeCredentialRequest{
		ClientDataHash: hash("make " + user), RP: ctap2.RelyingParty{ID: rpID, Name: "Example"},
		User:       ctap2.User{ID: []byte("id of " + user), Name: user + "@example.com", DisplayName: user},
		Parameters: ctap2.Parameters(cose.Algorithm(-65000), cose.ES256, cose.EdDSA),
	}
	if rk {
		r.Options = map[string]bool{ctap2.OptionRK: true}
	}
	return r
}

func (h *host) beforePIN() {
	made, err := h.client.MakeCredential(h.ctx, creation("nobody", false))
	if err != nil {
		return
	}
	id := made.AuthData.Credential.ID
	_, _ = h.client.GetAssertion(h.ctx, &ctap2.GetAssertionRequest{
		RPID: rpID, ClientDataHash: hash("get"), AllowList: ctap2.Descriptors([]byte("another credential"), id),
	})
	_, _ = h.client.GetAssertion(h.ctx, &ctap2.GetAssertionRequest{
		RPID: rpID, ClientDataHash: hash("silently"), AllowList: ctap2.Descriptors(id),
		Options: map[string]bool{ctap2.OptionUP: false},
	})
	_, _ = h.client.GetAssertion(h.ctx, &ctap2.GetAssertionRequest{
		RPID: "example.org", ClientDataHash: hash("elsewhere"), AllowList: ctap2.Descriptors(id),
	})
	r := creation("nobody again", false)
	r.ExcludeList = ctap2.Descriptors([]byte("another credential"), id)
	_, _ = h.client.MakeCredential(h.ctx, r)
}

// protocol is the one that a step uses.
func (h *host) protocol() pinuv.Protocol { return h.info.PINUVAuthProtocol() }

func (h *host) pins() {
	p := h.protocol()
	_ = h.client.SetPIN(h.ctx, p, h.pin)
	_ = h.client.SetPIN(h.ctx, p, h.pin)
	_, _ = h.client.PINToken(h.ctx, p, []byte("not the PIN"))
	fresh := []byte("8642975310")
	if h.client.ChangePIN(h.ctx, p, h.pin, fresh) == nil {
		h.pin = fresh
	}
	if token, err := h.client.PINToken(h.ctx, p, h.pin); err == nil {
		token.Wipe()
	}
	_, _ = h.client.PINRetries(h.ctx)
	h.info, _ = h.client.GetInfo(h.ctx)
}

// token is one for what comes next, nil if there is none.
func (h *host) token(perms ctap2.Permission, rpID string) *pinuv.Token {
	var token *pinuv.Token
	var err error
	if on, _ := h.info.Option(ctap2.OptionPINUVAuthToken); on {
		token, err = h.client.PINTokenWithPermissions(h.ctx, h.protocol(), h.pin, perms, rpID)
	} else if set, _ := h.info.Option(ctap2.OptionClientPIN); set {
		token, err = h.client.PINToken(h.ctx, h.protocol(), h.pin)
	}
	if err != nil {
		return nil
	}
	return token
}

func (h *host) fingers() {
	f, err := h.client.Fingerprints(h.info, nil)
	if err != nil {
		return
	}
	_, _ = f.Modality(h.ctx)
	_, _ = f.Sensor(h.ctx)
	if f, err = h.client.Fingerprints(h.info, h.token(ctap2.PermissionBioEnrollment, "")); err != nil {
		return
	}
	if h.probing {
		h.probeFingers(f)
	}
	_, _ = f.Templates(h.ctx)
	id, err := f.Enroll(h.ctx, 0, func(ctap2.Sample) error { return nil })
	if err != nil {
		return
	}
	_ = f.Rename(h.ctx, id, "thumb")
	_, _ = f.Templates(h.ctx)
	h.info, _ = h.client.GetInfo(h.ctx)
	_, _ = h.client.UVRetries(h.ctx)
	if on, _ := h.info.Option(ctap2.OptionPINUVAuthToken); on {
		_, _ = h.client.UVTokenWithPermissions(h.ctx, h.protocol(), ctap2.PermissionGetAssertion, rpID)
	}
	_ = f.Remove(h.ctx, id)
}

// credentials makes two discoverable ones with all extensions and uses them; it
// gives their IDs and large-blob keys.
func (h *host) credentials() (made []*ctap2.MakeCredentialResponse) {
	for _, user := range []string{"alice", "bob"} {
		r := creation(user, true)
		r.Extensions = h.inputs(user)
		if token := h.token(ctap2.PermissionMakeCredential, rpID); token != nil {
			r.Authorize(token)
		}
		if resp, err := h.client.MakeCredential(h.ctx, r); err == nil {
			made = append(made, resp)
		}
	}
	if len(made) < 2 {
		return made
	}
	h.assert(&ctap2.GetAssertionRequest{RPID: rpID, ClientDataHash: hash("get any")})
	if h.info.HasExtension(ctap2.ExtensionHMACSecret) && h.protocol() != 0 {
		for _, of := range []int{0, 0, 1} {
			h.secrets(made[of].AuthData.Credential.ID)
		}
	}
	return made
}

func (h *host) inputs(user string) map[string]any {
	e := ctap2.CreationExtensions{
		HMACSecret:   h.info.HasExtension(ctap2.ExtensionHMACSecret),
		MinPINLength: h.info.HasExtension(ctap2.ExtensionMinPINLength),
		LargeBlobKey: h.info.HasExtension(ctap2.ExtensionLargeBlobKey),
	}
	if h.info.HasExtension(ctap2.ExtensionCredBlob) {
		e.CredBlob = []byte("blob of " + user)
	}
	if h.info.HasExtension(ctap2.ExtensionCredProtect) && user == "alice" {
		e.CredProtect = ctap2.CredProtectOptionalList
	}
	return e.Inputs()
}

// assert gets assertions with a token.
func (h *host) assert(r *ctap2.GetAssertionRequest) {
	if token := h.token(ctap2.PermissionGetAssertion, rpID); token != nil {
		r.Authorize(token)
	}
	_, _ = h.client.GetAssertions(h.ctx, r)
}

func (h *host) secrets(id []byte) {
	secret, err := h.client.HMACSecret(h.ctx, h.protocol(), hash("salt"), hash("another salt"))
	if err != nil {
		return
	}
	defer secret.Close()
	e := ctap2.AssertionExtensions{
		HMACSecret: secret, CredBlob: h.info.HasExtension(ctap2.ExtensionCredBlob),
		LargeBlobKey: h.info.HasExtension(ctap2.ExtensionLargeBlobKey),
	}
	_, _ = h.client.GetAssertion(h.ctx, &ctap2.GetAssertionRequest{
		RPID: rpID, ClientDataHash: hash("get secret"), AllowList: ctap2.Descriptors(id), Extensions: e.Inputs(),
	})
}

func (h *host) blobs(made []*ctap2.MakeCredentialResponse) {
	if on, _ := h.info.Option(ctap2.OptionLargeBlobs); !on || len(made) == 0 || made[0].LargeBlobKey == nil {
		return
	}
	array := &largeblob.Array{}
	if array.Put(seeded(9), made[0].LargeBlobKey, []byte("a large blob")) != nil {
		return
	}
	_, _ = h.client.ReadLargeBlobArray(h.ctx)
	_ = h.client.WriteLargeBlobArray(h.ctx, h.token(ctap2.PermissionLargeBlobWrite, ""), array.Bytes())
	_, _ = h.client.ReadLargeBlobArray(h.ctx)
}

func (h *host) manage(made []*ctap2.MakeCredentialResponse) {
	m, err := h.client.CredentialManagement(h.info, h.token(ctap2.PermissionCredentialManagement, ""))
	if err != nil {
		return
	}
	_, _ = m.Metadata(h.ctx)
	for rp, err := range m.RelyingParties(h.ctx) {
		if err != nil {
			return
		}
		for range m.Credentials(h.ctx, rp.IDHash) { // read before the first one is handed out
			break
		}
	}
	if len(made) < 2 {
		return
	}
	alice := ctap2.Descriptor{ID: made[0].AuthData.Credential.ID, Type: ctap2.PublicKeyType}
	bob := ctap2.Descriptor{ID: made[1].AuthData.Credential.ID, Type: ctap2.PublicKeyType}
	_ = m.UpdateUser(h.ctx, alice, ctap2.User{ID: []byte("id of alice"), Name: "al"})
	_ = m.Delete(h.ctx, bob)
	_ = m.Delete(h.ctx, bob)
	for range m.Credentials(h.ctx, hash(rpID)) {
		break
	}
}

func (h *host) config() {
	if on, _ := h.info.Option(ctap2.OptionAuthnrCfg); !on {
		return
	}
	token := func() *pinuv.Token { return h.token(ctap2.PermissionConfig, "") }
	if _, ok := h.info.Option(ctap2.OptionEP); ok {
		_ = h.client.EnableEnterpriseAttestation(h.ctx, token())
	}
	if _, ok := h.info.Option(ctap2.OptionAlwaysUV); ok {
		_ = h.client.ToggleAlwaysUV(h.ctx, token())
		_ = h.client.ToggleAlwaysUV(h.ctx, token())
	}
	_ = h.client.SetMinPINLength(h.ctx, token(), ctap2.MinPINLength{Length: 6, RPIDs: []string{rpID}})
	_ = h.client.SetMinPINLength(h.ctx, token(), ctap2.MinPINLength{Length: 4})
	h.info, _ = h.client.GetInfo(h.ctx)
}
