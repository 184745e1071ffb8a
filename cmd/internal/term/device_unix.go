//go:build !windows

package term

// terminalDevice is the controlling terminal.
const terminalDevice = "/dev/tty"
