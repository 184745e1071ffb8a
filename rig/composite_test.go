//go:build linux

package rig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/discover"
)

// driver is the driver that an interface of the key is bound to, empty for none.
func (k *key) driver(number string) string {
	k.t.Helper()
	link, err := os.Readlink(k.dir() + "/" + filepath.Base(k.dir()) + ":1." + number + "/driver")
	if err != nil {
		return ""
	}
	return filepath.Base(link)
}

// interfaceOf is the number of the interface that a listed device is.
func interfaceOf(t *testing.T, i devices.Info) string {
	t.Helper()
	name := i.Path
	if i.Backend == discover.Hidraw {
		dir, err := filepath.EvalSymlinks("/sys/class/hidraw/" + filepath.Base(i.Path) + "/device/..")
		if err != nil {
			t.Fatal(err)
		}
		name = filepath.Base(dir)
	}
	_, number, _ := strings.Cut(name, ":1.")
	return number
}

// TestKeyboardAndKey: of a device that is a keyboard, too, the FIDO interface is
// found and used, and the keyboard goes on being one.
func TestKeyboardAndKey(t *testing.T) {
	onBackends(t, func(t *testing.T, backend string) {
		k := plugIn(t, options{keyboard: true})
		if got := interfaceOf(t, k.find(backend)); got != "1" {
			t.Fatalf("interface %q was found", got)
		}
		if l := discover.List(t.Context(), discover.Options{HIDBackend: backend}); len(l.Devices) != 1 || l.LeftOut != nil {
			t.Errorf("list %+v", l)
		}
		k.await("a keyboard", func() bool { return k.driver("0") == "usbhid" })
		conn := k.connect(backend)
		if _, err := conn.Channel.Ping(t.Context(), pattern(1000)); err != nil {
			t.Error(err)
		}
		if got := k.driver("0"); got != "usbhid" {
			t.Errorf("while the key is open the keyboard has the driver %q", got)
		}
		if got, want := k.driver("1"), map[string]string{discover.Hidraw: "usbhid", discover.USBHID: "usbfs"}[backend]; got != want {
			t.Errorf("the key has the driver %q, want %q", got, want)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		for _, number := range []string{"0", "1"} {
			if got := k.driver(number); got != "usbhid" {
				t.Errorf("afterwards interface %s has the driver %q", number, got)
			}
		}
	})
}
