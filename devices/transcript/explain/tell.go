package explain

import (
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/nfc"
)

// conversation is what was said on one channel.
type conversation struct {
	pending *request
	last    *request // the last authenticatorGetAssertion or the like, which "next" commands go on from
}

// request is one that waits for its answer, or was answered, with what the
// answer's meaning depends on.
type request struct {
	exchange int
	frame    frame
	command  ctap2.Command
	sub      uint64
	members  map[uint64]wire.Raw // of a CTAP2 request
	apdu     nfc.Command         // of a U2F request or a card's command
	payload  []byte
	sent     time.Duration
	timed    bool
	waited   time.Duration // when the key first asked for a touch
	waiting  bool
	alive    time.Duration // of the last keepalive
	lively   bool
	opened   *opened // what the vault knows of it
}

// reading is the understanding of one message.
type reading struct {
	t    *teller
	step *Step
	req  *request // of an answer, the request; of a request, itself
}

func (r *reading) remark(clause, format string, args ...any) { r.step.remark(clause, format, args...) }

func (t *teller) on(channel string) *conversation {
	c := t.talk[channel]
	if c == nil {
		if len(t.talk) >= maxStreams {
			clear(t.talk)
		}
		c = &conversation{}
		t.talk[channel] = c
	}
	return c
}

// tell understands a message and puts it down.
func (t *teller) tell(m message) {
	s := Step{Kind: Message, Dir: m.dir, Channel: m.channel, Frame: m.frame.name, Clause: m.frame.clause, Data: m.data}
	s.carry(m.parts)
	s.Remarks = m.broken
	if m.dir == transcript.Out {
		t.asked(m, s)
		return
	}
	t.answered(m, s)
}

// asked tells a request.
func (t *teller) asked(m message, s Step) {
	c := t.on(m.channel)
	t.story.HostSide = true
	if isCancel(m) {
		s.Name, s.Gist = m.frame.name, "give up what is under way"
		t.put(s)
		return
	}
	req := &request{frame: m.frame, exchange: len(t.story.Exchanges), sent: s.Until, timed: s.Until != 0, payload: m.data}
	r := &reading{t: t, step: &s, req: req}
	if c.pending != nil && m.frame.kind == frameHID && ctaphid.Command(m.frame.code) != ctaphid.CommandInit {
		r.remark("CTAP 2.3 §11.2.5", "the request before this one has had no answer")
	}
	r.request(m)
	req.follow(c.last)
	c.pending = req
	if s.Name == "" {
		s.Name = m.frame.name
	}
	name := s.Name
	t.story.Exchanges = append(t.story.Exchanges, Exchange{Name: name, Ask: t.put(s), Answer: -1})
}

// follow gives authenticatorGetNextAssertion the parameters of the request that
// it goes on from.
func (q *request) follow(last *request) {
	if q.command != ctap2.CommandGetNextAssertion || last == nil || last.command != ctap2.CommandGetAssertion {
		return
	}
	q.members, q.opened = last.members, last.opened
}

func isCancel(m message) bool {
	if m.frame.kind == frameHID {
		return ctaphid.Command(m.frame.code) == ctaphid.CommandCancel
	}
	return int(m.frame.code) == insPoll
}

// answered tells an answer or a keepalive.
func (t *teller) answered(m message, s Step) {
	c := t.on(m.channel)
	if c.pending == nil && m.channel != "" { // a request that the tape has without its channel
		if without := t.talk[""]; without != nil && without.pending != nil {
			c.pending, without.pending = without.pending, nil
		}
	}
	r := &reading{t: t, step: &s, req: c.pending}
	if status, ok := keepalive(m); ok {
		r.keepalive(status, m)
		return
	}
	if c.pending != nil {
		c.pending, s.Name = nil, ""
	}
	r.answer(m, c)
	if s.Name == "" {
		s.Name = m.frame.name
	}
	at := t.put(s)
	if r.req == nil {
		t.story.Exchanges = append(t.story.Exchanges, Exchange{Name: s.Name, Ask: -1, Answer: at, Status: s.Name})
		return
	}
	t.close(r.req, at)
}

// close completes an exchange.
func (t *teller) close(req *request, at int) {
	e, s := &t.story.Exchanges[req.exchange], &t.story.Steps[at]
	e.Answer, e.Status = at, s.Name
	e.OK = answerOK(s)
	if !req.timed || s.Until < req.sent {
		return
	}
	e.Took = s.Until - req.sent
	if req.waiting {
		e.Touch = s.At - req.waited
	}
	if req.lively {
		e.Gaps = append(e.Gaps, s.At-req.alive)
	}
}

// keepalive is the status of a keepalive: of CTAPHID_KEEPALIVE, or of a card's
// 9100.
func keepalive(m message) (ctaphid.KeepaliveStatus, bool) {
	switch {
	case m.frame.kind == frameHID && ctaphid.Command(m.frame.code) != ctaphid.CommandKeepalive,
		m.frame.kind == frameAPDU && nfc.StatusWord(m.frame.code) != nfc.SWPending:
		return 0, false
	case len(m.data) == 0:
		return 0, true
	}
	return ctaphid.KeepaliveStatus(m.data[0]), true
}

// keepalive puts a keepalive down, in one step with the one before if it says
// the same.
func (r *reading) keepalive(status ctaphid.KeepaliveStatus, m message) {
	s := r.step
	s.Kind, s.Count, s.Clause = Keepalive, 1, "CTAP 2.3 §11.2.9.1.7"
	if m.frame.kind == frameAPDU {
		s.Clause = "CTAP 2.3 §11.3.7"
	}
	s.Name = status.String()
	if len(m.data) != 1 {
		r.remark(s.Clause, "a keepalive of %s has to have 1", bytesOf(len(m.data)))
	}
	r.alive(status)
	steps := r.t.story.Steps
	if n := len(steps) - 1; n >= 0 && len(s.Remarks) == 0 && sameKeepalive(&steps[n], s) {
		last := &steps[n]
		last.Count++
		last.Until, last.LastLine = s.Until, s.LastLine
		last.Parts = append(last.Parts, s.Parts...)
		return
	}
	r.t.put(*s)
}

func sameKeepalive(last, s *Step) bool {
	return last.Kind == Keepalive && last.Channel == s.Channel && last.Name == s.Name && len(last.Remarks) == 0
}

// tooQuiet is how long the time between two keepalives may be before it is
// remarked on: twice what the standard says, as a tape has the host's delays
// too.
const tooQuiet = 200 * time.Millisecond

// alive notes the times of a keepalive.
func (r *reading) alive(status ctaphid.KeepaliveStatus) {
	if r.req == nil {
		if r.t.story.HostSide {
			r.remark(r.step.Clause, "a keepalive, and no request is under way")
		}
		return
	}
	if status == ctaphid.KeepaliveUPNeeded {
		r.t.story.Exchanges[r.req.exchange].Waited = true
	}
	at := r.step.At
	if !r.req.timed || at < r.req.sent {
		return
	}
	if r.req.lively {
		gap := at - r.req.alive
		e := &r.t.story.Exchanges[r.req.exchange]
		e.Gaps = append(e.Gaps, gap)
		if gap > tooQuiet && r.step.Channel != "" {
			r.remark(r.step.Clause, "%v since the keepalive before; it is due every 100 ms", gap.Round(time.Millisecond))
		}
	}
	r.req.alive, r.req.lively = at, true
	if status == ctaphid.KeepaliveUPNeeded && !r.req.waiting {
		r.req.waited, r.req.waiting = at, true
	}
}
