package view

import (
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/virtual/control"
)

// EventSchema names the lines that --events writes.
const EventSchema = "touchstone/event/1"

// Event kinds.
const (
	EventKey    = "key"    // what a key at work says: status, sinceMs
	EventNote   = "note"   // a warning or other text for people: text
	EventDetail = "detail" // what -v says: text
	EventServed = "served" // what befell a key that is served: served
	EventSample = "sample" // what became of a sample of a finger: status, remaining, text
)

// Event is one line of the stream of events.
type Event struct {
	Schema  string   `json:"schema"`
	Time    string   `json:"time"` // RFC 3339 in UTC, to the millisecond
	Event   string   `json:"event"`
	Status  string   `json:"status,omitempty"`  // of a key: "processing", "up-needed", "done"; of a sample: the standard's name
	SinceMS *float64 `json:"sinceMs,omitempty"` // of a key: milliseconds since the request was sent
	Text    string   `json:"text,omitempty"`

	Remaining *uint `json:"remaining,omitempty"` // good samples that are wanted yet

	Served *control.Event `json:"served,omitempty"` // of a key that is served
}

const eventTime = "2006-01-02T15:04:05.000Z"

// KeyEvent is a sign of life of a key at a time.
func KeyEvent(at time.Time, e devices.Event) Event {
	ms := float64(e.Since.Microseconds()) / 1000
	return Event{Schema: EventSchema, Time: at.UTC().Format(eventTime), Event: EventKey, Status: e.Status, SinceMS: &ms}
}

// ServedEvent is what befell a key that is served.
func ServedEvent(e control.Event) Event {
	return Event{Schema: EventSchema, Time: e.Time, Event: EventServed, Served: &e}
}

// TextEvent is a text of the given kind at a time.
func TextEvent(at time.Time, kind, text string) Event {
	return Event{Schema: EventSchema, Time: at.UTC().Format(eventTime), Event: kind, Text: text}
}

// SampleEvent is what became of the nth sample of a finger at a time.
func SampleEvent(at time.Time, n int, s ctap2.Sample) Event {
	return Event{
		Schema: EventSchema, Time: at.UTC().Format(eventTime), Event: EventSample,
		Status: s.Status.String(), Remaining: &s.Remaining, Text: SampleText(n, s),
	}
}
