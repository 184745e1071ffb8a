//go:build !windows

package doctor

import "errors"

// elevated and serviceRuns are for Windows' checks only.
func elevated() bool { return false }

func serviceRuns(string) (bool, error) { return false, errors.ErrUnsupported }
