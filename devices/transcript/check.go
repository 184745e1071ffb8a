package transcript

import (
	"errors"
	"fmt"
	"io"
	"sort"
)

// maxProblems bounds the list of a [Summary].
const maxProblems = 1000

// Summary is what [Check] found on a tape.
type Summary struct {
	Tape    string
	Header  Header
	Foreign bool
	Ending  Ending

	Lines Lines // by what they are

	// Messages counts the CTAPHID messages of both directions, a KEEPALIVE
	// being one, or on a card's tape the APDUs. FromReports counts those among
	// them that the whole reports alone make up.
	Messages, FromReports Count

	// Commands counts what was asked, by name, and Statuses how it was
	// answered: CTAP2 statuses, keepalives, CTAPHID errors, status words.
	Commands, Statuses map[string]int

	// Problems lists, by line, what is not as it should be: at most 1000, and
	// MoreProblems beyond those.
	Problems     []Problem
	MoreProblems int

	// Unplayable is nil if a [Player] can be asked what is on the tape, and
	// else says why not. CutAt is the line of the first cut, which is as far
	// as the player gets, 0 if there is none.
	Unplayable error
	CutAt      int
}

// Lines counts the lines of a tape after its header.
type Lines struct {
	Out, In  int // crossings by direction
	Reports  int // whole HID reports
	Partial  int // reports, messages and APDUs that lack something
	Messages int // whole messages without their packets
	APDUs    int // whole APDUs
	Gaps     int
	Marks    int // events

	Unreadable int // lines that are no record
}

// Count says how many messages there are.
type Count struct {
	// Whole messages have all their bytes.
	Whole int
	// Cut messages lack some: the tape ends or has a gap inside them, it has a
	// report of them in part, an initialization packet interrupts them, or
	// their continuation packets are there without their beginning. However
	// many packets follow each other without a beginning on one channel, they
	// are one cut message. A report of which only padding is lost cuts nothing.
	Cut int
	// Malformed ones break the framing: a report shorter than its header or
	// its data, a length that no message can have, a continuation packet out
	// of order (which spoils the message that it is in), a command APDU whose
	// lengths do not fit, a response APDU without a status word.
	Malformed int
}

// Problem is something on a tape that is not as it should be.
type Problem struct {
	Line int
	Text string
}

// String gives line and text.
func (p Problem) String() string { return fmt.Sprintf("line %d: %s", p.Line, p.Text) }

// Check reads a tape to its end, in memory that does not grow with it, and
// counts what is there. What is wrong with it is no error but in the summary:
// a line that is no record is malformed, and what stands around it is cut as
// by a gap. The error is for what is no tape at all, and for reading that
// fails; the summary then covers what came before.
func Check(r io.Reader, file string) (Summary, error) {
	reader, err := NewReader(r, file)
	if err != nil {
		return Summary{Tape: file}, err
	}
	c := newChecker(file, reader.Header())
	for {
		rec, err := reader.next()
		switch {
		case err == nil:
			c.add(rec)
		case err == io.EOF:
			return c.finish(reader.Ending()), nil
		case reader.Skip():
			c.unreadable(err)
		default:
			return c.finish(reader.Ending()), err
		}
	}
}

// unreadable takes note of a line that is no record.
func (c *checker) unreadable(err error) {
	line := c.lastLine + 1
	var format *FormatError
	if errors.As(err, &format) {
		line, err = format.Line, format.Err
	}
	c.lastLine = line
	c.sum.Lines.Unreadable++
	c.sum.Messages.Malformed++
	c.problem(line, "no record: "+err.Error())
	c.gap(line, "the line is no record")
}

// gap ends what is under way.
func (c *checker) gap(line int, why string) {
	if c.sum.CutAt == 0 {
		c.sum.CutAt = line
	}
	c.streams.cutAll(line, why)
	c.asked, c.cards = 0, cardState{}
}

// Check counts what is on a tape that was loaded.
func (t *Tape) Check() Summary {
	c := newChecker(t.Name, t.Header)
	for _, rec := range t.Records {
		c.add(rec)
	}
	return c.finish(t.Ending)
}

// Counter counts what goes on a tape while it is being written, and so finds
// the same as [Check] does on the tape when it is done.
type Counter struct{ c *checker }

// NewCounter counts a tape of this package's format with the given header.
// tape is its name in the summary.
func NewCounter(tape string, h Header) *Counter {
	h.Version = Version
	return &Counter{newChecker(tape, h)}
}

// Add counts a record, whose Line must be that in the file: the header is on
// line 1.
func (n *Counter) Add(rec Record) { n.c.add(rec) }

// Summary ends the count. Nothing may be added to it after that.
func (n *Counter) Summary() Summary { return n.c.finish(EndWhole) }

// checker goes through a tape once.
type checker struct {
	sum      Summary
	shape    shape
	streams  streams
	lastLine int
	asked    byte // CTAPHID command of the last request, 0 after a gap
	cards    cardState
}

func newChecker(file string, header Header) *checker {
	c := &checker{shape: shape{transport: header.Transport}}
	c.sum = Summary{
		Tape:     file,
		Header:   header,
		Foreign:  header.Version == 0,
		Commands: map[string]int{},
		Statuses: map[string]int{},
	}
	c.streams = streams{check: c, size: header.ReportSize}
	return c
}

func (c *checker) add(rec Record) {
	c.shape.add(rec)
	c.lastLine = rec.Line
	if rec.Partial && c.sum.CutAt == 0 {
		c.sum.CutAt = rec.Line
	}
	switch rec.Level {
	case Gap:
		c.sum.Lines.Gaps++
		c.gap(rec.Line, "the tape has a gap inside the message")
		return
	case Mark:
		c.sum.Lines.Marks++
		return
	}
	c.crossing(rec)
}

func (c *checker) crossing(rec Record) {
	if rec.Dir == Out {
		c.sum.Lines.Out++
	} else {
		c.sum.Lines.In++
	}
	if rec.Partial {
		c.sum.Lines.Partial++
	}
	switch {
	case rec.Level == Report:
		if !rec.Partial {
			c.sum.Lines.Reports++
		}
		c.streams.add(rec)
	case rec.Partial:
		c.sum.Messages.Cut++
		c.problem(rec.Line, "only a part of "+rec.name())
	case rec.Level == Message:
		c.sum.Lines.Messages++
		c.sum.Messages.Whole++
		c.count(rec.Dir, rec.Command, rec.Data)
	default:
		c.sum.Lines.APDUs++
		c.apdu(rec)
	}
}

func (c *checker) problem(line int, text string) {
	if len(c.sum.Problems) == maxProblems {
		c.sum.MoreProblems++
		return
	}
	c.sum.Problems = append(c.sum.Problems, Problem{line, text})
}

// finish is called at the end of the tape.
func (c *checker) finish(ending Ending) Summary {
	c.sum.Ending = ending
	c.streams.cutAll(c.lastLine, "the tape ends inside the message")
	if ending == EndCut {
		c.problem(c.lastLine+1, "the line breaks off, and is left out")
	}
	c.sum.Unplayable = c.shape.playable()
	if c.sum.Unplayable == nil && c.sum.Lines.Unreadable > 0 {
		c.sum.Unplayable = fmt.Errorf("%w: a line is no record", ErrUnplayable)
	}
	sort.SliceStable(c.sum.Problems, func(i, j int) bool { return c.sum.Problems[i].Line < c.sum.Problems[j].Line })
	return c.sum
}
