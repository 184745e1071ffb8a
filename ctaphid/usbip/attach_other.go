//go:build !linux

package usbip

import "fmt"

// Attach returns an error that wraps [ErrUnsupported].
func Attach(*Device) (*Attachment, error) {
	return nil, fmt.Errorf("usbip: attach: %w", ErrUnsupported)
}
