package explain

import (
	"fmt"
	"time"

	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// teller goes through a tape once and writes the story.
type teller struct {
	story   *Story
	reports reports
	card    card
	talk    map[string]*conversation // by channel; "" is the card's
	logged  bool                     // messages without their APDUs are told, as no APDU has come
	keys    keyring
	vault   *vault
	ciphers map[string]int // what getInfo had encrypted, with its line
	blob    []byte         // of a large-blob array that is being read
}

func newTeller(name string, header transcript.Header, opts Options) *teller {
	t := &teller{talk: map[string]*conversation{}, keys: keyring{}, ciphers: map[string]int{}}
	t.vault = newVault(header, opts)
	t.story = &Story{Tape: name, Foreign: header.Version == 0, Seeded: len(header.Seed) > 0}
	header.Seed, header.PIN = nil, ""
	t.story.Header = header
	t.reports = reports{teller: t, size: header.ReportSize}
	t.card = card{teller: t}
	t.logged = true
	return t
}

func (t *teller) wipe() { t.vault.wipe() }

// message is what was put together from records, before it is understood.
type message struct {
	dir     transcript.Direction
	channel string
	frame   frame
	data    []byte
	parts   []Part
	broken  []Remark // of the framing
}

// frame says how a message was carried.
type frame struct {
	name   string
	clause string
	kind   frameKind
	code   uint16 // CTAPHID command; class and instruction; status word
}

type frameKind byte

const (
	frameHID  frameKind = iota + 1 // a CTAPHID message
	frameAPDU                      // a command APDU, or a response with its status word
)

func (t *teller) add(rec transcript.Record) {
	switch {
	case rec.Level == transcript.Gap:
		t.cut(rec)
	case rec.Level == transcript.Mark:
		t.event(rec)
	case rec.Level == transcript.Report:
		t.reports.add(rec)
	case rec.Level == transcript.Message:
		t.whole(rec)
	default:
		t.logged = false
		t.card.add(rec)
	}
}

// cut ends what is under way, as nobody knows how it went on.
func (t *teller) cut(rec transcript.Record) {
	t.reports.end(rec.Line, "the tape has a gap inside the message")
	t.card.end(rec.Line, "the tape has a gap inside the message")
	t.forget()
	t.put(Step{
		Kind: Gap, Line: rec.Line, LastLine: rec.Line, At: rec.Time, Until: rec.Time,
		Name: "the tape is cut", Gist: rec.Cut,
	})
}

// forget drops the requests that wait for an answer.
func (t *teller) forget() {
	for _, c := range t.talk {
		c.pending = nil
	}
}

func (t *teller) event(rec transcript.Record) {
	if rec.Event == nil {
		return
	}
	t.put(Step{
		Kind: Event, Line: rec.Line, LastLine: rec.Line, At: rec.Time, Until: rec.Time,
		Name: rec.Event.Name, Gist: eventGist(rec.Event),
	})
}

// eventGist is what an event says besides its name.
func eventGist(e *transcript.Event) string {
	if text := e.String(); text != e.Name {
		return text
	}
	return ""
}

func (t *teller) unreadable(format *transcript.FormatError) {
	t.put(Step{
		Kind: Broken, Line: format.Line, LastLine: format.Line, Name: "no record", At: t.last(), Until: t.last(),
		Remarks: []Remark{{Line: format.Line, Text: "the line is no record: " + format.Err.Error()}},
	})
}

func (t *teller) last() time.Duration {
	if n := len(t.story.Steps); n > 0 {
		return t.story.Steps[n-1].Until
	}
	return 0
}

func (t *teller) put(s Step) int {
	t.story.Steps = append(t.story.Steps, s)
	return len(t.story.Steps) - 1
}

// broken puts down records that make no message.
func (t *teller) broken(dir transcript.Direction, channel string, parts []Part, clause, text string) {
	if len(parts) == 0 {
		return
	}
	s := Step{Kind: Broken, Dir: dir, Channel: channel, Name: "no whole message", Clause: clause}
	s.carry(parts)
	s.remark(clause, "%s", text)
	t.put(s)
}

// carry notes what carried the step.
func (s *Step) carry(parts []Part) {
	s.Parts = parts
	if len(parts) == 0 {
		return
	}
	first, last := parts[0], parts[len(parts)-1]
	s.Line, s.At, s.LastLine, s.Until = first.Line, first.At, last.Line, last.At
}

func (s *Step) remark(clause, format string, args ...any) {
	if len(s.Remarks) == maxRemarks {
		return
	}
	s.Remarks = append(s.Remarks, Remark{Line: s.Line, Clause: clause, Text: fmt.Sprintf(format, args...)})
}

// maxRemarks bounds what one hostile message can have said about it.
const maxRemarks = 64

func (t *teller) finish(ending transcript.Ending) *Story {
	t.reports.end(0, "the tape ends inside the message")
	t.card.end(0, "the tape ends inside the message")
	t.story.Ending = ending
	t.story.Sealed = t.vault.sealed()
	t.story.Timing = timing(t.story)
	return t.story
}
