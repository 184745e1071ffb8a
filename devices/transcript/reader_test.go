package transcript

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

const nativeHead = `{"touchstone":1,"transport":"hid","report_size":64}` + "\n"

func mustLoad(t testing.TB, text string) *Tape {
	t.Helper()
	tape, err := Load(strings.NewReader(text), "test.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	return tape
}

func TestLoadNative(t *testing.T) {
	tape := mustLoad(t, `{"touchstone":1,"transport":"nfc","device":{"product":"Key","serial":42},"tool":"t 1",`+
		`"recorded":"2026-11-21T20:11:00Z","atr":"3B8c","seed":"00ff","seed_note":"x","later":{"a":1}}`+"\n\n"+
		`{"t_us":1834,"dir":"out","hex":"00A40400","later":true}`+"\n"+
		`{"t_us":2411,"dir":"in","hex":"9000","name":"answer"}`+"\r\n"+
		`{"t_us":3000,"event":"error","op":"transmit","kind":"gone","text":"no card"}`+"\n")
	want := &Tape{
		Name: "test.jsonl",
		Header: Header{
			Version: 1, Transport: NFC, Tool: "t 1",
			Device:   map[string]string{"product": "Key", "serial": "42"},
			Recorded: time.Date(2026, 11, 21, 20, 11, 0, 0, time.UTC),
			ATR:      []byte{0x3b, 0x8c}, Seed: []byte{0, 0xff},
			Extra: tape.Header.Extra,
		},
		Records: []Record{
			{Line: 3, Time: 1834 * time.Microsecond, Dir: Out, Level: APDU, Data: []byte{0, 0xa4, 4, 0}},
			{Line: 4, Time: 2411 * time.Microsecond, Dir: In, Level: APDU, Data: []byte{0x90, 0}, Name: "answer"},
			{Line: 5, Time: 3 * time.Millisecond, Level: Mark, Event: &Event{Name: "error", Op: "transmit", Kind: "gone", Text: "no card"}},
		},
	}
	if !reflect.DeepEqual(tape, want) {
		t.Errorf("got  %+v\nwant %+v", tape, want)
	}
	if string(tape.Header.Extra["later"]) != `{"a":1}` || len(tape.Header.Extra) != 1 {
		t.Errorf("extra members are %s", tape.Header.Extra)
	}
	if tape.Foreign() {
		t.Error("the tape counts as foreign")
	}
}

func TestLoadForeignRecords(t *testing.T) {
	tests := []struct {
		line string
		want Record
	}{
		{`{"dir":"tx","hex":"01"}`, Record{Dir: Out, Level: Report, Data: []byte{1}}},
		{`{"dir":"rx","hex":"aB","ts":1.5}`, Record{Dir: In, Level: Report, Data: []byte{0xab}, Time: 1500 * time.Millisecond}},
		{`{"dir":"rx","hex":"","ts":"2"}`, Record{Dir: In, Level: Report, Data: []byte{}, Time: 2 * time.Second}},
		{`{"dir":"rx","hex":"","ts":"10:11:12"}`, Record{Dir: In, Level: Report, Data: []byte{}}},
		{`{"dir":"tx","level":"msg","cmd":"06","hex":"01"}`, Record{Dir: Out, Level: Message, Command: 6, Data: []byte{1}}},
		{`{"dir":"tx","level":"msg","cmd":"0x90","hex":"04"}`, Record{Dir: Out, Level: Message, Command: 0x10, Data: []byte{4}}},
		{`{"dir":"rx","level":"msg","hex":"01","offset":2,"len":3}`, Record{Dir: In, Level: Message, Data: []byte{1}, Partial: true, Offset: 2, Length: 3}},
		{`{"dir":"rx","level":"msg","hex":"01","len":3}`, Record{Dir: In, Level: Message, Data: []byte{1}, Partial: true, Length: 3}},
		{`{"dir":"rx","level":"msg","hex":"01","len":1}`, Record{Dir: In, Level: Message, Data: []byte{1}, Length: 1}},
		{`{"dir":"rx","hex":"01","partial":true}`, Record{Dir: In, Level: Report, Data: []byte{1}, Partial: true}},
		{`{"dir":"in","hex":"01","late":true}`, Record{Dir: In, Level: Report, Data: []byte{1}, Late: true}},
		{`{"dir":"out","hex":"01","late":true}`, Record{Dir: Out, Level: Report, Data: []byte{1}}},
		{`{"dir":"rx","hex":"01","cut":"rest"}`, Record{Dir: In, Level: Report, Data: []byte{1}, Partial: true, Cut: "rest"}},
		{`{"dir":"rx","level":"apdu","hex":"9000"}`, Record{Dir: In, Level: APDU, Data: []byte{0x90, 0}}},
		{`{"cut":"some"}`, Record{Level: Gap, Cut: "some"}},
		{`{"cut":true}`, Record{Level: Gap, Cut: "true"}},
		{`{"t_us":-7,"event":"touch"}`, Record{Level: Mark, Time: -7 * time.Microsecond, Event: &Event{Name: "touch"}}},
	}
	for _, tt := range tests {
		tape := mustLoad(t, `{"transport":"usb-hid"}`+"\n"+tt.line+"\n")
		tt.want.Line = 2
		if !reflect.DeepEqual(tape.Records, []Record{tt.want}) {
			t.Errorf("%s\ngot  %+v\nwant %+v", tt.line, tape.Records, tt.want)
		}
	}
}

func TestForeignHeader(t *testing.T) {
	tape := mustLoad(t, `{"transport":"pcsc","device":"canary","client":"c 1","atr":"3b","pin":"1234","report_size":null,"device2":{}}`+"\n")
	want := Header{Transport: NFC, Device: map[string]string{"product": "canary"}, Client: "c 1", ATR: []byte{0x3b}, PIN: "1234"}
	want.Extra = tape.Header.Extra
	if !reflect.DeepEqual(tape.Header, want) {
		t.Errorf("got  %+v\nwant %+v", tape.Header, want)
	}
	if !tape.Foreign() {
		t.Error("the tape does not count as foreign")
	}
	for _, text := range []string{`{"device":"","client":"x","transport":"hid"}`, `{"device":null,"transport":"USB"}`} {
		if h := mustLoad(t, text).Header; h.Device != nil || h.Transport != HID {
			t.Errorf("%s: %+v", text, h)
		}
	}
}

func TestFormatErrors(t *testing.T) {
	long := `{"dir":"out","hex":"` + strings.Repeat("00", maxLine/2) + `"}`
	tests := []struct {
		name, text string
		line       int
		want       string
	}{
		{"binary", "\x7fELF\x02\x01\x01\x00\n", 1, "not JSON"},
		{"prose", "hello", 1, "not JSON"},
		{"array", "[1]\n", 1, "array where an object belongs"},
		{"number", "17\n", 1, "number where an object belongs"},
		{"empty object", "{}\n", 1, "no record"},
		{"other JSON", `{"name":"x"}` + "\n", 1, "no record"},
		{"many lines of JSON", "{\n\"dir\":\n", 1, "ends inside an object"},
		{"null", "null\n", 1, "no record"},
		{"two objects", nativeHead + `{"cut":"a"}{"cut":"b"}` + "\n", 2, "something follows"},
		{"later version", `{"touchstone":2,"transport":7}` + "\n", 1, "later version of the tape format: the tape has 2"},
		{"version 0", `{"touchstone":0,"transport":"hid"}` + "\n", 1, "no version 0"},
		{"version in words", `{"touchstone":"1","transport":"hid"}` + "\n", 1, "no whole number"},
		{"no transport", `{"touchstone":1}` + "\n", 1, `no "transport"`},
		{"unknown transport", `{"touchstone":1,"transport":"ble"}` + "\n", 1, `member "transport": "ble"`},
		{"transport of a wrong type", `{"transport":1}` + "\n", 1, `member "transport": number where`},
		{"device of a wrong type", `{"transport":"hid","device":1}` + "\n", 1, `member "device": number where`},
		{"tool of a wrong type", `{"transport":"hid","tool":1}` + "\n", 1, `member "tool": number where`},
		{"recorded of a wrong type", `{"transport":"hid","recorded":1}` + "\n", 1, `member "recorded"`},
		{"recorded in words", `{"transport":"hid","recorded":"today"}` + "\n", 1, "RFC 3339"},
		{"report size too small", `{"transport":"hid","report_size":7}` + "\n", 1, "7 is no size"},
		{"report size too large", `{"transport":"hid","report_size":4096}` + "\n", 1, "4096 is no size"},
		{"report size of a wrong type", `{"transport":"hid","report_size":"64"}` + "\n", 1, `member "report_size": string where a whole number`},
		{"atr in odd hex", `{"transport":"hid","atr":"3"}` + "\n", 1, `member "atr": odd number`},
		{"seed of a wrong type", `{"transport":"hid","seed":1}` + "\n", 1, `member "seed": number where`},
		{"second header", nativeHead + nativeHead, 2, "second header"},
		{"second foreign header", nativeHead + `{"transport":"hid"}` + "\n", 2, "second header"},
		{"bad direction", nativeHead + `{"dir":"up","hex":"00"}` + "\n", 2, `"dir" is "up"`},
		{"direction of a wrong type", nativeHead + `{"dir":1,"hex":"00"}` + "\n", 2, `member "dir": number where a string`},
		{"no direction", nativeHead + `{"hex":"00"}` + "\n", 2, `"dir" is ""`},
		{"no hex", nativeHead + `{"dir":"in"}` + "\n", 2, `no "hex"`},
		{"odd hex", nativeHead + `{"dir":"in","hex":"000"}` + "\n", 2, "odd number of hex digits"},
		{"bad hex", nativeHead + `{"dir":"in","hex":"0g"}` + "\n", 2, "'g' is no hex digit"},
		{"hex of a wrong type", nativeHead + `{"dir":"in","hex":[0]}` + "\n", 2, `member "hex": array where a string`},
		{"bad level", nativeHead + `{"dir":"in","hex":"","level":"usb"}` + "\n", 2, `"level" "usb"`},
		{"bad command", nativeHead + `{"dir":"in","hex":"","cmd":"xx"}` + "\n", 2, `"cmd" is "xx"`},
		{"long command", nativeHead + `{"dir":"in","hex":"","cmd":"100"}` + "\n", 2, `"cmd" is "100"`},
		{"negative offset", nativeHead + `{"dir":"in","hex":"","offset":-1}` + "\n", 2, "negative"},
		{"time out of range", nativeHead + `{"t_us":9223372036854775807,"dir":"in","hex":""}` + "\n", 2, `"t_us" is out of range`},
		{"broken time", nativeHead + `{"t_us":1.5,"dir":"in","hex":""}` + "\n", 2, `member "t_us": number 1.5 where a whole number`},
		{"ts out of range", nativeHead + `{"ts":1e300,"dir":"in","hex":""}` + "\n", 2, `"ts" is out of range`},
		{"ts of a wrong type", nativeHead + `{"ts":{},"dir":"in","hex":""}` + "\n", 2, `"ts" is no number`},
		{"a line too long", nativeHead + "\n" + long + "\n", 3, "longer than"},
		{"a first line too long", long, 1, "longer than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load(strings.NewReader(tt.text), "some.jsonl")
			var format *FormatError
			if !errors.As(err, &format) {
				t.Fatalf("got %v, want a FormatError", err)
			}
			if format.File != "some.jsonl" || format.Line != tt.line || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want line %d and %q", err, tt.line, tt.want)
			}
		})
	}
}

func TestVersionIsAKindOfError(t *testing.T) {
	_, err := Load(strings.NewReader(`{"touchstone":99}`), "x")
	if !errors.Is(err, ErrVersion) {
		t.Errorf("got %v", err)
	}
}

func TestEndings(t *testing.T) {
	line := `{"dir":"in","hex":"01"}`
	tests := []struct {
		name, text string
		want       Ending
		records    int
	}{
		{"whole", nativeHead + line + "\n", EndWhole, 1},
		{"blank lines at the end", nativeHead + line + "\n \n\n", EndWhole, 1},
		{"no line end", nativeHead + line, EndNoBreak, 1},
		{"header without line end", strings.TrimSpace(nativeHead), EndNoBreak, 0},
		{"cut in a word", nativeHead + line + "\n" + line[:5], EndCut, 1},
		{"cut in the hex", nativeHead + line + "\n" + line[:20], EndCut, 1},
		{"cut before the brace", nativeHead + line[:len(line)-1], EndCut, 0},
		{"cut after the brace", nativeHead + "{", EndCut, 0},
		{"headerless, cut", line + "\n" + line[:9], EndCut, 1},
	}
	for _, tt := range tests {
		tape := mustLoad(t, tt.text)
		if tape.Ending != tt.want || len(tape.Records) != tt.records {
			t.Errorf("%s: ends %q after %d records", tt.name, tape.Ending, len(tape.Records))
		}
	}
	if got := Ending(9).String(); got != "ending 9" {
		t.Errorf("String() = %q", got)
	}
}

func TestEmptyFiles(t *testing.T) {
	for _, text := range []string{"", "\n", " \n\t\n ", `{"touchstone":1,"trans`, `{"dir":"in","hex":"00`} {
		if _, err := Load(strings.NewReader(text), "x"); !errors.Is(err, ErrEmpty) {
			t.Errorf("%q: got %v, want ErrEmpty", text, err)
		}
	}
}

// A cut line is tolerated only where a crash can have left it: at the end.
func TestOnlyTheLastLineMayBeCut(t *testing.T) {
	_, err := Load(strings.NewReader(nativeHead+`{"dir":"in","hex":"01"`+"\n"+`{"cut":""}`+"\n"), "x")
	var format *FormatError
	if !errors.As(err, &format) || format.Line != 2 {
		t.Errorf("got %v", err)
	}
}

func TestMissingFile(t *testing.T) {
	if _, err := LoadFile(filepath.Join(t.TempDir(), "no.jsonl")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestReadErrorsAreKept(t *testing.T) {
	broken := errors.New("disk on fire")
	for _, text := range []string{"", nativeHead, nativeHead + `{"cut":""}` + "\n", `{"dir":"in","hex":"01"}` + "\n"} {
		_, err := Load(io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)), "x")
		if !errors.Is(err, broken) {
			t.Errorf("after %q: got %v", text, err)
		}
	}
}

// endless repeats its text for ever.
type endless struct{ text string }

func (e endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		n += copy(p[n:], e.text)
	}
	return n, nil
}

func TestEndlessInput(t *testing.T) {
	for _, text := range []string{"\x00", "\n", `{"cut":""}` + "\n"} {
		_, err := load(endless{text}, "x", maxLine+maxLine/8)
		var format *FormatError
		if !errors.Is(err, ErrTooLarge) && !errors.As(err, &format) {
			t.Errorf("endless %q: got %v", text, err)
		}
	}
}

func TestRecordsMayBeLeft(t *testing.T) {
	text := nativeHead + strings.Repeat(`{"cut":"x"}`+"\n", 3)
	reader, err := NewReader(strings.NewReader(text), "x")
	if err != nil {
		t.Fatal(err)
	}
	for rec, err := range reader.Records() {
		if err != nil || rec.Line != 2 {
			t.Errorf("got %+v, %v", rec, err)
		}
		break
	}
}

func TestRecordsEndsAfterAnError(t *testing.T) {
	reader, err := NewReader(strings.NewReader(nativeHead+"?\n"+`{"cut":"x"}`+"\n"), "x")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		n := 0
		for _, err := range reader.Records() {
			if n++; err == nil {
				t.Error("a record after what cannot be read")
			}
		}
		if n != 1 {
			t.Errorf("%d errors", n)
		}
	}
}

// Whatever of a tape was written before a crash can be read.
func TestEveryPrefixLoadsOrSaysWhy(t *testing.T) {
	var tape bytes.Buffer
	writer, err := NewWriter(&tape, Header{Transport: HID, Device: map[string]string{"product": "x"}, ReportSize: 64})
	if err != nil {
		t.Fatal(err)
	}
	records := []Record{
		{Level: Report, Dir: Out, Data: make([]byte, 64)},
		{Level: Message, Dir: In, Command: 0x10, Data: []byte{1, 2}},
		{Level: Mark, Event: &Event{Name: "error", Text: "a \"quoted\" word"}},
		{Level: Gap, Cut: "ünïcode"},
	}
	for _, rec := range records {
		if err := writer.Write(rec); err != nil {
			t.Fatal(err)
		}
	}
	whole := tape.Bytes()
	for n := range whole {
		got, err := Load(bytes.NewReader(whole[:n]), "x")
		if n <= bytes.IndexByte(whole, '\n')-1 {
			if !errors.Is(err, ErrEmpty) {
				t.Fatalf("%d bytes: got %v", n, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		lines := bytes.Count(whole[:n], []byte("\n"))
		if got.Ending == EndNoBreak {
			lines++
		}
		if len(got.Records) != lines-1 {
			t.Fatalf("%d bytes: %d records of %d lines", n, len(got.Records), lines)
		}
	}
}
