package ctaphid

import "context"

// ReportConn is the report seam: an open connection to a HID device that
// carries whole reports, without a report ID, in both directions. Backends,
// the device side of this package, recorders and players implement it.
//
// ReadReport and WriteReport may run at the same time as each other, not as
// themselves. Close may be called at any time, ends both with an error that
// wraps [ErrClosed], and may be called twice.
type ReportConn interface {
	// ReadReport reads the next input report into p, which must have room for
	// a whole one, and returns its size in bytes. It returns early with
	// ctx's cause when ctx ends, and with an error wrapping [ErrGone] when the
	// device has left.
	ReadReport(ctx context.Context, p []byte) (int, error)

	// WriteReport sends one output report. p holds all of it, padding included.
	WriteReport(ctx context.Context, p []byte) error

	Close() error
}

// ReportPoller is a [ReportConn] that can also tell without waiting whether a
// report has come. A [Channel] asks it before each request and drops what is
// there, so that a late or doubled answer to an earlier request is not taken
// for the answer to the next.
type ReportPoller interface {
	// PollReport is ReadReport, but returns 0 and no error when no report has
	// come.
	PollReport(p []byte) (int, error)
}
