package ctaphid

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

var (
	errEnded  = errors.New("context ended")  // of the caller, before the answer
	errSilent = errors.New("channel silent") // for longer than allowed
)

// inTurn waits for the turn and runs try, again for as long as the key says
// that it is busy.
func (c *Channel) inTurn(ctx context.Context, try func() error) error {
	if err := c.acquire(ctx); err != nil {
		return err
	}
	defer func() { <-c.turn }()
	err := try()
	if !errors.Is(err, CodeChannelBusy) {
		return err
	}
	return c.insist(ctx, try)
}

func (c *Channel) acquire(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.closed:
		return ErrClosed
	}
	if c.isClosed() {
		<-c.turn
		return ErrClosed
	}
	return nil
}

// insist runs try every [busyPause] until the key is not busy any more.
func (c *Channel) insist(ctx context.Context, try func() error) error {
	if _, limited := ctx.Deadline(); !limited {
		patience, stop := context.WithTimeoutCause(ctx, c.cfg.Silence, ErrTimeout)
		defer stop()
		return c.repeat(patience, try)
	}
	return c.repeat(ctx, try)
}

func (c *Channel) repeat(patience context.Context, try func() error) error {
	pause := time.NewTicker(busyPause)
	defer pause.Stop()
	for {
		select {
		case <-patience.Done():
		case <-c.closed:
			return ErrClosed
		case <-pause.C:
		}
		if patience.Err() != nil {
			return fmt.Errorf("%w: %w", CodeChannelBusy, context.Cause(patience))
		}
		if err := try(); !errors.Is(err, CodeChannelBusy) {
			return err
		}
	}
}

// once sends one request and waits for its answer. The channel counts as out
// of step until that is here.
func (c *Channel) once(ctx context.Context, cmd Command, payload []byte) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	request := Message{CID: c.ID(), Command: cmd, Payload: payload}
	cut, err := NewFragmenter(request, c.cfg.ReportSize)
	if err != nil {
		return nil, err
	}
	c.dropLate()
	c.step = outOfStep
	c.asm.Reset()
	if err := c.write(ctx, cut); err != nil {
		return nil, err
	}
	return c.await(ctx, cmd, time.Now())
}

// write sends a whole message, even when ctx ends meanwhile: half a message
// would leave the key waiting for the rest.
func (c *Channel) write(ctx context.Context, cut Fragmenter) error {
	ctx, stop := context.WithTimeoutCause(context.WithoutCancel(ctx), writeLimit, ErrTimeout)
	defer stop()
	for cut.Next(c.out) {
		if err := c.conn.WriteReport(ctx, c.out); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	return nil
}

// await returns the answer to the request that was sent. If ctx ends first it
// cancels, and waits a little for the last word.
func (c *Channel) await(ctx context.Context, cmd Command, sent time.Time) ([]byte, error) {
	answer, err := c.listen(ctx, cmd, sent)
	if !errors.Is(err, errEnded) {
		return answer, err
	}
	answer, err = c.lastWord(ctx, cmd, sent)
	if errors.Is(err, errEnded) {
		err = fmt.Errorf("%w, not even a last word in %v", ErrTimeout, c.cfg.Drain)
	}
	if err == nil || errors.Is(err, CodeChannelBusy) {
		return answer, err
	}
	return nil, fmt.Errorf("%w: %w", context.Cause(ctx), err)
}

// lastWord cancels, unless the answer is on its way or the request has no
// cancel, and listens for at most Config.Drain.
func (c *Channel) lastWord(ctx context.Context, cmd Command, sent time.Time) ([]byte, error) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.Drain)
	defer stop()
	if cmd == CommandCBOR && !c.asm.pending {
		cut, err := NewFragmenter(Message{CID: c.ID(), Command: CommandCancel}, c.cfg.ReportSize)
		if err != nil {
			return nil, err
		}
		if err := c.write(ctx, cut); err != nil {
			return nil, err
		}
	}
	return c.listen(ctx, cmd, sent)
}

// listen returns the answer to cmd, errEnded when ctx ends before it, or an
// error when the channel is silent for too long.
func (c *Channel) listen(ctx context.Context, cmd Command, sent time.Time) ([]byte, error) {
	heard, stop := c.watch(ctx, c.cfg.Silence)
	defer stop()
	for {
		p, err := c.next(heard.ctx, c.ID())
		if err != nil {
			return nil, err
		}
		heard.timer.Reset(c.cfg.Silence)
		m, whole, err := c.asm.Add(p)
		if err == nil && p.Init {
			err = expect(cmd, p)
		}
		if err != nil {
			return nil, err
		}
		if !whole {
			continue
		}
		if done, err := c.judge(m, sent); done {
			return bytes.Clone(m.Payload), err
		}
	}
}

// expect checks that p may begin a message while the answer to cmd is due.
func expect(cmd Command, p Packet) error {
	switch p.Command {
	case cmd, CommandKeepalive, CommandError:
		return nil
	}
	return &ProtocolError{
		Fault: FaultCommand, CID: p.CID, Command: cmd, Got: int(p.Command), Want: int(cmd),
	}
}

// judge reports whether m ends the transaction, and with which error.
func (c *Channel) judge(m Message, sent time.Time) (bool, error) {
	switch m.Command {
	case CommandError:
		return true, c.refused(m)
	case CommandKeepalive:
		if len(m.Payload) == 0 {
			return true, emptyPayload(m)
		}
		if c.cfg.OnKeepalive != nil {
			c.cfg.OnKeepalive(Keepalive{KeepaliveStatus(m.Payload[0]), time.Since(sent)})
		}
		return false, nil
	case CommandCBOR:
		if len(m.Payload) == 0 {
			return true, emptyPayload(m)
		}
	}
	c.step = inStep
	return true, nil
}

// refused is the error of a CTAPHID_ERROR message, which ends a transaction.
func (c *Channel) refused(m Message) error {
	if len(m.Payload) == 0 {
		return emptyPayload(m)
	}
	code := ErrorCode(m.Payload[0])
	c.step = inStep
	if code == CodeInvalidChannel {
		c.step = noChannel
	}
	return code
}

func emptyPayload(m Message) error {
	return &ProtocolError{Fault: FaultPayload, CID: m.CID, Command: m.Command, Want: 1}
}
