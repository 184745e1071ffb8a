package view

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/touchstone-fido/touchstone/devices/transcript/diff"
	"github.com/touchstone-fido/touchstone/devices/transcript/explain"
)

//go:embed page/page.html page/page.css page/page.js
var pageFiles embed.FS

var (
	pages      = template.Must(template.ParseFS(pageFiles, "page/page.html"))
	pageStyle  = pageFile("page/page.css")
	pageScript = pageFile("page/page.js")
)

func pageFile(name string) string {
	text, err := pageFiles.ReadFile(name)
	if err != nil {
		panic(err) // it is part of the program
	}
	return string(text)
}

// pagePolicy lets a page run its own script and style and nothing else: it loads
// nothing, and what a tape could smuggle in would not run.
var pagePolicy = fmt.Sprintf("default-src 'none'; script-src '%s'; style-src '%s'; base-uri 'none'; form-action 'none'",
	sourceHash(pageScript), sourceHash(pageStyle))

func sourceHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// page is what every page has.
type page struct {
	Title  string
	Policy string
	Style  template.CSS
	Script template.JS
	Facts  []pageFact
	Note   string
}

type pageFact struct{ Name, Value string }

func newPage(title string, facts ...pageFact) page {
	p := page{Title: CleanText(title), Policy: pagePolicy, Style: template.CSS(pageStyle), Script: template.JS(pageScript)}
	for _, f := range facts {
		if f.Value != "" {
			p.Facts = append(p.Facts, pageFact{f.Name, CleanText(f.Value)})
		}
	}
	return p
}

type explainPage struct {
	page
	Steps []pageStep
}

type pageStep struct {
	Number                   int
	Class, At, Where         string
	Frame, Name, Often, Gist string
	Fields                   []pageField
	Opened, Remarks          []string
	Payload                  *pageBytes
	Parts                    []pageBytes
}

type pageField struct {
	Name, Key, Clause, Value, Note string
	Fields                         []pageField
}

type pageBytes struct{ Title, Hex string }

// HTML writes the tape as one page that needs nothing else: a sequence diagram of
// host and key in which each message unfolds.
func (e Explained) HTML(w io.Writer) error {
	s := e.Story
	p := explainPage{page: newPage(s.Tape,
		pageFact{"Transport", string(s.Header.Transport)}, pageFact{"Device", s.Header.Device["product"]},
		pageFact{"Recorded", recordedAt(s.Header)}, pageFact{"By", s.Header.Tool}, pageFact{"Client", s.Header.Client},
		pageFact{"Took", took(s.Timing)}, pageFact{"Answers", spreadText(s.Timing.Answer)}, pageFact{"Touches", spreadText(s.Timing.Touch)},
		pageFact{"Keepalive gaps", spreadText(s.Timing.Gap)}, pageFact{"Last line", s.Ending.String()},
		pageFact{"Remarks", fmt.Sprint(s.Remarks())},
	)}
	p.Note = s.Sealed
	var before time.Duration
	for i := range s.Steps {
		p.Steps = append(p.Steps, pageStepOf(i, &s.Steps[i], before))
		before = s.Steps[i].Until
	}
	return pages.ExecuteTemplate(w, "explain", p)
}

func pageStepOf(i int, s *explain.Step, before time.Duration) pageStep {
	out := pageStep{
		Number: i + 1, Class: stepClass(s, s.At-before), At: millis(s.At), Where: stepWhere(s), Name: CleanText(s.Name), Gist: CleanText(s.Gist),
		Fields: pageFieldsOf(s.Fields),
	}
	if s.Frame != s.Name {
		out.Frame = s.Frame
	}
	if s.Count > 1 {
		out.Often = fmt.Sprintf("× %d in %s", s.Count, millis(s.Until-s.At))
	}
	for _, text := range s.Opened {
		out.Opened = append(out.Opened, CleanText(text))
	}
	for _, r := range s.Remarks {
		out.Remarks = append(out.Remarks, CleanText(r.String()))
	}
	if len(s.Data) > 0 {
		out.Payload = &pageBytes{fmt.Sprintf("message, %d bytes", len(s.Data)), hex.EncodeToString(s.Data)}
	}
	for _, part := range s.Parts {
		title := fmt.Sprintf("line %d, %s, %v %s", part.Line, millis(part.At), part.Dir, CleanText(part.Text))
		out.Parts = append(out.Parts, pageBytes{title, hex.EncodeToString(part.Data)})
	}
	return out
}

// waits are the times from which on the diagram leaves room before a step.
var waits = []time.Duration{5 * time.Millisecond, 100 * time.Millisecond, time.Second}

func stepClass(s *explain.Step, wait time.Duration) string {
	classes := []string{"step", s.Kind.String()}
	if dir := s.Dir.String(); dir != "" {
		classes = append(classes, dir)
	}
	if strings.Contains(s.Name, "_ERR_") || strings.HasPrefix(s.Name, "ERR_") {
		classes = append(classes, "failed")
	}
	room := 0
	for _, w := range waits {
		if wait >= w {
			room++
		}
	}
	if room > 0 {
		classes = append(classes, fmt.Sprintf("wait-%d", room))
	}
	return strings.Join(classes, " ")
}

func stepWhere(s *explain.Step) string {
	where := fmt.Sprintf("line %d", s.Line)
	if s.LastLine != s.Line {
		where = fmt.Sprintf("lines %d to %d", s.Line, s.LastLine)
	}
	return join(s.Clause, where, channelText(s))
}

func pageFieldsOf(fields []explain.Field) []pageField {
	var out []pageField
	for _, f := range fields {
		out = append(out, pageField{
			CleanText(f.Name), CleanText(f.Key), f.Clause, CleanText(f.Value), CleanText(f.Note), pageFieldsOf(f.Fields),
		})
	}
	return out
}

type diffPage struct {
	page
	Verdict, Class string
	Timings        []pageTiming
	Pairs          []pagePair
}

type pageTiming struct{ Name, A, B, Differs string }

type pagePair struct {
	Number                      int
	Class, Name, Lines, Outcome string
	Differences                 []comparedDifference
}

// HTML writes the comparison as one page that needs nothing else.
func (d Compared) HTML(w io.Writer) error {
	c := d.Comparison
	p := diffPage{
		page:    newPage("Comparison of two tapes", pageFact{"A", tapeText(c.A)}, pageFact{"B", tapeText(c.B)}, pageFact{"Result", verdictText(c)}),
		Verdict: c.Verdict.String(), Class: strings.Fields(c.Verdict.String())[0],
	}
	for _, t := range c.Timings {
		p.Timings = append(p.Timings, pageTiming{t.Name, orDash(spreadText(t.A)), orDash(spreadText(t.B)), yesNo(t.Differs)})
	}
	for i, pair := range c.Pairs {
		p.Pairs = append(p.Pairs, pagePairOf(c, i, pair))
	}
	return pages.ExecuteTemplate(w, "diff", p)
}

func pagePairOf(c *diff.Comparison, i int, pair diff.Pair) pagePair {
	out := pagePair{Number: i + 1, Class: "same", Name: CleanText(pair.Name), Lines: linesText(c, pair), Outcome: "same"}
	switch n := len(pair.Differences); {
	case n > 0:
		out.Class, out.Outcome = "differs", differencesText(n)
	case pair.Uncompared != "":
		out.Class, out.Outcome = "open", "not compared: "+pair.Uncompared
	}
	for _, x := range pair.Differences {
		out.Differences = append(out.Differences, comparedDifference{string(x.Area), CleanText(x.Path), x.Clause, CleanText(x.A), CleanText(x.B)})
	}
	return out
}
