package view

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2"
)

// ErrorSchema names the envelope of errors.
const ErrorSchema = "touchstone/error/1"

type errorEnvelope struct {
	Schema  string  `json:"schema"`
	Error   string  `json:"error"`
	Exit    int     `json:"exit"` // the exit status of the program
	Status  *status `json:"status,omitempty"`
	Retries *int    `json:"retries,omitempty"` // PIN tries left
	Hint    string  `json:"hint,omitempty"`
}

type status struct {
	Name string `json:"name"` // CTAP name
	Code string `json:"code"` // as 0x31
}

// Error writes an error, as an envelope or as text, with a hint on what to do
// where there is one.
func Error(w io.Writer, asJSON bool, err error, exit int, hint string) {
	if !asJSON {
		w = Clean(w)
		fmt.Fprintf(w, "touchstone: %v\n", err)
		if hint != "" {
			fmt.Fprintln(w, indent(hint))
		}
		return
	}
	e := errorEnvelope{Schema: ErrorSchema, Error: err.Error(), Exit: exit, Hint: hint}
	var code ctap2.Status
	if errors.As(err, &code) {
		e.Status = &status{Name: code.Name(), Code: fmt.Sprintf("0x%02x", byte(code))}
	}
	var pin *ctap2.PINError
	if errors.As(err, &pin) && pin.Left >= 0 {
		e.Retries = &pin.Left
	}
	_ = WriteJSON(w, e) // nothing is left to tell it to
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(s, "\n", "\n  ")
}
