//go:build !cgo || !((linux && !android) || (darwin && !ios) || windows)

package usbhid

import "runtime"

var builtin = library{missing: missing(runtime.GOOS)}

// missing tells what a compiler would mend from what nothing would.
func missing(goos string) error {
	switch goos {
	case "linux", "darwin", "windows":
		return ErrNotBuilt
	}
	return ErrUnsupported
}
