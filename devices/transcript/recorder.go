package transcript

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/nfc"
)

// Recorder writes what crosses a connection to a tape, in the order in which
// the host saw it. It may be used by many goroutines.
//
// A recorder never disturbs the session that it records. When the tape cannot
// be written, recording stops for good, the session goes on, and the error is
// what [Recorder.Err] and the Close of every recorded connection return.
type Recorder struct {
	now   func() time.Time
	start time.Time

	mu   sync.Mutex
	tape *Writer
	err  error
}

// NewRecorder writes the header to w and returns a recorder for that tape.
// The header must name the transport; a zero Recorded becomes the present
// time. Times on the tape count from now; now may be nil for the real clock.
// Each record is one call of w.Write. w is the caller's to close.
func NewRecorder(w io.Writer, h Header, now func() time.Time) (*Recorder, error) {
	if now == nil {
		now = time.Now
	}
	start := now()
	if h.Recorded.IsZero() {
		h.Recorded = start
	}
	tape, err := NewWriter(w, h)
	if err != nil {
		return nil, err
	}
	return &Recorder{now: now, start: start, tape: tape}, nil
}

// Err is the first error of writing the tape, nil if all of it was written.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Mark writes an event, such as that the user was asked for a touch. name must
// not be empty; text is for people.
func (r *Recorder) Mark(name, text string) error {
	r.write(Record{Level: Mark, Event: &Event{Name: name, Text: text}})
	return r.Err()
}

func (r *Recorder) write(rec Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return
	}
	rec.Time = r.now().Sub(r.start)
	r.err = r.tape.Write(rec)
}

// belongs makes it an error to record on the tape of another transport.
func (r *Recorder) belongs(transport Transport) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil && r.tape.transport != transport {
		r.err = fmt.Errorf("write tape: it is of transport %q, the connection of %q", r.tape.transport, transport)
	}
}

func (r *Recorder) crossing(level Level, dir Direction, data []byte) {
	r.write(Record{Level: level, Dir: dir, Data: data})
}

// failed writes an error of the seam. That the host closed the connection
// itself is on the tape already.
func (r *Recorder) failed(ctx context.Context, op string, err error) {
	kind := kindOther
	switch {
	case errors.Is(err, ctaphid.ErrGone), errors.Is(err, nfc.ErrGone):
		kind = kindGone
	case errors.Is(err, ctaphid.ErrClosed), errors.Is(err, nfc.ErrClosed):
		return
	case ctx.Err() != nil:
		if op == opRead {
			return // the host stopped waiting, nothing crossed
		}
		kind = kindEnded
	case errors.Is(err, nfc.ErrTransmission):
		kind = kindLost
	}
	r.write(Record{Level: Mark, Event: &Event{Name: eventError, Op: op, Kind: kind, Text: err.Error()}})
}

// closed writes that the host closed a connection, and joins what went wrong
// with the tape to what went wrong with the connection.
func (r *Recorder) closed(once *sync.Once, err error) error {
	once.Do(func() { r.write(Record{Level: Mark, Event: &Event{Name: eventClose}}) })
	if tape := r.Err(); tape != nil {
		return errors.Join(err, fmt.Errorf("recording is incomplete: %w", tape))
	}
	return err
}

// Reports records what crosses conn, which it returns wrapped. On a tape of
// another transport nothing is recorded, which Err and Close then say.
func (r *Recorder) Reports(conn ctaphid.ReportConn) ctaphid.ReportConn {
	r.belongs(HID)
	return &recordedReports{conn: conn, tape: r}
}

type recordedReports struct {
	conn ctaphid.ReportConn
	tape *Recorder
	once sync.Once
}

var _ ctaphid.ReportConn = (*recordedReports)(nil)

// ReadReport is on the tape as soon as the host has it.
func (c *recordedReports) ReadReport(ctx context.Context, p []byte) (int, error) {
	n, err := c.conn.ReadReport(ctx, p)
	if err != nil {
		c.tape.failed(ctx, opRead, err)
		return n, err
	}
	c.tape.crossing(Report, In, p[:n])
	return n, nil
}

// PollReport is on the tape as a late report.
func (c *recordedReports) PollReport(p []byte) (int, error) {
	conn, ok := c.conn.(ctaphid.ReportPoller)
	if !ok {
		return 0, nil
	}
	n, err := conn.PollReport(p)
	if n > 0 && err == nil {
		c.tape.write(Record{Level: Report, Dir: In, Data: p[:n], Late: true})
	}
	return n, err
}

// WriteReport is on the tape before it is with the key, so that no answer can
// come before its question.
func (c *recordedReports) WriteReport(ctx context.Context, p []byte) error {
	c.tape.crossing(Report, Out, p)
	err := c.conn.WriteReport(ctx, p)
	if err != nil {
		c.tape.failed(ctx, opWrite, err)
	}
	return err
}

// Close also tells whether the tape is complete.
func (c *recordedReports) Close() error {
	return c.tape.closed(&c.once, c.conn.Close())
}
