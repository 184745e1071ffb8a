package transcript

import (
	"encoding/binary"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// messages plays a tape message by message.
type messages struct {
	tape *Tape
	cfg  *PlayConfig
	keys *rekeyer

	all    []Exchange
	pos    int
	failed error // for good
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

// ended says that the tape has no exchange for what is done.
func (m *messages) ended(op, asked string) error {
	e := &EndError{File: m.tape.Name, Op: op, Asked: asked}
	if n := len(m.tape.Records); n > 0 {
		e.Line = m.tape.Records[n-1].Line
	}
	return e
}

// opening passes over the openings that are due, and gives the answer of the
// first that there is on the tape, nil for none.
func (m *messages) opening() []byte {
	for m.pos < len(m.all) && m.all[m.pos].Kind == Opening {
		m.pos++
	}
	for _, e := range m.all {
		if e.Kind == Opening && openingAnswers(e) {
			return e.Answer
		}
	}
	return nil
}

// openingAnswers says whether an opening was answered as one that succeeds.
func openingAnswers(e Exchange) bool {
	if e.Command == ctaphid.CommandInit {
		return len(e.Answer) >= ctaphid.InitAnswerSize
	}
	n := len(e.Answer)
	return n > 2 && binary.BigEndian.Uint16(e.Answer[n-2:]) == 0x9000
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
