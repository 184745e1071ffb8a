package capture

import (
	"bytes"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// dumpKind is what the bytes of a dump in a libfido2 log are.
type dumpKind byte

const (
	noDump       dumpKind = iota
	dumpSent              // a message that was sent
	dumpReport            // a report that was received
	dumpReceived          // a message that was received, after its reports
	dumpEither            // one of both: their words changed meaning over time
	dumpCommand           // APDUs
	dumpResponse
	dumpAgain // what was shown before
)

// dump is bytes in rows, announced by a line of their own.
type dump struct {
	kind dumpKind
	point
	handle  string
	command byte
	want    int // bytes that it says it has, -1 if it does not
	start   int // where in the whole the first row is
	data    []byte
	row     dumpRow // the last
	whole   bool
	damage  string // what is wrong with it
	unnamed bool   // the log does not say which command it is
}

// dumpRow is one row: an offset, -1 where the form has none, and up to 16 bytes.
type dumpRow struct {
	offset int
	data   []byte
	cut    bool // ends inside a byte
}

// rowBytes is the most that a row has.
const rowBytes = 16

// parseRow reads a row at the end of a line, as "0016: 5f 32" or "  5f 32".
func parseRow(text []byte) (dumpRow, bool) {
	text = bytes.TrimRight(text, " \t")
	begin, pairs, cut := len(text), 0, false
	for pairs < rowBytes {
		end := begin
		if pairs > 0 || cut {
			if begin == 0 || text[begin-1] != ' ' {
				break
			}
			end--
		}
		n := 0
		for n < 3 && end-n > 0 && isHex(text[end-n-1]) {
			n++
		}
		single := n == 1 && pairs == 0 && !cut
		if n != 2 && !single || end-n > 0 && text[end-n-1] != ' ' {
			break
		}
		begin = end - n
		if cut = cut || single; !single {
			pairs++
		}
	}
	r := dumpRow{offset: -1, cut: cut}
	if pairs == 0 {
		return r, false
	}
	r.data, _, _ = hexRun(text[begin:])
	before := text[:begin]
	if n := len(before); n >= 6 && before[n-1] == ' ' && before[n-2] == ':' {
		if size := trailingDigits(before[:n-2]); size >= 4 {
			r.offset = number(before[n-2-size : n-2])
			return r, true
		}
	}
	return r, len(bytes.TrimSpace(before)) == 0 || bytes.HasSuffix(before, []byte("  "))
}

func trailingDigits(text []byte) int {
	n := 0
	for n < len(text) && n < 8 && text[len(text)-1-n] >= '0' && text[len(text)-1-n] <= '9' {
		n++
	}
	return n
}

// add takes the next row.
func (d *dump) add(c *collector, r dumpRow) {
	next := d.start + len(d.data)
	switch {
	case d.damage != "":
		return
	case r.offset >= 0 && len(d.data) == 0 && d.start == 0 && r.offset > 0:
		d.start = r.offset
	case r.offset >= 0 && r.offset == d.row.offset && bytes.Equal(r.data, d.row.data) && len(d.data) > 0:
		c.remark("the row is there twice")
		return
	case r.offset >= 0 && r.offset != next:
		d.damage = fmt.Sprintf("the rows from byte %d on are missing", next)
		return
	}
	d.row = dumpRow{r.offset, bytes.Clone(r.data), r.cut}
	d.data = append(d.data, r.data...)
	have := d.start + len(d.data)
	switch {
	case r.cut:
		d.damage = fmt.Sprintf("the row with byte %d breaks off", have)
	case d.want >= 0 && have > d.want:
		d.damage = fmt.Sprintf("there are %d bytes where there should be %d", have, d.want)
		d.data = d.data[:max(0, d.want-d.start-rowBytes)]
	case have == d.want:
		d.whole = true
	case have > maxBytes:
		d.damage = "it does not end"
	}
}

// missing tells what a dump lacks.
func (d *dump) missing(c *collector) {
	switch {
	case d.damage != "":
		c.remark("the bytes that follow are damaged: %s", d.damage)
	case d.want >= 0:
		c.remark("only %d of the %d bytes that should follow are there", len(d.data), d.want)
	}
}

// record is the dump as a record without a level.
func (d *dump) record(dir transcript.Direction) transcript.Record {
	rec := transcript.Record{Dir: dir, Data: d.data}
	rec.Partial = d.start > 0 || d.damage != "" || d.want > len(d.data)
	if rec.Partial {
		rec.Offset, rec.Length = d.start, max(d.want, 0)
	}
	return rec
}

// heldReport is a report that waits for the rest of its message.
type heldReport struct {
	heldRecord
	handle string
}

// incoming is a message that is being received.
type incoming struct {
	reports []heldReport
	begun   bool // with an init packet
	command byte
	want    int
	payload []byte
	broken  bool // a report is damaged or missing
	seq     byte
}

func (in *incoming) add(r heldReport, p ctaphid.Packet, err error) {
	in.reports = append(in.reports, r)
	switch {
	case err != nil:
		in.broken = true
	case p.Init:
		in.begun, in.command, in.want = true, byte(p.Command), p.Length
		in.payload = append(in.payload, p.Data...)
	case !in.begun || p.Seq != in.seq:
		in.broken = true
	default:
		in.seq++
		in.payload = append(in.payload, p.Data[:min(len(p.Data), max(0, in.want-len(in.payload)))]...)
	}
	in.broken = in.broken || r.rec.Partial && len(in.payload) < in.want
}

// whole says whether all reports of the message are there.
func (in *incoming) whole() bool { return in.begun && !in.broken && len(in.payload) >= in.want }

// sized says whether the message's reports have that size.
func (in *incoming) sized(n int) bool {
	return len(in.reports) > 0 && len(in.reports[0].rec.Data) == n
}
