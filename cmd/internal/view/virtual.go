package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/devices/virtual/profiles"
)

// Profiles shows the products that the software key can be.
type Profiles struct{ Models []profiles.Model }

type profile struct {
	Name       string   `json:"name"`
	Product    string   `json:"product"`
	AAGUID     string   `json:"aaguid,omitempty"`
	Versions   []string `json:"versions"`
	Transports []string `json:"transports,omitempty"`
	Sources    []string `json:"sources"`
}

func (p Profiles) list() []profile {
	list := []profile{}
	for _, m := range p.Models {
		one := profile{
			Name: m.Name, Product: m.Product, Versions: m.Profile.Versions, Transports: m.Profile.Transports, Sources: m.Sources,
		}
		if m.Profile.AAGUID != (authdata.AAGUID{}) {
			one.AAGUID = m.Profile.AAGUID.String()
		}
		list = append(list, one)
	}
	return list
}

// Envelope is touchstone/virtual-profiles/1.
func (p Profiles) Envelope() any {
	return struct {
		Schema   string    `json:"schema"`
		Profiles []profile `json:"profiles"`
	}{"touchstone/virtual-profiles/1", p.list()}
}

// Text writes a table of the profiles, and where each is from.
func (p Profiles) Text(w io.Writer) error {
	var rows [][]string
	for _, one := range p.list() {
		rows = append(rows, []string{
			one.Name + "\n  " + strings.Join(one.Versions, " "), one.Product + "\n" + orDash(one.AAGUID),
			orDash(strings.Join(one.Transports, " ")) + "\n",
		})
	}
	if err := table(w, []string{"PROFILE\n  VERSIONS", "PRODUCT\nAAGUID", "TRANSPORTS\n"}, rows); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(w, "\nSources"); err != nil {
		return err
	}
	for _, one := range p.list() {
		for _, source := range one.Sources {
			if _, err := fmt.Fprintf(w, "  %s: %s\n", one.Name, source); err != nil {
				return err
			}
		}
	}
	return nil
}

// Faults shows the bugs that the software key can have.
type Faults struct{ List []virtual.Fault }

type fault struct {
	ID          string `json:"id"`
	Area        string `json:"area"`
	Description string `json:"description"`
	Clause      string `json:"clause"`
	Seen        string `json:"seen,omitempty"`
}

// Envelope is touchstone/virtual-faults/1.
func (f Faults) Envelope() any {
	list := []fault{}
	for _, one := range f.List {
		list = append(list, fault{string(one.ID), one.Area, one.Text, one.Rule, one.Seen})
	}
	return struct {
		Schema string  `json:"schema"`
		Faults []fault `json:"faults"`
	}{"touchstone/virtual-faults/1", list}
}

// Text writes a table of the faults.
func (f Faults) Text(w io.Writer) error {
	var rows [][]string
	for _, one := range f.List {
		text := one.Text
		if one.Seen != "" {
			text += " (seen: " + one.Seen + ")"
		}
		rows = append(rows, []string{string(one.ID), one.Area, one.Rule, text})
	}
	return table(w, []string{"FAULT", "AREA", "CLAUSE", "THE KEY"}, rows)
}
