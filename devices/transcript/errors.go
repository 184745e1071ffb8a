package transcript

import (
	"errors"
	"fmt"
)

// What can be wrong with a tape as a whole. Errors that have one of these
// inside say which file and, where there is one, which line.
var (
	// ErrEmpty says that the file holds neither a header nor a record.
	ErrEmpty = errors.New("no header and no whole record")

	// ErrVersion says that the tape was written by a later version of the
	// format than this package reads.
	ErrVersion = errors.New("later version of the tape format")

	// ErrTooLarge says that a tape is longer than [Load] keeps in memory. The
	// streaming [Reader] has no such limit.
	ErrTooLarge = errors.New("tape is too large to load")

	// ErrCut says that the player reached a place where the tape lacks
	// something: a gap marker, or a report or message kept in part.
	ErrCut = errors.New("the tape is cut here")

	// ErrUnplayable says that a tape cannot be played at all; the text says why.
	ErrUnplayable = errors.New("cannot be replayed")
)

// FormatError is something in a tape file that is not of the format.
type FormatError struct {
	File string
	Line int // counted from 1
	Err  error
}

// Error gives file, line and reason.
func (e *FormatError) Error() string {
	return fmt.Sprintf("%s line %d: %v", e.File, e.Line, e.Err)
}

// Unwrap gives the reason.
func (e *FormatError) Unwrap() error { return e.Err }

// MismatchError is a request that differs from the one that the tape has next.
type MismatchError struct {
	File   string
	Line   int    // of the request on the tape
	Asked  []byte // what the host sent: a report or an APDU
	Want   []byte // what the tape has, in this host's channel and nonce
	Offset int    // of the first byte that differs; the shorter's length if it begins the longer

	// Differs is where messages differ that are not compared byte for byte, such
	// as "rp.id", and then in the place of Offset.
	Differs string

	AskedName, WantName string // such as "CTAPHID_CBOR authenticatorGetInfo on channel 00080002"
}

// Error names both requests and the first difference.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s line %d: asked for %s, the tape has %s: %s",
		e.File, e.Line, e.AskedName, e.WantName, e.difference())
}

func (e *MismatchError) difference() string {
	if e.Differs != "" {
		return e.Differs + " differs"
	}
	if e.Offset >= len(e.Asked) || e.Offset >= len(e.Want) {
		return fmt.Sprintf("the same up to byte %d, %d bytes asked and %d on the tape",
			e.Offset, len(e.Asked), len(e.Want))
	}
	return fmt.Sprintf("byte %d is %02x, on the tape %02x", e.Offset, e.Asked[e.Offset], e.Want[e.Offset])
}

// EndError is a read where the tape has no answer next, or a write where it
// has no request next.
type EndError struct {
	File  string
	Line  int    // of what the tape has next, or of its last record
	Op    string // "read" or "write"
	Asked string // the name of what was to be written
	Next  string // what the tape has next, empty at its end
}

// Error says what was tried and what the tape has.
func (e *EndError) Error() string {
	tried := "no answer to read"
	if e.Op == opWrite {
		tried = "asked for " + e.Asked
	}
	if e.Next == "" {
		return fmt.Sprintf("%s line %d: %s: the tape ends here", e.File, e.Line, tried)
	}
	return fmt.Sprintf("%s line %d: %s: the tape has next: %s", e.File, e.Line, tried, e.Next)
}

// UnreadError says that a player was closed before its tape was over.
type UnreadError struct {
	File     string
	Count    int    // reports or APDUs left, both directions
	Requests int    // requests among them, a cancel not being one
	Line     int    // of the first
	First    string // its name
	Cut      bool   // a cut lies before them, so that they cannot be reached
}

// Error says how much was left and from where on.
func (e *UnreadError) Error() string {
	what := fmt.Sprintf("%d reports or APDUs (%d requests)", e.Count, e.Requests)
	if e.Count == e.Requests {
		what = fmt.Sprintf("%d requests", e.Count)
	}
	text := fmt.Sprintf("%s: %s were not played, from line %d on: %s", e.File, what, e.Line, e.First)
	if e.Cut {
		text += " (behind a cut in the tape)"
	}
	return text
}

// AuthError is a question that matches, and does not prove what it has to: its
// pinUvAuthParam or saltAuth does not verify, or the PIN in it is another one.
type AuthError struct {
	File     string
	Line     int    // of the question on the tape
	Question string // its name
	Reason   string
}

// Error names the question and what is wrong with it.
func (e *AuthError) Error() string {
	return fmt.Sprintf("%s line %d: %s: %s", e.File, e.Line, e.Question, e.Reason)
}
