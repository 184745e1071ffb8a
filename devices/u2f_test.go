package devices_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/u2f"
	"github.com/touchstone-fido/touchstone/ctap2/u2f/u2ftest"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/enroll"
	"github.com/touchstone-fido/touchstone/nfc"
	"github.com/touchstone-fido/touchstone/relyingparty"
)

// oldReports is a U2F key on USB: INIT and MSG, and ERROR 01 for all else.
type oldReports struct {
	t     *testing.T
	key   *u2ftest.Key
	caps  byte
	asm   *ctaphid.Assembler
	queue chan []byte
	takes int // CTAPHID_CBOR messages answered with success
	cbor  int // and those refused then
}

func newOldReports(t *testing.T, key *u2ftest.Key, caps byte) *oldReports {
	return &oldReports{t: t, key: key, caps: caps, asm: ctaphid.NewAssembler(64), queue: make(chan []byte, 64)}
}

func (o *oldReports) ReadReport(ctx context.Context, p []byte) (int, error) {
	select {
	case r := <-o.queue:
		return copy(p, r), nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

func (o *oldReports) WriteReport(ctx context.Context, p []byte) error {
	packet, err := ctaphid.ParsePacket(p)
	if err != nil {
		return err
	}
	m, whole, err := o.asm.Add(packet)
	if err != nil || !whole {
		return err
	}
	reply := ctaphid.Message{CID: m.CID, Command: m.Command}
	switch m.Command {
	case ctaphid.CommandInit:
		cid := binary.BigEndian.AppendUint32(bytes.Clone(m.Payload), 7)
		reply.Payload = append(cid, 2, 4, 4, 5, o.caps)
	case ctaphid.CommandMsg:
		if reply.Payload, err = o.key.U2F(ctx, m.Payload); err != nil {
			return err
		}
	default:
		if o.takes > 0 {
			o.takes--
			reply.Payload = []byte{0}
			break
		}
		o.cbor++
		reply.Command, reply.Payload = ctaphid.CommandError, []byte{byte(ctaphid.CodeInvalidCommand)}
	}
	return o.send(reply)
}

func (o *oldReports) send(m ctaphid.Message) error {
	cut, err := ctaphid.NewFragmenter(m, 64)
	if err != nil {
		return err
	}
	for report := make([]byte, 64); cut.Next(report); {
		o.queue <- bytes.Clone(report)
	}
	return nil
}

func (o *oldReports) Close() error { return nil }

// oldCard is a U2F key on NFC with short lengths: it has no INS of CTAP2.
type oldCard struct {
	*nfc.Emulator
	refusal nfc.StatusWord
	ctap    int // messages refused
}

// u2fOnly is the handler of such a card.
type u2fOnly struct{ key *u2ftest.Key }

func (u2fOnly) Message(context.Context, []byte, func(byte)) []byte { return []byte{0x7f} }

// U2F has the emulator's short APDUs in the long form that the test key takes.
func (u u2fOnly) U2F(ctx context.Context, apdu []byte) []byte {
	cmd, err := nfc.ParseCommand(apdu)
	if err != nil || cmd.Extended && len(cmd.Data) <= 255 && len(cmd.Data) > 0 {
		return u2ftest.Word(0x6700)
	}
	cmd.Extended, cmd.Ne = true, 65536
	if apdu, err = cmd.Bytes(); err != nil {
		return u2ftest.Word(0x6f00)
	}
	answer, err := u.key.U2F(ctx, apdu)
	if err != nil {
		return u2ftest.Word(0x6f00)
	}
	return answer
}

func (c *oldCard) Transmit(ctx context.Context, apdu []byte) ([]byte, error) {
	if apdu[0]&^0x10 == 0x80 {
		c.ctap++
		return u2ftest.Word(uint16(c.refusal)), nil
	}
	return c.Emulator.Transmit(ctx, apdu)
}

func newU2FKey(t *testing.T) *u2ftest.Key {
	t.Helper()
	key, err := u2ftest.New()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// oldLinks are the ways in which a key shows that it has U2F only.
func oldLinks(t *testing.T, key *u2ftest.Key) map[string]devices.Link {
	card := func(sw nfc.StatusWord) devices.Link {
		e := nfc.NewEmulator(u2fOnly{key}, nfc.EmulatorConfig{ShortOnly: true})
		return devices.Link{Info: devices.Info{Transport: devices.NFC}, Card: &oldCard{Emulator: e, refusal: sw}}
	}
	reports := func(caps byte) devices.Link {
		return devices.Link{Info: devices.Info{Transport: devices.USB}, Reports: newOldReports(t, key, caps)}
	}
	return map[string]devices.Link{
		"HID, says that it has no CBOR": reports(0x01),
		"HID, says that it has":         reports(0x05),
		"NFC, no such INS":              card(nfc.SWInsNotSupported),
		"NFC, no such CLA":              card(nfc.SWClaNotSupported),
	}
}

// TestU2FKeyIsEnrolledLikeAnyOther: both ceremonies on a key without CTAP2, from
// reports and APDUs to the relying party's verdict.
func TestU2FKeyIsEnrolledLikeAnyOther(t *testing.T) {
	key := newU2FKey(t)
	for name, link := range oldLinks(t, key) {
		key.Untouched = 1
		conn, err := devices.Connect(t.Context(), link, devices.Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		party := relyingparty.Party{ID: "example.com", Origin: "https://example.com"}
		ceremony, err := party.Begin(relyingparty.Policy{Algorithms: []cose.Algorithm{cose.ES256}})
		if err != nil {
			t.Fatal(err)
		}
		created, err := enroll.Create(t.Context(), conn, enroll.CreateOptions{
			RP: ctap2.RelyingParty{ID: party.ID}, Origin: party.Origin, Challenge: ceremony.Challenge,
			User: ctap2.User{ID: []byte{1}, Name: "alice"}, Algorithms: []cose.Algorithm{cose.ES256},
			Discoverable: enroll.Preferred, UserVerification: enroll.Preferred, Attestation: webauthn.ConveyanceDirect,
		}, enroll.Ask{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r, err := party.Register(ceremony, relyingparty.User{ID: []byte{1}, Name: "alice"}, created.Response)
		if err != nil || r.AttestationFormat != "fido-u2f" || created.Discoverable || created.Verified != "" {
			t.Fatalf("%s: %+v, %v", name, r, err)
		}
		if ceremony, err = party.Begin(relyingparty.Policy{}); err != nil {
			t.Fatal(err)
		}
		got, err := enroll.Get(t.Context(), conn, enroll.GetOptions{
			RPID: party.ID, Origin: party.Origin, Challenge: ceremony.Challenge, UserVerification: enroll.Preferred,
			Allow: ctap2.Descriptors([]byte("of another key"), created.Response.RawID),
		}, enroll.Ask{})
		if err != nil || len(got) != 1 {
			t.Fatalf("%s: %v, %v", name, got, err)
		}
		if _, err := party.Authenticate(ceremony, []*relyingparty.Registration{r}, got[0].Response, false); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := conn.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOldKeysAreAskedOnceForCTAP2: what a key said of itself is kept.
func TestOldKeysAreAskedOnceForCTAP2(t *testing.T) {
	for name, link := range oldLinks(t, newU2FKey(t)) {
		conn, err := devices.Connect(t.Context(), link, devices.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			info, err := conn.GetInfo(t.Context())
			if err != nil || !slices.Equal(info.Versions, []string{u2f.Version}) {
				t.Errorf("%s: %+v, %v", name, info, err)
			}
		}
		switch l := link.Reports.(type) {
		case *oldReports:
			if want := int(l.caps >> 2); l.cbor != want {
				t.Errorf("%s: %d times", name, l.cbor)
			}
		default:
			if n := link.Card.(*oldCard).ctap; n != 1 {
				t.Errorf("%s: %d times", name, n)
			}
		}
		conn.Close()
	}
}

// TestU2FTouchIsTold: while a U2F key wants a touch, events say so.
func TestU2FTouchIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newU2FKey(t)
		key.Untouched = 2
		var events []devices.Event
		conn, err := devices.Connect(t.Context(), devices.Link{Reports: newOldReports(t, key, 0x01)}, devices.Options{
			OnEvent: func(e devices.Event) { events = append(events, e) },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		info, err := conn.GetInfo(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Touch(t.Context(), info); err != nil {
			t.Fatal(err)
		}
		want := []devices.Event{{Status: "up-needed"}, {Status: "up-needed", Since: u2f.DefaultPace}, {Status: devices.EventDone, Since: 2 * u2f.DefaultPace}}
		if !slices.Equal(events, want) {
			t.Errorf("%v, want %v", events, want)
		}
	})
}

// TestNewKeysAreNotTakenForOld: a key that has spoken CTAP2 keeps to it, and one
// with NMSG has nothing else.
func TestNewKeysAreNotTakenForOld(t *testing.T) {
	spoke, nothingElse := newOldReports(t, newU2FKey(t), 0x04), newOldReports(t, newU2FKey(t), 0x0c)
	spoke.takes = 1
	for name, reports := range map[string]*oldReports{"has spoken": spoke, "NMSG": nothingElse} {
		conn, err := devices.Connect(t.Context(), devices.Link{Reports: reports}, devices.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if reports.takes > 0 {
			if err := conn.Selection(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := conn.GetInfo(t.Context()); !errors.Is(err, ctaphid.CodeInvalidCommand) {
			t.Errorf("%s: %v", name, err)
		}
		conn.Close()
	}
}

// framedOnly is a card whose framing takes CTAP2 messages, though the key behind
// it has U2F only.
type framedOnly struct{ u2fOnly }

func (framedOnly) Message(context.Context, []byte, func(byte)) []byte {
	return []byte{byte(ctap2.StatusInvalidCommand)}
}

// TestCardsThatRefuseGetInfoAreOld: a card that answers getInfo as a command that
// it does not know is spoken to by U2F. Any other command tells nothing.
func TestCardsThatRefuseGetInfoAreOld(t *testing.T) {
	card := nfc.NewEmulator(framedOnly{u2fOnly{newU2FKey(t)}}, nfc.EmulatorConfig{})
	conn, err := devices.Connect(t.Context(), devices.Link{Card: card}, devices.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	info, err := conn.GetInfo(t.Context())
	if err != nil || !slices.Equal(info.Versions, []string{u2f.Version}) {
		t.Errorf("%+v, %v", info, err)
	}
	again, err := devices.Connect(t.Context(), devices.Link{Card: card}, devices.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Selection(t.Context()); !errors.Is(err, ctap2.StatusInvalidCommand) {
		t.Errorf("selection: %v", err)
	}
}

// TestU2FBesideCTAP2 speaks U2F with a key directly, over both framings.
func TestU2FBesideCTAP2(t *testing.T) {
	for name, link := range oldLinks(t, newU2FKey(t)) {
		conn, err := devices.Connect(t.Context(), link, devices.Options{})
		if err != nil {
			t.Fatal(err)
		}
		device := conn.U2F(u2f.Config{})
		if v, err := device.Version(t.Context()); v != u2f.Version || err != nil {
			t.Errorf("%s: %q, %v", name, v, err)
		}
		challenge, application := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
		r, err := device.Register(t.Context(), challenge, application)
		if err != nil || r.Verify(challenge, application) != nil {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		long := bytes.Repeat([]byte{3}, 255) // more than a short APDU holds: chained
		if _, err := device.Authenticate(t.Context(), u2f.CheckOnly, challenge, application, long); !errors.Is(err, u2f.StatusWrongData) {
			t.Errorf("%s: %v", name, err)
		}
		conn.Close()
	}
}
