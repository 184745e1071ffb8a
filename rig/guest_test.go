//go:build linux

package rig

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/ctaphid/usbip"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/discover"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// limit is how long a test waits for what must happen. The guest computes about
// twenty times slower than its host, and shares that.
const limit = time.Minute

// guest skips a test outside of the guest.
func guest(t *testing.T) {
	t.Helper()
	if os.Getenv("TOUCHSTONE_RIG") != "guest" {
		t.Skip("NOT RUN: needs a guest with vhci_hcd of its own; scripts/rig boots one and runs this test there")
	}
}

// Numbers of the software key on USB: 1209 is pid.codes, F1D0 nobody's.
const (
	vendorID  = 0x1209
	productID = 0xF1D0
	maker     = "Touchstone"
	product   = "Software key"
)

// options are how a key is to be.
type options struct {
	virtual  virtual.Config
	first    ctaphid.ChannelID
	keyboard bool
	wrap     func(ctaphid.ReportConn) ctaphid.ReportConn // between USB and the key
}

// key is a software key in a USB port of the guest.
type key struct {
	t      *testing.T
	device *usbip.Device
	plug   *usbip.Attachment
	serial string
}

// wrapped is a key with something between it and USB.
type wrapped struct {
	*ctaphid.Device
	wrap func(ctaphid.ReportConn) ctaphid.ReportConn
}

func (w wrapped) Connect() ctaphid.ReportConn { return w.wrap(w.Device.Connect()) }

var serials atomic.Int32

// plugIn plugs a key in until the test ends. Its serial number is its own.
func plugIn(t *testing.T, o options) *key {
	t.Helper()
	guest(t)
	authenticator, err := virtual.New(o.virtual)
	if err != nil {
		t.Fatal(err)
	}
	hid := onHID(authenticator, o.first)
	var behind usbip.Key = hid
	if o.wrap != nil {
		behind = wrapped{hid, o.wrap}
	}
	k := &key{t: t, serial: fmt.Sprintf("RIG%04d", serials.Add(1))}
	k.device, err = usbip.NewDevice(behind, usbip.Config{
		VendorID: vendorID, ProductID: productID, Release: 0x0100, Keyboard: o.keyboard,
		Manufacturer: maker, Product: product, Serial: k.serial,
	})
	if err != nil {
		t.Fatal(err)
	}
	k.insert()
	t.Cleanup(func() {
		k.pull()
		hid.Close()
		authenticator.Close()
	})
	return k
}

// onHID puts a key behind CTAPHID, with the version and capabilities of its model.
func onHID(key *virtual.Authenticator, first ctaphid.ChannelID) *ctaphid.Device {
	model := key.Profile()
	caps := ctaphid.Capability(model.Capabilities())
	return ctaphid.NewDevice(key.Handler(), ctaphid.DeviceConfig{
		Version: model.HID.Version, Capabilities: &caps, FirstChannel: first, Timeout: limit,
	})
}

// insert puts the key into a port, at first or after it was pulled out.
func (k *key) insert() {
	k.t.Helper()
	plug, err := usbip.Attach(k.device)
	if err != nil {
		k.t.Fatal(err)
	}
	k.plug = plug
}

// pull pulls the key out and waits until the system has forgotten it.
func (k *key) pull() {
	k.t.Helper()
	if err := k.plug.Close(); err != nil {
		k.t.Error(err)
	}
	k.await("gone", func() bool { return !slices.ContainsFunc(usbDevices(k.t), k.isMe) })
}

func (k *key) isMe(dir string) bool { return attribute(dir, "serial") == k.serial }

// await waits until something is so.
func (k *key) await(what string, so func() bool) {
	k.t.Helper()
	for end := time.Now().Add(limit); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			k.t.Fatalf("the key with serial number %s is not %s after %v", k.serial, what, limit)
		}
	}
}

// usbDevices are the directories of devices and interfaces in sysfs.
func usbDevices(t *testing.T) []string {
	t.Helper()
	const dir = "/sys/bus/usb/devices/"
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, dir+e.Name())
	}
	return all
}

func attribute(dir, name string) string {
	b, err := os.ReadFile(dir + "/" + name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// dir is the key's directory in sysfs.
func (k *key) dir() string {
	k.t.Helper()
	all := usbDevices(k.t)
	i := slices.IndexFunc(all, k.isMe)
	if i < 0 {
		k.t.Fatalf("no USB device has the serial number %s", k.serial)
	}
	return all[i]
}

// backends are the ways to a key on USB.
var backends = []string{discover.Hidraw, discover.USBHID}

// onBackends runs a test on each.
func onBackends(t *testing.T, test func(t *testing.T, backend string)) {
	for _, backend := range backends {
		t.Run(backend, func(t *testing.T) {
			guest(t)
			test(t, backend)
		})
	}
}

// find waits until a backend lists the key, and returns its entry.
func (k *key) find(backend string) devices.Info {
	k.t.Helper()
	var found devices.Info
	k.await("listed by "+backend, func() bool {
		l := discover.List(k.t.Context(), discover.Options{HIDBackend: backend})
		if !slices.Contains(l.Looked, backend) {
			k.t.Fatalf("%s could not look: %v", backend, l.Failures)
		}
		i := slices.IndexFunc(l.Devices, func(i devices.Info) bool { return i.Serial == k.serial })
		if i >= 0 {
			found = l.Devices[i]
		}
		return i >= 0
	})
	return found
}

// link opens the key.
func (k *key) link(backend string) devices.Link {
	k.t.Helper()
	link, err := discover.Open(k.t.Context(), k.find(backend))
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { link.Close() })
	return link
}

// connect opens the key and asks for a channel. The connection is closed when
// the test ends, if it was not before.
func (k *key) connect(backend string) *devices.Conn {
	k.t.Helper()
	conn, err := devices.Connect(k.t.Context(), k.link(backend), devices.Options{HID: ctaphid.Config{Silence: limit / 3}})
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { conn.Close() })
	return conn
}

// pattern is n bytes that differ from their neighbours.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// idler is a user who never touches the key.
type idler struct{ asked, released chan struct{} } // closed when the touch is asked for, and when it no longer is

func newIdler() idler { return idler{make(chan struct{}), make(chan struct{})} }

// wait is the [virtual.Presence] of the idler, for one request.
func (i idler) wait(ctx context.Context) virtual.Decision {
	close(i.asked)
	defer close(i.released)
	<-ctx.Done()
	return virtual.DecisionTimedOut
}
