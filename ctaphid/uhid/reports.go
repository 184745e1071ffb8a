package uhid

import (
	"context"
	"errors"
	"io/fs"
	"time"
)

// listen deals with what the kernel says, one event after the other.
func (a *Attachment) listen() error {
	buf := make([]byte, eventSize)
	for {
		n, err := a.node.Read(buf)
		if a.ctx.Err() != nil {
			return context.Cause(a.ctx)
		}
		if err != nil {
			return err
		}
		e, err := parseEvent(buf[:n])
		if err == nil {
			err = a.take(e)
		}
		if err != nil {
			return err
		}
	}
}

// take deals with one event. A key has no reports that are asked for outside of
// its queue, so that a GET_REPORT fails; the kernel would wait five seconds for
// an answer.
func (a *Attachment) take(e event) error {
	switch e.kind {
	case typeOutput:
		return a.output(e)
	case typeGetReport:
		return a.write(replyEvent(typeGetReportReply, e.id, errIO))
	case typeSetReport:
		if !e.output {
			return a.write(replyEvent(typeSetReportReply, e.id, errIO))
		}
		if err := a.output(e); err != nil {
			return err
		}
		return a.write(replyEvent(typeSetReportReply, e.id, errNone))
	}
	return nil
}

// output hands the key a report. What a program writes begins with the number of
// the report, and with zero where reports have none; as on USB, that zero is not
// sent and anything else is. What is longer than a report is lost.
func (a *Attachment) output(e event) error {
	report := e.data
	if len(report) > 0 && report[0] == 0 {
		report = report[1:]
	}
	if !e.output || len(report) == 0 || len(report) > a.cfg.ReportSize {
		return nil
	}
	return a.conn.WriteReport(a.ctx, report)
}

// pump carries the key's reports to the kernel, no faster than the pace.
func (a *Attachment) pump() error {
	report := make([]byte, a.cfg.ReportSize)
	var out []byte
	for {
		n, err := a.conn.ReadReport(a.ctx, report)
		if err == nil {
			out = appendInput(out[:0], report[:n])
			err = a.write(out)
		}
		if err == nil {
			err = a.pause()
		}
		if err != nil {
			return err
		}
	}
}

// write sends the kernel an event, which has to be one write. Once the key is
// being pulled out, its node is closed.
func (a *Attachment) write(event []byte) error {
	_, err := a.node.Write(event)
	if errors.Is(err, fs.ErrClosed) && a.ctx.Err() != nil {
		return context.Cause(a.ctx)
	}
	return err
}

func (a *Attachment) pause() error {
	if a.cfg.Pace < 0 {
		return nil
	}
	timer := time.NewTimer(a.cfg.Pace)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-a.ctx.Done():
		return context.Cause(a.ctx)
	}
}
