package view

import (
	"encoding/hex"
	"fmt"
	"io"

	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/transcript/replay"
)

// TapeReplay shows what became of a tape's questions.
type TapeReplay struct {
	*replay.Report
	Key *devices.Info // that they were asked of; nil for the tape itself
}

type tapeReplay struct {
	Schema   string       `json:"schema"`
	File     string       `json:"file"`
	Key      *Device      `json:"device,omitempty"` // that was asked; absent for the tape itself
	Match    string       `json:"match,omitempty"`
	Same     int          `json:"same"`
	Differs  int          `json:"differs"`
	NotAsked int          `json:"notAsked"`
	Steps    []replayStep `json:"steps"`
}

type replayStep struct {
	Line        int                `json:"line"`
	TimeUS      int64              `json:"timeUs"`
	Asked       replayQuestion     `json:"asked"`
	Recorded    map[string]string  `json:"recorded"`
	Got         map[string]string  `json:"got"`
	Verdict     string             `json:"verdict"`
	Differences []replayDifference `json:"differences,omitempty"`
	Reason      string             `json:"reason,omitempty"`
}

type replayQuestion struct {
	Question string `json:"question"`
	Hex      string `json:"hex,omitempty"` // what was sent
	Raw      bool   `json:"raw,omitempty"` // as it is on the tape, as the client does not ask so
}

type replayDifference struct {
	Name     string `json:"name"`
	Recorded string `json:"recorded"`
	Got      string `json:"got"`
}

// Envelope is touchstone/transcript-replay/1.
func (t TapeReplay) Envelope() any {
	e := tapeReplay{
		Schema: "touchstone/transcript-replay/1", File: t.Tape,
		Same: t.Same, Differs: t.Differs, NotAsked: t.NotAsked, Steps: []replayStep{},
	}
	if t.Key != nil {
		d := NewDevice(*t.Key)
		e.Key = &d
	} else {
		e.Match = t.Match.String()
	}
	for _, s := range t.Steps {
		e.Steps = append(e.Steps, newReplayStep(s))
	}
	return e
}

func newReplayStep(s replay.Step) replayStep {
	step := replayStep{
		Line: s.Line, TimeUS: s.Time.Microseconds(), Verdict: string(s.Verdict), Reason: s.Reason,
		Asked:    replayQuestion{s.Question, hex.EncodeToString(s.Request), s.Raw},
		Recorded: factMap(s.Recorded), Got: factMap(s.Got),
	}
	for _, d := range s.Differences {
		step.Differences = append(step.Differences, replayDifference(d))
	}
	return step
}

func factMap(facts []replay.Fact) map[string]string {
	m := map[string]string{}
	for _, f := range facts {
		if before, twice := m[f.Name]; twice {
			f.Value = before + "; " + f.Value
		}
		m[f.Name] = f.Value
	}
	return m
}

// Text writes a line for each question, and what differs under it.
func (t TapeReplay) Text(w io.Writer) error {
	for _, s := range t.Steps {
		if err := replayText(w, s); err != nil {
			return err
		}
	}
	of := "the tape itself, match " + t.Match.String()
	if t.Key != nil {
		of = NewDevice(*t.Key).name()
	}
	_, err := fmt.Fprintf(w, "%s, asked of %s: %d the same, %d differ, %d not asked.\n",
		t.Tape, oneLine(of), t.Same, t.Differs, t.NotAsked)
	return err
}

func replayText(w io.Writer, s replay.Step) error {
	if _, err := fmt.Fprintf(w, "%5d %-9s  %s%s\n", s.Line, s.Verdict, oneLine(s.Question), outcome(s)); err != nil {
		return err
	}
	for _, d := range s.Differences {
		if _, err := fmt.Fprintf(w, "      %s: recorded %s, got %s\n", oneLine(d.Name), orNone(d.Recorded), orNone(d.Got)); err != nil {
			return err
		}
	}
	if s.Reason == "" {
		return nil
	}
	_, err := fmt.Fprintf(w, "      %s\n", oneLine(s.Reason))
	return err
}

// outcome is the recorded status, and how it was asked if not by the client.
func outcome(s replay.Step) string {
	text := ""
	for _, f := range s.Recorded {
		if f.Name == "status" {
			text = ": " + f.Value
		}
	}
	if s.Raw {
		text += " (sent as it is)"
	}
	return oneLine(text)
}

func orNone(value string) string {
	if value == "" {
		return "nothing"
	}
	return oneLine(value)
}
