package view

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/u2f"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/nfc"
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
	Name string `json:"name"` // CTAP or CTAPHID name, or SW for a card's status word
	Code string `json:"code"` // as 0x31, or 0x6a82 for a status word
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
	_ = WriteJSON(w, NewError(err, exit, hint)) // nothing is left to tell it to
}

// NewError is the envelope of an error.
func NewError(err error, exit int, hint string) any {
	e := errorEnvelope{Schema: ErrorSchema, Error: err.Error(), Exit: exit, Hint: hint}
	e.Status = statusOf(err)
	var pin *ctap2.PINError
	if errors.As(err, &pin) && pin.Left >= 0 {
		e.Retries = &pin.Left
	}
	return e
}

// statusOf is the code with which a key refused, whichever layer it is of.
func statusOf(err error) *status {
	var code ctap2.Status
	var hid ctaphid.ErrorCode
	var sw nfc.StatusWord
	var old u2f.Status
	switch {
	case errors.As(err, &code):
		return &status{Name: code.Name(), Code: fmt.Sprintf("0x%02x", byte(code))}
	case errors.As(err, &hid):
		return &status{Name: hid.Name(), Code: fmt.Sprintf("0x%02x", byte(hid))}
	case errors.As(err, &sw):
		return &status{Name: "SW", Code: fmt.Sprintf("0x%04x", uint16(sw))}
	case errors.As(err, &old):
		return &status{Name: "SW", Code: fmt.Sprintf("0x%04x", uint16(old))}
	}
	return nil
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(s, "\n", "\n  ")
}
