package view

import (
	"fmt"
	"io"
)

// Manual tells which manual pages were written, and where.
type Manual struct {
	Directory string
	Pages     []string // names of the files
}

// Envelope is touchstone/man/1.
func (m Manual) Envelope() any {
	return struct {
		Schema    string   `json:"schema"`
		Directory string   `json:"directory"`
		Pages     []string `json:"pages"`
	}{"touchstone/man/1", m.Directory, append([]string{}, m.Pages...)}
}

// Text names the pages, each on a line.
func (m Manual) Text(w io.Writer) error {
	for _, page := range m.Pages {
		if _, err := fmt.Fprintln(w, page); err != nil {
			return err
		}
	}
	return nil
}
