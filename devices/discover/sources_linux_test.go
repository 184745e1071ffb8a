package discover

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/ctaphid/hidraw"
	"github.com/touchstone-fido/touchstone/ctaphid/usbhid"
	"github.com/touchstone-fido/touchstone/devices"
)

const descriptor = "06d0f10901a1010920150026ff00750895408102" + "0921150026ff00750895409102c0"

// root makes a root directory in which a key hangs on the machine: as
// /dev/hidraw3 if it has a node, and as interface 1-1:1.0 in any case.
func root(t *testing.T, node bool) string {
	t.Helper()
	dir := t.TempDir()
	raw, err := hex.DecodeString(descriptor)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"sys/devices/usb1/1-1/idVendor":                                      "1050\n",
		"sys/devices/usb1/1-1/idProduct":                                     "0407\n",
		"sys/devices/usb1/1-1/manufacturer":                                  "Yubico\n",
		"sys/devices/usb1/1-1/product":                                       "YubiKey OTP+FIDO+CCID\n",
		"sys/devices/usb1/1-1/busnum":                                        "1\n",
		"sys/devices/usb1/1-1/devnum":                                        "4\n",
		"sys/devices/usb1/1-1/1-1:1.0/bInterfaceClass":                       "03\n",
		"sys/devices/usb1/1-1/1-1:1.0/0003:1050:0407.0001/report_descriptor": string(raw),
		"sys/devices/usb1/1-1/1-1:1.0/0003:1050:0407.0001/uevent":            "HID_ID=0003:00001050:00000407\n",
		"dev/bus/usb/001/004":                                                "",
	}
	if node {
		files["dev/hidraw3"] = ""
	}
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	link(t, dir, "sys/class/hidraw/hidraw3/device", "../../../devices/usb1/1-1/1-1:1.0/0003:1050:0407.0001")
	link(t, dir, "sys/bus/usb/devices/1-1", "../../../devices/usb1/1-1")
	link(t, dir, "sys/bus/usb/devices/1-1:1.0", "../../../devices/usb1/1-1/1-1:1.0")
	link(t, dir, "sys/devices/usb1/1-1/1-1:1.0/driver", "../../../../bus/usb/drivers/usbhid")
	return dir
}

func link(t *testing.T, dir, name, target string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Symlink(target, path)); err != nil {
		t.Fatal(err)
	}
}

func key(backend, path string) devices.Info {
	i := yubikey
	i.Backend, i.Path = backend, path
	return i
}

// without leaves PC/SC out, which depends on the machine and the build.
func without(l devices.Listing, backend string) devices.Listing {
	l.Devices = slices.DeleteFunc(l.Devices, func(d devices.Info) bool { return d.Backend == backend })
	l.LeftOut = slices.DeleteFunc(l.LeftOut, func(o devices.LeftOut) bool { return o.Info.Backend == backend })
	l.Failures = slices.DeleteFunc(l.Failures, func(f devices.Failure) bool { return f.Backend == backend })
	return l
}

func TestListHidraw(t *testing.T) {
	dir := root(t, true)
	l := without(List(t.Context(), Options{Root: dir}), PCSC)
	want := []devices.Info{key(Hidraw, filepath.Join(dir, "dev/hidraw3"))}
	if !reflect.DeepEqual(l.Devices, want) || len(l.LeftOut)+len(l.Failures) > 0 {
		t.Errorf("got %+v, want %+v", l, want)
	}
}

func TestListHidrawWithoutNode(t *testing.T) {
	dir := root(t, false)
	l := without(List(t.Context(), Options{Root: dir, HIDBackend: Hidraw}), PCSC)
	if len(l.LeftOut) != 1 || len(l.Devices)+len(l.Failures) > 0 {
		t.Fatalf("got %+v", l)
	}
	o := l.LeftOut[0]
	want := key(Hidraw, filepath.Join(dir, "dev/hidraw3"))
	if !reflect.DeepEqual(o.Info, want) || !errors.Is(o.Reason, hidraw.ErrNoNode) || o.Hint == "" {
		t.Errorf("got %+v", o)
	}
}

// TestWatchHidraw gives a key its node while the watch goes on, and takes the key
// away.
func TestWatchHidraw(t *testing.T) {
	dir := root(t, false)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	steps := []struct {
		want string
		next func() error
	}{
		{"present", func() error { return os.WriteFile(filepath.Join(dir, "dev/hidraw3"), nil, 0o600) }},
		{"changed", func() error {
			return errors.Join(os.RemoveAll(filepath.Join(dir, "sys/class/hidraw/hidraw3")), os.Remove(filepath.Join(dir, "dev/hidraw3")))
		}},
		{"removed", nil},
	}
	for c := range Watch(ctx, Options{Root: dir, HIDBackend: Hidraw}) {
		if c.Backend == PCSC {
			continue
		}
		if step := steps[0]; string(c.Kind) != step.want || (c.Reason == nil) != (c.Kind != devices.Present) ||
			!reflect.DeepEqual(c.Device, key(Hidraw, filepath.Join(dir, "dev/hidraw3"))) {
			t.Fatalf("%+v, want %s", c, step.want)
		} else if step.next == nil {
			return
		} else if err := step.next(); err != nil {
			t.Fatal(err)
		}
		steps = steps[1:]
	}
	t.Fatalf("nothing told that it was %s", steps[0].want)
}

func TestListNoClass(t *testing.T) {
	l := without(List(t.Context(), Options{Root: t.TempDir()}), PCSC)
	if len(l.Failures) != 1 || !errors.Is(l.Failures[0].Reason, hidraw.ErrNoClass) || l.Failures[0].Hint == "" {
		t.Errorf("got %+v", l)
	}
}

func TestListUSBHID(t *testing.T) {
	l := without(List(t.Context(), Options{Root: root(t, true), HIDBackend: USBHID}), PCSC)
	if missing := usbhid.Available(); missing != nil {
		if len(l.Failures) != 1 || !errors.Is(l.Failures[0].Reason, missing) || len(l.Devices) > 0 {
			t.Errorf("not built: got %+v", l)
		}
		return
	}
	want := []devices.Info{key(USBHID, "1-1:1.0")}
	if !reflect.DeepEqual(l.Devices, want) || len(l.LeftOut)+len(l.Failures) > 0 {
		t.Errorf("got %+v, want %+v", l, want)
	}
}

// TestListUSBHIDAbandoned: a key that a killed program has left without a driver
// can be chosen, as opening mends that.
func TestListUSBHIDAbandoned(t *testing.T) {
	if usbhid.Available() != nil {
		t.Skip("NOT RUN: ", usbhid.Available())
	}
	dir := root(t, false)
	iface := filepath.Join(dir, "sys/devices/usb1/1-1/1-1:1.0")
	err := errors.Join(os.Remove(filepath.Join(iface, "driver")), os.RemoveAll(filepath.Join(iface, "0003:1050:0407.0001")),
		os.WriteFile(filepath.Join(iface, "bInterfaceSubClass"), []byte("00\n"), 0o600),
		os.WriteFile(filepath.Join(iface, "bNumEndpoints"), []byte("02\n"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	l := without(List(t.Context(), Options{Root: dir, HIDBackend: USBHID}), PCSC)
	want := key(USBHID, "1-1:1.0")
	want.ReportSize = 0 // shows with the driver
	if !reflect.DeepEqual(l.Devices, []devices.Info{want}) || len(l.LeftOut)+len(l.Failures) > 0 {
		t.Errorf("got %+v, want %+v", l, want)
	}
}

func TestUSBHIDDevice(t *testing.T) {
	if usbhid.Available() != nil {
		t.Skip("NOT RUN: ", usbhid.Available())
	}
	dir := root(t, true)
	if d, err := usbhidDevice(dir, "1-1:1.0"); err != nil || d.Path != "1-1:1.0" {
		t.Errorf("got %+v, %v", d, err)
	}
	if _, err := usbhidDevice(dir, "1-2:1.0"); !errors.Is(err, ctaphid.ErrGone) {
		t.Errorf("not there: %v", err)
	}
}

// TestHeldNodeIsNamed: a locked node is refused with what a hint needs to find
// out who has it.
func TestHeldNodeIsNamed(t *testing.T) {
	node := filepath.Join(t.TempDir(), "hidraw3")
	other, err := os.Create(node)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := unix.Flock(int(other.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	_, err = hidrawSource("").open(t.Context(), devices.Info{Path: node})
	var held *heldError
	if !errors.As(err, &held) || held.path != node || !errors.Is(err, hidraw.ErrInUse) {
		t.Errorf("%#v", err)
	}
}
