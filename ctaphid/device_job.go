package ctaphid

import (
	"context"
	"time"
)

// jobState is how far a request has come.
type jobState int

const (
	jobReceiving jobState = iota // packets are missing
	jobWaiting                   // for the handler to return from a dropped request
	jobRunning                   // in the handler
)

// job is one request at a device, from its first packet to its answer. The
// device's mutex guards it.
type job struct {
	cid     ChannelID
	command Command
	state   jobState
	msg     []byte
	status  KeepaliveStatus
	ctx     context.Context
	cancel  context.CancelFunc
	limit   *time.Timer   // ends jobReceiving and jobWaiting
	beat    *time.Timer   // sends keepalives, of CBOR requests only
	done    chan struct{} // closed when the handler has returned
}

// wait reports whether the handler returned within d. A nil job has.
func (j *job) wait(d time.Duration) bool {
	if j == nil {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-j.done:
		return true
	case <-timer.C:
		return false
	}
}

func (d *Device) newJob(cid ChannelID, cmd Command) *job {
	j := &job{cid: cid, command: cmd, status: KeepaliveProcessing, done: make(chan struct{})}
	j.ctx, j.cancel = context.WithCancel(context.Background())
	j.limit = time.AfterFunc(d.cfg.Timeout, func() { d.expire(j) })
	return j
}

// drop forgets the active request, if there is one. Nothing is ever sent for it
// again; its handler, if it runs, is told to stop.
func (d *Device) drop() {
	if d.active != nil {
		d.finish(d.active)
	}
}

// finish makes room for the next request.
func (d *Device) finish(j *job) {
	j.cancel()
	j.limit.Stop()
	if j.beat != nil {
		j.beat.Stop()
	}
	d.asm.Reset()
	d.active = nil
}

// expire is for a host that stopped in mid-message (CTAP 2.3 §11.2.5.3), and
// for a handler that does not return from a request that was dropped.
func (d *Device) expire(j *job) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.active != j || j.state == jobRunning {
		return
	}
	code := CodeMessageTimeout
	if j.state == jobWaiting {
		code = CodeChannelBusy
	}
	d.finish(j)
	d.fail(j.cid, code)
}

// submit hands a whole request to the handler, or queues it if the handler is
// still there for a dropped one.
func (d *Device) submit(m Message) {
	j := d.active
	j.msg = append([]byte(nil), m.Payload...)
	if j.command == CommandCBOR {
		j.beat = time.AfterFunc(d.cfg.Keepalive, func() { d.keepBeating(j) })
	}
	if d.running != nil {
		j.state = jobWaiting
		j.limit.Reset(d.cfg.Timeout)
		return
	}
	d.start(j)
}

func (d *Device) start(j *job) {
	j.limit.Stop()
	j.state = jobRunning
	d.running = j
	go d.run(j)
}

// run is the only goroutine that a device starts. The request ends even when
// the handler ends its goroutine, as a failing test does.
func (d *Device) run(j *job) {
	defer close(j.done)
	var answer []byte
	var ok bool
	defer func() { d.conclude(j, answer, ok) }()
	answer, ok = d.handle(j)
}

// conclude answers j unless it was dropped meanwhile, and lets in the request
// that waited for the handler.
func (d *Device) conclude(j *job, answer []byte, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running = nil
	switch {
	case d.active == j && ok:
		d.finish(j)
		d.send(j.cid, j.command, answer)
	case d.active == j:
		d.finish(j)
		d.fail(j.cid, CodeOther)
	case d.active != nil && d.active.state == jobWaiting:
		d.start(d.active)
	}
}

// handle calls the handler and reports whether its answer can be one.
func (d *Device) handle(j *job) ([]byte, bool) {
	switch j.command {
	case CommandWink:
		d.handler.(winkHandler).Wink()
		return nil, true
	case CommandMsg:
		answer := d.handler.(u2fHandler).U2F(j.ctx, j.msg)
		return answer, len(answer) >= 2
	}
	answer := d.handler.Message(j.ctx, j.msg, func(status byte) { d.setStatus(j, KeepaliveStatus(status)) })
	return answer, len(answer) > 0
}

// setStatus announces a change at once (§11.2.9.1.7).
func (d *Device) setStatus(j *job, status KeepaliveStatus) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.active != j || j.status == status {
		return
	}
	j.status = status
	d.keepalive(j)
}

func (d *Device) keepBeating(j *job) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.active == j {
		d.keepalive(j)
	}
}

func (d *Device) keepalive(j *job) {
	d.send(j.cid, CommandKeepalive, []byte{byte(j.status)})
	j.beat.Reset(d.cfg.Keepalive)
}
