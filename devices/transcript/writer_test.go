package transcript

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestTapeSurvivesWriting(t *testing.T) {
	for _, transport := range []Transport{HID, NFC} {
		want := &Tape{
			Name: "x",
			Header: Header{
				Version: 1, Transport: transport, Tool: "touchstone", Client: "c",
				Device:   map[string]string{"product": "Key <1>", "serial": "7"},
				Recorded: time.Date(2026, 11, 21, 20, 11, 0, 123456789, time.UTC), ReportSize: 32,
				ATR: []byte{0x3b}, Seed: []byte{1, 2, 3},
				Extra: map[string]json.RawMessage{"a": json.RawMessage(`[1]`), "b": json.RawMessage(`"x"`)},
			},
			Records: []Record{
				{Line: 2, Time: time.Second, Dir: Out, Level: Report, Data: []byte{1}},
				{Line: 3, Dir: In, Level: APDU, Data: []byte{0x90, 0}, Name: "n"},
				{Line: 4, Dir: In, Level: Message, Command: 0x10, Data: []byte{}, Partial: true, Offset: 5, Length: 9},
				{Line: 5, Dir: In, Level: Message, Data: []byte{1, 2}, Partial: true, Cut: "here"},
				{Line: 6, Level: Gap, Cut: ""},
				{Line: 7, Level: Mark, Event: &Event{Name: "error", Op: "read", Kind: "gone", Text: "x\ny"}},
				{Line: 8, Dir: Out, Level: Report, Data: []byte{2}, Rebuilt: true},
			},
		}
		var file bytes.Buffer
		n, err := want.WriteTo(&file)
		if err != nil || n != int64(file.Len()) {
			t.Fatalf("wrote %d bytes of %d: %v", n, file.Len(), err)
		}
		got, err := Load(&file, "x")
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	}
}

func TestHeaderLine(t *testing.T) {
	header := Header{
		Transport: HID, PIN: "1234", Seed: []byte{0xab},
		Extra: map[string]json.RawMessage{"pin": json.RawMessage(`"1234"`), "x": json.RawMessage("1")},
	}
	text, err := header.text()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"touchstone":1,"transport":"hid","seed":"ab","seed_note":"` + seedNote + `","x":1}`
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

func TestWriterRefuses(t *testing.T) {
	if _, err := NewWriter(io.Discard, Header{}); err == nil {
		t.Error("a header without transport was written")
	}
	if _, err := NewWriter(io.Discard, Header{Transport: HID, Extra: map[string]json.RawMessage{"x": []byte("{")}}); err == nil {
		t.Error("a member that is no JSON was written")
	}
	writer, err := NewWriter(io.Discard, Header{Transport: HID})
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range []Record{{}, {Level: Report}, {Level: Mark, Dir: In}, {Level: Mark, Event: &Event{}}} {
		if writer.Write(rec) == nil {
			t.Errorf("%+v was written", rec)
		}
	}
	if err := writer.Write(Record{Level: Gap}); err != nil {
		t.Errorf("a refused record ended the tape: %v", err)
	}
}

// failing takes so many writes and no more.
type failing struct {
	left  int
	short bool
	got   bytes.Buffer
}

var errDiskFull = errors.New("disk full")

func (f *failing) Write(p []byte) (int, error) {
	if f.left--; f.left >= 0 {
		return f.got.Write(p)
	}
	if f.short {
		return f.got.Write(p[:1])
	}
	return 0, errDiskFull
}

func TestWriterStopsAfterAnError(t *testing.T) {
	if _, err := NewWriter(&failing{}, Header{Transport: HID}); !errors.Is(err, errDiskFull) {
		t.Errorf("header: %v", err)
	}
	file := &failing{left: 2}
	writer, err := NewWriter(file, Header{Transport: HID})
	if err != nil {
		t.Fatal(err)
	}
	rec := Record{Level: Report, Dir: In}
	if err := writer.Write(rec); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := writer.Write(rec); !errors.Is(err, errDiskFull) {
			t.Errorf("got %v", err)
		}
		file.left = 100 // too late
	}
	if n := strings.Count(file.got.String(), "\n"); n != 2 {
		t.Errorf("%d lines on the tape", n)
	}
}

func TestShortWriteIsAnError(t *testing.T) {
	writer, err := NewWriter(&failing{left: 1, short: true}, Header{Transport: HID})
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Write(Record{Level: Gap}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("got %v", err)
	}
}
