//go:build linux

package rig

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/devices/discover"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// holding starts an enrolment that waits for a touch which never comes, and
// returns when it waits.
func holding(t *testing.T, backend string) (*key, *program, idler) {
	t.Helper()
	user := newIdler()
	k := plugIn(t, options{virtual: virtual.Config{Presence: user.wait}})
	k.find(backend)
	p := start(t, "", nil, "touchstone", "--hid-backend", backend, "enroll", "--rp", "example.com", "--user", "alice")
	select {
	case <-user.asked:
	case <-time.After(limit):
		t.Fatal("no touch was asked for")
	}
	return k, p, user
}

func (p *program) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// TestInUse: the second program is told that the first one has the key.
func TestInUse(t *testing.T) {
	const inUse = "another program holds the device"
	t.Run(discover.Hidraw, func(t *testing.T) {
		_, first, _ := holding(t, discover.Hidraw)
		touchstone(t, 1, "device", "info").told(inUse)
		first.signal(os.Interrupt)
		first.wait(130)
	})
	t.Run(discover.USBHID, func(t *testing.T) {
		_, first, _ := holding(t, discover.USBHID)
		touchstone(t, 3, "--hid-backend", discover.USBHID, "device", "info").told(inUse, "close the other program")
		first.signal(os.Interrupt)
		first.wait(130)
	})
}

// TestInterrupt: Ctrl-C ends the wait for a touch, and the key with it, so that
// the next command finds it at rest.
func TestInterrupt(t *testing.T) {
	onBackends(t, func(t *testing.T, backend string) {
		k, p, user := holding(t, backend)
		p.signal(os.Interrupt)
		p.wait(130)
		select {
		case <-user.released:
		default:
			t.Error("the key still waits for a touch")
		}
		k.find(backend)
		touchstone(t, 0, "--hid-backend", backend, "device", "info")
	})
}

// TestKilled: a program that is killed while it has the key through libusb
// leaves the interface without a driver. The next listing says so to who may
// not mend it; whoever may finds the key usable, and opening it gives the driver
// back.
func TestKilled(t *testing.T) {
	k, p, _ := holding(t, discover.USBHID)
	p.signal(os.Kill)
	p.wait(-1)
	k.await("without a driver", func() bool { return k.driver("0") == "" })
	l := list(t, &syscall.Credential{Uid: 1000, Gid: 1000}, "--hid-backend", discover.USBHID)
	if len(l.Devices) != 0 || len(l.LeftOut) != 1 || l.LeftOut[0].Device.Serial != k.serial ||
		!strings.Contains(l.LeftOut[0].Reason, "no driver has the interface") || !strings.Contains(l.LeftOut[0].Hint, "plug it in again") {
		t.Errorf("list without rights %+v", l)
	}
	l = list(t, nil, "--hid-backend", discover.USBHID)
	if len(l.Devices) != 1 || len(l.LeftOut) != 0 || l.Devices[0].Serial != k.serial {
		t.Errorf("list with rights %+v", l)
	}
	// Opened, and asked nothing: the key still waits for the touch.
	if link, err := discover.Open(t.Context(), k.find(discover.USBHID)); err != nil {
		t.Error(err)
	} else if err := link.Close(); err != nil {
		t.Error(err)
	}
	k.await("under its driver again", func() bool { return k.driver("0") == "usbhid" })
}

// TestKilledHidraw: through hidraw nothing is left behind, only a key that still
// waits for the touch.
func TestKilledHidraw(t *testing.T) {
	k, p, _ := holding(t, discover.Hidraw)
	p.signal(os.Kill)
	p.wait(-1)
	if l := list(t, nil); len(l.Devices) != 1 || l.Devices[0].Serial != k.serial {
		t.Errorf("list %+v", l)
	}
}

// TestPermission: without the right to open the node the key is left out, with
// the rule that would give it.
func TestPermission(t *testing.T) {
	k := plugIn(t, options{})
	node := k.find(discover.Hidraw).Path
	if err := os.Chmod(node, 0o600); err != nil {
		t.Fatal(err)
	}
	for backend, rule := range map[string]string{
		discover.Hidraw: `KERNEL=="hidraw*", SUBSYSTEM=="hidraw", ATTRS{idVendor}=="1209", ATTRS{idProduct}=="f1d0", TAG+="uaccess"`,
		discover.USBHID: `SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ATTR{idVendor}=="1209", ATTR{idProduct}=="f1d0", TAG+="uaccess"`,
	} {
		l := list(t, &syscall.Credential{Uid: 1000, Gid: 1000}, "--hid-backend", backend)
		if len(l.Devices) != 0 || len(l.LeftOut) != 1 || l.LeftOut[0].Device.Serial != k.serial ||
			!strings.Contains(l.LeftOut[0].Reason, "permission denied") || !strings.Contains(l.LeftOut[0].Hint, rule) {
			t.Errorf("%s: list %+v", backend, l)
		}
	}
	if err := os.Chmod(node, 0o666); err != nil {
		t.Fatal(err)
	}
	if l := list(t, &syscall.Credential{Uid: 1000, Gid: 1000}); len(l.Devices) != 1 || l.Devices[0].Path != node {
		t.Errorf("with the right: list %+v", l)
	}
}
