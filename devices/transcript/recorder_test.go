package transcript

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/nfc"
)

// key is a key's handler: it answers 04 at once, 01 after a keepalive, and 0b
// not until it is cancelled.
type key struct{}

func (key) Message(ctx context.Context, msg []byte, keepalive func(byte)) []byte {
	switch msg[0] {
	case 0x01:
		keepalive(2)
	case 0x0b:
		keepalive(2)
		<-ctx.Done()
		return []byte{0x2d}
	}
	return append([]byte{0}, bytes.Repeat(msg, 300/len(msg))...)
}

func (key) U2F(context.Context, []byte) []byte { return []byte("U2F_V2\x90\x00") }

func newDevice(t testing.TB) *ctaphid.Device {
	t.Helper()
	device := ctaphid.NewDevice(key{}, ctaphid.DeviceConfig{})
	t.Cleanup(func() {
		if err := device.Close(); err != nil {
			t.Error(err)
		}
	})
	return device
}

func newRecorder(t testing.TB, w io.Writer, h Header) *Recorder {
	t.Helper()
	recorder, err := NewRecorder(w, h, nil)
	if err != nil {
		t.Fatal(err)
	}
	return recorder
}

// useChannel is a session on HID; the same one gives the same answers.
func useChannel(t testing.TB, conn ctaphid.ReportConn, cfg ctaphid.Config) (answers [][]byte, err error) {
	t.Helper()
	ctx := t.Context()
	ch, err := ctaphid.Open(ctx, conn, cfg)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	for _, msg := range []string{"\x04", "\x01" + strings.Repeat("long", 100), "\x04"} {
		answer, err := ch.Exchange(ctx, []byte(msg))
		if err != nil {
			return answers, errors.Join(err, ch.Close())
		}
		answers = append(answers, answer)
	}
	answer, err := ch.Msg(ctx, []byte{0, 3, 0, 0})
	if err == nil {
		_, err = ch.Ping(ctx, []byte("ping"))
	}
	return append(answers, answer), errors.Join(err, ch.Close())
}

func useApplet(t testing.TB, card nfc.Card, cfg nfc.Config) (answers [][]byte, err error) {
	t.Helper()
	ctx := t.Context()
	applet, err := nfc.Open(ctx, card, cfg)
	if err != nil {
		return nil, errors.Join(err, card.Close())
	}
	for _, msg := range []string{"\x04", "\x01" + strings.Repeat("long", 100), "\x04"} {
		answer, err := applet.Exchange(ctx, []byte(msg))
		if err != nil {
			return answers, errors.Join(err, applet.Close())
		}
		answers = append(answers, answer)
	}
	return answers, applet.Close()
}

func equalAnswers(t *testing.T, got, want [][]byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d answers, want %d", len(got), len(want))
	}
	for i := range got {
		if !bytes.Equal(got[i], want[i]) {
			t.Errorf("answer %d is %x, want %x", i, got[i], want[i])
		}
	}
}

func TestRecordedReportsReplay(t *testing.T) {
	var file bytes.Buffer
	recorder := newRecorder(t, &file, Header{Transport: HID, ReportSize: 64})
	want, err := useChannel(t, recorder.Reports(newDevice(t).Connect()), ctaphid.Config{})
	if err != nil {
		t.Fatal(err)
	}
	tape := mustLoad(t, file.String())
	got, err := useChannel(t, openReports(t, tape, PlayConfig{}), tape.HIDConfig())
	if err != nil {
		t.Fatal(err)
	}
	equalAnswers(t, got, want)
	if sum := tape.Check(); sum.Messages.Cut+sum.Messages.Malformed+len(sum.Problems) != 0 || sum.Unplayable != nil {
		t.Errorf("check finds %+v", sum)
	}
}

// doubling gives every report of the key twice to a host that polls.
type doubling struct {
	ctaphid.ReportConn
	again []byte
}

func (d *doubling) ReadReport(ctx context.Context, p []byte) (int, error) {
	n, err := d.ReportConn.ReadReport(ctx, p)
	d.again = bytes.Clone(p[:n])
	return n, err
}

func (d *doubling) PollReport(p []byte) (int, error) {
	n := copy(p, d.again)
	d.again = nil
	return n, nil
}

// TestLateReportsReplay: what the host dropped before a request is on the tape,
// is dropped again, and is no answer to anybody who reads for one.
func TestLateReportsReplay(t *testing.T) {
	var file bytes.Buffer
	recorder := newRecorder(t, &file, Header{Transport: HID, ReportSize: 64})
	conn := &doubling{ReportConn: newDevice(t).Connect()}
	want, err := useChannel(t, recorder.Reports(conn), ctaphid.Config{})
	if err != nil {
		t.Fatal(err)
	}
	tape := mustLoad(t, file.String())
	late := slices.IndexFunc(tape.Records, func(r Record) bool { return r.Late })
	if late < 0 || tape.Records[late].Dir != In || tape.Records[late+1].Dir != Out {
		t.Fatalf("no late report in\n%s", file.String())
	}
	got, err := useChannel(t, openReports(t, tape, PlayConfig{}), tape.HIDConfig())
	if err != nil {
		t.Fatal(err)
	}
	equalAnswers(t, got, want)

	tape.Records = tape.Records[late:]
	var end *EndError
	if _, err := openReports(t, tape, PlayConfig{}).ReadReport(t.Context(), make([]byte, 64)); !errors.As(err, &end) {
		t.Errorf("read of a late report: %v", err)
	}
}

func TestRecordedCardReplays(t *testing.T) {
	for _, cfg := range []nfc.Config{
		{},
		{Encoding: nfc.EncodingExtended},
		{OmitLe: true, NoPoll: true},
		{ChunkSize: 100, ChainPoll: nfc.ChainPollLast},
		{ChunkSize: 255},
		{Opening: [][]byte{append([]byte{0, 0xa4, 4, 0, 8}, nfc.AID...)}},
	} {
		var file bytes.Buffer
		recorder := newRecorder(t, &file, Header{Transport: NFC})
		want, err := useApplet(t, recorder.Card(nfc.NewEmulator(key{}, nfc.EmulatorConfig{})), cfg)
		if err != nil {
			t.Fatal(err)
		}
		tape := mustLoad(t, file.String())
		got, err := useApplet(t, openCard(t, tape, PlayConfig{}), tape.NFCConfig())
		if err != nil {
			t.Fatalf("%+v as %+v: %v", cfg, tape.NFCConfig(), err)
		}
		equalAnswers(t, got, want)
	}
}

// With its seed a tape replays to the byte, without it only the nonces differ.
func TestSeededTapeIsStrict(t *testing.T) {
	draw := func(seed byte) ctaphid.Config { return ctaphid.Config{Rand: rand.NewChaCha8([32]byte{seed})} }
	var file bytes.Buffer
	recorder := newRecorder(t, &file, Header{Transport: HID, Seed: []byte{1}})
	if _, err := useChannel(t, recorder.Reports(newDevice(t).Connect()), draw(1)); err != nil {
		t.Fatal(err)
	}
	tape := mustLoad(t, file.String())
	if _, err := useChannel(t, openReports(t, tape, PlayConfig{}), draw(1)); err != nil {
		t.Errorf("with the same seed: %v", err)
	}
	_, err := useChannel(t, openReports(t, tape, PlayConfig{}), draw(2))
	var mismatch *MismatchError
	if !errors.As(err, &mismatch) || mismatch.Offset < 7 || mismatch.Offset > 14 {
		t.Errorf("with another seed: %v", err)
	}
	tape.Header.Seed = nil
	if _, err := useChannel(t, openReports(t, tape, PlayConfig{}), draw(2)); err != nil {
		t.Errorf("without a seed: %v", err)
	}
}

// cancelled runs a request that ends only by cancelling, which happens at the
// first keepalive if it is for the host to do.
func cancelled(t testing.TB, conn ctaphid.ReportConn, ctx context.Context, atKeepalive func()) ([]byte, error) {
	t.Helper()
	ch, err := ctaphid.Open(t.Context(), conn, ctaphid.Config{OnKeepalive: func(ctaphid.Keepalive) { atKeepalive() }})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := ch.Exchange(ctx, []byte{0x0b})
	return answer, errors.Join(err, ch.Close())
}

func TestCancelledSessionReplays(t *testing.T) {
	var file bytes.Buffer
	recorder := newRecorder(t, &file, Header{Transport: HID})
	ctx, cancel := context.WithCancel(t.Context())
	want, err := cancelled(t, recorder.Reports(newDevice(t).Connect()), ctx, cancel)
	if err != nil || !bytes.Equal(want, []byte{0x2d}) {
		t.Fatalf("recorded %x, %v", want, err)
	}
	tape := mustLoad(t, file.String())

	ctx, cancel = context.WithCancel(t.Context())
	got, err := cancelled(t, openReports(t, tape, PlayConfig{OnCancel: cancel}), ctx, func() {})
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("replayed %x, %v", got, err)
	}

	_, err = cancelled(t, openReports(t, tape, PlayConfig{}), t.Context(), func() {})
	var end *EndError
	if !errors.As(err, &end) || !strings.Contains(end.Next, "CTAPHID_CANCEL") {
		t.Errorf("a host that does not cancel gets %v", err)
	}
}

func TestCancelledCardReplays(t *testing.T) {
	run := func(card nfc.Card, ctx context.Context, atKeepalive func()) ([]byte, error) {
		applet, err := nfc.Open(t.Context(), card, nfc.Config{
			Poll:        time.Millisecond,
			OnKeepalive: func(nfc.Keepalive) { atKeepalive() },
		})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := applet.Exchange(ctx, []byte{0x0b})
		return answer, errors.Join(err, applet.Close())
	}
	var file bytes.Buffer
	recorder := newRecorder(t, &file, Header{Transport: NFC})
	ctx, cancel := context.WithCancel(t.Context())
	emulator := nfc.NewEmulator(key{}, nfc.EmulatorConfig{Patience: time.Millisecond})
	want, err := run(recorder.Card(emulator), ctx, cancel)
	if err != nil || !bytes.Equal(want, []byte{0x2d}) {
		t.Fatalf("recorded %x, %v", want, err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	got, err := run(openCard(t, mustLoad(t, file.String()), PlayConfig{OnCancel: cancel}), ctx, func() {})
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("replayed %x, %v", got, err)
	}
}

func TestUnpluggedKeyReplays(t *testing.T) {
	session := func(conn ctaphid.ReportConn, unplug func()) error {
		ch, err := ctaphid.Open(t.Context(), conn, ctaphid.Config{})
		if err != nil {
			t.Fatal(err)
		}
		unplug()
		_, err = ch.Exchange(t.Context(), []byte{4})
		return errors.Join(err, ch.Close())
	}
	var file bytes.Buffer
	device := newDevice(t)
	recorder := newRecorder(t, &file, Header{Transport: HID})
	err := session(recorder.Reports(device.Connect()), func() { device.Close() })
	if !errors.Is(err, ctaphid.ErrGone) {
		t.Fatalf("recorded %v", err)
	}
	if err := session(openReports(t, mustLoad(t, file.String()), PlayConfig{}), func() {}); !errors.Is(err, ctaphid.ErrGone) {
		t.Errorf("replayed %v", err)
	}
}

func TestReopenedConnectionsShareATape(t *testing.T) {
	var file bytes.Buffer
	device := newDevice(t)
	recorder := newRecorder(t, &file, Header{Transport: HID})
	for range 2 {
		if _, err := useChannel(t, recorder.Reports(device.Connect()), ctaphid.Config{}); err != nil {
			t.Fatal(err)
		}
	}
	player, err := NewPlayer(mustLoad(t, file.String()), PlayConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		conn, err := player.Reports()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := useChannel(t, conn, ctaphid.Config{}); err != nil {
			t.Errorf("session %d: %v", i, err)
		}
	}
	if err := player.Close(); err != nil {
		t.Error(err)
	}
}

// A tape that cannot be written is no reason to fail the session, but is not
// kept quiet either.
func TestFullDiskDoesNotDisturbTheSession(t *testing.T) {
	file := &failing{left: 4}
	recorder := newRecorder(t, file, Header{Transport: HID})
	answers, err := useChannel(t, recorder.Reports(newDevice(t).Connect()), ctaphid.Config{})
	if len(answers) != 4 {
		t.Errorf("%d answers", len(answers))
	}
	if !errors.Is(err, errDiskFull) || !strings.Contains(err.Error(), "recording is incomplete") {
		t.Errorf("closing gave %v", err)
	}
	if !errors.Is(recorder.Err(), errDiskFull) || !errors.Is(recorder.Mark("touch", ""), errDiskFull) {
		t.Errorf("Err() = %v", recorder.Err())
	}
	if tape := mustLoad(t, file.got.String()); len(tape.Records) != 3 || tape.Ending != EndWhole {
		t.Errorf("the tape has %d records and ends %v", len(tape.Records), tape.Ending)
	}
}

// lineByLine fails where a write is not one line.
type lineByLine struct {
	t *testing.T
	n int
}

func (w *lineByLine) Write(p []byte) (int, error) {
	w.n++
	if bytes.Count(p, []byte("\n")) != 1 || !bytes.HasSuffix(p, []byte("\n")) {
		w.t.Errorf("write %d is %q", w.n, p)
	}
	return len(p), nil
}

func TestEachLineIsOneWrite(t *testing.T) {
	file := &lineByLine{t: t}
	recorder := newRecorder(t, file, Header{Transport: HID})
	if _, err := useChannel(t, recorder.Reports(newDevice(t).Connect()), ctaphid.Config{}); err != nil {
		t.Fatal(err)
	}
	if file.n < 20 {
		t.Errorf("%d writes", file.n)
	}
}

func TestRecorderIsSafeForManyGoroutines(t *testing.T) {
	var file bytes.Buffer
	recorder := newRecorder(t, &file, Header{Transport: HID})
	ch, err := ctaphid.Open(t.Context(), recorder.Reports(newDevice(t).Connect()), ctaphid.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, err := ch.Ping(t.Context(), bytes.Repeat([]byte("x"), 200)); err != nil {
				t.Error(err)
			}
			if err := recorder.Mark("note", "here"); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if err := ch.Close(); err != nil {
		t.Error(err)
	}
	sum := mustLoad(t, file.String()).Check()
	if sum.Messages != (Count{Whole: 18}) || sum.Lines.Marks != 9 {
		t.Errorf("the tape holds %+v", sum)
	}
}

func TestRecorderTakesTimesFromItsClock(t *testing.T) {
	at := time.Date(2026, 11, 21, 20, 11, 0, 0, time.UTC)
	clock := func() time.Time {
		defer func() { at = at.Add(1500 * time.Microsecond) }()
		return at
	}
	var file bytes.Buffer
	recorder, err := NewRecorder(&file, Header{Transport: NFC}, clock)
	if err != nil {
		t.Fatal(err)
	}
	card := recorder.Card(cardFunc(func() ([]byte, error) { return []byte{0x90, 0}, nil }))
	if _, err := card.Transmit(t.Context(), []byte{0, 0xa4, 4, 0}); err != nil {
		t.Fatal(err)
	}
	want := `{"touchstone":1,"transport":"nfc","recorded":"2026-11-21T20:11:00Z"}
{"t_us":1500,"dir":"out","hex":"00a40400"}
{"t_us":3000,"dir":"in","hex":"9000"}
`
	if file.String() != want {
		t.Errorf("got %s", file.String())
	}
}

// cardFunc is a card of one answer.
type cardFunc func() ([]byte, error)

func (f cardFunc) Transmit(context.Context, []byte) ([]byte, error) { return f() }
func (f cardFunc) Close() error                                     { return nil }

// connFunc is a connection of one error.
type connFunc func() error

func (f connFunc) ReadReport(context.Context, []byte) (int, error) { return 0, f() }
func (f connFunc) WriteReport(context.Context, []byte) error       { return f() }
func (f connFunc) Close() error                                    { return nil }

func TestErrorsOfTheSeamAreEvents(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	other := errors.New("stalled")
	tests := []struct {
		name string
		ctx  context.Context
		err  error
		want []string // kinds after read, write, transmit
	}{
		{"gone", t.Context(), ctaphid.ErrGone, []string{"read gone", "write gone", "transmit gone"}},
		{"card gone", t.Context(), nfc.ErrGone, []string{"read gone", "write gone", "transmit gone"}},
		{"other", t.Context(), other, []string{"read other", "write other", "transmit other"}},
		{"closed", t.Context(), ctaphid.ErrClosed, nil},
		{"ended", ended, context.Canceled, []string{"write ended", "transmit ended"}},
	}
	for _, tt := range tests {
		var hid, nfc bytes.Buffer
		conn := newRecorder(t, &hid, Header{Transport: HID}).Reports(connFunc(func() error { return tt.err }))
		card := newRecorder(t, &nfc, Header{Transport: NFC}).Card(cardFunc(func() ([]byte, error) { return nil, tt.err }))
		_, readErr := conn.ReadReport(tt.ctx, make([]byte, 64))
		writeErr := conn.WriteReport(tt.ctx, make([]byte, 64))
		_, sendErr := card.Transmit(tt.ctx, nil)
		for _, err := range []error{readErr, writeErr, sendErr} {
			if err != tt.err {
				t.Errorf("%s: the host got %v", tt.name, err)
			}
		}
		var got []string
		for _, rec := range append(mustLoad(t, hid.String()).Records, mustLoad(t, nfc.String()).Records...) {
			if rec.Event == nil {
				continue
			}
			if rec.Event.Text != tt.err.Error() {
				t.Errorf("%s: text %q", tt.name, rec.Event.Text)
			}
			got = append(got, rec.Event.Op+" "+rec.Event.Kind)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: events %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestRecorderKeepsTransportsApart(t *testing.T) {
	for _, transport := range []Transport{HID, NFC} {
		var file bytes.Buffer
		recorder := newRecorder(t, &file, Header{Transport: transport})
		conn := recorder.Reports(connFunc(func() error { return nil }))
		card := recorder.Card(cardFunc(func() ([]byte, error) { return nil, nil }))
		for _, err := range []error{recorder.Err(), conn.Close(), card.Close()} {
			if err == nil || !strings.Contains(err.Error(), "transport") {
				t.Errorf("%s: got %v", transport, err)
			}
		}
		if n := strings.Count(file.String(), "\n"); n != 1 {
			t.Errorf("%s: %d lines", transport, n)
		}
	}
}

func TestClosingTwiceIsOneEvent(t *testing.T) {
	var file bytes.Buffer
	conn := newRecorder(t, &file, Header{Transport: HID}).Reports(connFunc(func() error { return nil }))
	for range 2 {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	if n := strings.Count(file.String(), `"close"`); n != 1 {
		t.Errorf("%d events", n)
	}
}
