//go:build linux

package browser

import (
	"testing"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// machine is where the browser runs: the only thing that knows how a key gets to
// it. The scenes, the site and the browser are the same on each: the host, and the
// guest of scripts/rig.
//
// A guest has to bring: this program; /usr/lib/chromium, with its libraries and
// those that libnss3 loads later; a font and fontconfig's configuration; the
// loopback; vhci_hcd, usbhid and hid-generic; udev's daemon, without any rules, or
// the browser does not see what is plugged in while it runs; and 2 GB.
type machine interface {
	// plug lets the browser's system find a key in a socket, 0 or 1, until pull.
	// Each opening of the key there is a connection of its own.
	plug(socket int, connect func() ctaphid.ReportConn) (pull func() error, err error)
	// environ is what the browser has to find in its environment.
	environ() []string
}

// here is the machine of this process; nil if it is none.
var here machine

// needMachine skips a test that cannot run here.
func needMachine(t *testing.T) machine {
	t.Helper()
	if here == nil {
		t.Skipf("NOT RUN: needs Chromium, and namespaces or a guest; scripts/browser runs it with %s=%s", environment, onHost)
	}
	return here
}

// host is a machine without hardware: namespaces in which sysfs has sockets with
// keys in them, and the device nodes are there when a key is.
type host struct{}

var _ machine = host{}

func (host) plug(socket int, connect func() ctaphid.ReportConn) (func() error, error) {
	n, err := plug(socket, connect)
	if err != nil {
		return nil, err
	}
	return n.pull, nil
}

// environ has udev's library believe a sysfs that is none.
func (host) environ() []string { return []string{"SYSTEMD_DEVICE_VERIFY_SYSFS=0"} }
