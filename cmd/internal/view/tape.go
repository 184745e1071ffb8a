package view

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// TapeCheck shows what a check found on a tape.
type TapeCheck struct{ transcript.Summary }

type tapeCheck struct {
	Schema      string         `json:"schema"`
	File        string         `json:"file"`
	Transport   string         `json:"transport"`
	Foreign     bool           `json:"foreign"` // not of this program's own form
	LastLine    string         `json:"lastLine"`
	Messages    tapeMessages   `json:"messages"`
	Lines       tapeLines      `json:"lines"`
	Commands    map[string]int `json:"commands"`
	Statuses    map[string]int `json:"statuses"`
	Problems    []tapeProblem  `json:"problems"`
	MoreProblem int            `json:"moreProblems,omitempty"`
	Seeded      bool           `json:"seeded"` // replays byte for byte, and reveals the PIN
	Replayable  bool           `json:"replayable"`
	WhyNot      string         `json:"whyNotReplayable,omitempty"`
	CutAtLine   int            `json:"cutAtLine,omitempty"` // as far as a replay gets
}

type tapeMessages struct {
	Whole     int `json:"whole"`
	Cut       int `json:"cut"`
	Malformed int `json:"malformed"`
}

type tapeLines struct {
	Out     int `json:"out"`
	In      int `json:"in"`
	Reports int `json:"reports"`
	APDUs   int `json:"apdus"`
	Partial int `json:"partial"`
	Gaps    int `json:"gaps"`
	Events  int `json:"events"`
	Bad     int `json:"unreadable"` // lines that are no record; counted as malformed too
}

type tapeProblem struct {
	Line int    `json:"line"`
	Text string `json:"text"`
}

// Envelope is touchstone/transcript-check/1.
func (t TapeCheck) Envelope() any { return t.envelope() }

func (t TapeCheck) envelope() tapeCheck {
	e := tapeCheck{
		Schema: "touchstone/transcript-check/1", File: t.Tape, Transport: string(t.Header.Transport),
		Foreign: t.Foreign, LastLine: t.Ending.String(),
		Messages: tapeMessages{t.Messages.Whole, t.Messages.Cut, t.Messages.Malformed},
		Lines: tapeLines{
			Out: t.Lines.Out, In: t.Lines.In, Reports: t.Lines.Reports, APDUs: t.Lines.APDUs,
			Partial: t.Lines.Partial, Gaps: t.Lines.Gaps, Events: t.Lines.Marks, Bad: t.Lines.Unreadable,
		},
		Commands: t.Commands, Statuses: t.Statuses, Problems: []tapeProblem{}, MoreProblem: t.MoreProblems,
		Seeded: t.Header.Seed != nil, Replayable: t.Unplayable == nil, CutAtLine: t.CutAt,
	}
	for _, p := range t.Problems {
		e.Problems = append(e.Problems, tapeProblem{p.Line, p.Text})
	}
	if t.Unplayable != nil {
		e.WhyNot = t.Unplayable.Error()
	}
	return e
}

// Text writes the counts and the problems.
func (t TapeCheck) Text(w io.Writer) error {
	replay := "yes"
	switch {
	case t.Unplayable != nil:
		replay = "no: " + t.Unplayable.Error()
	case t.CutAt > 0:
		replay = fmt.Sprintf("up to line %d, where it is cut", t.CutAt)
	}
	err := pairs(w, [][2]string{
		{"Tape", t.Tape}, {"Transport", string(t.Header.Transport)}, {"Foreign", yesNo(t.Foreign)},
		{"Messages", fmt.Sprintf("%d whole, %d cut, %d malformed", t.Messages.Whole, t.Messages.Cut, t.Messages.Malformed)},
		{"Last line", t.Ending.String()}, {"Replayable", replay}, {"Seed on the tape", yesNo(t.Header.Seed != nil)},
	})
	if err != nil {
		return err
	}
	for _, group := range []struct {
		title string
		count map[string]int
	}{{"Commands", t.Commands}, {"Statuses", t.Statuses}} {
		if err := counts(w, group.title, group.count); err != nil {
			return err
		}
	}
	for _, p := range t.Problems {
		if _, err := fmt.Fprintf(w, "%v\n", p); err != nil {
			return err
		}
	}
	return nil
}

func counts(w io.Writer, title string, n map[string]int) error {
	if len(n) == 0 {
		return nil
	}
	var rows [][]string
	for _, name := range slices.Sorted(maps.Keys(n)) {
		rows = append(rows, []string{fmt.Sprint(n[name]), name})
	}
	return table(w, []string{"", title}, rows)
}

// Tape shows a tape record by record, as it is read.
type Tape struct {
	w    io.Writer
	json *json.Encoder // nil for text
}

// NewTape shows a tape on w: as text, or as JSON lines of which the first is
// the header with the schema touchstone/transcript-show/1.
func NewTape(w io.Writer, asJSON bool) *Tape {
	t := &Tape{w: Clean(w)}
	if asJSON {
		t.json = json.NewEncoder(w)
		t.json.SetEscapeHTML(false)
	}
	return t
}

type tapeHeader struct {
	Schema    string            `json:"schema"`
	Transport string            `json:"transport"`
	Device    map[string]string `json:"device,omitempty"`
	Tool      string            `json:"tool,omitempty"`
	Client    string            `json:"client,omitempty"`
	Recorded  string            `json:"recorded,omitempty"`
	Seeded    bool              `json:"seeded"`
}

// Header shows the header. A seed is told of, never shown.
func (t *Tape) Header(h transcript.Header) error {
	recorded := ""
	if !h.Recorded.IsZero() {
		recorded = h.Recorded.Format("2006-01-02T15:04:05Z07:00")
	}
	if t.json != nil {
		return t.json.Encode(tapeHeader{
			Schema: "touchstone/transcript-show/1", Transport: string(h.Transport), Device: h.Device,
			Tool: h.Tool, Client: h.Client, Recorded: recorded, Seeded: h.Seed != nil,
		})
	}
	return pairs(t.w, [][2]string{
		{"Transport", string(h.Transport)}, {"Device", h.Device["product"]}, {"Recorded", recorded},
		{"By", h.Tool}, {"Client", h.Client}, {"Seed on the tape", yesNo(h.Seed != nil)},
	})
}

type tapeRecord struct {
	Line   int    `json:"line"`
	TimeUS int64  `json:"timeUs"`
	Dir    string `json:"dir,omitempty"`
	Level  string `json:"level"`
	Text   string `json:"text"`
	Hex    string `json:"hex,omitempty"`
}

// Record shows one record.
func (t *Tape) Record(r transcript.Record) error {
	if t.json != nil {
		return t.json.Encode(tapeRecord{
			Line: r.Line, TimeUS: r.Time.Microseconds(), Dir: r.Dir.String(), Level: r.Level.String(),
			Text: transcript.Describe(r), Hex: hex.EncodeToString(r.Data),
		})
	}
	_, err := fmt.Fprintf(t.w, "%5d %10.3f ms  %s\n", r.Line, float64(r.Time.Microseconds())/1000, transcript.Describe(r))
	return err
}

// End tells when the tape breaks off.
func (t *Tape) End(e transcript.Ending) error {
	if e == transcript.EndWhole || t.json != nil {
		return nil
	}
	_, err := fmt.Fprintf(t.w, "The last line: %v.\n", e)
	return err
}
