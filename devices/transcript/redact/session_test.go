package redact_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	mathrand "math/rand/v2"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/largeblob"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/nfc"
)

// What the sessions are about, all of which has to go.
const (
	rpID       = "accounts.example.com"
	rpName     = "Example Accounts"
	userName   = "alice@mail.example"
	userShown  = "Alice Müller-Łukasiewicz 麗"
	userHandle = "handle-of-alice-0042"
	secretBlob = "a blob of hers"
	pin        = "8642975310"
	serial     = "SN-0012345678"
	appID      = "https://u2f.example.org"
)

var seed = [32]byte{3, 1, 4, 1, 5, 9}

// way is how a session is carried.
type way struct {
	name      string
	transport transcript.Transport
	encoding  nfc.Encoding
	protocol  pinuv.Protocol
}

var ways = []way{
	{"hid, protocol one", transcript.HID, 0, pinuv.One},
	{"hid, protocol two", transcript.HID, 0, pinuv.Two},
	{"short APDUs", transcript.NFC, nfc.EncodingShort, pinuv.Two},
	{"extended APDUs", transcript.NFC, nfc.EncodingExtended, pinuv.One},
}

// session records all kinds of commands.
func session(t testing.TB, w way) *transcript.Tape {
	t.Helper()
	cfg := virtual.Config{Rand: mathrand.NewChaCha8([32]byte{1})}
	if w.transport == transcript.NFC {
		cfg.Transport = virtual.NFC
	}
	key, err := virtual.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = key.Close() })
	var file bytes.Buffer
	header := transcript.Header{
		Transport: w.transport, Tool: "a test", Seed: seed[:],
		Device: map[string]string{"product": "software key", "serial": serial},
	}
	if w.transport == transcript.HID {
		header.ReportSize = ctaphid.ReportSize
	}
	rec, err := transcript.NewRecorder(&file, header, nil)
	if err != nil {
		t.Fatal(err)
	}
	random := mathrand.NewChaCha8(seed)
	h := host{ctx: t.Context(), t: t, protocol: w.protocol}
	if w.transport == transcript.HID {
		device := ctaphid.NewDevice(key.Handler(), ctaphid.DeviceConfig{})
		t.Cleanup(func() { _ = device.Close() })
		h.ch, err = ctaphid.Open(h.ctx, rec.Reports(device.Connect()), ctaphid.Config{Rand: random})
		h.client = ctap2.New(h.ch, ctap2.Config{Rand: random})
	} else {
		card := nfc.NewEmulator(key.Handler(), nfc.EmulatorConfig{})
		h.applet, err = nfc.Open(h.ctx, rec.Card(card), nfc.Config{Encoding: w.encoding})
		h.client = ctap2.New(h.applet, ctap2.Config{Rand: random})
	}
	if err != nil {
		t.Fatal(err)
	}
	h.everything()
	if w.transport == transcript.HID {
		h.must(h.ch.Close())
	} else {
		h.must(h.applet.Close())
	}
	tape, err := transcript.Load(&file, "session.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	return tape
}

type host struct {
	ctx      context.Context
	t        testing.TB
	client   *ctap2.Client
	ch       *ctaphid.Channel
	applet   *nfc.Applet
	protocol pinuv.Protocol
	info     *ctap2.Info
}

func (h *host) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) everything() {
	if h.ch != nil {
		_, err := h.ch.Ping(h.ctx, []byte("ping from "+userName))
		h.must(err)
	}
	h.u2f()
	h.must(h.client.SetPIN(h.ctx, h.protocol, []byte("1357924680")))
	h.must(h.client.ChangePIN(h.ctx, h.protocol, []byte("1357924680"), []byte(pin)))
	_, err := h.client.PINToken(h.ctx, h.protocol, []byte("not the PIN"))
	if err == nil {
		h.t.Fatal("a wrong PIN was taken")
	}
	h.info, err = h.client.GetInfo(h.ctx)
	h.must(err)
	h.credential()
}

// u2f registers and authenticates.
func (h *host) u2f() {
	challenge, application := sha256.Sum256([]byte("challenge")), sha256.Sum256([]byte(appID))
	both := append(challenge[:], application[:]...)
	answer := h.command(nfc.INSU2FRegister, 0, both)
	if len(answer) < 67 {
		return
	}
	handle := answer[66 : 67+int(answer[66])]
	h.command(nfc.INSU2FAuthenticate, 3, append(bytes.Clone(both), handle...))
}

func (h *host) command(ins, p1 byte, data []byte) []byte {
	cmd := nfc.Command{INS: ins, P1: p1, Data: data, Ne: 256}
	if h.applet != nil {
		r, err := h.applet.Transmit(h.ctx, cmd)
		h.must(err)
		return r.Data
	}
	cmd.Extended, cmd.Ne = true, 65536
	apdu, err := cmd.Bytes()
	h.must(err)
	answer, err := h.ch.Msg(h.ctx, apdu)
	h.must(err)
	return answer[:max(0, len(answer)-2)]
}

func (h *host) token(perms ctap2.Permission, rp string) *pinuv.Token {
	token, err := h.client.PINTokenWithPermissions(h.ctx, h.protocol, []byte(pin), perms, rp)
	h.must(err)
	return token
}

// credential makes one with all extensions, uses it and manages it.
func (h *host) credential() {
	hash := sha256.Sum256([]byte("client data"))
	r := &ctap2.MakeCredentialRequest{
		ClientDataHash: hash[:], RP: ctap2.RelyingParty{ID: rpID, Name: rpName},
		User:       ctap2.User{ID: []byte(userHandle), Name: userName, DisplayName: userShown},
		Parameters: ctap2.Parameters(cose.ES256), Options: map[string]bool{ctap2.OptionRK: true},
		ExcludeList: ctap2.Descriptors([]byte("some other credential")),
		Extensions: ctap2.CreationExtensions{
			HMACSecret: true, LargeBlobKey: true, MinPINLength: true, CredBlob: []byte(secretBlob),
		}.Inputs(),
	}
	r.Authorize(h.token(ctap2.PermissionMakeCredential, rpID))
	made, err := h.client.MakeCredential(h.ctx, r)
	h.must(err)
	id := made.AuthData.Credential.ID
	secret, err := h.client.HMACSecret(h.ctx, h.protocol, hash[:], nil)
	h.must(err)
	defer secret.Close()
	get := &ctap2.GetAssertionRequest{
		RPID: rpID, ClientDataHash: hash[:], AllowList: ctap2.Descriptors(id),
		Extensions: ctap2.AssertionExtensions{HMACSecret: secret, CredBlob: true, LargeBlobKey: true}.Inputs(),
	}
	get.Authorize(h.token(ctap2.PermissionGetAssertion, rpID))
	_, err = h.client.GetAssertion(h.ctx, get)
	h.must(err)
	_, err = h.client.GetAssertions(h.ctx, &ctap2.GetAssertionRequest{RPID: rpID, ClientDataHash: hash[:]})
	h.must(err)
	h.blob(made.LargeBlobKey)
	h.manage(id)
}

func (h *host) blob(key []byte) {
	if key == nil {
		return
	}
	array := &largeblob.Array{}
	h.must(array.Put(mathrand.NewChaCha8([32]byte{9}), key, []byte("a large blob of hers")))
	h.must(h.client.WriteLargeBlobArray(h.ctx, h.token(ctap2.PermissionLargeBlobWrite, ""), array.Bytes()))
}

func (h *host) manage(id []byte) {
	m, err := h.client.CredentialManagement(h.info, h.token(ctap2.PermissionCredentialManagement, ""))
	h.must(err)
	for rp, err := range m.RelyingParties(h.ctx) {
		h.must(err)
		for _, err := range m.Credentials(h.ctx, rp.IDHash) {
			h.must(err)
		}
	}
	d := ctap2.Descriptor{ID: id, Type: ctap2.PublicKeyType}
	h.must(m.UpdateUser(h.ctx, d, ctap2.User{ID: []byte(userHandle), Name: "alice.again@mail.example"}))
	h.must(m.Delete(h.ctx, d))
}
