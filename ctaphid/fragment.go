package ctaphid

import (
	"encoding/binary"
	"fmt"
)

// Fragmenter cuts one message into reports (CTAP 2.3 §11.2.4). It allocates
// nothing. The zero Fragmenter has no reports to give.
type Fragmenter struct {
	cid        ChannelID
	command    Command
	rest       []byte
	reportSize int
	next       int // packets given so far
	done       bool
}

// NewFragmenter prepares to cut m into reports of reportSize bytes. A payload
// that does not fit, or a report size below [MinReportSize], is an error
// wrapping [ErrTooLong]. m.Payload must not change until the last report.
func NewFragmenter(m Message, reportSize int) (Fragmenter, error) {
	limit := MaxMessageSize(reportSize)
	if len(m.Payload) > limit || limit == 0 {
		return Fragmenter{}, fmt.Errorf("%w: %d bytes, reports of %d bytes carry %d at most",
			ErrTooLong, len(m.Payload), reportSize, limit)
	}
	return Fragmenter{cid: m.CID, command: m.Command, rest: m.Payload, reportSize: reportSize}, nil
}

// Next fills report, which must be as long as a report, with the next packet
// and zero bytes up to the end, and returns true; or false when the message
// is over. It panics when report is shorter than the report size.
func (f *Fragmenter) Next(report []byte) bool {
	if f.done || f.reportSize == 0 {
		return false
	}
	report = report[:f.reportSize]
	used := f.header(report)
	n := copy(report[used:], f.rest)
	clear(report[used+n:])
	f.rest = f.rest[n:]
	f.done = len(f.rest) == 0
	f.next++
	return true
}

func (f *Fragmenter) header(report []byte) int {
	binary.BigEndian.PutUint32(report, uint32(f.cid))
	if f.next > 0 {
		report[4] = byte(f.next - 1)
		return contHeader
	}
	report[4] = byte(f.command) | initBit
	binary.BigEndian.PutUint16(report[5:], uint16(len(f.rest)))
	return initHeader
}
