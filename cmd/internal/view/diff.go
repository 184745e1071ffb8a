package view

import (
	"fmt"
	"io"

	"github.com/touchstone-fido/touchstone/devices/transcript/diff"
	"github.com/touchstone-fido/touchstone/devices/transcript/explain"
)

// Compared shows two tapes that were compared.
type Compared struct{ Comparison *diff.Comparison }

type compared struct {
	Schema      string           `json:"schema"`
	A           comparedTape     `json:"a"`
	B           comparedTape     `json:"b"`
	Verdict     string           `json:"verdict"`
	Why         string           `json:"why,omitempty"` // nothing can be compared
	Differences int              `json:"differences"`
	Pairs       []comparedPair   `json:"pairs"`
	Timings     []comparedTiming `json:"timings"`
}

type comparedTape struct {
	File      string `json:"file"`
	Transport string `json:"transport"`
	Device    string `json:"device,omitempty"`
	Exchanges int    `json:"exchanges"`
}

type comparedPair struct {
	Name        string               `json:"name"`
	A           *comparedExchange    `json:"a,omitempty"`
	B           *comparedExchange    `json:"b,omitempty"`
	Uncompared  string               `json:"uncompared,omitempty"` // why the answers were not compared
	Differences []comparedDifference `json:"differences"`
}

type comparedExchange struct {
	Line   int    `json:"line"` // of its first record
	Status string `json:"status,omitempty"`
	TookUS int64  `json:"tookUs,omitempty"`
}

type comparedDifference struct {
	Area   string `json:"area"`
	Path   string `json:"path,omitempty"`
	Clause string `json:"clause,omitempty"`
	A      string `json:"a"`
	B      string `json:"b"`
}

type comparedTiming struct {
	Name    string          `json:"name"`
	A       *explainedTimes `json:"a,omitempty"`
	B       *explainedTimes `json:"b,omitempty"`
	Differs bool            `json:"differs"`
}

// Envelope is touchstone/transcript-diff/1.
func (d Compared) Envelope() any {
	c := d.Comparison
	out := compared{
		Schema: "touchstone/transcript-diff/1", A: tapeOf(c.A), B: tapeOf(c.B), Verdict: c.Verdict.String(), Why: c.Why,
		Differences: c.Differences(), Pairs: []comparedPair{}, Timings: []comparedTiming{},
	}
	for _, p := range c.Pairs {
		pair := comparedPair{
			Name: p.Name, A: exchangeOf(c.A, p.A), B: exchangeOf(c.B, p.B), Uncompared: p.Uncompared, Differences: []comparedDifference{},
		}
		for _, x := range p.Differences {
			pair.Differences = append(pair.Differences, comparedDifference{string(x.Area), x.Path, x.Clause, x.A, x.B})
		}
		out.Pairs = append(out.Pairs, pair)
	}
	for _, t := range c.Timings {
		out.Timings = append(out.Timings, comparedTiming{t.Name, timesOf(t.A), timesOf(t.B), t.Differs})
	}
	return out
}

func tapeOf(s *explain.Story) comparedTape {
	return comparedTape{s.Tape, string(s.Header.Transport), s.Header.Device["product"], len(s.Exchanges)}
}

func exchangeOf(s *explain.Story, i int) *comparedExchange {
	if i < 0 {
		return nil
	}
	e := s.Exchanges[i]
	return &comparedExchange{Line: exchangeLine(s, i), Status: e.Status, TookUS: e.Took.Microseconds()}
}

func exchangeLine(s *explain.Story, i int) int {
	e := s.Exchanges[i]
	if e.Ask >= 0 {
		return s.Steps[e.Ask].Line
	}
	return s.Steps[e.Answer].Line
}

// Text writes the verdict and the differences.
func (d Compared) Text(w io.Writer) error {
	c := d.Comparison
	err := pairs(w, [][2]string{{"A", tapeText(c.A)}, {"B", tapeText(c.B)}, {"Verdict", verdictText(c)}})
	if err != nil {
		return err
	}
	if rows := differenceRows(c); len(rows) > 0 {
		if err := table(w, []string{"EXCHANGE", "LINES", "ABOUT", "WHERE", "A", "B"}, rows); err != nil {
			return err
		}
	}
	for _, p := range c.Pairs {
		if p.Uncompared != "" {
			if _, err := fmt.Fprintf(w, "%s (lines %s): not compared: %s\n", oneLine(p.Name), linesText(c, p), p.Uncompared); err != nil {
				return err
			}
		}
	}
	return timingTable(w, c)
}

func tapeText(s *explain.Story) string {
	text := fmt.Sprintf("%s (%s, %s", s.Tape, s.Header.Transport, exchangesText(len(s.Exchanges)))
	if product := s.Header.Device["product"]; product != "" {
		text += ", " + product
	}
	return oneLine(text + ")")
}

func verdictText(c *diff.Comparison) string {
	if c.Why != "" {
		return c.Verdict.String() + ": " + c.Why
	}
	together := 0
	for _, p := range c.Pairs {
		if p.A >= 0 && p.B >= 0 && p.Uncompared == "" {
			together++
		}
	}
	return fmt.Sprintf("%v: %s, %s compared", c.Verdict, differencesText(c.Differences()), exchangesText(together))
}

func differencesText(n int) string {
	if n == 1 {
		return "1 difference"
	}
	return fmt.Sprintf("%d differences", n)
}

func exchangesText(n int) string {
	if n == 1 {
		return "1 exchange"
	}
	return fmt.Sprintf("%d exchanges", n)
}

func linesText(c *diff.Comparison, p diff.Pair) string {
	at := func(s *explain.Story, i int) string {
		if i < 0 {
			return "-"
		}
		return fmt.Sprint(exchangeLine(s, i))
	}
	return at(c.A, p.A) + " / " + at(c.B, p.B)
}

func differenceRows(c *diff.Comparison) [][]string {
	var rows [][]string
	for _, p := range c.Pairs {
		for _, d := range p.Differences {
			rows = append(rows, []string{
				oneLine(p.Name), linesText(c, p), string(d.Area), oneLine(d.Path), shorten(oneLine(d.A)), shorten(oneLine(d.B)),
			})
		}
	}
	return rows
}

func timingTable(w io.Writer, c *diff.Comparison) error {
	var rows [][]string
	for _, t := range c.Timings {
		rows = append(rows, []string{t.Name, orDash(spreadText(t.A)), orDash(spreadText(t.B)), yesNo(t.Differs)})
	}
	if len(rows) == 0 {
		return nil
	}
	return table(w, []string{"TIMING", "A", "B", "DIFFERS"}, rows)
}
