//go:build !cgo || !((linux && !android) || (darwin && !ios) || windows)

package usbhid

import (
	"errors"
	"testing"
)

func TestMissing(t *testing.T) {
	for goos, want := range map[string]error{
		"linux": ErrNotBuilt, "darwin": ErrNotBuilt, "windows": ErrNotBuilt, "freebsd": errors.ErrUnsupported,
	} {
		if err := missing(goos); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", goos, err, want)
		}
	}
}
