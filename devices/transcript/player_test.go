package transcript

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/nfc"
)

func openReports(t testing.TB, tape *Tape, cfg PlayConfig) ctaphid.ReportConn {
	t.Helper()
	player, err := NewPlayer(tape, cfg)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := player.Reports()
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func openCard(t testing.TB, tape *Tape, cfg PlayConfig) nfc.Card {
	t.Helper()
	player, err := NewPlayer(tape, cfg)
	if err != nil {
		t.Fatal(err)
	}
	card, err := player.Card()
	if err != nil {
		t.Fatal(err)
	}
	return card
}

// report is the report that begins with these hex digits.
func report(digits string) []byte {
	data, err := hex.DecodeString(digits)
	if err != nil {
		panic(err)
	}
	return append(data, make([]byte, 64-len(data))...)
}

// hidTape is a foreign tape of lines such as "> ffffffff8600" (out), "< ..."
// (in), and JSON.
func hidTape(t testing.TB, lines ...string) *Tape {
	t.Helper()
	text := `{"transport":"hid"}` + "\n"
	for _, line := range lines {
		switch digits := strings.TrimLeft(line, "<> "); line[0] {
		case '>':
			line = fmt.Sprintf(`{"dir":"tx","hex":"%x"}`, report(digits))
		case '<':
			line = fmt.Sprintf(`{"dir":"rx","hex":"%x"}`, report(digits))
		}
		text += line + "\n"
	}
	return mustLoad(t, text)
}

func nfcTape(t testing.TB, lines ...string) *Tape {
	t.Helper()
	text := `{"transport":"nfc"}` + "\n"
	for _, line := range lines {
		switch digits := strings.TrimLeft(line, "<> "); line[0] {
		case '>':
			line = fmt.Sprintf(`{"dir":"tx","hex":"%s"}`, digits)
		case '<':
			line = fmt.Sprintf(`{"dir":"rx","hex":"%s"}`, digits)
		}
		text += line + "\n"
	}
	return mustLoad(t, text)
}

// play does what the lines say: "> ..." writes a report, "<" reads one.
func play(t testing.TB, conn ctaphid.ReportConn, lines ...string) error {
	t.Helper()
	for _, line := range lines {
		digits := strings.TrimLeft(line, "<> ")
		if line[0] == '>' {
			if err := conn.WriteReport(t.Context(), report(digits)); err != nil {
				return err
			}
			continue
		}
		p := make([]byte, 64)
		if _, err := conn.ReadReport(t.Context(), p); err != nil {
			return err
		}
		if got, want := hex.EncodeToString(p), hex.EncodeToString(report(digits)); got != want {
			t.Errorf("read\n%s, want\n%s", got, want)
		}
	}
	return nil
}

func TestMismatchIsNamedAndFinal(t *testing.T) {
	tape := hidTape(t, "> ffffffff8600080102030405060708", "< ffffffff8600110102030405060708000000070205010204",
		"> 0000000790000104", "< 0000000790000100")
	conn := openReports(t, tape, PlayConfig{})
	if err := play(t, conn, "> ffffffff860008aabbccddeeff0011", "< ffffffff860011aabbccddeeff0011000000070205010204"); err != nil {
		t.Fatal(err)
	}
	err := play(t, conn, "> 0000000790000101")
	var mismatch *MismatchError
	if !errors.As(err, &mismatch) {
		t.Fatalf("got %v", err)
	}
	want := `test.jsonl line 4: asked for CTAPHID_CBOR authenticatorMakeCredential on channel 00000007, ` +
		`the tape has CTAPHID_CBOR authenticatorGetInfo on channel 00000007: byte 7 is 01, on the tape 04`
	if err.Error() != want || mismatch.Line != 4 || mismatch.Offset != 7 {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if again := play(t, conn, "> 0000000790000104"); again != err {
		t.Errorf("after a mismatch, the right request got %v", again)
	}
	if again := play(t, conn, "<"); again != err {
		t.Errorf("after a mismatch, reading got %v", again)
	}
	var unread *UnreadError
	if err := conn.Close(); !errors.As(err, &unread) || unread.Count != 2 || unread.Requests != 1 || unread.Line != 4 {
		t.Errorf("Close() = %v", err)
	}
}

func TestMismatchOfLength(t *testing.T) {
	conn := openReports(t, hidTape(t, "> 0000000790000104"), PlayConfig{})
	err := conn.WriteReport(t.Context(), report("0000000790000104")[:32])
	var mismatch *MismatchError
	if !errors.As(err, &mismatch) || mismatch.Offset != 32 || !strings.Contains(err.Error(), "same up to byte 32, 32 bytes asked and 64 on the tape") {
		t.Errorf("got %v", err)
	}
}

func TestMismatchOfAPDUs(t *testing.T) {
	card := openCard(t, nfcTape(t, "> 801080000104", "< 009000"), PlayConfig{})
	_, err := card.Transmit(t.Context(), []byte{0x80, 0x10, 0, 0, 1, 4})
	want := "test.jsonl line 2: asked for NFCCTAP_MSG authenticatorGetInfo, the tape has NFCCTAP_MSG authenticatorGetInfo: byte 2 is 00, on the tape 80"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	if _, again := card.Transmit(t.Context(), []byte{0x80, 0x10, 0x80, 0, 1, 4}); again != err {
		t.Errorf("then got %v", again)
	}
}

func TestNothingThere(t *testing.T) {
	ask, answer := "> 0000000790000104", "< 0000000790000100"
	tests := []struct {
		name  string
		tape  []string
		play  []string
		want  string
		final bool
	}{
		{"read before asking", []string{ask, answer}, []string{"<"},
			"line 2: no answer to read: the tape has next: out CTAPHID_CBOR authenticatorGetInfo on channel 00000007", false},
		{"read at the end", []string{ask, answer}, []string{ask, answer, "<"}, "line 3: no answer to read: the tape ends here", false},
		{"read where no answer is", []string{ask}, []string{ask, "<"}, "line 2: no answer to read: the tape ends here", false},
		{"ask before reading", []string{ask, answer, ask}, []string{ask, ask},
			"line 3: asked for CTAPHID_CBOR authenticatorGetInfo on channel 00000007: the tape has next: in CTAPHID_CBOR CTAP2_OK (0x00) on channel 00000007", true},
		{"ask at the end", []string{ask, answer}, []string{ask, answer, ask},
			"asked for CTAPHID_CBOR authenticatorGetInfo on channel 00000007: the tape ends here", true},
		{"cancel at the end", []string{ask, answer}, []string{ask, answer, "> 00000007910000"},
			"asked for CTAPHID_CANCEL on channel 00000007: the tape ends here", true},
		{"read at a recorded end of the connection", []string{ask, `{"event":"close"}`}, []string{ask, "<"},
			"no answer to read: the tape has next: close", false},
		{"ask at a recorded failure to read", []string{ask, `{"event":"error","op":"read","kind":"gone"}`}, []string{ask, ask},
			"the tape has next: error in read (gone)", true},
	}
	for _, tt := range tests {
		conn := openReports(t, hidTape(t, tt.tape...), PlayConfig{})
		err := play(t, conn, tt.play...)
		var end *EndError
		if !errors.As(err, &end) || !strings.HasSuffix(err.Error(), tt.want) {
			t.Errorf("%s: got %v", tt.name, err)
			continue
		}
		if again := play(t, conn, "<"); (again == err) != tt.final {
			t.Errorf("%s: then got %v", tt.name, again)
		}
	}
}

// A host that reads too early may still go on with what the tape has.
func TestReadingTooEarlyIsNotFinal(t *testing.T) {
	ask, answer := "> 0000000790000104", "< 0000000790000100"
	conn := openReports(t, hidTape(t, ask, answer), PlayConfig{})
	if play(t, conn, "<") == nil {
		t.Fatal("there was an answer")
	}
	if err := play(t, conn, ask, answer); err != nil {
		t.Error(err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

func TestCuts(t *testing.T) {
	ask := "> 0000000790000104"
	tests := []struct {
		name string
		tape []string
		want string
	}{
		{"gap", []string{ask, `{"cut":"the rest"}`}, "line 3: the tape is cut here: the rest"},
		{"part of a report", []string{ask, `{"dir":"rx","hex":"0000000790","partial":true}`}, "only a part of"},
		{"part of a message", []string{ask, `{"dir":"rx","level":"msg","hex":"00","offset":5}`}, "only a part of message"},
		{"message of which the command is not known", []string{ask, `{"cut":""}`, `{"dir":"rx","level":"msg","hex":"00"}`}, "cut here"},
		{"message too long for reports", []string{ask, `{"dir":"rx","level":"msg","hex":"` + strings.Repeat("00", 8000) + `"}`}, "too long"},
	}
	for _, tt := range tests {
		conn := openReports(t, hidTape(t, append(tt.tape, ask)...), PlayConfig{})
		err := play(t, conn, ask, "<")
		if !errors.Is(err, ErrCut) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: reading got %v", tt.name, err)
		}
		if err := play(t, conn, ask); !errors.Is(err, ErrCut) {
			t.Errorf("%s: asking got %v", tt.name, err)
		}
		var unread *UnreadError
		if err := conn.Close(); !errors.As(err, &unread) || !unread.Cut || unread.Count != 1 {
			t.Errorf("%s: closing got %v", tt.name, err)
		}
	}
}

func TestNothingBehindACutIsNotUnread(t *testing.T) {
	ask := "> 0000000790000104"
	conn := openReports(t, hidTape(t, ask, `{"cut":"cut"}`), PlayConfig{})
	if err := play(t, conn, ask); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

func TestUnread(t *testing.T) {
	tape := nfcTape(t, "> 00a40400", "< 9000", "> 801080000104", "< 009000", "> 801080000107", "< 009000")
	player, err := NewPlayer(tape, PlayConfig{})
	if err != nil {
		t.Fatal(err)
	}
	card, err := player.Card()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := card.Transmit(t.Context(), []byte{0, 0xa4, 4, 0}); err != nil {
		t.Fatal(err)
	}
	want := UnreadError{File: "test.jsonl", Count: 4, Requests: 2, Line: 4, First: "NFCCTAP_MSG authenticatorGetInfo"}
	for name, err := range map[string]error{"card": card.Close(), "player": player.Close()} {
		var unread *UnreadError
		if !errors.As(err, &unread) || *unread != want {
			t.Errorf("closing the %s got %v", name, err)
		}
	}
	if err := card.Close(); err != nil {
		t.Errorf("closing twice got %v", err)
	}
	if _, err := card.Transmit(t.Context(), []byte{0x80, 0x10, 0x80, 0, 1, 4}); !errors.Is(err, nfc.ErrClosed) {
		t.Errorf("a closed card answers %v", err)
	}
}

func TestUnplayable(t *testing.T) {
	tests := []struct {
		name, tape, want string
	}{
		{"no host side", `{"dir":"rx","hex":"` + strings.Repeat("00", 64) + `"}`, "it has no host side"},
		{"header only", `{"transport":"hid"}`, "nothing that was sent"},
		{"a gap only", `{"cut":""}`, "nothing that was sent"},
		{"reports on a card's tape", `{"transport":"nfc"}` + "\n" + `{"dir":"tx","hex":"00","level":"report"}`, `line 2 is not of transport "nfc"`},
		{"APDUs on a HID tape", `{"transport":"hid"}` + "\n" + `{"dir":"tx","hex":"00","level":"apdu"}`, `line 2 is not of transport "hid"`},
		{"an answer first", `{"dir":"rx","level":"apdu","hex":"9000"}` + "\n" + `{"dir":"tx","level":"apdu","hex":"00a40400"}`, "line 1 is an answer whose command"},
	}
	for _, tt := range tests {
		tape := mustLoad(t, tt.tape+"\n")
		_, err := NewPlayer(tape, PlayConfig{})
		if !errors.Is(err, ErrUnplayable) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v", tt.name, err)
		}
		if sum := tape.Check(); !errors.Is(sum.Unplayable, ErrUnplayable) {
			t.Errorf("%s: check says %v", tt.name, sum.Unplayable)
		}
	}
}

func TestWrongSeam(t *testing.T) {
	hid, err := NewPlayer(hidTape(t, "> 00"), PlayConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hid.Card(); !errors.Is(err, ErrUnplayable) {
		t.Errorf("a HID tape as a card: %v", err)
	}
	card, err := NewPlayer(nfcTape(t, "> 00"), PlayConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := card.Reports(); !errors.Is(err, ErrUnplayable) {
		t.Errorf("a card's tape as HID: %v", err)
	}
}

func TestPlayerHonoursContexts(t *testing.T) {
	reason := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	conn := openReports(t, hidTape(t, "< 00", "> 00"), PlayConfig{})
	if _, err := conn.ReadReport(ctx, make([]byte, 64)); err != reason {
		t.Errorf("reading got %v", err)
	}
	if err := conn.WriteReport(ctx, make([]byte, 64)); err != reason {
		t.Errorf("writing got %v", err)
	}
	if _, err := openCard(t, nfcTape(t, "> 00"), PlayConfig{}).Transmit(ctx, []byte{0}); err != reason {
		t.Errorf("transmitting got %v", err)
	}
}

func TestClosedReports(t *testing.T) {
	conn := openReports(t, hidTape(t, "> 00"), PlayConfig{})
	if err := conn.Close(); err == nil {
		t.Error("an unread tape was closed without a word")
	}
	if err := conn.Close(); err != nil {
		t.Errorf("closing twice got %v", err)
	}
	if err := play(t, conn, "> 00"); !errors.Is(err, ctaphid.ErrClosed) {
		t.Errorf("writing got %v", err)
	}
	if err := play(t, conn, "<"); !errors.Is(err, ctaphid.ErrClosed) {
		t.Errorf("reading got %v", err)
	}
}

func TestShortBuffer(t *testing.T) {
	conn := openReports(t, hidTape(t, "< 00000007900001", "> 00"), PlayConfig{})
	if _, err := conn.ReadReport(t.Context(), make([]byte, 63)); !errors.Is(err, io.ErrShortBuffer) {
		t.Errorf("got %v", err)
	}
	if err := play(t, conn, "< 00000007900001"); err != nil {
		t.Errorf("the report was lost: %v", err)
	}
}

func TestRecordedErrorsComeBack(t *testing.T) {
	gone := `{"event":"error","op":"%s","kind":"gone","text":"unplugged"}`
	conn := openReports(t, hidTape(t, "> 00", fmt.Sprintf(gone, "write"), "> 01", fmt.Sprintf(gone, "read"),
		`{"event":"touch"}`, "> 02", `{"event":"error","op":"read","kind":"other","text":"stalled"}`), PlayConfig{})
	steps := []struct{ do, want string }{
		{"> 00", "line 3: as recorded: device is gone, plug it in again: unplugged"},
		{"> 01", ""},
		{"<", "line 5: as recorded: device is gone, plug it in again: unplugged"},
		{"> 02", ""},
		{"<", "line 8: as recorded: failed: stalled"},
		{"<", "the tape ends here"},
	}
	for _, step := range steps {
		err := play(t, conn, step.do)
		if (err == nil) != (step.want == "") || err != nil && !strings.HasSuffix(err.Error(), step.want) {
			t.Errorf("%s: got %v, want %q", step.do, err, step.want)
		}
		if strings.Contains(step.want, "gone") && !errors.Is(err, ctaphid.ErrGone) {
			t.Errorf("%s: %v is not ErrGone", step.do, err)
		}
	}
	card := openCard(t, nfcTape(t, "> 00a40400", fmt.Sprintf(gone, "transmit")), PlayConfig{})
	if _, err := card.Transmit(t.Context(), []byte{0, 0xa4, 4, 0}); !errors.Is(err, nfc.ErrGone) {
		t.Errorf("the card got %v", err)
	}
}

// What a host gave up on the tape, the present one gives up too when it is
// told to, and else gets no answer.
func TestAbandonedTransmitReplays(t *testing.T) {
	tape := nfcTape(t, "> 00a40400", `{"event":"error","op":"transmit","kind":"ended","text":"context canceled"}`, "> 00c00000", "< 9000")
	ctx, cancel := context.WithCancel(t.Context())
	card := openCard(t, tape, PlayConfig{OnCancel: cancel})
	if _, err := card.Transmit(ctx, []byte{0, 0xa4, 4, 0}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := card.Transmit(t.Context(), []byte{0, 0xc0, 0, 0}); err != nil {
		t.Errorf("then got %v", err)
	}
	_, err := openCard(t, tape, PlayConfig{}).Transmit(t.Context(), []byte{0, 0xa4, 4, 0})
	if end := (*EndError)(nil); !errors.As(err, &end) {
		t.Errorf("without the hook got %v", err)
	}
}

// A tape that broke off at any line plays up to there and then says so.
func TestBrokenOffTapesPlayToTheirEnd(t *testing.T) {
	var file strings.Builder
	recorder := newRecorder(t, &file, Header{Transport: HID})
	if _, err := useChannel(t, recorder.Reports(newDevice(t).Connect()), ctaphid.Config{}); err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(file.String(), "\n")
	closed := len(lines) - 2 // the line of the close event, which nobody misses
	for n := 2; n < closed; n++ {
		tape := mustLoad(t, strings.Join(lines[:n], "")+lines[n][:len(lines[n])/2])
		if tape.Ending != EndCut || len(tape.Records) != n-1 {
			t.Fatalf("%d lines: %d records, ends %v", n, len(tape.Records), tape.Ending)
		}
		_, err := useChannel(t, openReports(t, tape, PlayConfig{}), ctaphid.Config{})
		if end := (*EndError)(nil); !errors.As(err, &end) || end.Next != "" || end.Line != n {
			t.Errorf("%d lines: %v", n, err)
		}
	}
}

func TestCardWithoutAnswer(t *testing.T) {
	for _, lines := range [][]string{
		{"> 00a40400"},
		{"> 00a40400", "> 00a40400", "< 9000"},
	} {
		_, err := openCard(t, nfcTape(t, lines...), PlayConfig{}).Transmit(t.Context(), []byte{0, 0xa4, 4, 0})
		if end := (*EndError)(nil); !errors.As(err, &end) || end.Op != "read" {
			t.Errorf("%q: got %v", lines, err)
		}
	}
	_, err := openCard(t, nfcTape(t, "> 00a40400", `{"cut":"x"}`), PlayConfig{}).Transmit(t.Context(), []byte{0, 0xa4, 4, 0})
	if !errors.Is(err, ErrCut) {
		t.Errorf("at a cut got %v", err)
	}
}
