package capture

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/nfc"
)

// seeded is the same for each session, and so are its bytes.
var seeded = [32]byte{4, 5, 6}

// newKey is a software key that is touched after a while.
func newKey(t testing.TB, touch virtual.Presence) *virtual.Authenticator {
	t.Helper()
	key, err := virtual.New(virtual.Config{Presence: touch, Rand: rand.NewChaCha8(seeded)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := key.Close(); err != nil {
			t.Error(err)
		}
	})
	return key
}

// requests are getInfo, a new credential, and an assertion that no credential
// fits.
func requests(t testing.TB) [][]byte {
	t.Helper()
	hash := bytes.Repeat([]byte{7}, 32)
	user := map[string]any{"id": []byte("user"), "name": "someone", "displayName": "Some \"One\" {of} them: ümläut"}
	return [][]byte{
		{byte(ctap2.CommandGetInfo)},
		request(t, ctap2.CommandMakeCredential, map[int]any{
			1: hash, 2: map[string]any{"id": "example.com", "name": "Example"}, 3: user,
			4: []any{map[string]any{"alg": -7, "type": "public-key"}}, 7: map[string]any{"rk": true},
		}),
		request(t, ctap2.CommandGetAssertion, map[int]any{1: "example.org", 2: hash}),
		request(t, ctap2.CommandGetAssertion, map[int]any{1: "example.com", 2: hash}),
	}
}

func request(t testing.TB, command ctap2.Command, body any) []byte {
	t.Helper()
	encoded, err := wire.Encode(body)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte{byte(command)}, encoded...)
}

// hidSession is a session over CTAPHID as it is recorded: INIT, getInfo, a
// credential with keepalives, an error, an assertion, PING and U2F.
func hidSession(t testing.TB) *transcript.Tape {
	t.Helper()
	device := ctaphid.NewDevice(newKey(t, virtual.Delayed(5*time.Millisecond)), ctaphid.DeviceConfig{
		Keepalive: 2 * time.Millisecond, FirstChannel: 0x01020304, Version: [3]byte{5, 4, 3},
	})
	t.Cleanup(func() { device.Close() })
	return recorded(t, transcript.Header{Transport: transcript.HID, ReportSize: 64}, func(rec *transcript.Recorder) {
		ctx := t.Context()
		ch, err := ctaphid.Open(ctx, rec.Reports(device.Connect()), ctaphid.Config{Rand: rand.NewChaCha8(seeded)})
		if err != nil {
			t.Fatal(err)
		}
		ask(t, ctx, ch.Exchange)
		if _, err := ch.Ping(ctx, bytes.Repeat([]byte("ping"), 50)); err != nil {
			t.Fatal(err)
		}
		if _, err := ch.Msg(ctx, []byte{0, 3, 0, 0, 0, 0, 0}); err != nil && ch.Capabilities()&ctaphid.CapabilityNMSG == 0 {
			t.Fatal(err)
		}
		if err := ch.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// cardSession is the same over short APDUs, with chains and GET RESPONSE.
func cardSession(t testing.TB) *transcript.Tape {
	t.Helper()
	card := nfc.NewEmulator(newKey(t, virtual.Auto()), nfc.EmulatorConfig{MaxMessage: virtual.DefaultMessage, ShortOnly: true})
	return recorded(t, transcript.Header{Transport: transcript.NFC}, func(rec *transcript.Recorder) {
		applet, err := nfc.Open(t.Context(), rec.Card(card), nfc.Config{})
		if err != nil {
			t.Fatal(err)
		}
		ask(t, t.Context(), applet.Exchange)
		if err := applet.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func ask(t testing.TB, ctx context.Context, exchange func(context.Context, []byte) ([]byte, error)) {
	t.Helper()
	for _, request := range requests(t) {
		if _, err := exchange(ctx, request); err != nil {
			t.Fatal(err)
		}
	}
}

// recorded is the tape of what use does, without the events on it.
func recorded(t testing.TB, h transcript.Header, use func(*transcript.Recorder)) *transcript.Tape {
	t.Helper()
	var file bytes.Buffer
	rec, err := transcript.NewRecorder(&file, h, nil)
	if err != nil {
		t.Fatal(err)
	}
	use(rec)
	tape, err := transcript.Load(&file, "session")
	if err != nil {
		t.Fatal(err)
	}
	var kept []transcript.Record
	for _, r := range tape.Records {
		if r.Level != transcript.Mark {
			kept = append(kept, r)
		}
	}
	if len(kept) < 12 {
		t.Fatalf("the session has %d crossings", len(kept))
	}
	tape.Records = kept
	return tape
}

// message is a whole message of a session, with the records that carried it.
type message struct {
	dir     transcript.Direction
	command ctaphid.Command
	payload []byte
	records []transcript.Record
}

// messages puts a HID session's reports together.
func messages(t testing.TB, tape *transcript.Tape) []message {
	t.Helper()
	var all []message
	assemblers := map[transcript.Direction]*ctaphid.Assembler{out: ctaphid.NewAssembler(64), in: ctaphid.NewAssembler(64)}
	var parts []transcript.Record
	for _, rec := range tape.Records {
		p, err := ctaphid.ParsePacket(rec.Data)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, rec)
		m, whole, err := assemblers[rec.Dir].Add(p)
		if err != nil {
			t.Fatal(err)
		}
		if whole {
			all = append(all, message{rec.Dir, m.Command, bytes.Clone(m.Payload), parts})
			parts = nil
		}
	}
	return all
}

// withoutKeepalives is a session as the logs have it that leave those out.
func withoutKeepalives(t testing.TB, tape *transcript.Tape) *transcript.Tape {
	t.Helper()
	some := &transcript.Tape{Header: tape.Header}
	for _, m := range messages(t, tape) {
		if m.command != ctaphid.CommandKeepalive {
			some.Records = append(some.Records, m.records...)
		}
	}
	return some
}

// asMessages is a session with its requests as messages, as crossings shows
// those that were rebuilt.
func asMessages(t testing.TB, tape *transcript.Tape, which ...transcript.Direction) []string {
	t.Helper()
	some := &transcript.Tape{}
	for _, m := range messages(t, tape) {
		for _, dir := range which {
			if m.dir == dir {
				m.records = []transcript.Record{{Dir: m.dir, Level: transcript.Message, Command: byte(m.command), Data: m.payload}}
			}
		}
		some.Records = append(some.Records, m.records...)
	}
	return crossings(some)
}
