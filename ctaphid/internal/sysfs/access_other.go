//go:build !linux

package sysfs

import (
	"errors"
	"fmt"
)

// access cannot tell: only Linux has a tree to ask about.
func access(path string) error { return fmt.Errorf("%s: %w", path, errors.ErrUnsupported) }
