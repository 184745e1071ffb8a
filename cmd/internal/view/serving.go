package view

import (
	"fmt"
	"io"
)

// Serving shows where a key is served to other programs.
type Serving struct {
	Kind    string // such as "udp", the word after virtual serve
	Address string // HOST:PORT
}

// Envelope is touchstone/serving/1.
func (s Serving) Envelope() any {
	return struct {
		Schema  string `json:"schema"`
		Kind    string `json:"kind"`
		Address string `json:"address"`
	}{"touchstone/serving/1", s.Kind, s.Address}
}

// Text writes a line.
func (s Serving) Text(w io.Writer) error {
	_, err := fmt.Fprintf(w, "The software key is served by %s at %s.\n", s.Kind, s.Address)
	return err
}
