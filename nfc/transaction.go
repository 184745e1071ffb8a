package nfc

import (
	"context"
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
	// parts is how many parts of the present chain the card has taken.
	parts int
}

// begin waits for the turn, and for the card.
func (a *Applet) begin(ctx context.Context) (*transaction, error) {
	select {
	case a.turn <- struct{}{}:
	case <-a.life.Done():
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	err := ended(ctx)
	if a.life.Err() != nil {
		err = ErrClosed
	}
	if err != nil {
		<-a.turn
		return nil, err
	}
	t := a.transaction(ctx)
	if err := t.claim(); err != nil {
		a.stale = a.stale || t.ctx.Err() == nil // gone, or reset by another program
		t.end()
		return nil, err
	}
	return t, nil
}

func (a *Applet) transaction(ctx context.Context) *transaction {
	t := &transaction{Applet: a, start: time.Now()}
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(a.life, func() { cancel(context.Cause(a.life)) })
	ctx, expire := context.WithTimeoutCause(ctx, a.cfg.Timeout, ErrTimeout)
	late, release := linger(ctx, a.cfg.Drain)
	t.ctx, t.late = ctx, late
	t.stop = func() { release(); expire(); unhook(); cancel(nil) }
	return t
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
	resp, err := t.deliver(msg)
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
		if resp, err = t.poll(0); err != nil {
			return resp, fail("poll", err)
		}
	}
	return resp, refusal("poll", resp.SW)
}

func (t *transaction) poll(p1 byte) (Response, error) {
	return t.send(t.cfg.poll(p1, t.extended()), maxShortNc)
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
	resp, err := t.poll(P1Cancel)
	if !answers(resp) {
		resp.SW = SWPending
	}
	for err == nil && resp.SW == SWPending {
		if !pause(t.late, t.cfg.Poll) {
			t.abort()
			break
		}
		resp, err = t.poll(0)
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
