//go:build !linux

package hidraw

import (
	"context"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// Conn is an open node. There are none on this operating system.
type Conn struct{}

var _ ctaphid.ReportConn = (*Conn)(nil)

// List returns an error that wraps [ErrUnsupported].
func List(root string) ([]Device, error) {
	return nil, fmt.Errorf("hidraw: list: %w", ErrUnsupported)
}

// Open returns an error that wraps [ErrUnsupported].
func Open(ctx context.Context, path string) (*Conn, error) {
	return nil, fmt.Errorf("hidraw: open %s: %w", path, ErrUnsupported)
}

// Watch returns an error that wraps [ErrUnsupported].
func Watch(ctx context.Context, root string, changed func()) error {
	return fmt.Errorf("hidraw: watch: %w", ErrUnsupported)
}

// ReportSize returns 0.
func (c *Conn) ReportSize() int { return 0 }

// ReadReport returns [ErrUnsupported].
func (c *Conn) ReadReport(ctx context.Context, p []byte) (int, error) { return 0, ErrUnsupported }

// WriteReport returns [ErrUnsupported].
func (c *Conn) WriteReport(ctx context.Context, p []byte) error { return ErrUnsupported }

// Close does nothing.
func (c *Conn) Close() error { return nil }
