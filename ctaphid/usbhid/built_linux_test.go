//go:build cgo && !android

package usbhid

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestBindDriverErrors: what the kernel says comes through. That it works is
// shown under umockdev.
func TestBindDriverErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "node")
	if err := bindDriver(file, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no node: %v", err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := bindDriver(file, 0); !errors.Is(err, unix.ENOTTY) {
		t.Errorf("no device: %v", err)
	}
}
