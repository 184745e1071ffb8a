package nfc

import (
	"context"
	"sync/atomic"
	"time"
)

// job is one call of the handler.
type job struct {
	cancel context.CancelFunc
	status atomic.Uint32 // of the last keepalive
	done   chan struct{} // closed when answer is there
	answer []byte
	lost   bool // nobody will fetch the answer
	rounds int  // of 9100 that the client was put off with, the handler being done
}

// start sets the handler to work, under the field and not under the command
// that asked: a client that polls comes back for the answer.
func (e *Emulator) start(work func(context.Context, *job) []byte) *job {
	ctx, cancel := context.WithCancel(e.field)
	j := &job{cancel: cancel, done: make(chan struct{})}
	j.status.Store(keepaliveProcessing)
	e.job = j
	go func() {
		defer cancel()
		defer close(j.done)
		j.answer = work(ctx, j)
	}()
	return j
}

// wait waits for the answer, up to patience unless that is negative, and says
// whether it is there. A command that is given up meanwhile takes the request
// with it.
func (j *job) wait(ctx context.Context, patience time.Duration) (bool, error) {
	select {
	case <-j.done:
		return true, nil
	default:
	}
	var expired <-chan time.Time
	if patience >= 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-j.done:
		return true, nil
	case <-expired:
		return false, nil
	case <-ctx.Done():
		j.lost = true
		j.cancel()
		return false, context.Cause(ctx)
	}
}

// drop gives up the request under way and waits for the handler to see it.
func (e *Emulator) drop(ctx context.Context) error {
	if e.job == nil {
		return nil
	}
	e.job.cancel()
	select {
	case <-e.job.done:
		e.job = nil
		return nil
	case <-ctx.Done():
		e.job.lost = true
		return context.Cause(ctx)
	}
}
