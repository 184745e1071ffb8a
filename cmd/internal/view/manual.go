package view

import (
	"fmt"
	"io"
)

// Manual tells what pages of the manual were written.
type Manual struct {
	Folder string
	Pages  []string // names of files in it, in their order
}

// Envelope is touchstone/manual/1.
func (m Manual) Envelope() any {
	return struct {
		Schema string   `json:"schema"`
		Folder string   `json:"folder"`
		Pages  []string `json:"pages"`
	}{"touchstone/manual/1", m.Folder, m.Pages}
}

// Text says how many pages there are. Their names are the folder's.
func (m Manual) Text(w io.Writer) error {
	_, err := fmt.Fprintf(w, "Wrote %s to %s.\n", count(len(m.Pages), "page"), oneLine(m.Folder))
	return err
}
