package transcript

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/nfc"
)

// client is a host on a key, recorded or played.
func client(t testing.TB, player *Player, rec *Recorder, key *virtual.Authenticator) *ctap2.Client {
	t.Helper()
	conn, err := ctaphid.ReportConn(nil), error(nil)
	if player != nil {
		conn, err = player.Reports()
	} else {
		device := ctaphid.NewDevice(key.Handler(), ctaphid.DeviceConfig{})
		t.Cleanup(func() { _ = device.Close() })
		conn = rec.Reports(device.Connect())
	}
	if err != nil {
		t.Fatal(err)
	}
	ch, err := ctaphid.Open(t.Context(), conn, ctaphid.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return ctap2.New(ch, ctap2.Config{})
}

// recorded is a tape of what use does with a new software key. It has no seed.
func recorded(t testing.TB, use func(*ctap2.Client)) *Tape {
	t.Helper()
	key, err := virtual.New(virtual.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = key.Close() })
	var file bytes.Buffer
	rec, err := NewRecorder(&file, Header{Transport: HID, ReportSize: 64}, nil)
	if err != nil {
		t.Fatal(err)
	}
	use(client(t, nil, rec, key))
	return mustLoad(t, file.String())
}

const testPIN = "2468"

// session sets a PIN, makes a credential with a token, and has two secrets of it.
func pinSession(t testing.TB, p pinuv.Protocol, secrets *[][]byte) func(*ctap2.Client) {
	return func(c *ctap2.Client) {
		t.Helper()
		ctx := t.Context()
		if err := c.SetPIN(ctx, p, []byte(testPIN)); err != nil {
			t.Fatal(err)
		}
		token, err := c.PINTokenWithPermissions(ctx, p, []byte(testPIN), ctap2.PermissionMakeCredential, "example.com")
		if err != nil {
			t.Fatal(err)
		}
		hash := sha256.Sum256([]byte("client data"))
		r := &ctap2.MakeCredentialRequest{
			ClientDataHash: hash[:], RP: ctap2.RelyingParty{ID: "example.com"}, User: ctap2.User{ID: []byte{1}, Name: "a"},
			Parameters: ctap2.Parameters(cose.ES256), Extensions: ctap2.CreationExtensions{HMACSecret: true}.Inputs(),
		}
		r.Authorize(token)
		made, err := c.MakeCredential(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		for _, salt := range []byte{1, 2, 1} {
			*secrets = append(*secrets, secretOf(t, c, p, made.AuthData.Credential.ID, salt))
		}
	}
}

func secretOf(t testing.TB, c *ctap2.Client, p pinuv.Protocol, id []byte, salt byte) []byte {
	t.Helper()
	h, err := c.HMACSecret(t.Context(), p, bytes.Repeat([]byte{salt}, 32), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	hash := sha256.Sum256([]byte("other client data"))
	got, err := c.GetAssertion(t.Context(), &ctap2.GetAssertionRequest{
		RPID: "example.com", ClientDataHash: hash[:], AllowList: ctap2.Descriptors(id),
		Extensions: ctap2.AssertionExtensions{HMACSecret: h}.Inputs(),
	})
	if err != nil {
		t.Fatal(err)
	}
	outputs, err := h.Outputs(got.AuthData)
	if err != nil {
		t.Fatal(err)
	}
	return outputs[0]
}

// TestRekeyedSession has the same host, with other keys, use a tape without a
// seed: with both protocols.
func TestRekeyedSession(t *testing.T) {
	for _, p := range []pinuv.Protocol{pinuv.One, pinuv.Two} {
		var before, after [][]byte
		tape := recorded(t, pinSession(t, p, &before))
		if tape.Match() != MatchRekeyed {
			t.Errorf("%v: the tape is matched by %v", p, tape.Match())
		}
		player, err := NewPlayer(tape, PlayConfig{Match: MatchRekeyed, PIN: []byte(testPIN)})
		if err != nil {
			t.Fatal(err)
		}
		pinSession(t, p, &after)(client(t, player, nil, nil))
		if err := player.Close(); err != nil {
			t.Errorf("%v: %v", p, err)
		}
		// The outputs are others, and the same for the same salt.
		if bytes.Equal(after[0], before[0]) || bytes.Equal(after[0], after[1]) || !bytes.Equal(after[0], after[2]) {
			t.Errorf("%v: outputs %x", p, after)
		}
	}
}

// tampered is a transport that changes what a host asks.
type tampered struct {
	inner  ctap2.Transport
	change func(q Question, msg []byte) []byte
}

func (t tampered) Exchange(ctx context.Context, msg []byte) ([]byte, error) {
	q, err := ParseQuestion(msg)
	if err != nil {
		return nil, err
	}
	return t.inner.Exchange(ctx, t.change(q, msg))
}

// TestRekeyedHostIsHeldToItsProofs has hosts that prove nothing use a tape.
func TestRekeyedHostIsHeldToItsProofs(t *testing.T) {
	var ignored [][]byte
	tape := recorded(t, pinSession(t, pinuv.Two, &ignored))
	flip := func(command ctap2.Command, sub, n uint64) func(Question, []byte) []byte {
		return func(q Question, msg []byte) []byte {
			if value := q.bytes(n); q.Command == command && q.Sub == sub && value != nil {
				msg = bytes.Clone(msg)
				msg[bytes.Index(msg, value)] ^= 1
			}
			return msg
		}
	}
	tests := []struct {
		name   string
		pin    string
		change func(Question, []byte) []byte
		want   string
	}{
		{"a wrong pinUvAuthParam", testPIN, flip(ctap2.CommandMakeCredential, 0, 8), "authenticatorMakeCredential: the pinUvAuthParam is not one of a token that was given out"},
		{"a wrong newPinEnc", testPIN, flip(ctap2.CommandClientPIN, 3, 5), "authenticatorClientPIN setPIN: what is encrypted is not authenticated by the shared secret"},
		{"a wrong PIN in a token request", testPIN, flip(ctap2.CommandClientPIN, 9, 6), "WithPermissions: the PIN is not that of the tape"},
		{"another PIN to set", "1357", func(_ Question, msg []byte) []byte { return msg }, "setPIN: the PIN is not that of the tape"},
		{"another relying party", testPIN, func(_ Question, msg []byte) []byte {
			return bytes.ReplaceAll(msg, []byte("example.com"), []byte("example.org"))
		}, "differs"},
	}
	for _, tt := range tests {
		player, err := NewPlayer(tape, PlayConfig{Match: MatchRekeyed, PIN: []byte(tt.pin)})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := player.Reports()
		if err != nil {
			t.Fatal(err)
		}
		ch, err := ctaphid.Open(t.Context(), conn, ctaphid.Config{})
		if err != nil {
			t.Fatal(err)
		}
		err = prove(t.Context(), ctap2.New(tampered{ch, tt.change}, ctap2.Config{}))
		var auth *AuthError
		var mismatch *MismatchError
		if !errors.As(err, &auth) && !errors.As(err, &mismatch) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}

// prove begins as pinSession does, up to the first error.
func prove(ctx context.Context, c *ctap2.Client) error {
	if err := c.SetPIN(ctx, pinuv.Two, []byte(testPIN)); err != nil {
		return err
	}
	token, err := c.PINTokenWithPermissions(ctx, pinuv.Two, []byte(testPIN), ctap2.PermissionMakeCredential, "example.com")
	if err != nil {
		return err
	}
	hash := sha256.Sum256([]byte("client data"))
	r := &ctap2.MakeCredentialRequest{
		ClientDataHash: hash[:], RP: ctap2.RelyingParty{ID: "example.com"}, User: ctap2.User{ID: []byte{1}, Name: "a"},
		Parameters: ctap2.Parameters(cose.ES256), Extensions: ctap2.CreationExtensions{HMACSecret: true}.Inputs(),
	}
	r.Authorize(token)
	_, err = c.MakeCredential(ctx, r)
	return err
}

// TestRekeyedWithoutThePIN takes any PIN, and the same one from then on.
func TestRekeyedWithoutThePIN(t *testing.T) {
	var ignored [][]byte
	tape := recorded(t, pinSession(t, pinuv.Two, &ignored))
	for _, other := range []string{"999999", testPIN} {
		player, err := NewPlayer(tape, PlayConfig{Match: MatchRekeyed})
		if err != nil {
			t.Fatal(err)
		}
		c := client(t, player, nil, nil)
		if err := c.SetPIN(t.Context(), pinuv.Two, []byte("999999")); err != nil {
			t.Fatal(err)
		}
		_, err = c.PINTokenWithPermissions(t.Context(), pinuv.Two, []byte(other), ctap2.PermissionMakeCredential, "example.com")
		var auth *AuthError
		if wrong := other != "999999"; errors.As(err, &auth) != wrong {
			t.Errorf("PIN %s after 999999: %v", other, err)
		}
		var unread *UnreadError
		if err := player.Close(); !errors.As(err, &unread) || unread.Requests == 0 {
			t.Errorf("Close() = %v", err)
		}
	}
}

// TestRekeyedFraming plays what is no message, and refusals, as they are.
func TestRekeyedFraming(t *testing.T) {
	tape := hidTape(t,
		"> ffffffff8600080102030405060708", "< ffffffff8600110102030405060708000000070205010204",
		"> 00000007810002aabb", "< 00000007810002aabb", "> 00000007880000", "< 00000007880000",
		"> 0000000790000104", "< 00000007bb000101", "< 00000007bf000101", "> 0000000790000107")
	conn := openReports(t, tape, PlayConfig{Match: MatchRekeyed})
	ch, err := ctaphid.Open(t.Context(), conn, ctaphid.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if v := ch.DeviceVersion(); v != [3]byte{5, 1, 2} || ch.ID() != 1 {
		t.Errorf("version %v on channel %v", v, ch.ID())
	}
	if _, err := ch.Ping(t.Context(), []byte{0xaa, 0xbb}); err != nil {
		t.Error(err)
	}
	if err := ch.Wink(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := ch.Exchange(t.Context(), []byte{4}); !errors.Is(err, ctaphid.CodeInvalidCommand) {
		t.Errorf("refusal: %v", err)
	}
	if _, err := ch.Exchange(t.Context(), []byte{7}); !errors.Is(err, ErrCut) {
		t.Errorf("no answer: %v", err)
	}
	var end *EndError
	if _, err := ch.Exchange(t.Context(), []byte{4}); !errors.As(err, &end) || end.Asked != "authenticatorGetInfo" {
		t.Errorf("after the end: %v", err)
	}
}

// TestRekeyedCancel has the host give up where that of the tape did.
func TestRekeyedCancel(t *testing.T) {
	tape := hidTape(t, "> 000000079000010b", "< 00000007bb000102", "> 00000007910000", "< 000000079000012d")
	conn := openReports(t, tape, PlayConfig{Match: MatchRekeyed})
	ctx, cancel := context.WithCancel(t.Context())
	ch, err := ctaphid.Open(ctx, conn, ctaphid.Config{OnKeepalive: func(ctaphid.Keepalive) { cancel() }})
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := ch.Exchange(ctx, []byte{0x0b}); err != nil || !bytes.Equal(answer, []byte{0x2d}) {
		t.Errorf("%x, %v", answer, err)
	}
	if err := ch.Close(); err != nil {
		t.Error(err)
	}
}

// TestRekeyedCard takes a message in one part or in many, and gives its answer so.
func TestRekeyedCard(t *testing.T) {
	long := strings.Repeat("ab", 300)
	tape := nfcTape(t, "> 00a4040008a0000006472f0001", "< 4649444f9000",
		"> 80108000010400", "< "+long[:512]+"612c", "> 00c000002c", "< "+long[512:]+"9000",
		"> 00030000", "< 55324630", "> 80108000010700", "< 6985")
	for _, encoding := range []nfc.Encoding{nfc.EncodingShort, nfc.EncodingExtended, nfc.EncodingAuto} {
		card := openCard(t, tape, PlayConfig{Match: MatchRekeyed})
		applet, err := nfc.Open(t.Context(), card, nfc.Config{Encoding: encoding})
		if err != nil {
			t.Fatal(err)
		}
		if applet.Version() != "FIDO" {
			t.Errorf("version %q", applet.Version())
		}
		if answer, err := applet.Exchange(t.Context(), []byte{4}); err != nil || len(answer) != 300 {
			t.Errorf("%v: %d bytes, %v", encoding, len(answer), err)
		}
		if r, err := applet.Transmit(t.Context(), nfc.Command{INS: nfc.INSU2FVersion}); err != nil || r.SW != 0x4630 {
			t.Errorf("%v: %v, %v", encoding, r, err)
		}
		if _, err := applet.Exchange(t.Context(), []byte{7}); !errors.Is(err, nfc.SWConditionsNotSatisfied) {
			t.Errorf("%v: %v", encoding, err)
		}
		if err := applet.Close(); err != nil {
			t.Errorf("%v: %v", encoding, err)
		}
	}
}

// TestSpeed waits as the tape's clock says, and only where it is told to.
func TestSpeed(t *testing.T) {
	lines := `{"transport":"hid"}` + "\n"
	for _, r := range []struct {
		us   int
		dir  string
		text string
	}{{0, "out", "ffffffff8600080102030405060708"}, {1000, "in", "ffffffff8600110102030405060708000000070205010204"},
		{5000, "out", "0000000790000104"}, {6000, "in", "00000007bb000101"}, {9000, "in", "0000000790000100"}} {
		lines += fmt.Sprintf(`{"t_us":%d,"dir":"%s","hex":"%x"}`+"\n", r.us, r.dir, report(r.text))
	}
	for _, tt := range []struct {
		match Match
		speed float64
		want  []time.Duration
	}{
		{MatchBytes, 0, nil},
		{MatchBytes, 1, []time.Duration{time.Millisecond, time.Millisecond, 3 * time.Millisecond}},
		{MatchRekeyed, 0, nil},
		{MatchRekeyed, 2, []time.Duration{500 * time.Microsecond, 1500 * time.Microsecond}},
	} {
		var waited []time.Duration
		conn := openReports(t, mustLoad(t, lines), PlayConfig{Match: tt.match, Speed: tt.speed, Pause: func(_ context.Context, d time.Duration) error {
			waited = append(waited, d)
			return nil
		}})
		ch, err := ctaphid.Open(t.Context(), conn, ctaphid.Config{})
		if err == nil {
			_, err = ch.Exchange(t.Context(), []byte{4})
		}
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(waited, tt.want) {
			t.Errorf("%v at %g: waited %v, want %v", tt.match, tt.speed, waited, tt.want)
		}
	}
}

// A wait ends with its context.
func TestPauseEnds(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	cancel(cause)
	cfg := PlayConfig{Speed: 1}
	if err := cfg.Rest(ctx, time.Hour); !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
}

// TestRekeyedConnectionsFollow plays on after a connection was closed where that
// of the tape was, and not elsewhere.
func TestRekeyedConnectionsFollow(t *testing.T) {
	tape := hidTape(t, "> 0000000790000104", "< 0000000790000100", `{"event":"close"}`, "> 0000000790000107", "< 0000000790000100", "> 0000000790000108")
	player, err := NewPlayer(tape, PlayConfig{Match: MatchRekeyed})
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []byte{4, 7} {
		conn, err := player.Reports()
		if err != nil {
			t.Fatal(err)
		}
		ch, err := ctaphid.Open(t.Context(), conn, ctaphid.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ch.Exchange(t.Context(), []byte{command}); err != nil {
			t.Error(err)
		}
		var unread *UnreadError
		if err := ch.Close(); (err != nil) != (command == 7) || err != nil && !errors.As(err, &unread) {
			t.Errorf("Close() after %d = %v", command, err)
		}
	}
}
