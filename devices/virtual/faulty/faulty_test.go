package faulty_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/devices/virtual/faulty"
	"github.com/touchstone-fido/touchstone/nfc"
)

// key is what is behind the framing. Command 0b waits for a touch that does not
// come, 01 is an error, others are answered with as many bytes as the second
// byte of the request says, times four.
type key struct{}

func (key) Message(ctx context.Context, msg []byte, keepalive func(byte)) []byte {
	switch {
	case msg[0] == 0x0b:
		keepalive(2)
		select {
		case <-ctx.Done():
			return []byte{0x2d}
		case <-time.After(time.Second):
			return []byte{0x2f}
		}
	case msg[0] == 0x01 || len(msg) < 2:
		return []byte{0x11}
	}
	return append([]byte{0}, bytes.Repeat(msg[1:2], 4*int(msg[1])-1)...)
}

func (key) U2F(context.Context, []byte) []byte { return []byte{0x90, 0x00} }

func (key) Wink() {}

// A scene is a session in which a fault shows, played with the fault and without
// it. differs is the first difference.
type scene[T any] struct {
	fault   virtual.FaultID
	play    func(T)
	differs string
}

// firstDifference tells where a tape leaves that of a sound key.
func firstDifference(sound, got []string) string {
	for i := range max(len(sound), len(got)) {
		switch {
		case i >= len(got):
			return "no " + sound[i]
		case i >= len(sound):
			return got[i] + ", more"
		case got[i] != sound[i]:
			return got[i] + ", not " + sound[i]
		}
	}
	return ""
}

// host speaks CTAPHID report by report.
type host struct {
	t    *testing.T
	conn ctaphid.ReportConn
	tape []string
}

const (
	ping   = 0x81
	msg    = 0x83
	lock   = 0x84
	init_  = 0x86
	wink   = 0x88
	cborOf = 0x90
	cancel = 0x91
)

// send sends an init packet and notes what comes within no time.
func (h *host) send(cid uint32, cmd byte, payload ...byte) {
	h.t.Helper()
	h.long(cid, cmd, len(payload), payload...)
}

// long sends an init packet of a message of n bytes.
func (h *host) long(cid uint32, cmd byte, n int, payload ...byte) {
	h.t.Helper()
	report := binary.BigEndian.AppendUint32(nil, cid)
	report = binary.BigEndian.AppendUint16(append(report, cmd), uint16(n))
	h.write(append(report, payload...))
}

// more sends a continuation packet.
func (h *host) more(cid uint32, seq byte, payload ...byte) {
	h.t.Helper()
	h.write(append(append(binary.BigEndian.AppendUint32(nil, cid), seq), payload...))
}

func (h *host) write(report []byte) {
	h.t.Helper()
	report = append(report, make([]byte, ctaphid.ReportSize)...)[:ctaphid.ReportSize]
	h.tape = append(h.tape, "a request")
	if err := h.conn.WriteReport(h.t.Context(), report); err != nil {
		h.t.Fatal(err)
	}
	h.listen(0)
}

// listen notes what comes within d.
func (h *host) listen(d time.Duration) {
	h.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	report := make([]byte, ctaphid.ReportSize)
	for {
		n, err := h.conn.(ctaphid.ReportPoller).PollReport(report)
		if err != nil {
			h.t.Fatal(err)
		}
		if n == 0 {
			return
		}
		h.tape = append(h.tape, heard(report))
	}
}

// heard is a report in a few words.
func heard(report []byte) string {
	p, err := ctaphid.ParsePacket(report)
	switch {
	case err != nil:
		return err.Error()
	case !p.Init:
		return fmt.Sprintf("%v seq %d", p.CID, p.Seq)
	}
	return fmt.Sprintf("%v %v %d %s", p.CID, p.Command, p.Length, hex.EncodeToString(p.Data[:min(len(p.Data), 17)]))
}

var nonce = []byte("noncence")

const all = 0xffffffff // the broadcast channel

// open opens channel 1.
func (h *host) open() { h.t.Helper(); h.send(all, init_, nonce...) }

// hidScenes have one for each fault of CTAPHID.
var hidScenes = []scene[*host]{
	{"hid-keepalive-silent", func(h *host) { h.open(); h.send(1, cborOf, 0x0b) }, "no 00000001 CTAPHID_KEEPALIVE 1 02"},
	{"hid-keepalive-after-answer", func(h *host) { h.open(); h.send(1, cborOf, 0x04, 1) }, "00000001 CTAPHID_KEEPALIVE 1 01, more"},
	{"hid-keepalive-for-u2f", func(h *host) { h.open(); h.send(1, msg, 0, 3, 0, 0) }, "00000001 CTAPHID_KEEPALIVE 1 01, not 00000001 CTAPHID_MSG 2 9000"},
	{"hid-keepalive-processing", func(h *host) { h.open(); h.send(1, cborOf, 0x0b) }, "00000001 CTAPHID_KEEPALIVE 1 01, not 00000001 CTAPHID_KEEPALIVE 1 02"},
	{"hid-cancel-ignored", func(h *host) { h.open(); h.send(1, cborOf, 0x0b); h.send(1, cancel) }, "no 00000001 CTAPHID_CBOR 1 2d"},
	{"hid-cancel-answered", func(h *host) { h.open(); h.send(1, cborOf, 0x0b); h.send(1, cancel) }, "00000001 CTAPHID_CANCEL 0 , not 00000001 CTAPHID_CBOR 1 2d"},
	{"hid-busy-after-cancel", func(h *host) { h.open(); h.send(1, cancel); h.send(1, cborOf, 0x04, 1) }, "00000001 CTAPHID_ERROR 1 06, not 00000001 CTAPHID_CBOR 4 00010101"},
	{"hid-busy-for-ever", func(h *host) { h.open(); h.send(1, cborOf, 0x04, 1); h.send(1, cborOf, 0x04, 1) }, "00000001 CTAPHID_ERROR 1 06, not 00000001 CTAPHID_CBOR 4 00010101"},
	{"hid-init-wrong-nonce", (*host).open, "ffffffff CTAPHID_INIT 17 6f6f6e63656e6365000000010200000005, not ffffffff CTAPHID_INIT 17 6e6f6e63656e6365000000010200000005"},
	{"hid-channel-zero", (*host).open, "ffffffff CTAPHID_INIT 17 6e6f6e63656e6365000000000200000005, not ffffffff CTAPHID_INIT 17 6e6f6e63656e6365000000010200000005"},
	{"hid-channel-repeats", func(h *host) { h.open(); h.open() }, "ffffffff CTAPHID_INIT 17 6e6f6e63656e6365000000010200000005, not ffffffff CTAPHID_INIT 17 6e6f6e63656e6365000000020200000005"},
	{"hid-init-changes-channel", func(h *host) { h.open(); h.send(1, init_, nonce...) }, "00000001 CTAPHID_INIT 17 6e6f6e63656e6365000000020200000005, not 00000001 CTAPHID_INIT 17 6e6f6e63656e6365000000010200000005"},
	{"hid-init-exhausts-channels", func(h *host) {
		for range 9 {
			h.open()
		}
	}, "ffffffff CTAPHID_ERROR 1 06, not ffffffff CTAPHID_INIT 17 6e6f6e63656e6365000000090200000005"},
	{"hid-protocol-version-1", (*host).open, "ffffffff CTAPHID_INIT 17 6e6f6e63656e6365000000010100000005, not ffffffff CTAPHID_INIT 17 6e6f6e63656e6365000000010200000005"},
	{"hid-capabilities-wrong", (*host).open, "ffffffff CTAPHID_INIT 17 6e6f6e63656e636500000001020000000d, not ffffffff CTAPHID_INIT 17 6e6f6e63656e6365000000010200000005"},
	{"hid-sequence-from-one", func(h *host) { h.open(); h.send(1, cborOf, 0x04, 20) }, "00000001 seq 1, not 00000001 seq 0"},
	{"hid-sequence-silent", func(h *host) { h.open(); h.long(1, ping, 100); h.more(1, 1) }, "no 00000001 CTAPHID_ERROR 1 04"},
	{"hid-length-silent", func(h *host) { h.open(); h.long(1, ping, 7610) }, "no 00000001 CTAPHID_ERROR 1 03"},
	{"hid-timeout-silent", func(h *host) { h.open(); h.long(1, ping, 100); h.listen(time.Second) }, "no 00000001 CTAPHID_ERROR 1 05"},
	{"hid-busy-silent", func(h *host) { h.open(); h.open(); h.send(1, cborOf, 0x0b); h.send(2, ping) }, "no 00000002 CTAPHID_ERROR 1 06"},
	{"hid-unknown-command-silent", func(h *host) { h.open(); h.send(1, 0xa0) }, "no 00000001 CTAPHID_ERROR 1 01"},
	{"hid-unallocated-answered", func(h *host) { h.open(); h.send(7, ping, 1) }, "00000007 CTAPHID_PING 1 01, not 00000007 CTAPHID_ERROR 1 0b"},
	{"hid-stray-answered", func(h *host) { h.open(); h.more(1, 0) }, "00000001 CTAPHID_ERROR 1 04, more"},
	{"hid-answer-as-msg", func(h *host) { h.open(); h.send(1, cborOf, 0x04, 1) }, "00000001 CTAPHID_MSG 4 00010101, not 00000001 CTAPHID_CBOR 4 00010101"},
	{"hid-answer-cut", func(h *host) { h.open(); h.send(1, cborOf, 0x04, 20) }, "no 00000001 seq 0"},
	{"hid-answer-late", func(h *host) { h.open(); h.send(1, ping, 1); h.send(1, ping, 2) }, "a request, not 00000001 CTAPHID_PING 1 01"},
	{"hid-answer-on-other-channel", func(h *host) { h.open(); h.send(1, ping, 1) }, "00000002 CTAPHID_PING 1 01, not 00000001 CTAPHID_PING 1 01"},
	{"hid-length-one-more", func(h *host) { h.open(); h.send(1, cborOf, 0x04, 1) }, "00000001 CTAPHID_CBOR 5 0001010100, not 00000001 CTAPHID_CBOR 4 00010101"},
	{"hid-reports-doubled", (*host).open, "ffffffff CTAPHID_INIT 17 6e6f6e63656e6365000000010200000005, more"},
	{"hid-ping-drops-zeros", func(h *host) { h.open(); h.send(1, ping, 0, 0, 1, 0) }, "00000001 CTAPHID_PING 2 0100, not 00000001 CTAPHID_PING 4 00000100"},
	{"hid-error-two-bytes", func(h *host) { h.open(); h.send(1, 0xa0) }, "00000001 CTAPHID_ERROR 2 0100, not 00000001 CTAPHID_ERROR 1 01"},
	{"hid-wink-with-data", func(h *host) { h.open(); h.send(1, wink) }, "00000001 CTAPHID_WINK 1 00, not 00000001 CTAPHID_WINK 0 "},
	{"hid-lock-does-nothing", func(h *host) { h.open(); h.open(); h.send(1, lock, 5); h.send(2, ping, 1) }, "00000002 CTAPHID_PING 1 01, not 00000002 CTAPHID_ERROR 1 06"},
	{"hid-chatter", func(h *host) { h.listen(time.Second) }, "ffffffff CTAPHID_KEEPALIVE 1 01, more"},
}

// tapeOf plays a scene over CTAPHID.
func tapeOf(t *testing.T, play func(*host), faults ...virtual.FaultID) (tape []string) {
	synctest.Test(t, func(t *testing.T) {
		device := ctaphid.NewDevice(key{}, ctaphid.DeviceConfig{})
		h := &host{t: t, conn: faulty.Reports(device.Connect(), faults)}
		play(h)
		tape = h.tape
		if err := errors.Join(h.conn.Close(), device.Close()); err != nil {
			t.Error(err)
		}
	})
	return tape
}

func TestHIDFaultsShow(t *testing.T) { showAll(t, "CTAPHID", hidScenes, tapeOf) }

// showAll plays the scenes of an area.
func showAll[T any](t *testing.T, area string, scenes []scene[T], tapeOf func(*testing.T, func(T), ...virtual.FaultID) []string) {
	var played []virtual.FaultID
	for _, s := range scenes {
		played = append(played, s.fault)
		t.Run(string(s.fault), func(t *testing.T) {
			sound := tapeOf(t, s.play)
			if d := firstDifference(sound, tapeOf(t, s.play)); d != "" {
				t.Fatalf("a sound key differs from itself: %s", d)
			}
			if d := firstDifference(sound, tapeOf(t, s.play, s.fault)); d != s.differs || d == "" {
				t.Errorf("differs: %q, want %q", d, s.differs)
			}
		})
	}
	for _, f := range faulty.Faults() {
		if f.Area == area && !slices.Contains(played, f.ID) {
			t.Errorf("%s has no scene", f.ID)
		}
	}
}

// reader speaks APDUs.
type reader struct {
	t    *testing.T
	card faulty.Emulator
	tape []string
}

// apdu sends a command, written in hex.
func (r *reader) apdu(command string) {
	r.t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(command, " ", ""))
	if err != nil {
		r.t.Fatal(err)
	}
	answer, err := r.card.Transmit(r.t.Context(), b)
	if err != nil {
		r.t.Fatal(err)
	}
	n := len(answer) - 2
	r.tape = append(r.tape, fmt.Sprintf("%d bytes %x %x", n, answer[:min(n, 8)], answer[n:]))
}

const selecting = "00a4040008a0000006472f000100"

// selected selects the applet.
func (r *reader) selected() { r.t.Helper(); r.apdu(selecting) }

// nfcScenes have one for each fault of the NFC framing.
var nfcScenes = []scene[*reader]{
	{"nfc-61f5-loop", func(r *reader) {
		r.selected()
		r.apdu("80100000 02 0401 00")
		r.apdu("00c00000 f5")
		r.apdu("00c00000 f5")
	}, "245 bytes 0000000000000000 61f5, not 4 bytes 00010101 9000"},
	{"nfc-61-wrong-count", func(r *reader) { r.selected(); r.apdu("80100000 02 0480 00"); r.apdu("00c00000 00") }, "256 bytes 0080808080808080 61ff, not 256 bytes 0080808080808080 6100"},
	{"nfc-9100-without-status", func(r *reader) { r.selected(); r.apdu("80108000 01 0b 00") }, "0 bytes  9100, not 1 bytes 02 9100"},
	{"nfc-9100-unasked", func(r *reader) { r.selected(); r.apdu("80100000 02 0401 00"); r.apdu("80110000 00") }, "1 bytes 01 9100, not 4 bytes 00010101 9000"},
	{"nfc-9100-for-ever", func(r *reader) {
		r.selected()
		r.apdu("80108000 02 0401 00")
		r.apdu("80110000 00")
		r.apdu("80110000 00")
	}, "1 bytes 01 9100, not 4 bytes 00010101 9000"},
	{"nfc-9100-nothing-pending", func(r *reader) { r.selected(); r.apdu("80110000 00") }, "1 bytes 01 9100, not 0 bytes  6985"},
	{"nfc-extended-refused", func(r *reader) { r.selected(); r.apdu("80100000 000002 0401 0000") }, "0 bytes  6700, not 4 bytes 00010101 9000"},
	{"nfc-junk-aid-accepted", func(r *reader) { r.apdu("00a4040009a0000006472f0001ff00") }, "6 bytes 5532465f5632 9000, not 0 bytes  6a82"},
	{"nfc-select-61", func(r *reader) { r.selected(); r.apdu("00c00000 06") }, "0 bytes  6106, not 6 bytes 5532465f5632 9000"},
	{"nfc-version-wrong", (*reader).selected, "8 bytes 4649444f5f325f31 9000, not 6 bytes 5532465f5632 9000"},
	{"nfc-unselected-works", func(r *reader) { r.apdu("80100000 02 0401 00") }, "4 bytes 00010101 9000, not 0 bytes  6986"},
	{"nfc-get-response-short", func(r *reader) { r.selected(); r.apdu("80100000 02 0480 00"); r.apdu("00c00000 00") }, "255 bytes 8080808080808080 9000, not 256 bytes 8080808080808080 9000"},
	{"nfc-get-response-empty-ok", func(r *reader) { r.selected(); r.apdu("00c00000 00") }, "0 bytes  9000, not 0 bytes  6985"},
	{"nfc-answer-of-256", func(r *reader) { r.selected(); r.apdu("80100000 02 0440 00") }, "256 bytes 0040404040404040 6100, not 256 bytes 0040404040404040 9000"},
	{"nfc-answer-cut", func(r *reader) { r.selected(); r.apdu("80100000 02 0401 00") }, "3 bytes 000101 9000, not 4 bytes 00010101 9000"},
	{"nfc-le-ignored", func(r *reader) { r.selected(); r.apdu("80100000 02 0480 00") }, "512 bytes 0080808080808080 9000, not 256 bytes 0080808080808080 6100"},
	{"nfc-error-as-status-word", func(r *reader) { r.selected(); r.apdu("80100000 01 01 00") }, "0 bytes  6a80, not 1 bytes 11 9000"},
	{"nfc-cancel-ignored", func(r *reader) { r.selected(); r.apdu("80108000 01 0b 00"); r.apdu("80111100 00") }, "1 bytes 02 9100, not 1 bytes 2d 9000"},
	{"nfc-end-ignored", func(r *reader) { r.selected(); r.apdu("80120100"); r.apdu("80100000 02 0401 00") }, "4 bytes 00010101 9000, not 0 bytes  6986"},
	{"nfc-chain-answered", func(r *reader) { r.selected(); r.apdu("90100000 01 04") }, "1 bytes 00 9000, not 0 bytes  9000"},
	{"nfc-class-ignored", func(r *reader) { r.selected(); r.apdu("a0100000 02 0401 00") }, "4 bytes 00010101 9000, not 0 bytes  6e00"},
	{"nfc-instruction-ignored", func(r *reader) { r.selected(); r.apdu("80200000") }, "0 bytes  9000, not 0 bytes  6d00"},
}

// cardTape plays a scene over APDUs.
func cardTape(t *testing.T, play func(*reader), faults ...virtual.FaultID) (tape []string) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{t: t, card: faulty.Card(nfc.NewEmulator(key{}, nfc.EmulatorConfig{}), faults)}
		play(r)
		tape = r.tape
		if err := r.card.Close(); err != nil {
			t.Error(err)
		}
	})
	return tape
}

func TestNFCFaultsShow(t *testing.T) { showAll(t, "NFC", nfcScenes, cardTape) }

// TestAHostThatWaits gets what a fault makes up while nothing comes from the key.
func TestAHostThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		device := ctaphid.NewDevice(key{}, ctaphid.DeviceConfig{})
		defer device.Close()
		conn := faulty.Reports(device.Connect(), []virtual.FaultID{"hid-cancel-answered"})
		heardOf := make(chan string)
		go func() {
			report := make([]byte, ctaphid.ReportSize)
			if _, err := conn.ReadReport(context.Background(), report); err != nil {
				heardOf <- err.Error()
				return
			}
			heardOf <- heard(report)
		}()
		synctest.Wait()
		request := append([]byte{0, 0, 0, 1, cancel, 0, 0}, make([]byte, 57)...)
		if err := conn.WriteReport(t.Context(), request); err != nil {
			t.Fatal(err)
		}
		if got := <-heardOf; got != "00000001 CTAPHID_CANCEL 0 " {
			t.Errorf("heard %q", got)
		}
	})
}

// TestReadingEnds as it does without faults.
func TestReadingEnds(t *testing.T) {
	device := ctaphid.NewDevice(key{}, ctaphid.DeviceConfig{})
	conn := faulty.Reports(device.Connect(), []virtual.FaultID{"hid-cancel-ignored"})
	ctx, stop := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	stop(cause)
	report := make([]byte, ctaphid.ReportSize)
	if _, err := conn.ReadReport(ctx, report); !errors.Is(err, cause) {
		t.Errorf("when its context ends: %v", err)
	}
	if err := device.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ReadReport(t.Context(), report); !errors.Is(err, ctaphid.ErrGone) {
		t.Errorf("when the key leaves: %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ReadReport(t.Context(), report); !errors.Is(err, ctaphid.ErrClosed) {
		t.Errorf("when it is closed: %v", err)
	}
}

// TestSoundFramingIsLeftAlone: without faults of its own there is nothing between.
func TestSoundFramingIsLeftAlone(t *testing.T) {
	device := ctaphid.NewDevice(key{}, ctaphid.DeviceConfig{})
	defer device.Close()
	conn, card := device.Connect(), nfc.NewEmulator(key{}, nfc.EmulatorConfig{})
	defer card.Close()
	others := []virtual.FaultID{"mc-no-touch"}
	if faulty.Reports(conn, others) != conn || faulty.Card(card, others) != faulty.Emulator(card) {
		t.Error("something is between")
	}
}

func TestParse(t *testing.T) {
	ids, err := faulty.Parse([]string{"mc-no-touch", "hid-chatter", "nfc-answer-cut"})
	if err != nil || len(ids) != 3 {
		t.Errorf("%v, %v", ids, err)
	}
	if got := faulty.OfKey(ids); !slices.Equal(got, []virtual.FaultID{"mc-no-touch"}) {
		t.Errorf("of the key: %v", got)
	}
	if _, err := faulty.Parse([]string{"mc-no-touches"}); !errors.Is(err, virtual.ErrFault) || !strings.Contains(err.Error(), "mc-no-touches") {
		t.Error(err)
	}
}

func TestFaultsAreDescribed(t *testing.T) {
	seen := map[virtual.FaultID]bool{}
	for _, f := range faulty.Faults() {
		if seen[f.ID] {
			t.Errorf("there are two of %s", f.ID)
		}
		seen[f.ID] = true
		if f.Area == "" || f.Text == "" || f.Rule == "" {
			t.Errorf("%s is not described", f.ID)
		}
	}
}

// FuzzReports sends and hears any reports through all faults at once.
func FuzzReports(f *testing.F) {
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x86, 0, 8}, []byte{0, 0, 0, 1, 0x90, 0, 1, 4})
	f.Add([]byte{0, 0, 0, 1, 0}, []byte{0, 0, 0, 1, 0xbf, 0, 1, 6})
	f.Add([]byte{1}, []byte{})
	var ids []virtual.FaultID
	for _, fault := range faulty.Faults() {
		ids = append(ids, fault.ID)
	}
	f.Fuzz(func(t *testing.T, out, in []byte) {
		conn := faulty.Reports(&echo{in}, ids)
		report := make([]byte, ctaphid.ReportSize)
		for range 3 {
			_ = conn.WriteReport(t.Context(), out[:min(len(out), len(report))])
			_, _ = conn.(ctaphid.ReportPoller).PollReport(report)
		}
	})
}

// echo is a connection to something that says one thing.
type echo struct{ says []byte }

func (e *echo) ReadReport(_ context.Context, p []byte) (int, error) { return copy(p, e.says), nil }
func (e *echo) PollReport(p []byte) (int, error)                    { return copy(p, e.says), nil }
func (e *echo) WriteReport(context.Context, []byte) error           { return nil }
func (e *echo) Close() error                                        { return nil }

// FuzzCard sends any APDUs through all faults at once.
func FuzzCard(f *testing.F) {
	f.Add([]byte{0, 0xa4, 4, 0, 8, 0xa0, 0, 0, 6, 0x47, 0x2f, 0, 1, 0}, []byte{0x80, 0x10, 0, 0, 2, 4, 1, 0})
	f.Add([]byte{0x80, 0x11, 0, 0, 0}, []byte{0, 0xc0, 0, 0, 0})
	var ids []virtual.FaultID
	for _, fault := range faulty.Faults() {
		ids = append(ids, fault.ID)
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		card := faulty.Card(nfc.NewEmulator(quick{}, nfc.EmulatorConfig{}), ids)
		defer card.Close()
		for _, apdu := range [][]byte{first, second, first} {
			if answer, err := card.Transmit(t.Context(), apdu); err != nil || len(answer) < 2 {
				t.Fatalf("answer %x, %v", answer, err)
			}
		}
	})
}

// quick is a key that answers at once.
type quick struct{}

func (quick) Message(_ context.Context, msg []byte, _ func(byte)) []byte {
	return append([]byte{0}, make([]byte, len(msg))...)
}
