package view_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices"
)

func TestEventLines(t *testing.T) {
	at := time.Date(2026, 11, 26, 7, 30, 0, 1_500_000, time.FixedZone("CET", 3600))
	var lines bytes.Buffer
	for _, e := range []view.Event{
		view.KeyEvent(at, devices.Event{Status: "up-needed"}),
		view.KeyEvent(at, devices.Event{Status: devices.EventDone, Since: 1234567 * time.Microsecond}),
		view.TextEvent(at, view.EventNote, "two <lines>\nof text"),
	} {
		if err := view.WriteJSONLine(&lines, e); err != nil {
			t.Fatal(err)
		}
	}
	want := `{"schema":"touchstone/event/1","time":"2026-11-26T06:30:00.001Z","event":"key","status":"up-needed","sinceMs":0}
{"schema":"touchstone/event/1","time":"2026-11-26T06:30:00.001Z","event":"key","status":"done","sinceMs":1234.567}
{"schema":"touchstone/event/1","time":"2026-11-26T06:30:00.001Z","event":"note","text":"two <lines>\nof text"}
`
	if got := lines.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
