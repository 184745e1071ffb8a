package capture

import (
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// maxPending bounds how many requests are remembered that wait for an answer.
const maxPendingRequests = 256

// dialogue notices requests without an answer and answers without a request,
// which no framing shows. A tape that has one side only has nothing to notice.
type dialogue struct {
	waiting map[question]Place
	asked   bool // some request was seen
	plain   bool // the tape has messages without their channel
}

// question is what tells requests apart that wait at the same time.
type question struct {
	channel ctaphid.ChannelID
	nonce   [ctaphid.InitNonceSize]byte // of an INIT on the broadcast channel
}

// add takes the next record of a tape.
func (d *dialogue) add(c *collector, on transcript.Transport, rec transcript.Record) {
	switch {
	case rec.Level == transcript.Message && on == transcript.NFC: // its APDUs follow
	case rec.Level == transcript.Gap:
		d.waiting = nil
	case rec.Level == transcript.Mark, rec.Level == transcript.APDU && len(rec.Data) == 0, rec.Offset > 0:
	case rec.Level == transcript.APDU:
		d.crossing(c, rec.Dir, question{}, false)
	case rec.Level == transcript.Message:
		d.plain = true
		d.hid(c, rec.Dir, ctaphid.Packet{Command: ctaphid.Command(rec.Command), Data: rec.Data})
	default:
		if p, err := ctaphid.ParsePacket(rec.Data); err == nil && p.Init {
			d.hid(c, rec.Dir, p)
		}
	}
}

// hid takes the first packet of a message.
func (d *dialogue) hid(c *collector, dir transcript.Direction, p ctaphid.Packet) {
	if p.Command == ctaphid.CommandCancel || p.Command == ctaphid.CommandKeepalive {
		return
	}
	q := question{channel: p.CID}
	if d.plain {
		q = question{}
	} else if p.CID == ctaphid.BroadcastCID && len(p.Data) >= ctaphid.InitNonceSize {
		q.nonce = [ctaphid.InitNonceSize]byte(p.Data)
	}
	d.crossing(c, dir, q, p.Command == ctaphid.CommandInit)
}

// crossing takes a request or an answer. One that begins anew takes back what
// was asked before.
func (d *dialogue) crossing(c *collector, dir transcript.Direction, q question, anew bool) {
	before, waits := d.waiting[q]
	switch {
	case dir == in && !waits && d.asked:
		c.remark("an answer without its request")
	case dir == in:
		delete(d.waiting, q)
	default:
		if waits && !anew {
			c.remarkAt(before, "a request without its answer")
		}
		if d.waiting == nil || len(d.waiting) >= maxPendingRequests {
			d.waiting = map[question]Place{}
		}
		d.asked = true
		d.waiting[q] = c.place
	}
}

// finish tells of the requests that still wait at the end.
func (d *dialogue) finish(c *collector) {
	for _, at := range d.waiting {
		c.remarkAt(at, "a request without its answer")
	}
}
