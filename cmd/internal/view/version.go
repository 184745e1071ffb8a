package view

import (
	"fmt"
	"io"

	"github.com/touchstone-fido/touchstone/devices"
)

// Version shows the program's version and what is built into it.
type Version struct {
	Version, Go, OS, Arch string
	Backends              []devices.Backend
}

type backend struct {
	Name  string `json:"name"`
	Built bool   `json:"built"`
	Hint  string `json:"hint,omitempty"` // how to get it
}

// Envelope is touchstone/version/1.
func (v Version) Envelope() any {
	e := struct {
		Schema   string    `json:"schema"`
		Version  string    `json:"version"`
		Go       string    `json:"go"`
		OS       string    `json:"os"`
		Arch     string    `json:"arch"`
		Backends []backend `json:"backends"`
	}{"touchstone/version/1", v.Version, v.Go, v.OS, v.Arch, nil}
	for _, b := range v.Backends {
		e.Backends = append(e.Backends, backend{b.Name, b.Built, b.Hint})
	}
	return e
}

// Text writes a line for the program and one for each backend.
func (v Version) Text(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "touchstone %s (%s, %s/%s)\n", v.Version, v.Go, v.OS, v.Arch); err != nil {
		return err
	}
	for _, b := range v.Backends {
		state := "built in"
		if !b.Built {
			state = "not built in: " + b.Hint
		}
		if _, err := fmt.Fprintf(w, "%-8s %s\n", b.Name, state); err != nil {
			return err
		}
	}
	return nil
}
