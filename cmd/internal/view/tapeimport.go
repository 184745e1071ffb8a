package view

import (
	"fmt"
	"io"
	"maps"

	"github.com/touchstone-fido/touchstone/devices/transcript/capture"
)

// TapeImport shows what was imported from a capture.
type TapeImport struct{ capture.Result }

// tapeOrigin is what a summary of an imported tape has beyond that of a check.
type tapeOrigin struct {
	Source      string        `json:"source"` // the capture
	Form        string        `json:"form"`
	Remarks     []tapeRemark  `json:"remarks"` // what is missing, damaged or made up for
	MoreRemarks int           `json:"moreRemarks,omitempty"`
	LeftOut     []tapeLeftOut `json:"leftOut"`
	MoreLeftOut int           `json:"moreLeftOut,omitempty"`
}

type tapeRemark struct {
	Line   int    `json:"line,omitempty"`
	Packet int    `json:"packet,omitempty"`
	Offset int64  `json:"offset"`
	Text   string `json:"text"`
}

type tapeLeftOut struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// importedTape is the summary of one tape.
type importedTape struct {
	tapeCheck
	Device string            `json:"device,omitempty"` // what tells it from the others in the capture
	Facts  map[string]string `json:"facts,omitempty"`
}

// oneTape is the envelope of an import with one tape.
type oneTape struct {
	importedTape
	tapeOrigin
}

// severalTapes is the envelope of an import with more tapes than one.
type severalTapes struct {
	Schema string `json:"schema"`
	tapeOrigin
	Messages tapeMessages   `json:"messages"` // of all tapes
	Commands map[string]int `json:"commands"`
	Statuses map[string]int `json:"statuses"`
	Tapes    []importedTape `json:"tapes"`
}

// Envelope is touchstone/transcript-check/1 with a few members more for one
// tape, and touchstone/transcript-import/1 for several.
func (t TapeImport) Envelope() any {
	var tapes []importedTape
	for _, tape := range t.Tapes {
		tapes = append(tapes, importedTape{TapeCheck{tape.Summary}.envelope(), tape.Key, tape.Facts})
	}
	if len(tapes) == 1 {
		return oneTape{tapes[0], t.origin()}
	}
	all := severalTapes{
		Schema: "touchstone/transcript-import/1", tapeOrigin: t.origin(),
		Commands: map[string]int{}, Statuses: map[string]int{}, Tapes: tapes,
	}
	for _, tape := range tapes {
		all.Messages.Whole += tape.Messages.Whole
		all.Messages.Cut += tape.Messages.Cut
		all.Messages.Malformed += tape.Messages.Malformed
		addCounts(all.Commands, tape.Commands)
		addCounts(all.Statuses, tape.Statuses)
	}
	return all
}

func addCounts(to, from map[string]int) {
	for name := range maps.Keys(from) {
		to[name] += from[name]
	}
}

func (t TapeImport) origin() tapeOrigin {
	o := tapeOrigin{
		Source: t.File, Form: string(t.Form), Remarks: tapeRemarks(t.Remarks), MoreRemarks: t.MoreRemarks,
		LeftOut: []tapeLeftOut{}, MoreLeftOut: t.MoreLeftOut,
	}
	for _, l := range t.LeftOut {
		o.LeftOut = append(o.LeftOut, tapeLeftOut{l.What, l.Why})
	}
	return o
}

func tapeRemarks(remarks []capture.Remark) []tapeRemark {
	list := []tapeRemark{}
	for _, r := range remarks {
		list = append(list, tapeRemark{r.Line, r.Packet, r.Offset, r.Text})
	}
	return list
}

func remarkLines(remarks []capture.Remark) []string {
	var lines []string
	for _, r := range remarks {
		lines = append(lines, r.String())
	}
	return lines
}

// Text writes the summary of each tape, then what is missing and left out.
func (t TapeImport) Text(w io.Writer) error {
	if err := pairs(w, [][2]string{{"Capture", t.File}, {"Form", string(t.Form)}}); err != nil {
		return err
	}
	for _, tape := range t.Tapes {
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
		if err := pairs(w, [][2]string{{"Device", tape.Key}, {"Product", product(tape.Facts)}}); err != nil {
			return err
		}
		if err := (TapeCheck{tape.Summary}).Text(w); err != nil {
			return err
		}
	}
	if err := listed(w, "Remarks", remarkLines(t.Remarks), t.MoreRemarks); err != nil {
		return err
	}
	var lines []string
	for _, l := range t.LeftOut {
		lines = append(lines, l.String())
	}
	return listed(w, "Left out", lines, t.MoreLeftOut)
}

func product(facts map[string]string) string {
	if facts["vendor_id"] == "" {
		return facts["product"]
	}
	return fmt.Sprintf("%s:%s %s", facts["vendor_id"], facts["product_id"], facts["product"])
}

// listed writes lines under a title, nothing if there are none.
func listed(w io.Writer, title string, lines []string, more int) error {
	if len(lines) == 0 {
		return nil
	}
	if more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	if _, err := fmt.Fprintf(w, "\n%s\n", title); err != nil {
		return err
	}
	for _, line := range lines {
		if _, err := fmt.Fprintf(w, "  %s\n", line); err != nil {
			return err
		}
	}
	return nil
}
