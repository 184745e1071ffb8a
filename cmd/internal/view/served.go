package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/touchstone-fido/touchstone/devices/virtual/control"
)

// ServedKeys shows how served keys are.
type ServedKeys struct{ Keys []control.State }

// Envelope is touchstone/virtual-keys/1.
func (s ServedKeys) Envelope() any {
	return control.KeysEnvelope{Schema: control.KeysSchema, Keys: s.Keys}
}

// Text writes a table.
func (s ServedKeys) Text(w io.Writer) error {
	var rows [][]string
	for _, k := range s.Keys {
		var faults []string
		for _, id := range k.Faults {
			faults = append(faults, string(id))
		}
		rows = append(rows, []string{
			k.Name, k.Kind, orDash(k.Address), yesNo(k.Inserted), orDash(string(k.Presence)), orDash(k.Finger), orDash(k.Waiting), orDash(strings.Join(faults, " ")),
		})
	}
	return table(w, []string{"KEY", "BY", "AT", "INSERTED", "PRESENCE", "FINGER", "WAITS FOR", "FAULTS"}, rows)
}

// ServedKey shows how a served key is after something was done to it.
type ServedKey struct{ State control.State }

// Envelope is touchstone/virtual-key/1.
func (s ServedKey) Envelope() any {
	return control.KeyEnvelope{Schema: control.KeySchema, Key: s.State}
}

// Text writes a table of one key.
func (s ServedKey) Text(w io.Writer) error { return ServedKeys{[]control.State{s.State}}.Text(w) }

// ServedEvents shows what befell served keys.
type ServedEvents struct{ All control.EventsEnvelope }

// Envelope is touchstone/virtual-events/1.
func (s ServedEvents) Envelope() any { return s.All }

// Text writes a line for each event.
func (s ServedEvents) Text(w io.Writer) error {
	if s.All.Missed {
		if _, err := fmt.Fprintln(w, "Some events are not kept any more."); err != nil {
			return err
		}
	}
	for _, e := range s.All.Events {
		if _, err := fmt.Fprintf(w, "%d %s %s\n", e.Seq, e.Time, ServedText(e)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "Last event: %d\n", s.All.Last)
	return err
}

// ServedText is what befell a key, in a line.
func ServedText(e control.Event) string {
	return strings.Join(strings.Fields(fmt.Sprintf("%s: %s %s %s %s", e.Key, e.Event, e.Detail, e.Command, e.Status)), " ")
}
