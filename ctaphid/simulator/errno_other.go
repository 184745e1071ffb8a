//go:build !windows

package simulator

import "syscall"

// What the system says of a connection that is lost, and of a port that nobody
// listens on.
var (
	lost    = []error{syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, syscall.ETIMEDOUT}
	refused = []error{syscall.ECONNREFUSED}
)
