package view

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/touchstone-fido/touchstone/devices/transcript/redact"
)

// TapeRedact shows what was done to a tape so that it can be published.
type TapeRedact struct {
	redact.Result
	Tape, Out string // the files
}

type tapeRedact struct {
	Schema             string              `json:"schema"`
	File               string              `json:"file"`
	Out                string              `json:"out"`
	Values             map[redact.Kind]int `json:"values"`
	SignaturesReplaced int                 `json:"signaturesReplaced"`
	SignaturesKept     int                 `json:"signaturesKept"`
	Notes              []string            `json:"notes"`
	Dropped            []tapeProblem       `json:"dropped"`
}

// Envelope is touchstone/transcript-redact/1.
func (t TapeRedact) Envelope() any {
	e := tapeRedact{
		Schema: "touchstone/transcript-redact/1", File: t.Tape, Out: t.Out, Values: t.Values,
		SignaturesReplaced: t.Signatures, SignaturesKept: t.Kept, Notes: append([]string{}, t.Notes...), Dropped: []tapeProblem{},
	}
	for _, p := range t.Dropped {
		e.Dropped = append(e.Dropped, tapeProblem{Line: p.Line, Text: p.Why})
	}
	return e
}

// Text writes the same.
func (t TapeRedact) Text(w io.Writer) error {
	var counts []string
	for _, kind := range slices.Sorted(maps.Keys(t.Values)) {
		counts = append(counts, fmt.Sprintf("%d %s", t.Values[kind], kind))
	}
	err := pairs(w, [][2]string{
		{"Tape", t.Tape}, {"Redacted", t.Out}, {"Values replaced", strings.Join(counts, ", ")},
		{"Signatures", fmt.Sprintf("%d replaced, %d kept", t.Signatures, t.Kept)},
	})
	if err != nil {
		return err
	}
	if err := listed(w, "What no longer holds", t.Notes, 0); err != nil {
		return err
	}
	var dropped []string
	for _, p := range t.Dropped {
		dropped = append(dropped, p.String())
	}
	return listed(w, "Left out", dropped, 0)
}

// TapeLeaks shows what a tape tells that it should not.
type TapeLeaks struct {
	redact.Findings
	Tape string // the file
}

type tapeLeaks struct {
	Schema    string     `json:"schema"`
	File      string     `json:"file"`
	LookedFor int        `json:"lookedFor"`
	TooShort  int        `json:"tooShort"`
	Leaks     []tapeLeak `json:"leaks"`
	MoreLeaks int        `json:"moreLeaks,omitempty"`
}

type tapeLeak struct {
	Line  int         `json:"line"`
	Kind  redact.Kind `json:"kind"`
	Where string      `json:"where"`
	Form  string      `json:"form"`
}

// Envelope is touchstone/transcript-leaks/1.
func (t TapeLeaks) Envelope() any {
	e := tapeLeaks{
		Schema: "touchstone/transcript-leaks/1", File: t.Tape, LookedFor: t.Values, TooShort: t.Short,
		Leaks: []tapeLeak{}, MoreLeaks: t.More,
	}
	for _, l := range t.Leaks {
		e.Leaks = append(e.Leaks, tapeLeak{l.Line, l.Kind, l.Where, l.Form})
	}
	return e
}

// Text writes the same.
func (t TapeLeaks) Text(w io.Writer) error {
	err := pairs(w, [][2]string{
		{"Tape", t.Tape}, {"Looked for", fmt.Sprintf("%d values", t.Values)},
		{"Too short or common", fmt.Sprint(t.Short)}, {"Leaks", fmt.Sprint(len(t.Leaks) + t.More)},
	})
	if err != nil {
		return err
	}
	var lines []string
	for _, l := range t.Leaks {
		lines = append(lines, l.String())
	}
	return listed(w, "Leaks", lines, t.More)
}
