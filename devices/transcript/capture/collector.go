package capture

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/touchstone-fido/touchstone/devices/transcript"
)

const (
	maxRemarks = 1000
	maxLeftOut = 100
	maxTapes   = 64 // open at once; a desk has a few keys
)

// collector gathers what an importer finds: tapes, remarks, what was left out.
type collector struct {
	result Result
	open   Opener
	tapes  []*tape
	failed error // of writing; nothing more is written after it
	point        // of what is being read
}

// point is where and when something is in a capture.
type point struct {
	place Place
	time  moment
}

// at does something as if it were being read at another point.
func (c *collector) at(p point, do func()) {
	now := c.point
	c.point = p
	do()
	c.point = now
}

// heldRecord is a record that waits until it is known where it belongs.
type heldRecord struct {
	point
	rec transcript.Record
}

// release writes what was held.
func (c *collector) release(held []heldRecord, write func(transcript.Record)) {
	for _, h := range held {
		c.at(h.point, func() { write(h.rec) })
	}
}

func newCollector(file string, open Opener) *collector {
	return &collector{result: Result{File: file}, open: open}
}

// moment is a time in a capture. Known is false where the capture has none;
// absolute says that it is a time of the calendar and not only of the capture.
type moment struct {
	time.Time
	known, absolute bool
}

// remark takes note of something at the present place.
func (c *collector) remark(format string, args ...any) { c.remarkAt(c.place, format, args...) }

func (c *collector) remarkAt(place Place, format string, args ...any) {
	if len(c.result.Remarks) == maxRemarks {
		c.result.MoreRemarks++
		return
	}
	c.result.Remarks = append(c.result.Remarks, Remark{place, oneLine(fmt.Sprintf(format, args...))})
}

func (c *collector) leaveOut(what, why string) {
	if len(c.result.LeftOut) == maxLeftOut {
		c.result.MoreLeftOut++
		return
	}
	c.result.LeftOut = append(c.result.LeftOut, LeftOut{oneLine(what), oneLine(why)})
}

// oneLine keeps what a capture says out of the way of the reader's terminal.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}

// tape is the tape of one device. Its file is made when the first record comes.
type tape struct {
	c       *collector
	device  Device
	name    string
	file    io.WriteCloser
	writer  *transcript.Writer
	counter *transcript.Counter
	lines   int
	start   moment
	last    time.Duration
	gapped  bool // the last record is a gap
	refused bool // there are too many tapes
	talk    dialogue
}

// clean is the device with words that fit into a line.
func (d Device) clean() Device {
	d.Key = oneLine(d.Key)
	if d.Facts = maps.Clone(d.Facts); len(d.Facts) == 0 {
		d.Facts = nil
	}
	for name, value := range d.Facts {
		d.Facts[name] = oneLine(value)
	}
	return d
}

// newTape is a tape for a device.
func (c *collector) newTape(d Device) *tape { return &tape{c: c, device: d} }

// write puts a record on the tape, at the present time of the capture. Two gaps
// in a row are one, and a gap at the beginning is none.
func (t *tape) write(rec transcript.Record) {
	if t.c.failed != nil || rec.Level == transcript.Gap && (t.gapped || t.writer == nil) {
		return
	}
	if t.writer == nil && !t.begin() {
		return
	}
	if t.gapped = rec.Level == transcript.Gap; t.gapped {
		t.c.remark("something is missing here: %s", rec.Cut)
	}
	t.talk.add(t.c, t.device.Transport, rec)
	t.lines++
	rec.Line, rec.Time = t.lines, t.since()
	if t.c.failed = t.writer.Write(rec); t.c.failed == nil {
		t.counter.Add(rec)
	}
}

// since is the present time on the tape's clock, which never runs backwards.
func (t *tape) since() time.Duration {
	if now := t.c.time; now.known {
		if !t.start.known {
			t.start = now
		}
		t.last = max(t.last, now.Sub(t.start.Time))
	}
	return t.last
}

func (t *tape) gap(text string) {
	t.write(transcript.Record{Level: transcript.Gap, Cut: oneLine(text)})
}

// begin makes the tape. It returns false if that fails, or there are too many
// already.
func (t *tape) begin() bool {
	if len(t.c.tapes) == maxTapes {
		t.refuse()
	}
	if t.refused {
		return false
	}
	t.c.failed = t.create()
	return t.c.failed == nil
}

// refuse leaves out what the tape would have, and tells so once.
func (t *tape) refuse() {
	if !t.refused {
		t.refused = true
		t.c.leaveOut(strings.TrimSpace("a key "+t.device.Key), fmt.Sprintf("the capture has more than %d keys", maxTapes))
	}
}

// create opens the file and writes the header.
func (t *tape) create() error {
	n := len(t.c.tapes) + 1
	t.device = t.device.clean()
	var err error
	if t.file, t.name, err = t.c.open(n, t.device); err != nil {
		return err
	}
	t.c.tapes = append(t.c.tapes, t)
	t.start = t.c.time
	header, err := t.header()
	if err != nil {
		return err
	}
	t.lines, t.counter = 1, transcript.NewCounter(t.name, header)
	t.writer, err = transcript.NewWriter(t.file, header)
	return err
}

// header is the tape's first line. It names the capture without its folder,
// which is nobody's business.
func (t *tape) header() (transcript.Header, error) {
	origin, err := json.Marshal(map[string]string{
		"form": string(t.c.result.Form), "file": filepath.Base(t.c.result.File), "device": t.device.Key,
	})
	h := transcript.Header{
		Transport: t.device.Transport, Device: t.device.Facts, Tool: "touchstone import", Client: oneLine(t.device.Client),
		ATR: t.device.ATR, Extra: map[string]json.RawMessage{"imported": origin},
	}
	if t.device.Transport == transcript.HID {
		h.ReportSize = t.device.ReportSize
	}
	switch year := t.start.Year(); {
	case !t.start.absolute:
	case year < 0 || year > 9999: // RFC 3339 has no others
		t.c.remark("the time is in the year %d; the tape does not say when it was captured", year)
	default:
		h.Recorded = t.start.Time
	}
	return h, err
}

// finish closes the tapes and sums up.
func (c *collector) finish(err error) (Result, error) {
	for _, t := range c.tapes {
		t.talk.finish(c)
		if t.counter != nil {
			c.result.Tapes = append(c.result.Tapes, Tape{t.device, t.name, t.counter.Summary()})
		}
		if cerr := t.file.Close(); cerr != nil && c.failed == nil {
			c.failed = cerr
		}
	}
	if c.failed != nil {
		err = fmt.Errorf("write tape: %w", c.failed)
	}
	slices.SortStableFunc(c.result.Remarks, func(a, b Remark) int { return a.compare(b.Place) })
	if err == nil && len(c.result.Tapes) == 0 {
		err = ErrNothing
	}
	if errors.Is(err, ErrNothing) || errors.Is(err, ErrUnknown) {
		err = c.result.describe(err)
	}
	return c.result, err
}
