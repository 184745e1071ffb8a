package transcript

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/fixtures"
	"github.com/touchstone-fido/touchstone/nfc"
)

// addTapes seeds a fuzz target with tapes recorded here, with every form of a
// line, and with the corpus where it is there.
func addTapes(f *testing.F) {
	f.Helper()
	var hid, card bytes.Buffer
	device := ctaphid.NewDevice(key{}, ctaphid.DeviceConfig{})
	defer device.Close()
	if _, err := useChannel(f, newRecorder(f, &hid, Header{Transport: HID}).Reports(device.Connect()), ctaphid.Config{}); err != nil {
		f.Fatal(err)
	}
	emulator := nfc.NewEmulator(key{}, nfc.EmulatorConfig{})
	if _, err := useApplet(f, newRecorder(f, &card, Header{Transport: NFC}).Card(emulator), nfc.Config{}); err != nil {
		f.Fatal(err)
	}
	f.Add(hid.Bytes())
	f.Add(card.Bytes())
	for _, line := range []string{
		`{"dir":"tx","level":"msg","cmd":"06","hex":"0102030405060708"}`,
		`{"dir":"rx","level":"msg","hex":"0102030405060708000000070205010204"}`,
		`{"dir":"tx","level":"msg","cmd":"10","hex":"04"}` + "\n" + `{"dir":"rx","hex":"0000000790000100","partial":true}`,
		`{"dir":"rx","level":"msg","hex":"00","offset":1,"len":9}` + "\n" + `{"cut":"x"}`,
		`{"transport":"pcsc","device":"x","pin":"1234","atr":"3b"}` + "\n" + `{"ts":1.5,"dir":"tx","hex":"00A40400"}`,
		`{"touchstone":1,"transport":"hid","report_size":32,"seed":"00"}` + "\n" + `{"event":"error","op":"read","kind":"gone"}`,
		`{"touchstone":1,"transport":"nfc"}` + "\n" + `{"event":"traits","protocol":"T=0","max_apdu":261,"atr":"3b00"}` + "\n" + `{"dir":"out","hex":"00a40400"}`,
		`{"dir":"tx","hex":"00a40400"}` + "\n" + `{"dir":"rx","hex":"9100"}` + "\n" + `{"dir":"tx","hex":"801111`,
	} {
		f.Add([]byte(line))
	}
	if _, ok := fixtures.FindCorpus(f); !ok {
		return
	}
	for _, path := range corpusTapes(f) {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
}

// What loads can be described, written and loaded again.
func FuzzLoad(f *testing.F) {
	addTapes(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		tape, err := Load(bytes.NewReader(text), "fuzz")
		if err != nil {
			return
		}
		for _, rec := range tape.Records {
			Describe(rec)
		}
		tape.HIDConfig()
		tape.NFCConfig()
		var file bytes.Buffer
		if _, err := tape.WriteTo(&file); err != nil {
			t.Fatal(err)
		}
		again, err := Load(&file, "fuzz")
		if err != nil {
			t.Fatalf("%v\n%s", err, file.Bytes())
		}
		if len(again.Records) != len(tape.Records) {
			t.Fatalf("%d records became %d", len(tape.Records), len(again.Records))
		}
		for i, rec := range tape.Records {
			got := again.Records[i]
			rec.Line, rec.Time, got.Line, got.Time = 0, 0, 0, 0
			if rec.Level != Message {
				rec.Command = 0 // means nothing there, and is not written
			}
			if !reflect.DeepEqual(got, rec) {
				t.Fatalf("record %d was %+v, is %+v", i, rec, got)
			}
		}
	})
}

// Counting never fails on what loads, and streaming counts the same.
func FuzzCheck(f *testing.F) {
	addTapes(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		streamed, streamErr := Check(bytes.NewReader(text), "fuzz")
		tape, err := Load(bytes.NewReader(text), "fuzz")
		if err == nil && streamErr != nil {
			t.Fatalf("it loads, and streaming fails: %v", streamErr)
		}
		if err != nil {
			if streamErr == nil && streamed.Lines.Unreadable == 0 {
				t.Fatalf("loading fails with %v, streaming sees nothing", err)
			}
			return
		}
		sum := tape.Check()
		if fmt.Sprint(sum) != fmt.Sprint(streamed) {
			t.Fatalf("loaded %+v, streamed %+v", sum, streamed)
		}
		crossings := sum.Lines.Reports + sum.Lines.Partial + sum.Lines.Messages + sum.Lines.APDUs
		if crossings != sum.Lines.In+sum.Lines.Out || crossings+sum.Lines.Gaps+sum.Lines.Marks != len(tape.Records) {
			t.Fatalf("%d records are %+v", len(tape.Records), sum.Lines)
		}
		if m := sum.Messages; m.Whole > crossings || m.Cut+m.Malformed > 2*crossings {
			t.Fatalf("%d crossings are %+v", crossings, m)
		}
	})
}

// The real clients get an answer or an error from any tape, and at once.
func FuzzPlayer(f *testing.F) {
	addTapes(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		tape, err := Load(bytes.NewReader(text), "fuzz")
		if err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		began := time.Now()
		_ = askAgain(ctx, t, tape)
		if took := time.Since(began); took > 10*time.Second {
			t.Fatalf("took %v", took)
		}
	})
}

// What any bytes ask can be told, compared and proven without end or panic.
func FuzzQuestion(f *testing.F) {
	for _, text := range []string{"04", "06a201020202", "0aa30101030204420000", "01a401582000", "0cd9"} {
		f.Add(fixtures.Unhex(f, text), []byte{4})
	}
	f.Add(asks(f, 2, m{1: "a", 2: make([]byte, 32), 4: m{"hmac-secret": m{1: m{1: 2}, 2: make([]byte, 64), 3: []byte{1}}}, 6: []byte{1}, 7: 2}), asks(f, 2, m{1: "a"}))
	f.Add(asks(f, 6, m{1: 2, 2: 4, 3: m{1: 2, -1: 1, -2: []byte{1}}, 4: []byte{1}, 5: make([]byte, 80), 6: make([]byte, 32)}), asks(f, 13, m{1: 3, 2: m{}, 4: []byte{}}))
	f.Fuzz(func(t *testing.T, asked, tape []byte) {
		q, err := ParseQuestion(asked)
		if err == nil {
			if q.Differs(q, MatchRekeyed) != "" {
				t.Errorf("%x differs from itself: %s", asked, q.Differs(q, MatchRekeyed))
			}
			_, _, _ = q.Token()
			_, _ = q.Agreement()
			_ = q.String()
		}
		e := Exchange{Kind: CTAP2, Request: tape}
		_ = e.Differs(Exchange{Kind: CTAP2, Request: asked}, MatchMeaning)
		_ = e.Name()
	})
}

// A tape that loads can be played by messages to whoever asks what it asks: all
// comes to an end, with an error or without.
func FuzzRekeyed(f *testing.F) {
	addTapes(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		tape, err := load(bytes.NewReader(text), "fuzz", 1<<20)
		if err != nil {
			return
		}
		player, err := NewPlayer(tape, PlayConfig{Match: MatchMeaning})
		if err != nil {
			return
		}
		ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
		defer stop()
		if tape.Header.Transport == NFC {
			rekeyFuzzedCard(ctx, tape, player)
		} else {
			rekeyFuzzedReports(ctx, tape, player)
		}
		_ = player.Close()
	})
}

func rekeyFuzzedCard(ctx context.Context, tape *Tape, player *Player) {
	card, err := player.Card()
	for _, s := range tape.steps() {
		if err == nil && s.dir == Out {
			_, _ = card.Transmit(ctx, s.data)
		}
	}
}

func rekeyFuzzedReports(ctx context.Context, tape *Tape, player *Player) {
	conn, err := player.Reports()
	if err != nil {
		return
	}
	report := make([]byte, maxReportSize)
	for _, s := range tape.steps() {
		switch s.dir {
		case Out:
			_ = conn.WriteReport(ctx, s.data)
		case In:
			short, stop := context.WithTimeout(ctx, time.Millisecond)
			_, _ = conn.ReadReport(short, report)
			stop()
		}
	}
}
