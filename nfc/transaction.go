package nfc

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// transaction is one turn of an applet on its card.
type transaction struct {
	*Applet
	start time.Time
	// ctx is the caller's, cut short by Close and by Config.Timeout. When it
	// ends, nothing new is started.
	ctx context.Context
	// late ends Config.Drain after ctx. What is already on the wire is heard
	// out under it: a card's answer must not be lost to a cancel.
	late context.Context
	stop func()
}

// begin waits for the turn.
func (a *Applet) begin(ctx context.Context) (*transaction, error) {
	select {
	case a.turn <- struct{}{}:
	case <-a.life.Done():
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if a.life.Err() != nil {
		<-a.turn
		return nil, ErrClosed
	}
	if err := ended(ctx); err != nil {
		<-a.turn
		return nil, err
	}
	t := &transaction{Applet: a, start: time.Now()}
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(a.life, func() { cancel(context.Cause(a.life)) })
	ctx, expire := context.WithTimeoutCause(ctx, a.cfg.Timeout, ErrTimeout)
	late, release := linger(ctx, a.cfg.Drain)
	t.ctx, t.late = ctx, late
	t.stop = func() { release(); expire(); unhook(); cancel(nil) }
	return t, nil
}

// end gives the turn back.
func (t *transaction) end() {
	t.stop()
	<-t.turn
}

// linger returns a context that ends d after ctx, for the same cause.
func linger(ctx context.Context, d time.Duration) (context.Context, func()) {
	late, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(ctx, func() {
		if pause(late, d) {
			cancel(context.Cause(ctx))
		}
	})
	return late, func() { unhook(); cancel(nil) }
}

// pause waits for d and says whether ctx lasted that long.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// message carries msg to the card and waits for its answer.
func (t *transaction) message(msg []byte) ([]byte, error) {
	resp, err := t.send(t.cfg.message(msg), t.cfg.ChunkSize)
	if err == nil && resp.SW == SWPending {
		resp, err = t.await(resp)
	}
	if err != nil {
		return nil, err
	}
	if resp.SW != SWOK {
		return nil, refusal("message", resp.SW)
	}
	if len(resp.Data) == 0 {
		return nil, fmt.Errorf("%w: answer without a status byte", ErrProtocol)
	}
	return resp.Data, nil
}

// await polls until the card has its answer, or cancels when ctx ends.
func (t *transaction) await(resp Response) (Response, error) {
	for resp.SW == SWPending {
		t.report(resp)
		if !pause(t.ctx, t.cfg.Poll) {
			return t.cancel()
		}
		var err error
		if resp, err = t.send(t.cfg.poll(0), maxShortNc); err != nil {
			return resp, fail("poll", err)
		}
	}
	return resp, refusal("poll", resp.SW)
}

func (t *transaction) report(resp Response) {
	if t.cfg.OnKeepalive == nil || t.ctx.Err() != nil {
		return
	}
	k := Keepalive{Since: time.Since(t.start)}
	if len(resp.Data) > 0 {
		k.Status = resp.Data[0]
	}
	t.cfg.OnKeepalive(k)
}

// cancel tells the card to give up and waits for its last word. Before CTAP
// 2.3 cards know no cancel and refuse it: those are polled until late ends.
func (t *transaction) cancel() (Response, error) {
	resp, err := t.send(t.cfg.poll(P1Cancel), maxShortNc)
	if !answers(resp) {
		resp.SW = SWPending
	}
	for err == nil && resp.SW == SWPending {
		if !pause(t.late, t.cfg.Poll) {
			t.abort()
			break
		}
		resp, err = t.send(t.cfg.poll(0), maxShortNc)
	}
	if err == nil && answers(resp) {
		return resp, nil
	}
	t.stale = true
	cause := context.Cause(t.ctx)
	if err != nil && t.late.Err() == nil {
		cause = fmt.Errorf("%w, after %w", err, cause)
	}
	return resp, &Error{Op: "cancel", Err: cause}
}

func answers(resp Response) bool { return resp.SW == SWOK && len(resp.Data) > 0 }

// abort opens the applet again, which ends what the card is at. Its outcome
// does not matter: the exchange has failed, and the next one opens again.
func (t *transaction) abort() {
	ctx, stop := context.WithTimeout(context.WithoutCancel(t.ctx), t.cfg.Drain)
	defer stop()
	again := *t
	again.ctx, again.late = ctx, ctx
	_ = again.open()
}

// send carries cmd, in parts of at most chunk bytes if it is short and too
// long for one, and puts the response together.
func (t *transaction) send(cmd Command, chunk int) (Response, error) {
	for !cmd.Extended && len(cmd.Data) > chunk {
		if err := t.part(cmd, chunk); err != nil {
			return Response{}, err
		}
		cmd.Data = cmd.Data[chunk:]
	}
	resp, err := t.exactly(cmd)
	if err != nil {
		return Response{}, err
	}
	if _, more := resp.SW.Remaining(); more {
		resp, err = t.collect(resp)
	}
	if err == nil && len(resp.Data) > t.cfg.MaxAnswer {
		err = fmt.Errorf("%w: answer of more than %d bytes", ErrProtocol, t.cfg.MaxAnswer)
	}
	return resp, err
}

// part sends the first chunk bytes of a chain (ISO 7816-4 §5.3.3). Until the
// last part the card has nothing to lose, so here the end of ctx ends all.
func (t *transaction) part(cmd Command, chunk int) error {
	if err := ended(t.ctx); err != nil {
		t.stale = true
		return err
	}
	cmd.CLA |= ClassChain
	cmd.Data = cmd.Data[:chunk]
	cmd.Ne = 0
	if cmd.INS == INSMessage && t.cfg.ChainPoll == ChainPollLast {
		cmd.P1 &^= P1Poll
	}
	resp, err := t.single(cmd)
	if err == nil {
		err = refusal("chain", resp.SW)
	}
	t.stale = t.stale || err != nil
	return err
}

// exactly sends cmd, and once more if the card names the Le that it wants.
func (t *transaction) exactly(cmd Command) (Response, error) {
	resp, err := t.single(cmd)
	if n, ok := resp.SW.RightLength(); ok && err == nil {
		cmd.Ne = n
		return t.single(cmd)
	}
	return resp, err
}

// collect fetches what a 61xx offers (ISO 7816-4 §5.3.4). The loop ends: every
// round must bring at least one byte, and there is a limit to them.
func (t *transaction) collect(resp Response) (Response, error) {
	whole := append([]byte(nil), resp.Data...)
	n, more := resp.SW.Remaining()
	for more {
		next, err := t.getResponse(n)
		if err != nil {
			return Response{}, fail("get response", err)
		}
		n, more = next.SW.Remaining()
		if !more && next.SW != SWOK {
			return Response{}, refusal("get response", next.SW)
		}
		if len(next.Data) == 0 || len(whole)+len(next.Data) > t.cfg.MaxAnswer {
			return Response{}, fail("get response", fmt.Errorf("%w: %d and then %d bytes of an answer",
				ErrProtocol, len(whole), len(next.Data)))
		}
		whole = append(whole, next.Data...)
	}
	return Response{Data: whole, SW: SWOK}, nil
}

// getResponse asks for n more bytes. The class should be 00; a card that does
// not know that one is asked with 80, from then on.
func (t *transaction) getResponse(n int) (Response, error) {
	cmd := Command{CLA: t.getCLA, INS: INSGetResponse, Ne: n}
	if t.cfg.OmitLe {
		cmd.Ne = 0
	}
	resp, err := t.exactly(cmd)
	unknown := resp.SW == SWClaNotSupported || resp.SW == SWInsNotSupported
	if err == nil && unknown && t.getCLA == ClassISO {
		t.getCLA, cmd.CLA = ClassCTAP, ClassCTAP
		return t.exactly(cmd)
	}
	return resp, err
}

// single sends one APDU and reads its response.
func (t *transaction) single(cmd Command) (Response, error) {
	apdu, err := cmd.Bytes()
	if err != nil {
		return Response{}, err
	}
	if err := ended(t.late); err != nil {
		return Response{}, err
	}
	raw, err := t.card.Transmit(t.late, apdu)
	if cause := ended(t.late); err != nil && cause != nil && !errors.Is(err, ErrGone) {
		return Response{}, cause
	}
	if err != nil {
		return Response{}, err
	}
	return ParseResponse(raw)
}
