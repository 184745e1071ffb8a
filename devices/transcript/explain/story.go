package explain

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// Options say what is known besides the tape.
type Options struct {
	// PIN is held against the PIN hashes that can be opened. It appears in no
	// result. Nil takes the throw-away PIN of a foreign tape's header, if any.
	PIN []byte
}

// Story is a tape told. Its parts share no memory with secrets.
type Story struct {
	Tape    string
	Header  transcript.Header // without its seed and PIN
	Seeded  bool              // the tape has the seed of the host's randomness
	Foreign bool
	Ending  transcript.Ending

	HostSide bool // the tape has what the host sent, and not the key's side alone

	Steps     []Step
	Exchanges []Exchange
	Timing    Timing

	// Sealed says why what was encrypted stays closed, "" if it was opened or
	// nothing was encrypted.
	Sealed string
}

// Remarks counts the remarks of all steps.
func (s *Story) Remarks() int {
	n := 0
	for _, step := range s.Steps {
		n += len(step.Remarks)
	}
	return n
}

// Kind says what a step is.
type Kind byte

// Kinds of steps.
const (
	Message   Kind = iota + 1 // a whole message, either way
	Keepalive                 // the key is at work or waits; Count of them in a row
	Broken                    // what does not make a message
	Gap                       // the tape lacks something here
	Event                     // what the recorder noted
)

var kindNames = [...]string{Message: "message", Keepalive: "keepalive", Broken: "broken", Gap: "gap", Event: "event"}

// String names the kind in one word.
func (k Kind) String() string {
	if k == 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("kind %d", byte(k))
	}
	return kindNames[k]
}

// Step is one thing that happened, in the order in which it was complete.
type Step struct {
	Kind      Kind
	Line      int           // of its first record in the file
	LastLine  int           // of its last
	At, Until time.Duration // of the first and the last record, since the tape's zero
	Dir       transcript.Direction
	Channel   string // on which, in eight hex digits; empty on a card
	Frame     string // how it was carried, such as CTAPHID_CBOR or NFCCTAP_MSG
	Name      string // the command or status by the standard's name
	Clause    string // of the standard
	Gist      string // what it comes to, in one line; may be empty
	Count     int    // of keepalives in a row
	Fields    []Field
	Opened    []string // what was found under the encryption, without the secrets
	Remarks   []Remark
	Data      []byte // the message's payload
	Parts     []Part // the packets or APDUs that carried it
}

// Part is one packet or APDU of a step.
type Part struct {
	Line int
	At   time.Duration
	Dir  transcript.Direction
	Text string // what it is, in one line
	Data []byte
}

// Field is one value of a message, or a group of them.
type Field struct {
	Name   string // the standard's name, or the key as it was sent
	Key    string // the member's number as it was sent, such as "0x01"; empty for a text key
	Clause string // where it is not that of the message
	Value  string // empty for a group
	Note   string // what it means
	Like   Like
	Fields []Field
}

// Like says what makes two values of a field the same in two sessions.
type Like byte

// Kinds of likeness.
const (
	LikeValue Like = iota // the value
	LikeFresh             // new in every session: that it is there and its size
	LikeOwn               // differs from key to key or time to time by its nature, a counter or a certificate: that it is there
)

// Remark is a place where the host or the key broke the standard, or where the
// tape does not let it be seen.
type Remark struct {
	Line   int
	Clause string
	Text   string
}

// String gives text and clause.
func (r Remark) String() string {
	if r.Clause == "" {
		return r.Text
	}
	return r.Text + " (" + r.Clause + ")"
}

// Exchange is a request and what it was answered, by their places in
// [Story.Steps].
type Exchange struct {
	Name   string // the command, with its subcommand
	Ask    int    // -1 if it is not on the tape
	Answer int    // -1 if it is not on the tape
	Status string // of the answer; empty without one
	OK     bool   // the answer is one of success
	Waited bool   // the key said that it waits for the user

	Took  time.Duration // from the request's last packet to the answer's last, 0 if not known
	Touch time.Duration // from the first "up-needed" to the answer, 0 if there was none

	// Gaps are the times between a keepalive and the one or the answer after it.
	Gaps []time.Duration
}

// Read explains a tape. Lines that are no records are steps too. The error is
// for what is no tape at all and for reading that fails; the story then covers
// what came before. A tape of more than 256 MiB is [transcript.ErrTooLarge].
func Read(r io.Reader, name string, opts Options) (*Story, error) {
	limited := &limitedReader{r: r, left: maxTape}
	reader, err := transcript.NewReader(limited, name)
	if err != nil {
		return nil, err
	}
	t := newTeller(name, reader.Header(), opts)
	defer t.wipe()
	for {
		err := t.records(reader)
		if err == nil {
			return t.finish(reader.Ending()), nil
		}
		var format *transcript.FormatError
		if errors.As(err, &format) {
			t.unreadable(format)
		}
		if !reader.Skip() {
			return t.finish(reader.Ending()), err
		}
	}
}

// records takes the records up to the next line that is none, or to the end.
func (t *teller) records(reader *transcript.Reader) error {
	for rec, err := range reader.Records() {
		if err != nil {
			return err
		}
		t.add(rec)
	}
	return nil
}

// Tape explains a tape that was loaded.
func Tape(tape *transcript.Tape, opts Options) *Story {
	t := newTeller(tape.Name, tape.Header, opts)
	defer t.wipe()
	for _, rec := range tape.Records {
		t.add(rec)
	}
	return t.finish(tape.Ending)
}

// maxTape bounds what is read, as for [transcript.Load].
const maxTape = 256 << 20

// limitedReader fails at the limit, where io.LimitedReader pretends an end.
type limitedReader struct {
	r    io.Reader
	left int64
}

// Read fails with transcript.ErrTooLarge when the limit is reached.
func (l *limitedReader) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, transcript.ErrTooLarge
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}
