package explain

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/nfc"
)

var (
	seed       = bytes.Repeat([]byte{0x5e}, transcript.SeedSize)
	clientData = bytes.Repeat([]byte{0xcd}, 32)
	salt       = bytes.Repeat([]byte{0x5a}, 32)
)

const pin = "97531-pin"

// tick is a clock that goes on by a millisecond whenever it is looked at.
func tick() func() time.Time {
	now := time.Date(2026, 11, 21, 20, 11, 0, 0, time.UTC)
	return func() time.Time { now = now.Add(time.Millisecond); return now }
}

// record has use work with a software key and returns the tape of it, with its
// seed if seeded.
func record(t testing.TB, over transcript.Transport, seeded bool, use func(*ctap2.Client)) []byte {
	t.Helper()
	key, err := virtual.New(virtual.Config{Rand: transcript.Randomness([]byte("key")), Now: tick()})
	if err != nil {
		t.Fatal(err)
	}
	var tape bytes.Buffer
	header := transcript.Header{Transport: over, Tool: "test", Device: map[string]string{"product": "software key"}}
	if seeded {
		header.Seed = seed
	}
	if over == transcript.HID {
		header.ReportSize = ctaphid.ReportSize
	}
	recorder, err := transcript.NewRecorder(&tape, header, tick())
	if err != nil {
		t.Fatal(err)
	}
	random := transcript.Randomness(seed)
	channel := open(t, over, recorder, key, random)
	use(ctap2.New(channel, ctap2.Config{Rand: random}))
	if err := channel.Close(); err != nil {
		t.Fatal(err)
	}
	return tape.Bytes()
}

type link interface {
	ctap2.Transport
	Close() error
}

func open(t testing.TB, over transcript.Transport, recorder *transcript.Recorder, key ctaphid.Handler, random interface{ Read([]byte) (int, error) }) link {
	t.Helper()
	if over == transcript.NFC {
		emulator := nfc.NewEmulator(key, nfc.EmulatorConfig{})
		applet, err := nfc.Open(context.Background(), recorder.Card(emulator), nfc.Config{Encoding: nfc.EncodingShort})
		if err != nil {
			t.Fatal(err)
		}
		return applet
	}
	device := ctaphid.NewDevice(key, ctaphid.DeviceConfig{})
	t.Cleanup(func() { device.Close() })
	channel, err := ctaphid.Open(context.Background(), recorder.Reports(device.Connect()), ctaphid.Config{Rand: random})
	if err != nil {
		t.Fatal(err)
	}
	return channel
}

// everything sets a PIN, makes a credential with hmac-secret and uses it, lists
// and deletes it, and asks with a wrong PIN.
func everything(t testing.TB, p pinuv.Protocol) func(*ctap2.Client) {
	ctx := context.Background()
	return func(c *ctap2.Client) {
		t.Helper()
		info := must(c.GetInfo(ctx))(t)
		if err := c.SetPIN(ctx, p, []byte(pin)); err != nil {
			t.Fatal(err)
		}
		token := must(c.PINTokenWithPermissions(ctx, p, []byte(pin), ctap2.PermissionMakeCredential, "example.com"))(t)
		creation := &ctap2.MakeCredentialRequest{
			ClientDataHash: clientData, RP: ctap2.RelyingParty{ID: "example.com"}, User: ctap2.User{ID: []byte("handle"), Name: "alice"},
			Parameters: ctap2.Parameters(cose.ES256), Options: map[string]bool{"rk": true},
			Extensions: map[string]any{"hmac-secret": true, "credProtect": 2, "largeBlobKey": true},
		}
		creation.Authorize(token)
		made := must(c.MakeCredential(ctx, creation))(t)
		use(ctx, t, c, p, made.AuthData.Credential.ID)
		token = must(c.PINTokenWithPermissions(ctx, p, []byte(pin), ctap2.PermissionCredentialManagement, ""))(t)
		manager := must(c.CredentialManagement(info, token))(t)
		must(manager.Metadata(ctx))(t)
		for _, err := range manager.RelyingParties(ctx) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.PINTokenWithPermissions(ctx, p, []byte("wrong-pin"), ctap2.PermissionGetAssertion, "example.com"); err == nil {
			t.Fatal("the wrong PIN is right")
		}
	}
}

func use(ctx context.Context, t testing.TB, c *ctap2.Client, p pinuv.Protocol, id []byte) {
	t.Helper()
	token := must(c.PINTokenWithPermissions(ctx, p, []byte(pin), ctap2.PermissionGetAssertion, "example.com"))(t)
	hmac := must(c.HMACSecret(ctx, p, salt, salt))(t)
	request := &ctap2.GetAssertionRequest{
		RPID: "example.com", ClientDataHash: clientData, AllowList: ctap2.Descriptors(id),
		Extensions: map[string]any{"hmac-secret": hmac.Input()},
	}
	request.Authorize(token)
	must(c.GetAssertion(ctx, request))(t)
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func read(t testing.TB, tape []byte, opts Options) *Story {
	t.Helper()
	story, err := Read(bytes.NewReader(tape), "tape", opts)
	if err != nil {
		t.Fatal(err)
	}
	return story
}

// lines is a story with a line for each step, its openings and remarks.
func lines(s *Story) []string {
	var out []string
	for _, step := range s.Steps {
		text := strings.TrimSpace(fmt.Sprintf("%v %s", step.Dir, step.Name))
		if step.Gist != "" {
			text += ": " + step.Gist
		}
		out = append(out, text)
		for _, opened := range step.Opened {
			out = append(out, "  opened: "+opened)
		}
		for _, remark := range step.Remarks {
			out = append(out, "  ! "+remark.String())
		}
	}
	return out
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(want):
			t.Errorf("too much: %s", got[i])
		case i >= len(got):
			t.Errorf("missing: %s", want[i])
		case got[i] != want[i]:
			t.Errorf("got  %s\nwant %s", got[i], want[i])
		}
	}
}

// wholeSession is what is told of everything, over either transport.
var wholeSession = []string{
	"out authenticatorGetInfo",
	"in CTAP2_OK (0x00): U2F_V2, FIDO_2_0, FIDO_2_1, FIDO_2_3",
	"out authenticatorClientPIN getKeyAgreement: a key to agree on a secret with",
	"in CTAP2_OK (0x00): the key's half of a key agreement",
	"out authenticatorClientPIN setPIN: set the first PIN",
	"  opened: pinUvAuthParam holds",
	"  opened: a new PIN, padded to 64 bytes",
	"in CTAP2_OK (0x00)",
	"out authenticatorClientPIN getKeyAgreement: a key to agree on a secret with",
	"in CTAP2_OK (0x00): the key's half of a key agreement",
	"out authenticatorClientPIN getPinUvAuthTokenUsingPinWithPermissions: a token for the PIN, with permissions mc for example.com",
	"  opened: the PIN hash is that of the PIN of line N",
	"in CTAP2_OK (0x00): a token, encrypted",
	"  opened: a token of 32 bytes",
	"out authenticatorMakeCredential: make a credential for example.com, user alice, rk=true, with a token",
	"  opened: pinUvAuthParam holds, under the token of line N",
	"in CTAP2_OK (0x00): a new ES256 credential, attestation packed",
	"out authenticatorClientPIN getKeyAgreement: a key to agree on a secret with",
	"in CTAP2_OK (0x00): the key's half of a key agreement",
	"out authenticatorClientPIN getPinUvAuthTokenUsingPinWithPermissions: a token for the PIN, with permissions ga for example.com",
	"  opened: the PIN hash is that of the PIN of line N",
	"in CTAP2_OK (0x00): a token, encrypted",
	"  opened: a token of 32 bytes",
	"out authenticatorClientPIN getKeyAgreement: a key to agree on a secret with",
	"in CTAP2_OK (0x00): the key's half of a key agreement",
	"out authenticatorGetAssertion: sign in to example.com, with a token, allowing 1",
	"  opened: saltAuth holds",
	"  opened: hmac-secret: 2 salts of 32 bytes",
	"  opened: pinUvAuthParam holds, under the token of line N",
	"in CTAP2_OK (0x00): an assertion, UP UV ED",
	"  opened: hmac-secret: 2 outputs of 32 bytes, not shown, equal to each other",
	"out authenticatorClientPIN getKeyAgreement: a key to agree on a secret with",
	"in CTAP2_OK (0x00): the key's half of a key agreement",
	"out authenticatorClientPIN getPinUvAuthTokenUsingPinWithPermissions: a token for the PIN, with permissions cm",
	"  opened: the PIN hash is that of the PIN of line N",
	"in CTAP2_OK (0x00): a token, encrypted",
	"  opened: a token of 32 bytes",
	"out authenticatorCredentialManagement getCredsMetadata: how many credentials are there",
	"  opened: pinUvAuthParam holds, under the token of line N",
	"in CTAP2_OK (0x00): 1 stored, room for 99",
	"out authenticatorCredentialManagement enumerateRPsBegin: list the relying parties",
	"  opened: pinUvAuthParam holds, under the token of line N",
	"in CTAP2_OK (0x00): relying party example.com",
	"out authenticatorClientPIN getKeyAgreement: a key to agree on a secret with",
	"in CTAP2_OK (0x00): the key's half of a key agreement",
	"out authenticatorClientPIN getPinUvAuthTokenUsingPinWithPermissions: a token for the PIN, with permissions ga for example.com",
	"  opened: the PIN hash is that of another PIN than is known here",
	"in CTAP2_ERR_PIN_INVALID (0x31)",
	"out authenticatorClientPIN getPINRetries: how many PIN tries are left",
	"in CTAP2_OK (0x00): 7 PIN tries left",
}

// session is lines from getInfo on, without keepalives and line numbers.
func session(s *Story) []string {
	var out []string
	for _, line := range lines(s) {
		if strings.HasPrefix(line, "in processing") || strings.HasPrefix(line, "in up-needed") || strings.HasPrefix(line, "close") {
			continue
		}
		if out == nil && line != wholeSession[0] {
			continue
		}
		if head, _, ok := strings.Cut(line, "of line "); ok {
			line = head + "of line N"
		}
		out = append(out, line)
	}
	return out
}

func TestWholeSessionIsToldAndOpened(t *testing.T) {
	for _, over := range []transcript.Transport{transcript.HID, transcript.NFC} {
		for _, p := range []pinuv.Protocol{pinuv.One, pinuv.Two} {
			t.Run(fmt.Sprintf("%s %v", over, p), func(t *testing.T) {
				story := read(t, record(t, over, true, everything(t, p)), Options{})
				same(t, session(story), wholeSession...)
				if story.Sealed != "" || story.Remarks() != 0 {
					t.Errorf("sealed %q, %d remarks", story.Sealed, story.Remarks())
				}
			})
		}
	}
}

func TestPINIsCompared(t *testing.T) {
	tape := record(t, transcript.HID, true, everything(t, pinuv.Two))
	for given, want := range map[string]string{
		pin: "the PIN hash is that of the PIN that was given", "wrong-pin": "the PIN hash is that of the PIN that was given",
	} {
		told := strings.Join(lines(read(t, tape, Options{PIN: []byte(given)})), "\n")
		wantCount := map[string]int{pin: 3, "wrong-pin": 1}[given]
		if n := strings.Count(told, want); n != wantCount {
			t.Errorf("with %q it is told %d times that the PIN fits, want %d", given, n, wantCount)
		}
	}
}

// TestSecretsStayInTheVault looks for every secret of a session in all that the
// story has but the bytes of the tape.
func TestSecretsStayInTheVault(t *testing.T) {
	tape := record(t, transcript.HID, true, everything(t, pinuv.Two))
	story := read(t, tape, Options{PIN: []byte(pin)})
	told := fmt.Sprintf("%+v", story)
	var random [4096]byte
	_, _ = transcript.Randomness(seed).Read(random[:])
	secrets := map[string]string{
		"PIN": pin, "PIN hash": hex.EncodeToString(pinuv.HashPIN([]byte(pin))), "seed": hex.EncodeToString(seed), "salt": hex.EncodeToString(salt),
	}
	if strings.Contains(told, "97531") {
		t.Error("a part of the PIN is told")
	}
	for name, secret := range secrets {
		if strings.Contains(told, secret) || strings.Contains(told, fmt.Sprint([]byte(secret))) {
			t.Errorf("the %s is told", name)
		}
	}
	if len(story.Header.Seed) != 0 || story.Header.PIN != "" {
		t.Error("the header has its secrets")
	}
	for _, step := range story.Steps {
		for _, f := range step.Fields {
			if f.Name == "largeBlobKey" && f.Value != "32 bytes, not shown" {
				t.Errorf("largeBlobKey is told: %s", f.Value)
			}
		}
	}
}

func TestWithoutSeedNothingOpens(t *testing.T) {
	story := read(t, record(t, transcript.HID, false, everything(t, pinuv.Two)), Options{PIN: []byte(pin)})
	if !strings.Contains(story.Sealed, "no seed") {
		t.Errorf("sealed: %q", story.Sealed)
	}
	for _, line := range lines(story) {
		if strings.HasPrefix(line, "  ") {
			t.Error(line)
		}
	}
}

func TestSeedOfAnotherTapeIsNoticed(t *testing.T) {
	tape := record(t, transcript.HID, true, everything(t, pinuv.Two))
	tape = bytes.Replace(tape, []byte(hex.EncodeToString(seed)), []byte(strings.Repeat("aa", len(seed))), 1)
	story := read(t, tape, Options{})
	if !strings.Contains(story.Sealed, "not among") {
		t.Errorf("sealed: %q", story.Sealed)
	}
}
