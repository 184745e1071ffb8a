package view

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/touchstone-fido/touchstone/devices"
)

// DeviceChange shows one event of a watch over the keys that are there.
type DeviceChange struct{ devices.Change }

type deviceEvent struct {
	Schema  string  `json:"schema"`
	Event   string  `json:"event"`
	Time    string  `json:"time"` // RFC 3339 with milliseconds, UTC
	Backend string  `json:"backend"`
	Device  *Device `json:"device,omitempty"` // absent where a place failed or recovered
	Reason  string  `json:"reason,omitempty"` // why the key cannot be used, or the place not be looked at
	Hint    string  `json:"hint,omitempty"`
}

// Envelope is touchstone/device-event/1.
func (c DeviceChange) Envelope() any {
	e := deviceEvent{
		Schema: "touchstone/device-event/1", Event: string(c.Kind), Time: c.Time.UTC().Format("2006-01-02T15:04:05.000Z07:00"),
		Backend: c.Backend, Hint: c.Hint,
	}
	if c.OfKey() {
		d := NewDevice(c.Device)
		e.Device = &d
	}
	if c.Reason != nil {
		e.Reason = c.Reason.Error()
	}
	return e
}

var changeSigns = map[devices.ChangeKind]string{
	devices.Present: "=", devices.Added: "+", devices.Removed: "-", devices.Changed: "~", devices.Failed: "!", devices.Recovered: "~",
}

// Text writes a line with the time, a sign for what happened, and what is known
// of the key, and a second one if there is something to be done.
func (c DeviceChange) Text(w io.Writer) error {
	text := fmt.Sprintf("%s %s %s", c.Time.Format("2006-01-02 15:04:05.000"), changeSigns[c.Kind], oneLine(c.what()))
	for _, hint := range c.hints() {
		text += "\n" + indent(hint)
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

// what is the key or the place, and how it is with it now.
func (c DeviceChange) what() string {
	parts := []string{c.Backend}
	if c.OfKey() {
		d := NewDevice(c.Device)
		parts = []string{d.Selector, d.Transport, d.id(), d.Product, d.Serial, d.Model, prefixed("firmware ", d.Firmware), d.AAGUID, strings.Join(d.Versions, " ")}
	}
	switch {
	case c.Reason != nil && !c.OfKey():
		parts = []string{devices.Failure{Backend: c.Backend, Reason: c.Reason}.String()}
	case c.Reason != nil:
		parts = append(parts, "cannot be used: "+c.Reason.Error())
	case c.Kind == devices.Changed:
		parts = append(parts, "can be used")
	case c.Kind == devices.Recovered:
		parts = append(parts, "can be looked at again")
	}
	if id := c.Device.Identity; id != nil && id.Err != nil {
		parts = append(parts, "not identified: "+id.Err.Error())
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "  ")
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

// hints are what would mend it.
func (c DeviceChange) hints() []string {
	var hints []string
	if c.Hint != "" {
		hints = append(hints, c.Hint)
	}
	if id := c.Device.Identity; id != nil && id.Hint != "" {
		hints = append(hints, id.Hint)
	}
	return hints
}
