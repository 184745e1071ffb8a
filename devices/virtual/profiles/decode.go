package profiles

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Error says what is wrong in a profile file, and where as far as that is one
// place.
type Error struct {
	File         string
	Line, Column int // counted from 1; 0 when it is not one place
	Err          error
}

// Error is FILE:LINE:COLUMN: what is wrong.
func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("profile %s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("profile %s:%d:%d: %v", e.File, e.Line, e.Column, e.Err)
}

// Unwrap returns what is wrong.
func (e *Error) Unwrap() error { return e.Err }

// decode reads the text of a profile file.
func decode(data []byte) (*file, error) {
	f := &file{}
	d := toml.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return f, d.Decode(f)
}

// located is the decoder's error with its place.
func located(path string, err error) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) && len(unknown.Errors) > 0 {
		first := &unknown.Errors[0]
		line, column := first.Position()
		return &Error{path, line, column, fmt.Errorf("there is no member %q", strings.Join(first.Key(), "."))}
	}
	var wrong *toml.DecodeError
	if errors.As(err, &wrong) {
		line, column := wrong.Position()
		return &Error{path, line, column, errors.New(strings.TrimPrefix(wrong.Error(), "toml: "))}
	}
	return &Error{File: path, Err: err}
}
