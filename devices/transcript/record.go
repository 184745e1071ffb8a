package transcript

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/touchstone-fido/touchstone/nfc"
)

// Direction says who sent a record.
type Direction byte

// Directions.
const (
	Out Direction = iota + 1 // host to device
	In                       // device to host
)

// String is "out" or "in", as in the file, and empty for neither.
func (d Direction) String() string {
	switch d {
	case Out:
		return "out"
	case In:
		return "in"
	}
	return ""
}

// Level says what a record is.
type Level byte

// Levels.
const (
	Report  Level = iota + 1 // one HID report, padding included
	Message                  // the payload of one CTAPHID message, without packet headers
	APDU                     // one command or response APDU
	Gap                      // a marker that something is missing here
	Mark                     // an event, see [Event]
)

var levelNames = map[Level]string{Report: "report", Message: "msg", APDU: "apdu", Gap: "cut", Mark: "event"}

// String is the name of the level in the file.
func (l Level) String() string { return levelNames[l] }

// Record is one line of a tape after its header.
type Record struct {
	Line  int           // in the file, counted from 1; 0 for a record that is in none
	Time  time.Duration // since the tape's own zero; zero if not known
	Dir   Direction     // of a report, message or APDU
	Level Level
	Data  []byte

	// Command is the CTAPHID command of a message, without the bit of the
	// initialization packet; 0 if the tape does not say.
	Command byte

	// Partial says that Data lacks its end, or its beginning when Offset is
	// not zero. Length is then the size of the whole, or 0 if not known.
	Partial        bool
	Offset, Length int

	// Late says that the host found this report waiting before it sent its next
	// request, and dropped it.
	Late bool

	// Rebuilt says that these bytes were not captured as they are here: an
	// importer made them from what the capture has of the same message.
	Rebuilt bool

	Cut   string // what a gap says about what is missing
	Name  string // what the tape calls the record
	Event *Event // of a mark
}

// Event is something that happened at the seam and is no crossing of it.
type Event struct {
	Name string // "error", "close", or what the caller of the recorder said
	Op   string // what failed: "read", "write" or "transmit"
	Kind string // of an error: "gone", "closed", "ended" (the context), "lost" (on the way) or "other"
	Text string // for people

	// Traits, of the event "traits", is what the card's side answered when the
	// host asked what it knows of the connection. Hosts that find out how to
	// speak to a card begin with that.
	Traits *nfc.Traits
}

// Names of the events, and kinds of the errors, that the recorder writes and
// the player gives back.
const (
	eventError  = "error"
	eventClose  = "close"
	eventTraits = "traits"

	opRead     = "read"
	opWrite    = "write"
	opTransmit = "transmit"

	kindGone   = "gone"
	kindClosed = "closed"
	kindEnded  = "ended"
	kindLost   = "lost"
	kindOther  = "other"
)

// recordLine is a record as JSON. The members of a header are here so that a
// second header is noticed.
type recordLine struct {
	TimeUS  *int64          `json:"t_us,omitempty"`
	TS      json.RawMessage `json:"ts,omitempty"`
	Dir     string          `json:"dir,omitempty"`
	Level   string          `json:"level,omitempty"`
	Cmd     string          `json:"cmd,omitempty"`
	Hex     *string         `json:"hex,omitempty"`
	Partial bool            `json:"partial,omitempty"`
	Offset  int             `json:"offset,omitempty"`
	Len     int             `json:"len,omitempty"`
	Late    bool            `json:"late,omitempty"`
	Rebuilt bool            `json:"rebuilt,omitempty"`
	Cut     any             `json:"cut,omitempty"`
	Name    string          `json:"name,omitempty"`
	Event   string          `json:"event,omitempty"`
	Op      string          `json:"op,omitempty"`
	Kind    string          `json:"kind,omitempty"`
	Text    string          `json:"text,omitempty"`

	Protocol string `json:"protocol,omitempty"`
	MaxAPDU  int    `json:"max_apdu,omitempty"`
	ATR      string `json:"atr,omitempty"`

	Touchstone json.RawMessage `json:"touchstone,omitempty"`
	Transport  json.RawMessage `json:"transport,omitempty"`
}

// parseRecord reads the line of a record. A report or APDU whose line does not
// say which it is gets the level zero.
func parseRecord(text []byte) (Record, error) {
	var line recordLine
	if err := decode(text, &line); err != nil {
		return Record{}, err
	}
	if line.Touchstone != nil || line.Transport != nil && line.Dir == "" {
		return Record{}, errors.New("a second header")
	}
	at, err := line.time()
	if err != nil {
		return Record{}, err
	}
	rec := Record{Time: at, Name: line.Name}
	switch {
	case line.Dir != "" || line.Hex != nil:
		err = line.crossing(&rec)
	case line.Cut != nil:
		rec.Level, rec.Cut = Gap, fmt.Sprint(line.Cut)
	case line.Event != "":
		rec.Level = Mark
		rec.Event = &Event{Name: line.Event, Op: line.Op, Kind: line.Kind, Text: line.Text}
		err = line.readTraits(rec.Event)
	default:
		err = errors.New(`none of "dir", "cut" and "event": no record`)
	}
	return rec, err
}

// decode reads one JSON object that takes up all of text. The error wraps
// io.ErrUnexpectedEOF when the text breaks off inside it.
func decode(text []byte, into any) error {
	err := json.Unmarshal(text, into)
	if syntax := (*json.SyntaxError)(nil); !errors.As(err, &syntax) {
		return plainJSON(err)
	}
	var object json.RawMessage // only a decoder tells text that breaks off from text that is wrong
	switch broken := json.NewDecoder(bytes.NewReader(text)).Decode(&object); {
	case broken == nil:
		return errors.New("something follows the JSON object on its line")
	case errors.Is(broken, io.ErrUnexpectedEOF):
		return broken
	}
	return plainJSON(err)
}

// crossing reads what a report, a message and an APDU have.
func (l *recordLine) crossing(rec *Record) error {
	switch l.Dir {
	case "out", "tx":
		rec.Dir = Out
	case "in", "rx":
		rec.Dir = In
	default:
		return fmt.Errorf(`"dir" is %q, neither "out" nor "in"`, l.Dir)
	}
	if l.Hex == nil {
		return errors.New(`no "hex"`)
	}
	var err error
	if rec.Data, err = hex.DecodeString(*l.Hex); err != nil {
		return fmt.Errorf(`"hex": %w`, plainHex(err))
	}
	rec.Late, rec.Rebuilt = l.Late && rec.Dir == In, l.Rebuilt
	if err := l.readLevel(rec); err != nil {
		return err
	}
	return l.readPart(rec)
}

func (l *recordLine) readLevel(rec *Record) error {
	switch l.Level {
	case "":
	case "report":
		rec.Level = Report
	case "msg":
		rec.Level = Message
	case "apdu":
		rec.Level = APDU
	default:
		return fmt.Errorf(`"level" %q is none that this program knows`, l.Level)
	}
	if l.Cmd == "" {
		return nil
	}
	command, err := strconv.ParseUint(strings.TrimPrefix(l.Cmd, "0x"), 16, 8)
	if err != nil {
		return fmt.Errorf(`"cmd" is %q, not two hex digits`, l.Cmd)
	}
	rec.Command = byte(command) &^ 0x80
	return nil
}

// readPart reads how much of the whole a record holds. A record with a "cut"
// of its own is one that breaks off.
func (l *recordLine) readPart(rec *Record) error {
	if l.Offset < 0 || l.Len < 0 {
		return errors.New(`"offset" or "len" is negative`)
	}
	rec.Offset, rec.Length = l.Offset, l.Len
	rec.Partial = l.Partial || l.Offset > 0 || l.Cut != nil || l.Len > len(rec.Data)
	if l.Cut != nil {
		rec.Cut = fmt.Sprint(l.Cut)
	}
	return nil
}

// time reads "t_us", whole microseconds, or "ts", seconds as a number or as
// its digits. A "ts" in words leaves the time unknown.
func (l *recordLine) time() (time.Duration, error) {
	if l.TimeUS != nil {
		if us := *l.TimeUS; us > math.MaxInt64/1000 || us < math.MinInt64/1000 {
			return 0, errors.New(`"t_us" is out of range`)
		}
		return time.Duration(*l.TimeUS) * time.Microsecond, nil
	}
	if l.TS == nil {
		return 0, nil
	}
	var text string
	if json.Unmarshal(l.TS, &text) != nil {
		text = string(l.TS)
		if _, err := strconv.ParseFloat(text, 64); err != nil {
			return 0, errors.New(`"ts" is no number of seconds`)
		}
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(seconds) {
		return 0, nil
	}
	if math.Abs(seconds) > math.MaxInt64/1e9-1 {
		return 0, errors.New(`"ts" is out of range`)
	}
	return time.Duration(seconds * 1e9), nil
}

// appendRecord appends the line of a record, with its line end, on a tape of
// the given transport.
func appendRecord(line []byte, transport Transport, rec Record) ([]byte, error) {
	us := rec.Time.Microseconds()
	out := recordLine{TimeUS: &us, Dir: rec.Dir.String(), Name: rec.Name}
	switch {
	case rec.Level == Gap:
		out.Cut, out.Dir = rec.Cut, ""
	case rec.Level == Mark && rec.Event != nil && rec.Event.Name != "":
		out.setEvent(*rec.Event)
		out.Dir = ""
	case rec.Dir != 0 && rec.Level != Mark:
		out.setCrossing(transport, rec)
	default:
		return line, errors.New("a record without direction that is neither a gap nor an event")
	}
	text, err := json.Marshal(out)
	if err != nil {
		return line, err
	}
	return append(append(line, text...), '\n'), nil
}

func (l *recordLine) setCrossing(transport Transport, rec Record) {
	digits := hex.EncodeToString(rec.Data)
	l.Hex = &digits
	if rec.Level != levelOf(transport) {
		l.Level = rec.Level.String()
	}
	if rec.Level == Message && rec.Command != 0 {
		l.Cmd = fmt.Sprintf("%02x", rec.Command)
	}
	l.Partial, l.Offset, l.Len = rec.Partial, rec.Offset, rec.Length
	l.Late, l.Rebuilt = rec.Late && rec.Dir == In, rec.Rebuilt
	if rec.Cut != "" {
		l.Cut = rec.Cut
	}
}

// levelOf is the level that a record of a transport has without saying so.
func levelOf(transport Transport) Level {
	if transport == NFC {
		return APDU
	}
	return Report
}
