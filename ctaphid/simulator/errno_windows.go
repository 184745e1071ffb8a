package simulator

import "golang.org/x/sys/windows"

// What the system says of a connection that is lost, and of a port that nobody
// listens on. Of a UDP port it says that the connection was reset.
var (
	lost    = []error{windows.WSAECONNABORTED, windows.WSAETIMEDOUT}
	refused = []error{windows.WSAECONNREFUSED, windows.WSAECONNRESET}
)
