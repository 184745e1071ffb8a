package transcript

import (
	"context"
	"fmt"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// rekeyedReports is a key on USB that plays messages: it has channels and
// packets of its own.
type rekeyedReports struct {
	session
	size    int
	last    ctaphid.ChannelID
	inbox   map[ctaphid.ChannelID]*ctaphid.Assembler
	queue   []dueReport
	held    *Exchange // whose answer waits for a cancel
	missing error     // why the last question has no answer
}

// dueReport is a report for the host, and how long after the one before it comes.
type dueReport struct {
	report []byte
	after  time.Duration
}

var _ ctaphid.ReportConn = (*rekeyedReports)(nil)

func newRekeyedReports(p *Player) *rekeyedReports {
	return &rekeyedReports{
		session: session{player: p}, size: p.tape.reportSize(), inbox: map[ctaphid.ChannelID]*ctaphid.Assembler{},
	}
}

// ReadReport gives the next report of the answer. If it was the host of the tape
// that gave up waiting here, this one gets the chance to do the same.
func (c *rekeyedReports) ReadReport(ctx context.Context, p []byte) (int, error) {
	due, err := c.take(ctx)
	if err != nil {
		return 0, err
	}
	if due.report == nil {
		c.player.cancelled()
		<-ctx.Done()
		return 0, context.Cause(ctx)
	}
	if err := c.player.cfg.Rest(ctx, due.after); err != nil {
		return 0, err
	}
	return copy(p, due.report), nil
}

// take is the report that is due: none if the host has to give up first.
func (c *rekeyedReports) take(ctx context.Context) (due dueReport, err error) {
	c.player.mu.Lock()
	defer c.player.mu.Unlock()
	if err := c.usable(ctx, ctaphid.ErrClosed); err != nil {
		return dueReport{}, err
	}
	switch {
	case len(c.queue) > 0:
		due, c.queue = c.queue[0], c.queue[1:]
		return due, nil
	case c.held != nil:
		return dueReport{}, nil
	case c.missing != nil:
		return dueReport{}, c.missing
	}
	e := c.player.messages.ended(opRead, "").(*EndError)
	if next, ok := c.player.messages.next(); ok {
		e.Line, e.Next = next.Line, "out "+next.Name()
	}
	return dueReport{}, e
}

// WriteReport puts a question together, and answers it when it is whole.
func (c *rekeyedReports) WriteReport(ctx context.Context, report []byte) error {
	c.player.mu.Lock()
	defer c.player.mu.Unlock()
	if err := c.usable(ctx, ctaphid.ErrClosed); err != nil {
		return err
	}
	p, err := ctaphid.ParsePacket(report)
	if err != nil {
		return fmt.Errorf("tape %s: %w", c.player.tape.Name, err)
	}
	if c.inbox[p.CID] == nil {
		if len(c.inbox) >= maxStreams {
			clear(c.inbox)
		}
		c.inbox[p.CID] = ctaphid.NewAssembler(c.size)
	}
	m, whole, _ := c.inbox[p.CID].Add(p)
	if !whole {
		return nil
	}
	m.Payload = clone(m.Payload)
	return c.question(m)
}

func (c *rekeyedReports) question(m ctaphid.Message) error {
	switch m.Command {
	case ctaphid.CommandInit:
		return c.init(m)
	case ctaphid.CommandCancel:
		if held := c.held; held != nil {
			c.held = nil
			return c.finish(m.CID, *held)
		}
		return nil
	}
	c.queue, c.held, c.missing = nil, nil, nil
	kind, ok := hidKinds[m.Command]
	if !ok {
		kind = Framing
	}
	e, err := c.player.messages.ask(Exchange{Kind: kind, Command: m.Command, Request: m.Payload})
	if err != nil {
		return err
	}
	if err := c.waits(m.CID, e); err != nil {
		return err
	}
	if e.Cancelled {
		c.held = &e
		return nil
	}
	return c.finish(m.CID, e)
}

// waits queues the KEEPALIVEs. A host that is to cancel always hears one, since
// it does so while it waits for a touch.
func (c *rekeyedReports) waits(cid ctaphid.ChannelID, e Exchange) error {
	list := e.Waits
	if e.Cancelled && len(list) == 0 {
		list = []Wait{{e.Asked, ctaphid.KeepaliveUPNeeded}}
	}
	at := e.Asked
	for _, w := range list {
		err := c.put(ctaphid.Message{CID: cid, Command: ctaphid.CommandKeepalive, Payload: []byte{byte(w.Status)}}, w.Time-at)
		if err != nil {
			return err
		}
		at = w.Time
	}
	return nil
}

// finish queues the answer.
func (c *rekeyedReports) finish(cid ctaphid.ChannelID, e Exchange) error {
	at := e.Asked
	if n := len(e.Waits); n > 0 {
		at = e.Waits[n-1].Time
	}
	code, refused := e.Refusal.(ctaphid.ErrorCode)
	switch {
	case refused:
		return c.put(ctaphid.Message{CID: cid, Command: ctaphid.CommandError, Payload: []byte{byte(code)}}, e.Answered-at)
	case e.Answer == nil:
		c.missing = fmt.Errorf("%s line %d: %w: %s", c.player.tape.Name, e.Line, ErrCut, oneLine(e.Missing))
		return nil
	}
	return c.put(ctaphid.Message{CID: cid, Command: e.Command, Payload: e.Answer}, e.Answered-at)
}

func (c *rekeyedReports) put(m ctaphid.Message, after time.Duration) error {
	cutter, err := ctaphid.NewFragmenter(m, c.size)
	if err != nil {
		return fmt.Errorf("tape %s: %w", c.player.tape.Name, err)
	}
	for {
		report := make([]byte, c.size)
		if !cutter.Next(report) {
			return nil
		}
		c.queue = append(c.queue, dueReport{report, after})
		after = 0
	}
}

// init gives a channel, and says of the key what the tape says. Of a tape that
// begins in mid-session that is what its questions show.
func (c *rekeyedReports) init(m ctaphid.Message) error {
	c.queue, c.held, c.missing = nil, nil, nil
	answer := make([]byte, ctaphid.InitAnswerSize)
	answer[nonceSize+4], answer[ctaphid.InitAnswerSize-1] = 2, byte(ctaphid.CapabilityCBOR)
	if recorded := c.player.messages.opening(); recorded != nil {
		answer = clone(recorded)
	}
	copy(answer, m.Payload[:min(len(m.Payload), nonceSize)])
	id := m.CID
	if id == ctaphid.BroadcastCID {
		c.last++
		id = c.last
	}
	putChannel(answer[nonceSize:], id)
	return c.put(ctaphid.Message{CID: m.CID, Command: ctaphid.CommandInit, Payload: answer}, 0)
}
