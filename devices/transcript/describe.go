package transcript

import (
	"fmt"
	"strings"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// Describe says in one line what a record is: its direction, the names of its
// commands and statuses, and how long it is.
//
//	out CTAPHID_CBOR authenticatorGetInfo on channel 00080002, 1 byte
//	in  CTAPHID_KEEPALIVE up-needed on channel 00080002, 1 byte
//	in  SW 9000 success, 88 bytes
//	--- cut: reports 2 to 6
func Describe(rec Record) string {
	switch {
	case rec.Level == Gap:
		return strings.TrimSuffix("--- cut: "+oneLine(rec.Cut), ": cut")
	case rec.Level == Mark && rec.Event != nil:
		return "--- " + rec.Event.String()
	}
	text := fmt.Sprintf("%-3v %s, %s", rec.Dir, rec.name(), bytesOf(rec.size()))
	switch {
	case rec.Offset > 0:
		text += fmt.Sprintf(" (only %s from byte %d on)", bytesOf(len(rec.Data)), rec.Offset)
	case rec.Partial:
		text += fmt.Sprintf(" (breaks off after %s)", bytesOf(len(rec.Data)))
	}
	if rec.Rebuilt {
		text += " (rebuilt)"
	}
	return text
}

// size is the bytes of the message that a record holds or begins, without
// packet headers and status words; of a continuation packet, those it has
// room for.
func (r Record) size() int {
	switch {
	case r.Length > 0:
		return r.Length
	case r.Level == Report:
		p, err := ctaphid.ParsePacket(r.Data)
		switch {
		case err == nil && p.Init:
			return p.Length
		case err == nil:
			return len(p.Data)
		}
	case r.Level == APDU && r.Dir == In && len(r.Data) >= 2:
		return len(r.Data) - 2
	}
	return len(r.Data)
}

func bytesOf(n int) string {
	if n == 1 {
		return "1 byte"
	}
	return fmt.Sprintf("%d bytes", n)
}

// String says what happened in one line.
func (e *Event) String() string {
	text := e.Name
	if e.Op != "" {
		text += " in " + e.Op
	}
	if e.Kind != "" {
		text += " (" + e.Kind + ")"
	}
	if e.Text != "" {
		text += ": " + e.Text
	}
	return oneLine(text + describeTraits(e.Traits))
}

// oneLine keeps what a file says from breaking or repainting the reader's
// terminal.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}
