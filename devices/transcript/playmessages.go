package transcript

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/nfc"
)

// messages plays a tape message by message.
type messages struct {
	tape *Tape
	cfg  *PlayConfig
	keys *rekeyer

	all    []Exchange
	pos    int
	opened []byte // answer to the last opening
	failed error  // for good
}

func newMessages(tape *Tape, cfg *PlayConfig) *messages {
	return &messages{tape: tape, cfg: cfg, keys: newRekeyer(tape, *cfg), all: tape.Exchanges()}
}

// ask moves past the exchange that is due if its question is the one that is
// asked, and gives it with the answer for this host. Openings of the tape's host
// that this one does not need are passed over.
func (m *messages) ask(asked Exchange) (Exchange, error) {
	if m.failed != nil {
		return Exchange{}, m.failed
	}
	if e, again := m.refused(asked); again {
		return e, nil
	}
	for asked.Kind != Opening && m.pos < len(m.all) && m.all[m.pos].Kind == Opening {
		m.pos++
	}
	if m.pos == len(m.all) {
		m.failed = m.ended(opWrite, asked.Name())
		return Exchange{}, m.failed
	}
	e := m.all[m.pos]
	if where := e.Differs(asked, m.cfg.Match); where != "" {
		m.failed = &MismatchError{
			File: m.tape.Name, Line: e.Line, Asked: asked.Request, Want: e.Request, Differs: where,
			AskedName: asked.Name(), WantName: e.Name(),
		}
		return Exchange{}, m.failed
	}
	m.pos++
	if e.Kind != CTAP2 {
		return e, nil
	}
	q, err := ParseQuestion(asked.Request)
	if err != nil {
		return e, nil // and so is that of the tape, whose answer needs no keys
	}
	e.Answer, m.failed = m.keys.answer(e, q)
	return e, m.failed
}

// refused is the last exchange if a card has refused it in its framing, and it is
// asked for again: an applet does that by itself, and gets the same.
func (m *messages) refused(asked Exchange) (Exchange, bool) {
	if m.pos == 0 {
		return Exchange{}, false
	}
	last := m.all[m.pos-1]
	if _, refused := last.Refusal.(nfc.StatusWord); !refused || last.Differs(asked, m.cfg.Match) != "" {
		return Exchange{}, false
	}
	due, ok := m.next()
	return last, !ok || due.Differs(asked, m.cfg.Match) != ""
}

// ended says that the tape has no exchange for what is done.
func (m *messages) ended(op, asked string) error {
	e := &EndError{File: m.tape.Name, Op: op, Asked: asked}
	if n := len(m.tape.Records); n > 0 {
		e.Line = m.tape.Records[n-1].Line
	}
	return e
}

// opening is the answer to the opening that is due, which it passes, or else to
// the last one before that, nil if there is none on the tape. Of a card's tape only
// a SELECT of the FIDO applet is one.
func (m *messages) opening() []byte {
	for m.pos < len(m.all) && m.all[m.pos].Kind == Opening {
		e := m.all[m.pos]
		m.pos++
		if opensFIDO(e) {
			m.opened = e.Answer
			return m.opened
		}
	}
	if m.opened == nil {
		for _, e := range m.all {
			if opensFIDO(e) {
				return e.Answer
			}
		}
	}
	return m.opened
}

// opensFIDO says whether an opening was answered, and on a card was one of ours.
func opensFIDO(e Exchange) bool {
	if e.Kind != Opening {
		return false
	}
	if e.Command == ctaphid.CommandInit {
		return len(e.Answer) >= ctaphid.InitAnswerSize
	}
	cmd, err := nfc.ParseCommand(e.Request)
	return err == nil && bytes.HasPrefix(cmd.Data, nfc.AID) && e.Answer != nil
}

// next is the exchange that is due, if there is one.
func (m *messages) next() (Exchange, bool) {
	if m.pos == len(m.all) {
		return Exchange{}, false
	}
	return m.all[m.pos], true
}

// unread counts the exchanges that are left, but for openings.
func (m *messages) unread() error {
	e := &UnreadError{File: m.tape.Name}
	for _, x := range m.all[m.pos:] {
		if x.Kind == Opening {
			continue
		}
		if e.Count++; e.Count == 1 {
			e.Line, e.First = x.Line, x.Name()
		}
	}
	if e.Requests = e.Count; e.Count == 0 {
		return nil
	}
	return e
}

// atClose says whether the host of the tape has closed its connection here, before
// it asked what is due.
func (m *messages) atClose() bool {
	if m.pos == len(m.all) {
		return false
	}
	after := 0
	if m.pos > 0 {
		after = m.all[m.pos-1].Line
	}
	return slices.ContainsFunc(m.tape.Records, func(r Record) bool {
		return r.Level == Mark && r.Event != nil && r.Event.Name == eventClose && r.Line > after && r.Line < m.all[m.pos].Line
	})
}

// Name names the question of an exchange by the standard's names.
func (e Exchange) Name() string {
	switch {
	case e.Kind == CTAP2:
		q, err := ParseQuestion(e.Request)
		if err != nil {
			return fmt.Sprintf("%v of which the parameters cannot be read", q.Command)
		}
		return q.String()
	case e.Kind == U2F:
		return instructionName(e.Request)
	case e.Command == 0:
		return commandAPDUName(e.Request)
	}
	return e.Command.String()
}
