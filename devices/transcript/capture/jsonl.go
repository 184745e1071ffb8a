package capture

import (
	"bufio"
	"bytes"
	"cmp"
	"time"

	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// readJSONLines reads what package transcript reads: its own tapes, and the
// simpler JSON Lines of others.
func readJSONLines(c *collector, in *bufio.Reader, skipped position) error {
	passJunk(c, in, &skipped)
	reader, err := transcript.NewReader(in, c.result.File)
	if err != nil {
		return err
	}
	h := reader.Header()
	c.secrets(h, skipped)
	t := c.newTape(Device{
		Transport: h.Transport, Facts: h.Device, ATR: h.ATR, ReportSize: h.ReportSize, Client: cmp.Or(h.Client, h.Tool),
	})
	start := moment{Time: time.Unix(0, 0).UTC(), known: true}
	if !h.Recorded.IsZero() {
		start = moment{h.Recorded, true, true}
	}
	t.start = start
	for c.failed == nil {
		if err = copyRecords(c, t, reader, skipped.line); err == nil {
			break
		}
		if !reader.Skip() {
			return err
		}
		c.remark("%v", err)
		t.gap("a line that is no record")
	}
	if reader.Ending() == transcript.EndCut {
		c.remark("the last line breaks off and is left out")
	}
	return nil
}

// secrets tells of those that a header has: no import passes them on.
func (c *collector) secrets(h transcript.Header, skipped position) {
	at := Place{Line: skipped.line + 1, Offset: skipped.offset}
	if h.PIN != "" {
		c.remarkAt(at, "the PIN in the header is left out; what asks for it on a replay has to be told")
	}
	if h.Seed != nil {
		c.remarkAt(at, "the seed in the header, which reveals the PIN, is left out")
	}
}

// copyRecords writes the records up to the first line that is none.
func copyRecords(c *collector, t *tape, reader *transcript.Reader, skipped int) error {
	start := t.start
	for rec, err := range reader.Records() {
		if err != nil {
			return err
		}
		c.place = Place{Line: rec.Line + skipped}
		c.time = moment{start.Add(rec.Time), true, start.absolute}
		t.write(rec)
	}
	return nil
}

// passJunk passes over lines at the beginning that are no part of a tape.
func passJunk(c *collector, in *bufio.Reader, skipped *position) {
	for {
		head, _ := in.Peek(window)
		end := bytes.IndexByte(head, '\n') + 1
		if end == 0 || len(bytes.TrimSpace(head[:end])) == 0 {
			return
		}
		if _, err := transcript.NewReader(bytes.NewReader(head[:end]), c.result.File); err == nil {
			return
		}
		skipped.line++
		c.remarkAt(Place{Line: skipped.line, Offset: skipped.offset}, "the line is no part of a tape and is left out")
		skipped.offset += int64(end)
		_, _ = in.Discard(end)
	}
}

func jsonEvidence(line []byte) (Form, int) {
	line = bytes.TrimSpace(line)
	if len(line) < 2 || line[0] != '{' {
		return JSONLines, 0
	}
	for _, member := range []string{`"touchstone":`, `"hex":`, `"transport":`} {
		if bytes.Contains(line, []byte(member)) {
			return JSONLines, 20
		}
	}
	return JSONLines, 0
}
