package view_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/virtual/control"
)

func TestEventLines(t *testing.T) {
	at := time.Date(2026, 11, 26, 7, 30, 0, 1_500_000, time.FixedZone("CET", 3600))
	var lines bytes.Buffer
	for _, e := range []view.Event{
		view.KeyEvent(at, devices.Event{Status: "up-needed"}),
		view.KeyEvent(at, devices.Event{Status: devices.EventDone, Since: 1234567 * time.Microsecond}),
		view.ServedEvent(control.Event{Seq: 3, Time: "2026-11-26T06:30:00.001Z", Key: "udp", Event: control.EventTouched, Detail: "touch"}),
		view.TextEvent(at, view.EventNote, "two <lines>\nof text"),
	} {
		if err := view.WriteJSONLine(&lines, e); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "events.jsonl", lines.Bytes())
}
