package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/touchstone-fido/touchstone/devices/doctor"
)

// Doctor shows what was found to keep keys from being used.
type Doctor struct {
	Version, OS, Arch string
	Report            doctor.Report
}

type doctorEnvelope struct {
	Schema   string    `json:"schema"`
	Version  string    `json:"version"`
	OS       string    `json:"os"`
	Arch     string    `json:"arch"`
	Healthy  bool      `json:"healthy"` // there is no problem
	Problems int       `json:"problems"`
	Warnings int       `json:"warnings"`
	Unknown  int       `json:"unknown"` // findings about what could not be looked at
	Findings []finding `json:"findings"`
}

type finding struct {
	ID      string `json:"id"`
	Status  string `json:"status"` // ok, warning, problem, unknown or not-applicable
	Summary string `json:"summary"`
	Detail  string `json:"detail,omitempty"`
	Fix     *fix   `json:"fix,omitempty"`
}

type fix struct {
	Text     string   `json:"text"`
	Commands []string `json:"commands,omitempty"`
}

// Envelope is touchstone/doctor/1.
func (d Doctor) Envelope() any {
	e := doctorEnvelope{
		Schema: "touchstone/doctor/1", Version: d.Version, OS: d.OS, Arch: d.Arch, Problems: d.Report.Count(doctor.Problem),
		Warnings: d.Report.Count(doctor.Warning), Unknown: d.Report.Count(doctor.Unknown), Findings: []finding{},
	}
	e.Healthy = e.Problems == 0
	for _, f := range d.Report.Findings {
		g := finding{ID: f.ID, Status: string(f.Status), Summary: f.Summary, Detail: f.Detail}
		if f.Fix.Text != "" {
			g.Fix = &fix{f.Fix.Text, f.Fix.Commands}
		}
		e.Findings = append(e.Findings, g)
	}
	return e
}

// groups are the headings, by the first word of the identifiers below them.
var groups = []struct {
	title string
	words []string
}{
	{"This program", []string{"build"}},
	{"Surroundings", []string{"container", "sandbox", "session", "windows"}},
	{"USB", []string{"hidraw", "udev", "usb"}},
	{"NFC and smart card readers", []string{"pcsc"}},
	{"Keys", []string{"key"}},
}

// Text writes the findings below headings, each with what to do about it.
func (d Doctor) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "touchstone %s, %s/%s\n", d.Version, d.OS, d.Arch)
	for _, g := range groups {
		title := "\n" + g.title + "\n"
		for _, f := range d.Report.Findings {
			if !belongs(f.ID, g.words) {
				continue
			}
			b.WriteString(title)
			title = ""
			writeFinding(&b, f)
		}
	}
	b.WriteString("\n" + d.verdict() + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func belongs(id string, words []string) bool {
	for _, word := range words {
		if rest, ok := strings.CutPrefix(id, word); ok && (rest == "" || rest[0] == '.' || rest[0] == ':') {
			return true
		}
	}
	return false
}

// marks are how a person sees a status. What is wrong stands out.
var marks = map[doctor.Status]string{
	doctor.OK: "ok", doctor.Warning: "warning", doctor.Problem: "PROBLEM", doctor.Unknown: "unknown", doctor.NotApplicable: "-",
}

func writeFinding(b *strings.Builder, f doctor.Finding) {
	const margin = "             "
	block := func(text string) string { return strings.ReplaceAll(text, "\n", "\n"+margin) }
	fmt.Fprintf(b, "  %-8s %s: %s\n", marks[f.Status], f.ID, f.Summary)
	if f.Detail != "" {
		fmt.Fprintf(b, "%s%s\n", margin, block(f.Detail))
	}
	if f.Fix.Text != "" {
		fmt.Fprintf(b, "%sTo do: %s\n", margin, block(f.Fix.Text))
	}
	for _, command := range f.Fix.Commands {
		fmt.Fprintf(b, "%s  $ %s\n", margin, block(command))
	}
}

// verdict sums up in a line.
func (d Doctor) verdict() string {
	problems, warnings, unseen := d.Report.Count(doctor.Problem), d.Report.Count(doctor.Warning), d.Report.Count(doctor.Unknown)
	text := "Nothing is wrong"
	if problems > 0 {
		text = plural(problems, "problem")
	}
	if warnings > 0 {
		text += ", " + plural(warnings, "warning")
	}
	if unseen > 0 {
		text += fmt.Sprintf(", %d could not be looked at", unseen)
	}
	return text + "."
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// UdevRules shows the udev rules file that the packages install.
type UdevRules struct{ FileName, Rules string }

// Envelope is touchstone/udev-rules/1.
func (u UdevRules) Envelope() any {
	return struct {
		Schema   string `json:"schema"`
		FileName string `json:"fileName"`
		Rules    string `json:"rules"` // the text of the file
	}{"touchstone/udev-rules/1", u.FileName, u.Rules}
}

// Text writes the file as it is.
func (u UdevRules) Text(w io.Writer) error {
	_, err := io.WriteString(w, u.Rules)
	return err
}
