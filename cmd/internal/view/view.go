// Package view shows results: as a table or lines for a person, or as one JSON
// envelope for a program, with the same facts in both. It touches no device.
//
// The JSON forms are a promise: members are added, never renamed or given
// another meaning.
package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// Result is something that a command found out.
type Result interface {
	// Envelope is the value to encode as JSON, with a member "schema".
	Envelope() any
	// Text writes the same for people.
	Text(w io.Writer) error
}

// Write shows a result on w, as JSON or as text.
func Write(w io.Writer, asJSON bool, r Result) error {
	if asJSON {
		return WriteJSON(w, r.Envelope())
	}
	return r.Text(Clean(w))
}

// WriteLine is [Write] for one of many results: as JSON it is a line, and the
// line is written at once.
func WriteLine(w io.Writer, asJSON bool, r Result) error {
	if !asJSON {
		return r.Text(Clean(w))
	}
	return WriteJSONLine(w, r.Envelope())
}

// Clean returns a writer for text in which there are names and strings that a
// device or a file chose: control characters, with which they could take over
// a terminal or turn text around, become question marks.
func Clean(w io.Writer) io.Writer { return cleaner{w} }

type cleaner struct{ w io.Writer }

// Write writes the text of p, of which it tells that all of it was written.
func (c cleaner) Write(p []byte) (int, error) {
	if _, err := io.WriteString(c.w, CleanText(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// CleanText is text as [Clean] writes it.
func CleanText(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) {
			return '?'
		}
		return r
	}, text)
}

// oneLine is text as [CleanText] has it, on one line: what a key says of itself
// must not look like another line of the output.
func oneLine(text string) string {
	return CleanText(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		return r
	}, text))
}

// WriteJSON writes v as indented JSON with a newline at its end. Text is not
// escaped for HTML.
func WriteJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// WriteJSONLine writes v as JSON on one line, in one piece. Text is not escaped
// for HTML.
func WriteJSONLine(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// table writes rows in columns under a header, with nothing drawn around them
// and no spaces at the ends of lines.
func table(w io.Writer, header []string, rows [][]string) error {
	var drawn bytes.Buffer
	t := tablewriter.NewTable(&drawn,
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders:  tw.BorderNone,
			Settings: tw.Settings{Separators: tw.SeparatorsNone, Lines: tw.LinesNone},
		})),
		tablewriter.WithConfig(tablewriter.Config{
			Header: tw.CellConfig{
				Formatting: tw.CellFormatting{AutoFormat: tw.Off},
				Alignment:  tw.CellAlignment{Global: tw.AlignLeft},
				Padding:    tw.CellPadding{Global: tw.Padding{Right: "  ", Overwrite: true}},
			},
			Row: tw.CellConfig{
				Formatting: tw.CellFormatting{AutoWrap: tw.WrapNone},
				Alignment:  tw.CellAlignment{Global: tw.AlignLeft},
				Padding:    tw.CellPadding{Global: tw.Padding{Right: "  ", Overwrite: true}},
			},
			Behavior: tw.Behavior{TrimSpace: tw.Off},
		}),
	)
	t.Header(header)
	if err := t.Bulk(rows); err != nil {
		return err
	}
	if err := t.Render(); err != nil {
		return err
	}
	for line := range strings.Lines(drawn.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// pairs writes names and values in two columns; pairs without a value are left
// out.
func pairs(w io.Writer, p [][2]string) error {
	width := 0
	for _, kv := range p {
		if kv[1] != "" {
			width = max(width, len(kv[0]))
		}
	}
	for _, kv := range p {
		if kv[1] == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "%-*s  %s\n", width, kv[0], kv[1]); err != nil {
			return err
		}
	}
	return nil
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func list[T any](items []T) string {
	s := make([]string, len(items))
	for i, v := range items {
		s[i] = fmt.Sprint(v)
	}
	return strings.Join(s, ", ")
}
