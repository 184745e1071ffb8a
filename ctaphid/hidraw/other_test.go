//go:build !linux

package hidraw

import (
	"errors"
	"testing"
)

func TestUnsupported(t *testing.T) {
	if _, err := List(""); !errors.Is(err, ErrUnsupported) || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("list: %v", err)
	}
	if _, err := Open(t.Context(), "/dev/hidraw0"); !errors.Is(err, ErrUnsupported) {
		t.Errorf("open: %v", err)
	}
	if err := Watch(t.Context(), "", func() { t.Error("something has changed") }); !errors.Is(err, ErrUnsupported) {
		t.Errorf("watch: %v", err)
	}
}
