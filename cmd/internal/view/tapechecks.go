package view

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/devices/transcript/replay"
)

// TapeChecks shows the tapes of a folder, each checked and replayed.
type TapeChecks struct {
	Dir   string
	Shard string // such as "2/8", empty for all of it
	Tapes []CheckedTape
}

// CheckedTape is one of them. It has passed if it has no failures.
type CheckedTape struct {
	File        string // by its path inside the folder
	Messages    transcript.Count
	Replay      *replay.Report // nil if it was not replayed
	NotReplayed string         // why not
	Failures    []string
	Took        time.Duration
}

// Failed counts the tapes that have failures.
func (t TapeChecks) Failed() (n int) {
	for _, tape := range t.Tapes {
		if len(tape.Failures) > 0 {
			n++
		}
	}
	return n
}

type tapeChecks struct {
	Schema string        `json:"schema"`
	Dir    string        `json:"dir"`
	Shard  string        `json:"shard,omitempty"`
	Passed int           `json:"passed"`
	Failed int           `json:"failed"`
	Tapes  []checkedTape `json:"tapes"`
}

type checkedTape struct {
	File        string       `json:"file"`
	Passed      bool         `json:"passed"`
	Failures    []string     `json:"failures,omitempty"`
	Messages    tapeMessages `json:"messages"`
	Replay      *replayTally `json:"replay,omitempty"`
	NotReplayed string       `json:"notReplayed,omitempty"`
}

type replayTally struct {
	Same     int `json:"same"`
	Differs  int `json:"differs"`
	NotAsked int `json:"notAsked"`
}

// Envelope is touchstone/transcript-checks/1.
func (t TapeChecks) Envelope() any {
	e := tapeChecks{
		Schema: "touchstone/transcript-checks/1", Dir: t.Dir, Shard: t.Shard,
		Failed: t.Failed(), Passed: len(t.Tapes) - t.Failed(), Tapes: []checkedTape{},
	}
	for _, tape := range t.Tapes {
		c := checkedTape{
			File: tape.File, Passed: len(tape.Failures) == 0, Failures: tape.Failures, NotReplayed: tape.NotReplayed,
			Messages: tapeMessages{tape.Messages.Whole, tape.Messages.Cut, tape.Messages.Malformed},
		}
		if r := tape.Replay; r != nil {
			c.Replay = &replayTally{r.Same, r.Differs, r.NotAsked}
		}
		e.Tapes = append(e.Tapes, c)
	}
	return e
}

// Text writes a line for each tape, and what is wrong with it under it.
func (t TapeChecks) Text(w io.Writer) error {
	for _, tape := range t.Tapes {
		if err := tape.text(w); err != nil {
			return err
		}
	}
	shard := ""
	if t.Shard != "" {
		shard = " (shard " + t.Shard + ")"
	}
	_, err := fmt.Fprintf(w, "%s%s: %d passed, %d failed.\n", oneLine(t.Dir), shard, len(t.Tapes)-t.Failed(), t.Failed())
	return err
}

func (c CheckedTape) text(w io.Writer) error {
	verdict := "ok  "
	if len(c.Failures) > 0 {
		verdict = "FAIL"
	}
	_, err := fmt.Fprintf(w, "%s %s: %s\n", verdict, oneLine(c.File), oneLine(c.summary()))
	for _, f := range c.Failures {
		if err == nil {
			_, err = fmt.Fprintf(w, "     %s\n", oneLine(f))
		}
	}
	return err
}

// summary is what was looked at.
func (c CheckedTape) summary() string {
	text := fmt.Sprintf("%d whole, %d cut, %d malformed", c.Messages.Whole, c.Messages.Cut, c.Messages.Malformed)
	switch {
	case c.Replay != nil:
		text += fmt.Sprintf("; replayed: %d the same, %d differ, %d not asked", c.Replay.Same, c.Replay.Differs, c.Replay.NotAsked)
	case c.NotReplayed != "":
		text += "; not replayed: " + c.NotReplayed
	}
	return text
}

// The JUnit form that CI services read: a suite of test cases.
type junitSuites struct {
	XMLName  xml.Name   `xml:"testsuites"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Suite    junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitFailure `xml:"failure"`
	Output  string        `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes the result in the form of JUnit's XML report, a test case for each
// tape.
func (t TapeChecks) JUnit(w io.Writer) error {
	suite := junitSuite{Name: CleanText(t.Dir), Tests: len(t.Tapes), Failures: t.Failed()}
	var total time.Duration
	for _, tape := range t.Tapes {
		total += tape.Took
		suite.Cases = append(suite.Cases, tape.junit())
	}
	suite.Time = seconds(total)
	all := junitSuites{Tests: suite.Tests, Failures: suite.Failures, Suite: suite}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

func (c CheckedTape) junit() junitCase {
	j := junitCase{Class: "transcript", Name: CleanText(c.File), Time: seconds(c.Took), Output: CleanText(c.summary())}
	if len(c.Failures) > 0 {
		j.Failure = &junitFailure{CleanText(c.Failures[0]), CleanText(strings.Join(append(c.Failures, c.differences()...), "\n"))}
	}
	return j
}

// differences lists what differs in the replay.
func (c CheckedTape) differences() (lines []string) {
	if c.Replay == nil {
		return nil
	}
	for _, s := range c.Replay.Steps {
		for _, d := range s.Differences {
			lines = append(lines, fmt.Sprintf("line %d %s: %s: recorded %s, got %s", s.Line, s.Question, d.Name, orNone(d.Recorded), orNone(d.Got)))
		}
		if s.Verdict == replay.NotAsked {
			lines = append(lines, fmt.Sprintf("line %d %s: not asked: %s", s.Line, s.Question, s.Reason))
		}
	}
	return lines
}
