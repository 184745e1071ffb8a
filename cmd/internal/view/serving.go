package view

import (
	"fmt"
	"io"
)

// Serving shows where keys are served to other programs. There is one at least.
type Serving struct {
	Keys    []ServedPlace
	Control string // HOST:PORT of the control channel; empty for none
}

// ServedPlace is where one key is served.
type ServedPlace struct {
	Name    string `json:"name"`            // what the control channel calls it
	Kind    string `json:"kind"`            // such as "udp", the word after virtual serve
	Address string `json:"address"`         // HOST:PORT, or another place that the kind has
	BusID   string `json:"busId,omitempty"` // of usbip
	Tape    bool   `json:"tape,omitempty"`  // it is a recorded session
}

// Envelope is touchstone/serving/1. What it says of the first key it said before
// there could be several.
func (s Serving) Envelope() any {
	return struct {
		Schema  string        `json:"schema"`
		Kind    string        `json:"kind"`
		Address string        `json:"address"`
		Keys    []ServedPlace `json:"keys"`
		Control string        `json:"control,omitempty"`
	}{"touchstone/serving/1", s.Keys[0].Kind, s.Keys[0].Address, s.Keys, s.Control}
}

// Text writes a line for each key.
func (s Serving) Text(w io.Writer) error {
	for _, k := range s.Keys {
		what, at := "software key", k.Address
		if k.Tape {
			what = "tape"
		}
		if k.BusID != "" {
			at += " as " + k.BusID
		}
		if len(s.Keys) > 1 {
			what += " " + k.Name
		}
		if _, err := fmt.Fprintf(w, "The %s is served by %s at %s.\n", what, k.Kind, at); err != nil {
			return err
		}
	}
	if s.Control == "" {
		return nil
	}
	_, err := fmt.Fprintf(w, "Control it with: touchstone virtual control --at %s\n", s.Control)
	return err
}
