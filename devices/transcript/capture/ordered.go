package capture

import (
	"slices"

	"github.com/touchstone-fido/touchstone/devices/transcript"
)

const (
	maxOrdered     = 16 << 10 // records
	maxOrderedSize = 8 << 20  // and their bytes
)

// ordered holds the records of a log that may have the newest first, as the
// pages do on which browsers and Windows show their logs, until it is clear
// which way it runs. A log that is too long for that is taken as it is.
type ordered struct {
	c               *collector
	tape            *tape
	held            []heldRecord
	size            int
	rising, falling int
	last            moment
	spilt           bool
}

// add takes a record at the present place and time.
func (o *ordered) add(rec transcript.Record) {
	now := o.c.time
	if now.known && o.last.known {
		switch d := now.Compare(o.last.Time); {
		case d > 0:
			o.rising++
		case d < 0:
			o.falling++
		}
	}
	o.last = now
	if o.spilt {
		o.tape.write(rec)
		return
	}
	o.held = append(o.held, heldRecord{o.c.point, rec})
	o.size += len(rec.Data)
	if len(o.held) == maxOrdered || o.size > maxOrderedSize {
		o.spill()
	}
}

// spill gives up holding.
func (o *ordered) spill() {
	if o.backwards() {
		o.c.remark("the newest is first, and the log is too long to be turned round")
	}
	o.put()
	o.spilt = true
}

// backwards says whether the newest is first: the times say so, or without
// times that an answer comes first and a request last.
func (o *ordered) backwards() bool {
	if o.rising+o.falling > 0 {
		return o.falling > o.rising
	}
	n := len(o.held)
	return n > 1 && o.held[0].rec.Dir == in && o.held[n-1].rec.Dir == out
}

// finish writes what is held, the oldest first.
func (o *ordered) finish() {
	if o.spilt {
		return
	}
	if o.backwards() {
		o.c.remarkAt(Place{Line: 1}, "the log has the newest first; it is turned round")
		slices.Reverse(o.held)
	}
	o.put()
}

func (o *ordered) put() {
	o.c.release(o.held, o.tape.write)
	o.held = nil
}
