package capture

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// What can be wrong with a capture as a whole.
var (
	// ErrUnknown says that the file has none of the forms that this package
	// reads.
	ErrUnknown = errors.New("no capture of a known form")

	// ErrNothing says that a capture of a known form holds nothing of a
	// session with a FIDO key.
	ErrNothing = errors.New("nothing of a session with a FIDO key is in it")
)

// Device is a key that was found in a capture.
type Device struct {
	// Key tells it from the other devices of the capture, such as "usb 1.2
	// interface 0". It is empty where the capture does not tell devices apart.
	Key        string
	Transport  transcript.Transport
	Facts      map[string]string // such as "product" and "vendor_id"
	ATR        []byte            // of a card, nil if not known
	ReportSize int               // bytes of a HID report
	Client     string            // what spoke to it, empty if not known
}

// Opener makes the file for the tape of a device: the first, the second and so
// on. It returns the file, which Import closes, and its name.
type Opener func(n int, d Device) (io.WriteCloser, string, error)

// Place is where in a capture something is. What does not apply is 0.
type Place struct {
	Line   int   // of a text, counted from 1
	Packet int   // of a packet capture, counted from 1 as Wireshark does
	Offset int64 // bytes from the beginning of the file
}

// String names the place, such as "line 12" or "packet 3 (byte 480)".
func (p Place) String() string {
	switch {
	case p.Line > 0:
		return fmt.Sprintf("line %d", p.Line)
	case p.Packet > 0:
		return fmt.Sprintf("packet %d (byte %d)", p.Packet, p.Offset)
	}
	return fmt.Sprintf("byte %d", p.Offset)
}

// compare orders places as they come in the capture.
func (p Place) compare(q Place) int {
	return cmp.Or(cmp.Compare(p.Line, q.Line), cmp.Compare(p.Packet, q.Packet), cmp.Compare(p.Offset, q.Offset))
}

// Remark is something that a reader of the tape has to know: what is missing,
// damaged or made up for.
type Remark struct {
	Place
	Text string
}

// String gives place and text.
func (r Remark) String() string { return r.Place.String() + ": " + r.Text }

// LeftOut is something in the capture that is no session with a FIDO key.
type LeftOut struct{ What, Why string }

// String gives both.
func (l LeftOut) String() string { return l.What + ": " + l.Why }

// Tape is a tape that was written.
type Tape struct {
	Device
	Name    string // as the [Opener] gave it
	Summary transcript.Summary
}

// Result is what Import found.
type Result struct {
	File string
	Form Form
	// Tapes has the keys in the order of their first crossing.
	Tapes []Tape
	// Remarks are in the order of the capture: at most 1000, and MoreRemarks
	// beyond those. LeftOut likewise.
	Remarks     []Remark
	MoreRemarks int
	LeftOut     []LeftOut
	MoreLeftOut int
}

// Import reads a capture and writes a tape for each FIDO key in it. file is
// its name, for errors and for the tapes.
//
// The error is [ErrUnknown], [ErrNothing], or that reading or writing failed;
// the result then tells what was found up to there. What is wrong with the
// capture itself is not an error but a remark.
func Import(r io.Reader, file string, open Opener) (Result, error) {
	c := newCollector(file, open)
	err := c.read(r)
	return c.finish(err)
}

// read finds out what the capture is and reads it.
func (c *collector) read(r io.Reader) error {
	in, err := decoded(r)
	if err != nil {
		return err
	}
	form, skipped, err := recognise(in)
	if err != nil {
		return err
	}
	c.result.Form = form.name
	return form.read(c, in, skipped)
}

// describe adds to an error what the file was taken for and what was left out.
func (r *Result) describe(err error) error {
	text := r.File
	if r.Form != "" {
		text += fmt.Sprintf(", taken for a %s", r.Form)
	}
	err = fmt.Errorf("%s: %w", text, err)
	if !errors.Is(err, ErrNothing) || len(r.LeftOut) == 0 {
		return err
	}
	var why []string
	for _, l := range r.LeftOut[:min(len(r.LeftOut), 5)] {
		why = append(why, l.String())
	}
	return fmt.Errorf("%w (left out: %s)", err, strings.Join(why, "; "))
}

// position is how far a text had been read when its importer began.
type position struct {
	line   int
	offset int64
}

// readFunc reads a capture of one form. skipped is what precedes in.
type readFunc func(c *collector, in *bufio.Reader, skipped position) error
