package sysfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestAccess(t *testing.T) {
	file := filepath.Join(t.TempDir(), "node")
	if err := New("").Access(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := New("").Access(file); err != nil {
		t.Errorf("one's own file: %v", err)
	}
}
