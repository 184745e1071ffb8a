package view

import (
	"fmt"
	"io"
	"time"

	"github.com/touchstone-fido/touchstone/devices"
)

// Ways in which a key shows itself.
const (
	ByWink  = "wink"
	ByTouch = "touch"
)

// Identified tells that a key has shown itself.
type Identified struct {
	Device devices.Info
	How    string // ByWink or ByTouch
}

// Envelope is touchstone/device-identify/1.
func (i Identified) Envelope() any {
	return struct {
		Schema string `json:"schema"`
		Device Device `json:"device"`
		How    string `json:"how"`
	}{"touchstone/device-identify/1", NewDevice(i.Device), i.How}
}

// Text writes one line.
func (i Identified) Text(w io.Writer) error {
	text := "The key has winked."
	if i.How == ByTouch {
		text = "The key was touched."
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

// Selected is the key that a person has touched.
type Selected struct{ Device devices.Info }

// Envelope is touchstone/device-select/1.
func (s Selected) Envelope() any {
	return struct {
		Schema string `json:"schema"`
		Device Device `json:"device"`
	}{"touchstone/device-select/1", NewDevice(s.Device)}
}

// Text writes what --device takes.
func (s Selected) Text(w io.Writer) error {
	_, err := fmt.Fprintln(w, s.Device.Selector())
	return err
}

// Pings tells how long a key takes to answer.
type Pings struct {
	Device  devices.Info
	Command string // that was measured, by the standard's name
	Rounds  []PingRound
}

// PingRound is what was measured for one size.
type PingRound struct {
	Bytes            *uint // that were sent; nil where that is the command's affair
	Count            uint
	Min, Median, Max time.Duration
}

type pingRound struct {
	Bytes    *uint   `json:"bytes,omitempty"`
	Count    uint    `json:"count"`
	MinMS    float64 `json:"minMs"`
	MedianMS float64 `json:"medianMs"`
	MaxMS    float64 `json:"maxMs"`
}

// Envelope is touchstone/device-ping/1.
func (p Pings) Envelope() any {
	rounds := []pingRound{}
	for _, r := range p.Rounds {
		rounds = append(rounds, pingRound{r.Bytes, r.Count, milliseconds(r.Min), milliseconds(r.Median), milliseconds(r.Max)})
	}
	return struct {
		Schema  string      `json:"schema"`
		Device  Device      `json:"device"`
		Command string      `json:"command"`
		Rounds  []pingRound `json:"rounds"`
	}{"touchstone/device-ping/1", NewDevice(p.Device), p.Command, rounds}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Text writes a table of the times.
func (p Pings) Text(w io.Writer) error {
	if _, err := fmt.Fprintln(w, p.Command); err != nil {
		return err
	}
	var rows [][]string
	for _, r := range p.Rounds {
		ms := func(d time.Duration) string { return fmt.Sprintf("%.3f ms", milliseconds(d)) }
		rows = append(rows, []string{orDash(number(r.Bytes, "")), fmt.Sprint(r.Count), ms(r.Min), ms(r.Median), ms(r.Max)})
	}
	return table(w, []string{"BYTES", "TIMES", "SHORTEST", "MEDIAN", "LONGEST"}, rows)
}
