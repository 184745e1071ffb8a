package view

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/devices/transcript/explain"
)

// Explained shows a tape that was explained.
type Explained struct{ Story *explain.Story }

type explained struct {
	Schema    string              `json:"schema"`
	File      string              `json:"file"`
	Transport string              `json:"transport"`
	Device    map[string]string   `json:"device,omitempty"`
	Tool      string              `json:"tool,omitempty"`
	Client    string              `json:"client,omitempty"`
	Recorded  string              `json:"recorded,omitempty"`
	Foreign   bool                `json:"foreign"`
	HostSide  bool                `json:"hostSide"` // the tape has what the host sent
	LastLine  string              `json:"lastLine"`
	Seeded    bool                `json:"seeded"`
	Sealed    string              `json:"sealed,omitempty"` // why what was encrypted stays closed
	Remarks   int                 `json:"remarks"`          // of all steps
	Timing    *explainedTiming    `json:"timing,omitempty"`
	Exchanges []explainedExchange `json:"exchanges"`
	Steps     []explainedStep     `json:"steps"`
}

type explainedTiming struct {
	WholeUS int64           `json:"wholeUs"`
	Answer  *explainedTimes `json:"answer,omitempty"`
	Touch   *explainedTimes `json:"touch,omitempty"`
	Gap     *explainedTimes `json:"keepaliveGap,omitempty"`
}

type explainedTimes struct {
	Count    int   `json:"count"`
	MinUS    int64 `json:"minUs"`
	MedianUS int64 `json:"medianUs"`
	MaxUS    int64 `json:"maxUs"`
}

type explainedExchange struct {
	Name    string `json:"name"`
	Ask     *int   `json:"ask,omitempty"`    // index of the request in steps
	Answer  *int   `json:"answer,omitempty"` // index of the answer in steps
	Status  string `json:"status,omitempty"`
	OK      bool   `json:"ok"`
	Waited  bool   `json:"waited"` // the key said that it waits for the user
	TookUS  int64  `json:"tookUs,omitempty"`
	TouchUS int64  `json:"touchUs,omitempty"`
}

type explainedStep struct {
	Kind     string            `json:"kind"`
	Line     int               `json:"line"`
	LastLine int               `json:"lastLine"`
	AtUS     int64             `json:"atUs"`
	UntilUS  int64             `json:"untilUs"`
	Dir      string            `json:"dir,omitempty"`
	Channel  string            `json:"channel,omitempty"`
	Frame    string            `json:"frame,omitempty"`
	Name     string            `json:"name"`
	Clause   string            `json:"clause,omitempty"`
	Gist     string            `json:"gist,omitempty"`
	Count    int               `json:"count,omitempty"`
	Fields   []explainedField  `json:"fields,omitempty"`
	Opened   []string          `json:"opened,omitempty"`
	Remarks  []explainedRemark `json:"remarks,omitempty"`
	Hex      string            `json:"hex,omitempty"`
	Parts    []explainedPart   `json:"parts,omitempty"`
}

type explainedField struct {
	Name   string           `json:"name"`
	Key    string           `json:"key,omitempty"`
	Clause string           `json:"clause,omitempty"`
	Value  string           `json:"value,omitempty"`
	Note   string           `json:"note,omitempty"`
	Fields []explainedField `json:"fields,omitempty"`
}

type explainedRemark struct {
	Line   int    `json:"line"`
	Clause string `json:"clause,omitempty"`
	Text   string `json:"text"`
}

type explainedPart struct {
	Line int    `json:"line"`
	AtUS int64  `json:"atUs"`
	Dir  string `json:"dir"`
	Text string `json:"text"`
	Hex  string `json:"hex"`
}

// Envelope is touchstone/transcript-explain/1.
func (e Explained) Envelope() any {
	s := e.Story
	out := explained{
		Schema: "touchstone/transcript-explain/1", File: s.Tape, Transport: string(s.Header.Transport), Device: s.Header.Device,
		Tool: s.Header.Tool, Client: s.Header.Client, Recorded: recordedAt(s.Header), Foreign: s.Foreign, HostSide: s.HostSide,
		LastLine: s.Ending.String(), Seeded: s.Seeded, Sealed: s.Sealed, Remarks: s.Remarks(),
		Exchanges: []explainedExchange{}, Steps: []explainedStep{},
	}
	if t := s.Timing; t.Known {
		out.Timing = &explainedTiming{t.Whole.Microseconds(), timesOf(t.Answer), timesOf(t.Touch), timesOf(t.Gap)}
	}
	for _, x := range s.Exchanges {
		out.Exchanges = append(out.Exchanges, explainedExchange{
			Name: x.Name, Ask: place(x.Ask), Answer: place(x.Answer), Status: x.Status, OK: x.OK, Waited: x.Waited,
			TookUS: x.Took.Microseconds(), TouchUS: x.Touch.Microseconds(),
		})
	}
	for i := range s.Steps {
		out.Steps = append(out.Steps, stepOf(&s.Steps[i]))
	}
	return out
}

func recordedAt(h transcript.Header) string {
	if h.Recorded.IsZero() {
		return ""
	}
	return h.Recorded.UTC().Format(time.RFC3339)
}

func place(i int) *int {
	if i < 0 {
		return nil
	}
	return &i
}

func timesOf(s explain.Spread) *explainedTimes {
	if s.Count == 0 {
		return nil
	}
	return &explainedTimes{s.Count, s.Min.Microseconds(), s.Median.Microseconds(), s.Max.Microseconds()}
}

func stepOf(s *explain.Step) explainedStep {
	out := explainedStep{
		Kind: s.Kind.String(), Line: s.Line, LastLine: s.LastLine, AtUS: s.At.Microseconds(), UntilUS: s.Until.Microseconds(),
		Dir: s.Dir.String(), Channel: s.Channel, Frame: s.Frame, Name: s.Name, Clause: s.Clause, Gist: s.Gist, Count: s.Count,
		Fields: fieldsOf(s.Fields), Opened: s.Opened, Hex: hex.EncodeToString(s.Data),
	}
	for _, r := range s.Remarks {
		out.Remarks = append(out.Remarks, explainedRemark(r))
	}
	for _, p := range s.Parts {
		out.Parts = append(out.Parts, explainedPart{p.Line, p.At.Microseconds(), p.Dir.String(), p.Text, hex.EncodeToString(p.Data)})
	}
	return out
}

func fieldsOf(fields []explain.Field) []explainedField {
	var out []explainedField
	for _, f := range fields {
		out = append(out, explainedField{f.Name, f.Key, f.Clause, f.Value, f.Note, fieldsOf(f.Fields)})
	}
	return out
}

// Text tells the tape step by step.
func (e Explained) Text(w io.Writer) error { return e.tell(w, plain) }

// Coloured is Text for a terminal, in colours.
func (e Explained) Coloured(w io.Writer) error { return e.tell(w, coloured) }

// paint has the colours of text: what to write before, by what it is.
type paint map[string]string

var (
	plain    = paint{}
	coloured = paint{"out": "\x1b[36m", "in": "\x1b[32m", "bad": "\x1b[1;31m", "remark": "\x1b[33m", "dim": "\x1b[2m", "opened": "\x1b[35m"}
)

const unpaint = "\x1b[0m"

// on is text in a colour, on one line and clean.
func (p paint) on(what, text string) string {
	text = oneLine(text)
	if p[what] == "" || text == "" {
		return text
	}
	return p[what] + text + unpaint
}

// teller writes lines until the first error.
type teller struct {
	w     io.Writer
	paint paint
	err   error
}

func (t *teller) line(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, "%s\n", strings.TrimRight(fmt.Sprintf(format, args...), " "))
	}
}

func (e Explained) tell(w io.Writer, p paint) error {
	s := e.Story
	t := &teller{w: w, paint: p}
	t.err = pairs(Clean(w), [][2]string{
		{"Tape", oneLine(s.Tape)}, {"Transport", string(s.Header.Transport)}, {"Device", oneLine(s.Header.Device["product"])},
		{"Recorded", recordedAt(s.Header)}, {"By", oneLine(s.Header.Tool)}, {"Client", oneLine(s.Header.Client)}, {"Last line", s.Ending.String()},
		{"Took", took(s.Timing)}, {"Answers", spreadText(s.Timing.Answer)}, {"Touches", spreadText(s.Timing.Touch)},
		{"Keepalive gaps", spreadText(s.Timing.Gap)}, {"Remarks", fmt.Sprint(s.Remarks())}, {"Sealed", s.Sealed},
	})
	for i := range s.Steps {
		t.step(i, &s.Steps[i])
	}
	return t.err
}

func took(t explain.Timing) string {
	if !t.Known {
		return ""
	}
	return millis(t.Whole)
}

func spreadText(s explain.Spread) string {
	if s.Count == 0 {
		return ""
	}
	return fmt.Sprintf("%d, median %s (%s to %s)", s.Count, millis(s.Median), millis(s.Min), millis(s.Max))
}

func millis(d time.Duration) string { return fmt.Sprintf("%.3f ms", float64(d.Microseconds())/1000) }

var arrows = map[transcript.Direction]string{transcript.Out: "host → key", transcript.In: "host ← key"}

func (t *teller) step(i int, s *explain.Step) {
	t.line("")
	colour := s.Dir.String()
	if len(s.Remarks) > 0 && s.Kind == explain.Broken {
		colour = "bad"
	}
	where := fmt.Sprintf("line %d", s.Line)
	if s.LastLine != s.Line {
		where = fmt.Sprintf("lines %d-%d", s.Line, s.LastLine)
	}
	t.line("%s %s %s %s", t.paint.on("dim", fmt.Sprintf("#%d", i+1)), t.paint.on("dim", millis(s.At)),
		t.paint.on(colour, stepTitle(s)), t.paint.on("dim", join(s.Clause, where, channelText(s))))
	if s.Gist != "" {
		t.line("    %s", oneLine(s.Gist))
	}
	t.fields(s.Fields, "    ")
	for _, text := range s.Opened {
		t.line("    %s", t.paint.on("opened", "opened: "+text))
	}
	for _, r := range s.Remarks {
		t.line("    %s", t.paint.on("remark", "! "+r.String()))
	}
}

func stepTitle(s *explain.Step) string {
	parts := []string{}
	if arrow := arrows[s.Dir]; arrow != "" {
		parts = append(parts, arrow)
	}
	if s.Frame != "" && s.Frame != s.Name {
		parts = append(parts, s.Frame)
	}
	parts = append(parts, s.Name)
	if s.Count > 1 {
		parts = append(parts, fmt.Sprintf("× %d in %s", s.Count, millis(s.Until-s.At)))
	}
	return strings.Join(parts, " ")
}

func channelText(s *explain.Step) string {
	if s.Channel == "" {
		return ""
	}
	return "channel " + s.Channel
}

// join puts texts that are not empty into brackets.
func join(texts ...string) string {
	var some []string
	for _, text := range texts {
		if text != "" {
			some = append(some, text)
		}
	}
	return "[" + strings.Join(some, ", ") + "]"
}

// longestValue is how much of a value is shown as text.
const longestValue = 64

func (t *teller) fields(fields []explain.Field, in string) {
	for _, f := range fields {
		name := oneLine(f.Name)
		if f.Key != "" {
			name += " " + t.paint.on("dim", "("+f.Key+")")
		}
		note := oneLine(f.Note)
		if f.Clause != "" {
			note = strings.TrimPrefix(note+"; "+f.Clause, "; ")
		}
		if note != "" {
			note = t.paint.on("dim", "["+note+"]")
		}
		t.line("%s%s  %s  %s", in, name, shorten(oneLine(f.Value)), note)
		t.fields(f.Fields, in+"  ")
	}
}

func shorten(text string) string {
	runes := []rune(text)
	if len(runes) <= longestValue {
		return text
	}
	return string(runes[:longestValue]) + "…"
}
